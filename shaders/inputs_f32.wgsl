// Uses: nothing
// inputs_f32.wgsl: samples as 32-bit floats.

alias Input4 = vec4<f32>;   // four samples of a feature, or four features of a sample

const INPUT_SCALE = 1.0;

fn input_values(input4: Input4) -> vec4<f32> {
    return input4;
}

fn pack_inputs(values: vec4<f32>) -> Input4 {
    return values;
}
