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
    let lane = local % 8u;
    let weights = (replica * network.parameter_vec4s + layer.weight_start) / 2u + min(first_neuron, layer.inputs - 1u) * stride;
    let above = row_start(replica, layer.output_row) + sample4;

    var sums: Tile;
    for (var octet = 0u; octet < stride; octet++) {
        let low = delta_columns(above, 8u * octet, layer.outputs);
        let high = delta_columns(above, 8u * octet + 4u, layer.outputs);
        add_tile(&sums, low, high, load_tile(weights + octet, stride, max(row_count, 1u) - 1u, lane));
    }

    let offset = row_start(replica, layer.input_row + first_neuron) + sample4;
    let stored_rows = select(0u, row_count, in_bounds);
    mask_octet(&sums, offset, stored_rows, local, 0u);
    if TILE_OCTETS > 1u {
        mask_octet(&sums, offset, stored_rows, local, 1u);
    }
    if TILE_OCTETS > 2u {
        mask_octet(&sums, offset, stored_rows, local, 2u);
    }
    if TILE_OCTETS > 3u {
        mask_octet(&sums, offset, stored_rows, local, 3u);
    }
    store_masks(replica, network.row_count + layer.input_row + first_neuron, row_count, sample4, local, in_bounds, 0u);
}

// Four neurons' deltas of a sample4; indices after the last neuron repeat it, and have weights of zero.
fn delta_columns(above: u32, first: u32, outputs: u32) -> mat4x4<f32> {
    let rows = above + min(vec4(first) + vec4(0u, 1u, 2u, 3u), vec4(outputs - 1u)) * batch.sample4s;
    return mat4x4(deltas[rows.x], deltas[rows.y], deltas[rows.z], deltas[rows.w]);
}

// Deltas of an octet of neurons from their sums, where the neuron is active.
fn mask_octet(sums: ptr<function, Tile>, offset: u32, stored_rows: u32, local: u32, tile_octet: u32) {
    for (var index = 0u; index < 8u; index++) {
        let row = 8u * tile_octet + index;
        var delta = vec4<f32>();
        if row < stored_rows {
            let own = offset + row * batch.sample4s;
            delta = select(vec4<f32>(), (*sums)[index][tile_octet], activations[own] > vec4<f32>());
            deltas[own] = delta;
        }
        (*sums)[index][tile_octet] = delta;
    }
    for (var index = 0u; index < 8u; index++) {
        share_mask(local, 8u * tile_octet + index, sample4_bits((*sums)[index][tile_octet] != vec4<f32>()));
    }
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
