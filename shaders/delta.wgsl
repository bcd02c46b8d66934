// Uses: state, masks, columns, tile
// delta.wgsl: delta^l = (W^(l+1)^T delta^(l+1)) * [z^l > 0] (eqs. 5 and 6).
//
// One invocation owns TILE_ROWS neurons of layer l for one sample4 and walks over the neurons of
// layer l + 1, eight at a time. Eight neighbours share the weights and together write one mask word a neuron. Outputs are
// written. ReLU'(0) = 0: the activation is positive exactly where z is.

// `layer` is layer l + 1, whose weights carry the deltas back. Called by whole workgroups.
fn delta_tile(replica: u32, layer: Layer, tile: u32, sample4: u32, local: u32, in_bounds: bool) {
    let first_neuron = tile * TILE_ROWS;
    let row_count = min(layer.inputs - min(first_neuron, layer.inputs), TILE_ROWS);
    let stride = layer.weight_stride / 2u;
    let sample4s = batch.sample4s;
    let weights = (replica * network.parameter_vec4s + layer.weight_start) / 2u + min(first_neuron, layer.inputs - 1u) * stride;
    let above = row_start(replica, layer.output_row) + sample4;

    var sums: Tile;
    for (var octet = 0u; octet < stride; octet++) {
        let low = delta_columns(above, 8u * octet, layer.outputs);
        let high = delta_columns(above, 8u * octet + 4u, layer.outputs);
        add_tile(&sums, low, high, weights + octet, stride, max(row_count, 1u) - 1u);
    }

    let offset = row_start(replica, layer.input_row + first_neuron) + sample4;
    for (var row = 0u; row < TILE_ROWS; row++) {
        var delta = vec4<f32>();
        if in_bounds && row < row_count {
            let own = offset + row * sample4s;
            delta = select(vec4<f32>(), sums[row], activations[own] > vec4<f32>());
            deltas[own] = delta;
        }
        share_mask(local, row, sample4_bits(delta != vec4<f32>()));
    }
    store_masks(replica, network.row_count + layer.input_row + first_neuron, row_count, sample4, local, in_bounds, 0u);
}

// Four neurons' deltas of a sample4; indices after the last neuron repeat it, and have weights of zero.
fn delta_columns(above: u32, first: u32, outputs: u32) -> mat4x4<f32> {
    let rows = above + min(vec4(first) + vec4(0u, 1u, 2u, 3u), vec4(outputs - 1u)) * batch.sample4s;
    return mat4x4(deltas[rows.x], deltas[rows.y], deltas[rows.z], deltas[rows.w]);
}

fn shared_octet(index: u32) -> Octet {
    return parameters[index];
}

// The deltas of the inputs of batch.layer, for all replicas.
@compute @workgroup_size(WORKGROUP_SIZE)
fn delta(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let index = flat_index(id, groups);
    let layer = network.layers[batch.layer];
    let tiles = (layer.inputs + TILE_ROWS - 1u) / TILE_ROWS;
    let sample4 = index % batch.sample4s;
    let tile = index / batch.sample4s % tiles;
    let replica = index / batch.sample4s / tiles;
    let in_bounds = replica < network.replica_count;
    delta_tile(min(replica, network.replica_count - 1u), layer, tile, sample4, local, in_bounds);
}
