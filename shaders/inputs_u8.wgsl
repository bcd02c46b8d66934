// Uses: stored
// inputs_u8.wgsl: gathered batches of bytes.

alias Input4 = u32;         // four samples of a feature

fn input_values(input4: Input4) -> vec4<f32> {
    return stored_values(input4);
}

// One of them.
fn input_value(input4: Input4, i: u32) -> f32 {
    return f32((input4 >> (8u * i)) & 255u);
}

fn pack_inputs(values: vec4<f32>) -> Input4 {
    let bytes = vec4<u32>(values) << vec4(0u, 8u, 16u, 24u);
    return bytes.x | bytes.y | bytes.z | bytes.w;
}
