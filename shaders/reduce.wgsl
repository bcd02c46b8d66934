// Uses: columns, tile, inputs, common
// reduce.wgsl: the heart. Gradient sum S and adaptive batch size c of every parameter of all layers, in
// one pass (algorithm 2):
//
//   S_jk = sum_i delta_j,i a_k,i        c_jk = popcount(mask(a_k) & mask(delta_j))
//
// The count is factored: a product is non-zero where both factors are, 32 samples a word. Biases belong to
// the input that is always 1.
//
// One invocation owns four inputs k by TILE_ROWS neurons j and walks over the samples of the batch. In the first layer the inputs come in the order of select.wgsl's list, whose
// inactive end has S = 0 and c = 0. What becomes of S and c is up to reduce_store.wgsl or reduce_update.wgsl.

@group(0) @binding(2) var<storage, read> inputs: array<InputOctet>;            // (T, R, K, B)
@group(0) @binding(3) var<storage, read> input_masks: array<u32>;              // (T, R, B / 32, K)
@group(0) @binding(4) var<storage, read> features: array<vec4<u32>>;           // (T, R, 1 + K / 4)
@group(0) @binding(5) var<storage, read> activations: array<Octet>;            // (R, N, B)
@group(0) @binding(6) var<storage, read> deltas: array<Octet>;                 // (R, N, B)
@group(0) @binding(7) var<storage, read> masks: array<vec4<u32>>;              // (R, B / 32, 2 N)

fn shared_octet(index: u32) -> Octet {
    return deltas[index];
}

// c of four inputs for each neuron of the tile.
alias Counts = array<vec4<u32>, TILE_ROWS>;

// S_jk += a_k delta_j for eight samples of each of four inputs.
fn add_samples(sums: ptr<function, Tile>, a: Octet, b: Octet, c: Octet, d: Octet, first: u32, stride: u32, last: u32) {
    let low = transpose(mat4x4(a.low, b.low, c.low, d.low));
    let high = transpose(mat4x4(a.high, b.high, c.high, d.high));
    add_tile(sums, low, high, first, stride, last);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn reduce(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    var tiles_per_replica = 0u;
    for (var l = 0u; l < network.layer_count; l++) {
        tiles_per_replica += layer_tiles(l);
    }
    let index = flat_index(id, groups);
    let replica = min(index / tiles_per_replica, network.replica_count - 1u);
    var tile = index % tiles_per_replica;
    var l = 0u;
    while tile >= layer_tiles(l) {
        tile -= layer_tiles(l);
        l++;
    }
    let layer = network.layers[l];
    let octets = batch.sample4s / 2u;
    let words = batch.sample4s / 8u;
    let column = tile % column_count(layer);
    let first_neuron = tile / column_count(layer) * TILE_ROWS;
    let last = layer.outputs - 1u - first_neuron;

    let list = features_start(replica);
    let is_data = layer.reads_data == 1u;
    let hidden_inputs = vec4(4u * column) + vec4(0u, 1u, 2u, 3u);
    let own_inputs = select(hidden_inputs, features[list + 1u + column], is_data);
    let active_columns = select(column_count(layer), (features[list].x + 3u) / 4u, is_data);
    let is_active = column < active_columns;

    var sums: Tile;
    let delta = row_start(replica, layer.output_row + first_neuron) / 2u;
    if is_data && is_active {
        let data = vec4(input_start(replica, 0u) / 2u) + own_inputs * octets;
        for (var octet = 0u; octet < octets; octet++) {
            let a = input_octet(inputs[data.x + octet]);
            let b = input_octet(inputs[data.y + octet]);
            let c = input_octet(inputs[data.z + octet]);
            let d = input_octet(inputs[data.w + octet]);
            add_samples(&sums, a, b, c, d, delta + octet, octets, last);
        }
    } else if is_active {
        let hidden = row_start(replica, layer.input_row + 4u * column) / 2u;
        for (var octet = 0u; octet < octets; octet++) {
            let own = hidden + octet;
            add_samples(&sums, activations[own], activations[own + octets], activations[own + 2u * octets], activations[own + 3u * octets], delta + octet, octets, last);
        }
    }

    var counts: Counts;
    let counted_words = select(0u, words, is_active && counts_wanted(replica));
    let delta_row = network.row_count + layer.output_row + first_neuron;
    for (var word = 0u; word < counted_words; word++) {
        let start = mask_start(replica, word);
        var columns = masks[(start + layer.input_row) / 4u + column];
        if is_data {
            let data_masks = vec4(input_mask_start(replica, word)) + own_inputs;
            columns = vec4(input_masks[data_masks.x], input_masks[data_masks.y], input_masks[data_masks.z], input_masks[data_masks.w]);
        }
        let low = masks[(start + delta_row) / 4u];
        let high = masks[(start + delta_row + min(last, 4u)) / 4u];
        for (var row = 0u; row < 4u; row++) {
            counts[row] += countOneBits(columns & vec4(low[row]));
            counts[4u + row] += countOneBits(columns & vec4(high[row]));
        }
    }

    let is_stored = index / tiles_per_replica < network.replica_count && (is_active || STORES_INACTIVE);
    let start = (replica * network.parameter_vec4s + layer.weight_start + first_neuron / 4u) / 2u;
    let divisor = select(1.0, INPUT_ONE, is_data);
    for (var input = 0u; input < 4u; input++) {
        // Rows of zeros have no parameters.
        if is_stored && own_inputs[input] <= layer.inputs {
            finish_input(&sums, &counts, replica, start + own_inputs[input] * (layer.weight_stride / 2u), last, divisor, input);
        }
    }
}

// The parameters of one of the four inputs.
fn finish_input(sums: ptr<function, Tile>, counts: ptr<function, Counts>, replica: u32, offset: u32, last: u32, divisor: f32, input: u32) {
    // Indices after the last neuron stay zero.
    let is_low = vec4(0u, 1u, 2u, 3u) <= vec4(last);
    let is_high = vec4(4u, 5u, 6u, 7u) <= vec4(last);
    let low = vec4((*sums)[0][input], (*sums)[1][input], (*sums)[2][input], (*sums)[3][input]);
    let high = vec4((*sums)[4][input], (*sums)[5][input], (*sums)[6][input], (*sums)[7][input]);
    let low_counts = vec4((*counts)[0][input], (*counts)[1][input], (*counts)[2][input], (*counts)[3][input]);
    let high_counts = vec4((*counts)[4][input], (*counts)[5][input], (*counts)[6][input], (*counts)[7][input]);
    let octet = Octet(select(vec4<f32>(), low / divisor, is_low), select(vec4<f32>(), high / divisor, is_high));
    finish(replica, offset, octet, select(vec4<u32>(), low_counts, is_low), select(vec4<u32>(), high_counts, is_high));
}

// Fours of inputs, the one that is always 1 included.
fn column_count(layer: Layer) -> u32 {
    return select(layer.inputs / 4u + 1u, network.input_rows / 4u, layer.reads_data == 1u);
}

// Invocations that layer l takes.
fn layer_tiles(l: u32) -> u32 {
    let layer = network.layers[l];
    return column_count(layer) * ((layer.outputs + TILE_ROWS - 1u) / TILE_ROWS);
}
