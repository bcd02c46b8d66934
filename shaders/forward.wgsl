// Uses: state, masks, columns
// forward.wgsl: a^l = ReLU(W^l a^(l-1) + b^l), and the logits for the last layer.
//
// One invocation owns TILE_ROWS neurons of one sample4: it loads four inputs of its four samples
// (a 4 x 4 matrix) and the weights of each neuron for them, and multiplies. Eight neighbours share their
// weights and together write one mask word a neuron. Outputs are written. The row of ones that follows a
// layer's neurons, and its mask, are there before the first step and stay.
//
// In the first layer only the features that select.wgsl listed as active are read: the others are zero in
// the whole batch.

// z_j += X w_j for the neurons of the tile; X has a column of four samples for each of the four inputs.
fn add_weighted(z: ptr<function, Tile>, columns: mat4x4<f32>, weights: u32, inputs: vec4<u32>, layer: Layer) {
    // Rows of zeros have no weights of their own.
    let rows = weights + min(inputs, vec4(layer.inputs)) * (layer.weight_stride / 2u);
    let a = parameters[rows.x];
    let b = parameters[rows.y];
    let c = parameters[rows.z];
    let d = parameters[rows.w];
    let low = transpose(mat4x4(a.low, b.low, c.low, d.low));
    let high = transpose(mat4x4(a.high, b.high, c.high, d.high));
    for (var row = 0u; row < 4u; row++) {
        (*z)[row] = add_product((*z)[row], columns, low[row]);
        (*z)[4u + row] = add_product((*z)[4u + row], columns, high[row]);
    }
}

// Called by whole workgroups, for the barriers; `in_bounds` is false for invocations past the end.
fn forward_tile(replica: u32, layer: Layer, tile: u32, sample4: u32, local: u32, in_bounds: bool) {
    let weights = (replica * network.parameter_vec4s + layer.weight_start) / 2u + min(tile, layer.weight_stride / 2u - 1u);
    let sample4s = batch.sample4s;
    var z: Tile;

    if layer.reads_data == 1u {
        let list = features_start(replica);
        let data = input_start(replica, 0u) + sample4;
        for (var four = 0u; four < (features[list].x + 3u) / 4u; four++) {
            let k = features[list + 1u + four];
            let columns = mat4x4(
                input_values(inputs[data + k.x * sample4s]),
                input_values(inputs[data + k.y * sample4s]),
                input_values(inputs[data + k.z * sample4s]),
                input_values(inputs[data + k.w * sample4s]),
            );
            add_weighted(&z, columns, weights, k, layer);
        }
    } else {
        let hidden = row_start(replica, layer.input_row) + sample4;
        for (var k = 0u; k <= layer.inputs; k += 4u) {
            let first = hidden + k * sample4s;
            let columns = mat4x4(activations[first], activations[first + sample4s], activations[first + 2u * sample4s], activations[first + 3u * sample4s]);
            add_weighted(&z, columns, weights, vec4(k) + vec4(0u, 1u, 2u, 3u), layer);
        }
    }

    let first_neuron = tile * TILE_ROWS;
    let row_count = min(layer.outputs - min(first_neuron, layer.outputs), TILE_ROWS);
    let offset = row_start(replica, layer.output_row + first_neuron) + sample4;
    let divisor = select(1.0, INPUT_ONE, layer.reads_data == 1u);
    for (var row = 0u; row < TILE_ROWS; row++) {
        // NaN stays NaN, so that a diverged replica shows.
        let sum = z[row] / divisor;
        let is_cut = (sum <= vec4<f32>()) & vec4(layer.is_output == 0u);
        let activation = select(sum, vec4<f32>(), is_cut);
        if in_bounds && row < row_count {
            activations[offset + row * sample4s] = activation;
        }
        share_mask(local, row, sample4_bits(activation != vec4<f32>()));
    }
    store_masks(replica, layer.output_row + first_neuron, row_count, sample4, local, in_bounds, 0xffffffffu);
}

// One layer of all replicas: batch.layer.
@compute @workgroup_size(WORKGROUP_SIZE)
fn forward(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let index = flat_index(id, groups);
    let layer = network.layers[batch.layer];
    let tiles = (layer.outputs + TILE_ROWS - 1u) / TILE_ROWS;
    let sample4 = index % batch.sample4s;
    let tile = index / batch.sample4s % tiles;
    let replica = index / batch.sample4s / tiles;
    let in_bounds = replica < network.replica_count;
    forward_tile(min(replica, network.replica_count - 1u), layer, tile, sample4, local, in_bounds);
}
