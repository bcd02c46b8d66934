// rows_plain.wgsl: eight vec4s that neighbouring invocations share; each loads all eight, and a GPU's
// cache makes the repeats cheap. The kernel defines row_vec4(index).

fn load_rows(first: u32, stride: u32, last: u32, lane: u32) -> array<vec4<f32>, 8> {
    return array(
        row_vec4(first),
        row_vec4(first + min(1u, last) * stride),
        row_vec4(first + min(2u, last) * stride),
        row_vec4(first + min(3u, last) * stride),
        row_vec4(first + min(4u, last) * stride),
        row_vec4(first + min(5u, last) * stride),
        row_vec4(first + min(6u, last) * stride),
        row_vec4(first + min(7u, last) * stride),
    );
}
