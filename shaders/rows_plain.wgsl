// rows_plain.wgsl: vec4s that eight neighbouring invocations share; each loads them all, and a GPU's cache makes
// the repeats cheap. The kernel defines row_vec4(index).

struct Rows {
    first: u32,
    stride: u32,
    last: u32,
}

// Rows 0..last; those after it repeat it.
fn load_rows(first: u32, stride: u32, last: u32, lane: u32) -> Rows {
    return Rows(first, stride, last);
}

fn row(rows: Rows, index: u32) -> vec4<f32> {
    return row_vec4(rows.first + min(index, rows.last) * rows.stride);
}
