// Uses: buffers, norms
// reduce_norms.wgsl: S and c of beta and gamma of all normalized layers, which normalize_back.wgsl left: c counts dy != 0. What becomes
// of them is up to store.wgsl or update.wgsl: finish.
//
// An invocation owns four neurons of a replica.

@compute @workgroup_size(WORKGROUP_SIZE)
fn reduce_norms(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let fours = network.row_count / 4u;
    let index = flat_index(id, groups);
    let replica = index / fours;
    let row = index % fours * 4u;
    if replica >= network.replica_count {
        return;
    }
    for (var l = 0u; l < network.layer_count; l++) {
        let layer = network.layers[l];
        if is_normalized(layer) && row >= layer.output_row && row < layer.output_row + layer.outputs {
            reduce_norm(replica, layer, row);
        }
    }
}

// Neurons from `row` on of the N.
fn reduce_norm(replica: u32, layer: Layer, row: u32) {
    let neuron4 = (row - layer.output_row) / 4u;
    let own = vec4(4u * neuron4) + vec4(0u, 1u, 2u, 3u) < vec4(layer.outputs);
    var counts: vec4<u32>;
    for (var word = 0u; word < batch.sample4s / 8u; word++) {
        let first = mask_start(replica, word) + network.row_count + row;
        counts += countOneBits(vec4(masks[first], masks[first + 1u], masks[first + 2u], masks[first + 3u]));
    }
    counts = select(vec4<u32>(), counts, own);
    let first = replica * network.row_count + row;
    let sums = array(norms[first], norms[first + 1u], norms[first + 2u], norms[first + 3u]);
    let of_beta = select(vec4<f32>(), vec4(sums[0].y, sums[1].y, sums[2].y, sums[3].y), own);
    let of_gamma = select(vec4<f32>(), vec4(sums[0].z, sums[1].z, sums[2].z, sums[3].z), own);
    finish(replica, weight_start(replica, layer, layer.inputs) + neuron4, of_beta, counts);
    finish(replica, gamma_start(replica, layer) + neuron4, of_gamma, counts);
}
