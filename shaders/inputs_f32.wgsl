// Uses: stored
// inputs_f32.wgsl: gathered batches of 32-bit floats: those of the data set, or its bytes times the scale of dropout.

alias Input4 = vec4<f32>;   // four samples of a feature

fn input_values(input4: Input4) -> vec4<f32> {
    return input4;
}

// One of them, without an index that would keep them all in memory.
fn input_value(input4: Input4, i: u32) -> f32 {
    return select(select(input4.x, input4.y, i == 1u), select(input4.z, input4.w, i == 3u), i > 1u);
}

fn pack_inputs(values: vec4<f32>) -> Input4 {
    return values;
}
