// Uses: nothing
// stored_u8.wgsl: a data set that stays 8-bit on the GPU. Kernels compute with the bytes as they are, which are exact in f32, or with
// their multiples, and scale the finished sum.

alias Stored4 = u32;        // four features of a sample

const INPUT_SCALE = 1.0 / 255.0;

fn stored_values(stored4: Stored4) -> vec4<f32> {
    return vec4<f32>((vec4(stored4) >> vec4(0u, 8u, 16u, 24u)) & vec4(255u));
}
