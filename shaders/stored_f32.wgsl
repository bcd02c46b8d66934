// Uses: nothing
// stored_f32.wgsl: a data set of 32-bit floats.

alias Stored4 = vec4<f32>;  // four features of a sample

const INPUT_SCALE = 1.0;

fn stored_values(stored4: Stored4) -> vec4<f32> {
    return stored4;
}
