// state.wgsl: the buffers of forward.wgsl, loss.wgsl and delta.wgsl, which share one bind group.

@group(0) @binding(2) var<storage, read> parameters: array<vec4<f32>>;          // (R, P)
@group(0) @binding(3) var<storage, read> inputs: array<InputQuad>;              // (T, R, K, B)
@group(0) @binding(4) var<storage, read_write> activations: array<vec4<f32>>;   // (R, N, B)
@group(0) @binding(5) var<storage, read_write> activation_masks: array<u32>;    // (R, N, B / 32)
@group(0) @binding(6) var<storage, read_write> deltas: array<vec4<f32>>;        // (R, N, B)
@group(0) @binding(7) var<storage, read_write> delta_masks: array<u32>;         // (R, N, B / 32)
@group(0) @binding(8) var<storage, read> labels: array<vec4<u32>>;              // (T, R, B)

// What load_rows() hands to eight neighbours: weights.
fn row_vec4(index: u32) -> vec4<f32> {
    return parameters[index];
}
