// Uses: norms, buffers
// fold.wgsl: normalized networks as evaluation sees them, with the running statistics: a factor on a neuron's weights, and a bias,
//
//   W' = W gamma / sqrt(running variance + 1e-5)    b' = beta - running mean gamma / sqrt(running variance + 1e-5)
//
// as normalization.rs folds them. An invocation owns a vec4 of a replica's numbers. Outputs are written; what is neither a weight nor a
// bias of a normalized layer is copied, so that divergence.wgsl sees all.

@group(0) @binding(15) var<storage, read_write> folded: array<vec4<f32>>;       // (R, P)

@compute @workgroup_size(WORKGROUP_SIZE)
fn fold(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = flat_index(id, groups);
    let replica = index / network.parameter_vec4s;
    let own = index % network.parameter_vec4s;
    if replica >= network.replica_count {
        return;
    }
    var value = parameters[replica * network.replica_vec4s + own];
    for (var l = 0u; l < network.layer_count; l++) {
        let layer = network.layers[l];
        let biases = layer.weight_start + layer.inputs * layer.weight_stride;
        if is_normalized(layer) && own >= layer.weight_start && own < biases + layer.weight_stride {
            let column = (own - layer.weight_start) % layer.weight_stride;
            let statistics = replica * network.replica_vec4s + statistics_start(l) + column;
            let mean = parameters[statistics];
            let variance = parameters[statistics + layer.weight_stride];
            let scale = parameters[gamma_start(replica, layer) + column] / sqrt(variance + NORM_EPSILON);
            value = select(value * scale, fma(-mean, scale, value), own >= biases);
        }
    }
    folded[index] = value;
}
