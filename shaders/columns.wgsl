// columns.wgsl: four neighbouring rows of one quad as a 4 x 4 matrix: a column of four samples for each
// feature or neuron.

fn input_columns(first: u32) -> mat4x4<f32> {
    return mat4x4(
        input_values(inputs[first]),
        input_values(inputs[first + batch.quads]),
        input_values(inputs[first + 2u * batch.quads]),
        input_values(inputs[first + 3u * batch.quads]),
    );
}

fn activation_columns(first: u32) -> mat4x4<f32> {
    return mat4x4(
        activations[first],
        activations[first + batch.quads],
        activations[first + 2u * batch.quads],
        activations[first + 3u * batch.quads],
    );
}
