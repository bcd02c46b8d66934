// inputs_f32.wgsl: samples as 32-bit floats; a quad is a vec4.

alias InputQuad = vec4<f32>;

fn input_values(quad: InputQuad) -> vec4<f32> {
    return quad;
}

// Four samples of four features each, to four features of four samples each.
fn transpose_inputs(a: InputQuad, b: InputQuad, c: InputQuad, d: InputQuad) -> array<vec4<f32>, 4> {
    return array<vec4<f32>, 4>(
        vec4(a.x, b.x, c.x, d.x),
        vec4(a.y, b.y, c.y, d.y),
        vec4(a.z, b.z, c.z, d.z),
        vec4(a.w, b.w, c.w, d.w),
    );
}
