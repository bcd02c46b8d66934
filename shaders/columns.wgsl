// Uses: nothing
// columns.wgsl: a sample4 of four rows as a 4 x 4 matrix: a column of four samples for each feature or neuron.

// sum + columns * factors, as one chain of fused multiply-adds: 16 instead of the 20 operations of adding a
// finished product.
fn add_product(sum: vec4<f32>, columns: mat4x4<f32>, factors: vec4<f32>) -> vec4<f32> {
    var result = fma(columns[0], vec4(factors.x), sum);
    result = fma(columns[1], vec4(factors.y), result);
    result = fma(columns[2], vec4(factors.z), result);
    return fma(columns[3], vec4(factors.w), result);
}
