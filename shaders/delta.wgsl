// delta.wgsl: delta^l = (W^(l+1)^T delta^(l+1)) * [z^l > 0] (eqs. 5 and 6).
//
// One invocation owns TILE_ROWS neurons of layer l for one quad of samples and walks over the neurons of
// layer l + 1. Eight neighbours share the weights and together write one mask word a neuron. Outputs are
// written. ReLU'(0) = 0: the activation is positive exactly where z is.

// `layer` is layer l + 1, whose weights carry the deltas back. Called by whole workgroups.
fn delta_tile(replica: u32, layer: Layer, tile: u32, quad: u32, local: u32, owned: bool) {
    let first_neuron = tile * TILE_ROWS;
    let last = layer.weight_stride - 1u;
    let first_column = min(first_neuron / 4u, last);
    let lane = local % 8u;
    let weights = replica * network.parameter_vec4s + layer.weight_start + first_column;

    // A column of four samples for each of four neurons.
    var sums: array<mat4x4<f32>, 4>;
    for (var j = 0u; j < layer.outputs; j++) {
        let delta = deltas[row_start(replica, layer.output_row + j) + quad];
        let columns = load_rows(weights + j * layer.weight_stride, 1u, last - first_column, lane);
        for (var column = 0u; column < 4u; column++) {
            let w = columns[column];
            sums[column] += mat4x4(delta * w.x, delta * w.y, delta * w.z, delta * w.w);
        }
    }

    // A copy that may be indexed by a variable: the loop over it stays a loop, which keeps compilation short.
    var rows: array<vec4<f32>, TILE_ROWS>;
    for (var column = 0u; column < 4u; column++) {
        for (var k = 0u; k < 4u; k++) {
            rows[column * 4u + k] = sums[column][k];
        }
    }
    let row_count = min(layer.inputs - min(layer.inputs, first_neuron), TILE_ROWS);
    for (var k = 0u; k < row_count; k++) {
        let row = row_start(replica, layer.input_row + first_neuron + k) + quad;
        let delta = select(vec4<f32>(), rows[k], activations[row] > vec4<f32>());
        if owned {
            deltas[row] = delta;
        }
        share_mask(local, k, quad_bits(delta != vec4<f32>()));
    }
    mask_barrier();
    for (var k = lane; k < TILE_ROWS; k += 8u) {
        if owned && first_neuron + k < layer.inputs {
            delta_masks[mask_start(replica, layer.input_row + first_neuron + k) + quad / 8u] = shared_mask(local, k);
        }
    }
    mask_barrier();
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
