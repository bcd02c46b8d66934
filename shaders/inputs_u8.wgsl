// inputs_u8.wgsl: samples that stay 8-bit on the GPU; a quad is four bytes of one word, 255 means 1.0.

alias InputQuad = u32;

fn input_values(quad: InputQuad) -> vec4<f32> {
    return unpack4x8unorm(quad);
}

// Four samples of four features each, to four features of four samples each.
fn transpose_inputs(a: InputQuad, b: InputQuad, c: InputQuad, d: InputQuad) -> array<InputQuad, 4> {
    let ab_low = (a & 0xffu) | ((b & 0xffu) << 8u) | ((a & 0xff00u) << 8u) | ((b & 0xff00u) << 16u);
    let cd_low = (c & 0xffu) | ((d & 0xffu) << 8u) | ((c & 0xff00u) << 8u) | ((d & 0xff00u) << 16u);
    let ab_high = ((a >> 16u) & 0xffu) | ((b >> 8u) & 0xff00u) | ((a >> 8u) & 0xff0000u) | (b & 0xff000000u);
    let cd_high = ((c >> 16u) & 0xffu) | ((d >> 8u) & 0xff00u) | ((c >> 8u) & 0xff0000u) | (d & 0xff000000u);
    return array(
        (ab_low & 0xffffu) | (cd_low << 16u),
        (ab_low >> 16u) | (cd_low & 0xffff0000u),
        (ab_high & 0xffffu) | (cd_high << 16u),
        (ab_high >> 16u) | (cd_high & 0xffff0000u),
    );
}
