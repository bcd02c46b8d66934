// Uses: nothing
// inputs_u8.wgsl: samples that stay 8-bit on the GPU. Kernels compute with the bytes as they are, which are exact in
// f32, and scale the finished sum.

alias Input4 = u32;         // four samples of a feature, or four features of a sample

const INPUT_SCALE = 1.0 / 255.0;

fn input_values(input4: Input4) -> vec4<f32> {
    return vec4<f32>((vec4(input4) >> vec4(0u, 8u, 16u, 24u)) & vec4(255u));
}

// One of them.
fn input_value(input4: Input4, i: u32) -> f32 {
    return f32((input4 >> (8u * i)) & 255u);
}

fn pack_inputs(values: vec4<f32>) -> Input4 {
    let bytes = vec4<u32>(values) << vec4(0u, 8u, 16u, 24u);
    return bytes.x | bytes.y | bytes.z | bytes.w;
}
