// Uses: norm_block, activation, dropout
// normalize.wgsl: batch normalization (Ioffe and Szegedy 2015, arXiv 1502.03167) of a hidden layer,
//
//   x^ = (z - mean) / sqrt(variance + 1e-5)        a = phi(gamma x^ + beta)
//
// with the mean and the biased variance of z over the samples really in the batch. A workgroup owns a block of norm_block.wgsl. z,
// which forward.wgsl left, becomes a; masks, x^ and 1 / sqrt(variance + 1e-5) are written; the running mean and variance move, by the
// unbiased variance, which one sample does not have.

// Mean and variance of two neurons each.
var<workgroup> found_statistics: array<vec4<f32>, 16>;

// What an invocation knows of its two neurons.
struct Norm {
    mean: vec2<f32>,
    inverse: vec2<f32>,
    gamma: vec2<f32>,
    beta: vec2<f32>,
}

fn deviations(row: u32, sample4: u32, mean: f32) -> vec4<f32> {
    return select(vec4<f32>(), activations[row + sample4] - mean, sample4_is_valid(sample4));
}

// The activations of one neuron; x^ of samples past the batch is 0.
fn finish_norm(replica: u32, l: u32, neuron: u32, row: u32, sample4: u32, mean: f32, inverse: f32, gamma: f32, beta: f32) -> vec4<f32> {
    if neuron >= network.layers[l].outputs {
        return vec4<f32>();
    }
    let values = deviations(row, sample4, mean) * inverse;
    let y = fma(vec4(gamma), values, vec4(beta));
    if KEEPS_SUMS {
        activations[kept_start(replica, network.layers[l].output_row + neuron) + sample4] = y;
    }
    let a = drop_out(dropout_of(replica, batch.t), l, vec4(neuron), samples_of(sample4), activation(y));
    normalized[row + sample4] = values;
    activations[row + sample4] = a;
    return a;
}

fn moved_statistic(running: vec4<f32>, found: vec4<f32>) -> vec4<f32> {
    return (1.0 - NORM_MOMENTUM) * running + NORM_MOMENTUM * found;
}

// The running statistics of four neurons of a block.
fn move_statistics(replica: u32, l: u32, block: u32, four: u32) {
    let layer = network.layers[l];
    let neuron4 = BLOCK / 4u * block + four;
    if neuron4 * 4u >= layer.outputs {
        return;
    }
    let own = vec4(4u * neuron4) + vec4(0u, 1u, 2u, 3u) < vec4(layer.outputs);
    let low = found_statistics[2u * four];
    let high = found_statistics[2u * four + 1u];
    let mean = replica * network.replica_vec4s + statistics_start(l) + neuron4;
    let variance = mean + layer.weight_stride;
    parameters[mean] = select(parameters[mean], moved_statistic(parameters[mean], vec4(low.xy, high.xy)), own);
    if batch.size > 1u {
        let unbiased = vec4(low.zw, high.zw) * (f32(batch.size) / (f32(batch.size) - 1.0));
        parameters[variance] = select(parameters[variance], moved_statistic(parameters[variance], unbiased), own);
    }
}

// Called by whole workgroups.
fn normalize_block(replica: u32, l: u32, block: u32, local: u32) {
    let layer = network.layers[l];
    let rows = rows_of(replica, layer, block, local);
    let neuron = BLOCK * block + local / 8u * 2u;
    let words = batch.sample4s / 8u;
    var own = vec2<f32>();
    for (var word = 0u; word < words; word++) {
        let sample4 = 8u * word + local % 8u;
        own += vec2(sum_of(deviations(rows.a, sample4, 0.0)), sum_of(deviations(rows.b, sample4, 0.0)));
    }
    var norm: Norm;
    norm.mean = sums_of_neurons(own, local) / f32(batch.size);
    own = vec2<f32>();
    for (var word = 0u; word < words; word++) {
        let sample4 = 8u * word + local % 8u;
        let a = deviations(rows.a, sample4, norm.mean.x);
        let b = deviations(rows.b, sample4, norm.mean.y);
        own += vec2(dot(a, a), dot(b, b));
    }
    let variance = sums_of_neurons(own, local) / f32(batch.size);
    norm.inverse = 1.0 / sqrt(variance + NORM_EPSILON);
    norm.gamma = of_neurons(gamma_start(replica, layer), block, local, layer);
    norm.beta = of_neurons(weight_start(replica, layer, layer.inputs), block, local, layer);
    if local % 8u == 0u {
        found_statistics[local / 8u] = vec4(norm.mean, variance);
        let first = replica * network.row_count + layer.output_row + neuron;
        if neuron < layer.outputs {
            norms[first] = vec4(norm.inverse.x, 0.0, 0.0, 0.0);
        }
        if neuron + 1u < layer.outputs {
            norms[first + 1u] = vec4(norm.inverse.y, 0.0, 0.0, 0.0);
        }
    }
    workgroupBarrier();
    if local < 8u {
        move_statistics(replica, l, block, local);
    }
    for (var word = 0u; word < words; word++) {
        let sample4 = 8u * word + local % 8u;
        let a = finish_norm(replica, l, neuron, rows.a, sample4, norm.mean.x, norm.inverse.x, norm.gamma.x, norm.beta.x);
        let b = finish_norm(replica, l, neuron + 1u, rows.b, sample4, norm.mean.y, norm.inverse.y, norm.gamma.y, norm.beta.y);
        store_masks(mask_start(replica, word) + layer.output_row + BLOCK * block, layer.outputs - BLOCK * block, a, b, local);
    }
}

// Layer batch.layer: y is the block of neurons.
@compute @workgroup_size(128)
fn normalize_layer(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    for (var replica = id.z; replica < network.replica_count; replica += groups.z) {
        normalize_block(replica, batch.layer, id.y, local);
    }
}
