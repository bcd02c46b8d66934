// Uses: inputs, common
// buffers.wgsl: what a step reads and writes, numbered alike in all of its kernels. Each binds those that it uses; kernels.rs says
// which of them it writes.

@group(0) @binding(2) var<storage, read_write> parameters: array<vec4<f32>>;    // (R, 1 + M, P)
@group(0) @binding(3) var<storage, read> inputs: array<Input4>;                 // (T, R, K, B)
@group(0) @binding(4) var<storage, read_write> activations: array<vec4<f32>>;   // (R, N, B), and the sums that are kept
@group(0) @binding(5) var<storage, read_write> masks: array<u32>;               // (R, B / 32, 2 N)
@group(0) @binding(6) var<storage, read_write> deltas: array<vec4<f32>>;        // (R, N, B)
@group(0) @binding(7) var<storage, read> features: array<u32>;                  // (T, R, 4 + K)
@group(0) @binding(8) var<storage, read> labels: array<vec4<u32>>;              // (T, R, B); see targets.wgsl
@group(0) @binding(9) var<storage, read> input_masks: array<u32>;               // (T, R, B / 32, K)
// Of normalized layers: x^, and of each neuron 1 / sqrt(variance + 1e-5), then S of beta and of gamma.
@group(0) @binding(13) var<storage, read_write> normalized: array<vec4<f32>>;   // (R, N, B)
@group(0) @binding(14) var<storage, read_write> norms: array<vec4<f32>>;        // (R, N)

// Four samples of a layer's input as they are in memory: to be read before other work, and converted after it, for a conversion
// waits for what it converts.
struct Loaded {
    of_data: Input4,
    of_neurons: vec4<f32>,
}

// Of a feature of the data, a neuron of the layer before, or the one that is always 1.
fn load_input(replica: u32, layer: Layer, input: u32, sample4: u32) -> Loaded {
    var loaded: Loaded;
    if layer.reads_data == 1u {
        loaded.of_data = inputs[input_start(replica, input) + sample4];
    } else {
        loaded.of_neurons = activations[row_start(replica, layer.input_row + input) + sample4];
    }
    return loaded;
}

fn loaded_values(layer: Layer, loaded: Loaded) -> vec4<f32> {
    return select(loaded.of_neurons, input_values(loaded.of_data), layer.reads_data == 1u);
}

// What finished sums over a layer's inputs, or products with them, are multiplied by.
fn input_scale(layer: Layer) -> f32 {
    return select(1.0, INPUT_SCALE, layer.reads_data == 1u);
}
