// delta.wgsl: delta^l = (W^(l+1)^T delta^(l+1)) * [z^l > 0] (eqs. 5 and 6).
//
// One invocation owns TILE_ROWS neurons of layer l for one quad of samples and walks over the neurons of
// layer l + 1, eight at a time. Eight neighbours share the weights and together write one mask word a neuron. Outputs are
// written. ReLU'(0) = 0: the activation is positive exactly where z is.

// `layer` is layer l + 1, whose weights carry the deltas back. Called by whole workgroups.
fn delta_tile(replica: u32, layer: Layer, tile: u32, quad: u32, local: u32, owned: bool) {
    let first_neuron = tile * TILE_ROWS;
    let row_count = min(layer.inputs - min(first_neuron, layer.inputs), TILE_ROWS);
    let stride = layer.weight_stride / 2u;
    let quads = batch.quads;
    let lane = local % 8u;
    let weights = (replica * network.parameter_vec4s + layer.weight_start) / 2u + min(first_neuron, layer.inputs - 1u) * stride;
    let above = row_start(replica, layer.output_row) + quad;

    var sums: Tile;
    for (var octet = 0u; octet < stride; octet++) {
        let low = delta_columns(above, 8u * octet, layer.outputs);
        let high = delta_columns(above, 8u * octet + 4u, layer.outputs);
        add_tile(&sums, low, high, load_tile(weights + octet, stride, max(row_count, 1u) - 1u, lane));
    }

    let place = row_start(replica, layer.input_row + first_neuron) + quad;
    let stored_rows = select(0u, row_count, owned);
    mask_part(&sums, place, stored_rows, local, 0u);
    if TILE_OCTETS > 1u {
        mask_part(&sums, place, stored_rows, local, 1u);
    }
    if TILE_OCTETS > 2u {
        mask_part(&sums, place, stored_rows, local, 2u);
    }
    if TILE_OCTETS > 3u {
        mask_part(&sums, place, stored_rows, local, 3u);
    }
    store_masks(replica, network.row_count + layer.input_row + first_neuron, row_count, quad, local, owned, 0u);
}

// Four neurons' deltas of a quad of samples; places after the last neuron repeat it, and have weights of zero.
fn delta_columns(above: u32, first: u32, outputs: u32) -> mat4x4<f32> {
    let rows = above + min(vec4(first) + vec4(0u, 1u, 2u, 3u), vec4(outputs - 1u)) * batch.quads;
    return mat4x4(deltas[rows.x], deltas[rows.y], deltas[rows.z], deltas[rows.w]);
}

// Deltas of an octet of neurons from their sums, where the neuron is active.
fn mask_part(sums: ptr<function, Tile>, place: u32, stored_rows: u32, local: u32, part: u32) {
    for (var index = 0u; index < 8u; index++) {
        let row = 8u * part + index;
        var delta = vec4<f32>();
        if row < stored_rows {
            let own = place + row * batch.quads;
            delta = select(vec4<f32>(), (*sums)[index][part], activations[own] > vec4<f32>());
            deltas[own] = delta;
        }
        (*sums)[index][part] = delta;
    }
    for (var index = 0u; index < 8u; index++) {
        share_mask(local, 8u * part + index, quad_bits((*sums)[index][part] != vec4<f32>()));
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
    let quad = index % batch.quads;
    let tile = index / batch.quads % tiles;
    let replica = index / batch.quads / tiles;
    let owned = replica < network.replica_count;
    delta_tile(min(replica, network.replica_count - 1u), layer, tile, quad, local, owned);
}
