// forward.wgsl: a^l = ReLU(W^l a^(l-1) + b^l), and the logits for the last layer.
//
// One invocation owns TILE_ROWS neurons of one quad of samples: it loads four inputs of its four samples
// (a 4 x 4 matrix) and the weights of each neuron for them, and multiplies. Eight neighbours share their
// weights and together write one mask word a neuron. Outputs are written. The row of ones that follows a
// layer's neurons, and its mask, are there before the first step and stay.
//
// In the first layer only the features that select.wgsl listed as active take part: the others are zero in
// the whole batch.

// The weights of four inputs.
struct Weights {
    ab: Pair,
    cd: Pair,
}

// z_j += X w_j for the neurons of an octet; X has a column of four samples for each of the four inputs. Mesa unrolls
// loops up to some hundred scalar operations a turn; hence one for each octet.
fn add_weighted_part(z: ptr<function, Tile>, columns: mat4x4<f32>, weights: Weights, part: u32) {
    let a = pick_first(weights.ab, part);
    let b = pick_second(weights.ab, part);
    let c = pick_first(weights.cd, part);
    let d = pick_second(weights.cd, part);
    for (var place = 0u; place < 8u; place++) {
        let factors = vec4(pair_value(weights.ab, a, place), pair_value(weights.ab, b, place), pair_value(weights.cd, c, place), pair_value(weights.cd, d, place));
        (*z)[place][part] = add_product((*z)[place][part], columns, factors);
    }
}

// The same for all neurons of the tile.
fn add_weighted(z: ptr<function, Tile>, columns: mat4x4<f32>, weights: Weights) {
    add_weighted_part(z, columns, weights, 0u);
    if TILE_OCTETS > 1u {
        add_weighted_part(z, columns, weights, 1u);
    }
    if TILE_OCTETS > 2u {
        add_weighted_part(z, columns, weights, 2u);
    }
    if TILE_OCTETS > 3u {
        add_weighted_part(z, columns, weights, 3u);
    }
}

// The weights of four inputs: octets 0..last from `weights` on.
fn load_weights(weights: u32, inputs: vec4<u32>, layer: Layer, last: u32, lane: u32) -> Weights {
    // Rows of zeros have no weights of their own.
    let first = weights + min(inputs, vec4(layer.inputs)) * (layer.weight_stride / 2u);
    return Weights(load_pair(first.x, first.y, last, lane), load_pair(first.z, first.w, last, lane));
}

// Called by whole workgroups, for the barriers; `owned` is false for invocations past the end.
fn forward_tile(replica: u32, layer: Layer, tile: u32, quad: u32, local: u32, owned: bool) {
    let octets = layer.weight_stride / 2u;
    let first_octet = min(tile * TILE_OCTETS, octets - 1u);
    let last = octets - 1u - first_octet;
    let weights = (replica * network.parameter_vec4s + layer.weight_start) / 2u + first_octet;
    let lane = local % 8u;
    let quads = batch.quads;
    var z: Tile;

    // Only one of the two loops runs. (Software Vulkan executes both sides of an if, but leaves a loop.)
    let list = features_start(replica);
    let feature_quads = (features[list].x + 3u) / 4u * layer.reads_data;
    let data = input_start(replica, 0u) + quad;
    for (var first = 0u; first < feature_quads; first += 8u) {
        let end = min(feature_quads - first, 8u);
        let listed = load_words(list + 1u + first, 1u, end - 1u, lane);
        for (var i = 0u; i < end; i++) {
            let k = word(listed, i);
            let columns = mat4x4(
                input_values(inputs[data + k.x * quads]),
                input_values(inputs[data + k.y * quads]),
                input_values(inputs[data + k.z * quads]),
                input_values(inputs[data + k.w * quads]),
            );
            add_weighted(&z, columns, load_weights(weights, k, layer, last, lane));
        }
    }
    let hidden = row_start(replica, layer.input_row) + quad;
    for (var k = 0u; k < (layer.inputs + 1u) * (1u - layer.reads_data); k += 4u) {
        let first = hidden + k * quads;
        let columns = mat4x4(activations[first], activations[first + quads], activations[first + 2u * quads], activations[first + 3u * quads]);
        add_weighted(&z, columns, load_weights(weights, vec4(k) + vec4(0u, 1u, 2u, 3u), layer, last, lane));
    }

    let first_neuron = tile * TILE_ROWS;
    let row_count = min(layer.outputs - min(first_neuron, layer.outputs), TILE_ROWS);
    let place = row_start(replica, layer.output_row + first_neuron) + quad;
    let stored_rows = select(0u, row_count, owned);
    activate_part(&z, layer, place, stored_rows, local, 0u);
    if TILE_OCTETS > 1u {
        activate_part(&z, layer, place, stored_rows, local, 1u);
    }
    if TILE_OCTETS > 2u {
        activate_part(&z, layer, place, stored_rows, local, 2u);
    }
    if TILE_OCTETS > 3u {
        activate_part(&z, layer, place, stored_rows, local, 3u);
    }
    store_masks(replica, layer.output_row + first_neuron, row_count, quad, local, owned, 0xffffffffu);
}

// Activations of an octet of neurons from their finished sums.
fn activate_part(z: ptr<function, Tile>, layer: Layer, place: u32, stored_rows: u32, local: u32, part: u32) {
    let divisor = select(1.0, INPUT_ONE, layer.reads_data == 1u);
    for (var index = 0u; index < 8u; index++) {
        let row = 8u * part + index;
        // NaN stays NaN, so that a diverged replica shows.
        let sum = (*z)[index][part] / divisor;
        let is_cut = (sum <= vec4<f32>()) & vec4(layer.is_output == 0u);
        let activation = select(sum, vec4<f32>(), is_cut);
        if row < stored_rows {
            activations[place + row * batch.quads] = activation;
        }
        (*z)[index][part] = activation;
    }
    for (var index = 0u; index < 8u; index++) {
        share_mask(local, 8u * part + index, quad_bits((*z)[index][part] != vec4<f32>()));
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
    let quad = index % batch.quads;
    let tile = index / batch.quads % tiles;
    let replica = index / batch.quads / tiles;
    let owned = replica < network.replica_count;
    forward_tile(min(replica, network.replica_count - 1u), layer, tile, quad, local, owned);
}
