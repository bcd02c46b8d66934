// Uses: norm_block
// normalize_back.wgsl: dz of a normalized layer from dy, which delta.wgsl left, through the statistics of the batch:
//
//   dz = gamma / sqrt(variance + 1e-5) (dy - mean(dy) - x^ mean(dy x^))
//
// A workgroup owns a block of norm_block.wgsl. dy becomes dz, 0 for samples past the batch; masks stay those of dy, whose zeros are
// what does not count. The gradient sums of beta, sum dy, and of gamma, sum dy x^, are written for reduce_norms.wgsl.

fn finish_delta(row: u32, sample4: u32, mean: f32, slope: f32, scale: f32) {
    let centred = deltas[row + sample4] - mean;
    let delta = scale * (centred - normalized[row + sample4] * slope);
    deltas[row + sample4] = select(vec4<f32>(), delta, sample4_is_valid(sample4));
}

// Called by whole workgroups.
fn normalize_back_block(replica: u32, l: u32, block: u32, local: u32) {
    let layer = network.layers[l];
    let rows = rows_of(replica, layer, block, local);
    let neuron = BLOCK * block + local / 8u * 2u;
    let words = batch.sample4s / 8u;
    var of_beta = vec2<f32>();
    var of_gamma = vec2<f32>();
    for (var word = 0u; word < words; word++) {
        let sample4 = 8u * word + local % 8u;
        let a = deltas[rows.a + sample4];
        let b = deltas[rows.b + sample4];
        of_beta += vec2(sum_of(a), sum_of(b));
        of_gamma += vec2(dot(a, normalized[rows.a + sample4]), dot(b, normalized[rows.b + sample4]));
    }
    let beta_sums = sums_of_neurons(of_beta, local);
    let gamma_sums = sums_of_neurons(of_gamma, local);
    let first = replica * network.row_count + layer.output_row;
    let own = min(vec2(neuron, neuron + 1u), vec2(layer.outputs - 1u)) + first;
    let inverse = vec2(norms[own.x].x, norms[own.y].x);
    let scale = of_neurons(gamma_start(replica, layer), block, local, layer) * inverse;
    let mean = beta_sums / f32(batch.size);
    let slope = gamma_sums / f32(batch.size);
    // All eight have read what the first of them writes.
    storageBarrier();
    if neuron < layer.outputs {
        for (var word = 0u; word < words; word++) {
            finish_delta(rows.a, 8u * word + local % 8u, mean.x, slope.x, scale.x);
        }
        if local % 8u == 0u {
            norms[own.x] = vec4(inverse.x, beta_sums.x, gamma_sums.x, 0.0);
        }
    }
    if neuron + 1u < layer.outputs {
        for (var word = 0u; word < words; word++) {
            finish_delta(rows.b, 8u * word + local % 8u, mean.y, slope.y, scale.y);
        }
        if local % 8u == 0u {
            norms[own.y] = vec4(inverse.y, beta_sums.y, gamma_sums.y, 0.0);
        }
    }
}

// Layer batch.layer: y is the block of neurons.
@compute @workgroup_size(128)
fn normalize_back(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    for (var replica = id.z; replica < network.replica_count; replica += groups.z) {
        normalize_back_block(replica, batch.layer, id.y, local);
    }
}
