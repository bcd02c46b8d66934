// Uses: common
// norms.wgsl: which layers are normalized (batch normalization), and where the numbers of their neurons are. beta is in the row of
// biases, gamma in the row after it; the running mean and variance, which no rule moves, are after the parameters of all layers.

// Whether the networks are normalized. Without, a kernel has nothing of it; evaluation never is: see fold.wgsl.
override HAS_BATCH_NORM = true;

const NORM_EPSILON = 1e-5;  // EPSILON of normalization.rs
const NORM_MOMENTUM = 0.1;  // MOMENTUM of normalization.rs

fn has_norms() -> bool {
    return HAS_BATCH_NORM && network.moved_vec4s < network.parameter_vec4s;
}

fn is_normalized(layer: Layer) -> bool {
    return has_norms() && layer.is_output == 0u;
}

// First vec4 of gamma of a layer.
fn gamma_start(replica: u32, layer: Layer) -> u32 {
    return weight_start(replica, layer, layer.inputs + 1u);
}

// First vec4 of the running means of layer `l`, within a replica's numbers; the variances are a row later.
fn statistics_start(l: u32) -> u32 {
    var start = network.moved_vec4s;
    for (var below = 0u; below < l; below++) {
        start += 2u * network.layers[below].weight_stride;
    }
    return start;
}
