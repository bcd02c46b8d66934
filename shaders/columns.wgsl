// columns.wgsl: four neighbouring rows of one quad as a 4 x 4 matrix: a column of four samples for each
// feature or neuron.

// sum + columns * factors, as one chain of fused multiply-adds: 16 instead of the 20 operations of adding a
// finished product.
fn add_product(sum: vec4<f32>, columns: mat4x4<f32>, factors: vec4<f32>) -> vec4<f32> {
    var result = fma(columns[0], vec4(factors.x), sum);
    result = fma(columns[1], vec4(factors.y), result);
    result = fma(columns[2], vec4(factors.z), result);
    return fma(columns[3], vec4(factors.w), result);
}

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
