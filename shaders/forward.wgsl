// forward.wgsl: a^l = ReLU(W^l a^(l-1) + b^l), and the logits for the last layer.
//
// One invocation owns TILE_ROWS neurons of one sample4: it loads four inputs of its four samples
// (a 4 x 4 matrix) and the weights of each neuron for them, and multiplies. Eight neighbours share their
// weights and together write one mask word a neuron. Outputs are written. The row of ones that follows a
// layer's neurons, and its mask, are there before the first step and stay.
//
// In the first layer only the features that select.wgsl listed as active are read: the others are zero in
// the whole batch.

// The weights of four inputs.
struct Weights {
    ab: Pair,
    cd: Pair,
}

// z_j += X w_j for the neurons of an octet; X has a column of four samples for each of the four inputs. Mesa unrolls
// loops up to some hundred scalar operations an iteration; hence one for each octet.
fn add_weighted_octet(z: ptr<function, Tile>, columns: mat4x4<f32>, weights: Weights, tile_octet: u32) {
    let a = pick_first(weights.ab, tile_octet);
    let b = pick_second(weights.ab, tile_octet);
    let c = pick_first(weights.cd, tile_octet);
    let d = pick_second(weights.cd, tile_octet);
    for (var offset = 0u; offset < 8u; offset++) {
        let factors = vec4(pair_value(weights.ab, a, offset), pair_value(weights.ab, b, offset), pair_value(weights.cd, c, offset), pair_value(weights.cd, d, offset));
        (*z)[offset][tile_octet] = add_product((*z)[offset][tile_octet], columns, factors);
    }
}

// The same for all neurons of the tile.
fn add_weighted(z: ptr<function, Tile>, columns: mat4x4<f32>, weights: Weights) {
    add_weighted_octet(z, columns, weights, 0u);
    if TILE_OCTETS > 1u {
        add_weighted_octet(z, columns, weights, 1u);
    }
    if TILE_OCTETS > 2u {
        add_weighted_octet(z, columns, weights, 2u);
    }
    if TILE_OCTETS > 3u {
        add_weighted_octet(z, columns, weights, 3u);
    }
}

// The weights of four inputs: octets 0..last from `weights` on.
fn load_weights(weights: u32, inputs: vec4<u32>, layer: Layer, last: u32, lane: u32) -> Weights {
    // Rows of zeros have no weights of their own.
    let first = weights + min(inputs, vec4(layer.inputs)) * (layer.weight_stride / 2u);
    return Weights(load_pair(first.x, first.y, last, lane), load_pair(first.z, first.w, last, lane));
}

// Called by whole workgroups, for the barriers; `in_bounds` is false for invocations past the end.
fn forward_tile(replica: u32, layer: Layer, tile: u32, sample4: u32, local: u32, in_bounds: bool) {
    let octets = layer.weight_stride / 2u;
    let first_octet = min(tile * TILE_OCTETS, octets - 1u);
    let last = octets - 1u - first_octet;
    let weights = (replica * network.parameter_vec4s + layer.weight_start) / 2u + first_octet;
    let lane = local % 8u;
    let sample4s = batch.sample4s;
    var z: Tile;

    // Only one of the two loops runs. (Software Vulkan executes both sides of an if, but leaves a loop.)
    let list = features_start(replica);
    let feature_sample4s = (features[list].x + 3u) / 4u * layer.reads_data;
    let data = input_start(replica, 0u) + sample4;
    for (var first = 0u; first < feature_sample4s; first += 8u) {
        let end = min(feature_sample4s - first, 8u);
        let listed = load_words(list + 1u + first, 1u, end - 1u, lane);
        for (var i = 0u; i < end; i++) {
            let k = word(listed, i);
            let columns = mat4x4(
                input_values(inputs[data + k.x * sample4s]),
                input_values(inputs[data + k.y * sample4s]),
                input_values(inputs[data + k.z * sample4s]),
                input_values(inputs[data + k.w * sample4s]),
            );
            add_weighted(&z, columns, load_weights(weights, k, layer, last, lane));
        }
    }
    let hidden = row_start(replica, layer.input_row) + sample4;
    for (var k = 0u; k < (layer.inputs + 1u) * (1u - layer.reads_data); k += 4u) {
        let first = hidden + k * sample4s;
        let columns = mat4x4(activations[first], activations[first + sample4s], activations[first + 2u * sample4s], activations[first + 3u * sample4s]);
        add_weighted(&z, columns, load_weights(weights, vec4(k) + vec4(0u, 1u, 2u, 3u), layer, last, lane));
    }

    let first_neuron = tile * TILE_ROWS;
    let row_count = min(layer.outputs - min(first_neuron, layer.outputs), TILE_ROWS);
    let offset = row_start(replica, layer.output_row + first_neuron) + sample4;
    let stored_rows = select(0u, row_count, in_bounds);
    activate_octet(&z, layer, offset, stored_rows, local, 0u);
    if TILE_OCTETS > 1u {
        activate_octet(&z, layer, offset, stored_rows, local, 1u);
    }
    if TILE_OCTETS > 2u {
        activate_octet(&z, layer, offset, stored_rows, local, 2u);
    }
    if TILE_OCTETS > 3u {
        activate_octet(&z, layer, offset, stored_rows, local, 3u);
    }
    store_masks(replica, layer.output_row + first_neuron, row_count, sample4, local, in_bounds, 0xffffffffu);
}

// Activations of an octet of neurons from their finished sums.
fn activate_octet(z: ptr<function, Tile>, layer: Layer, offset: u32, stored_rows: u32, local: u32, tile_octet: u32) {
    let divisor = select(1.0, INPUT_ONE, layer.reads_data == 1u);
    for (var index = 0u; index < 8u; index++) {
        let row = 8u * tile_octet + index;
        // NaN stays NaN, so that a diverged replica shows.
        let sum = (*z)[index][tile_octet] / divisor;
        let is_cut = (sum <= vec4<f32>()) & vec4(layer.is_output == 0u);
        let activation = select(sum, vec4<f32>(), is_cut);
        if row < stored_rows {
            activations[offset + row * batch.sample4s] = activation;
        }
        (*z)[index][tile_octet] = activation;
    }
    for (var index = 0u; index < 8u; index++) {
        share_mask(local, 8u * tile_octet + index, sample4_bits((*z)[index][tile_octet] != vec4<f32>()));
    }
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
