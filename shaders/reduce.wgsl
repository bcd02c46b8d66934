// reduce.wgsl: the heart. Gradient sum S and adaptive batch size c of every parameter of all layers, in
// one pass (algorithm 2):
//
//   S_jk = sum_i delta_j,i a_k,i        c_jk = popcount(mask(a_k) & mask(delta_j))
//
// The count is factored: a product is non-zero where both factors are, 32 samples a word. Biases belong to
// the input that is always 1.
//
// One invocation owns four inputs k by TILE_ROWS neurons j and walks over the samples of the batch; eight
// neighbours share the deltas. In the first layer the inputs come in the order of select.wgsl's list, whose
// inactive end has S = 0 and c = 0. What becomes of S and c is up to reduce_store.wgsl or reduce_update.wgsl.

@group(0) @binding(2) var<storage, read> inputs: array<InputOctet>;            // (T, R, K, B)
@group(0) @binding(3) var<storage, read> input_masks: array<u32>;              // (T, R, B / 32, K)
@group(0) @binding(4) var<storage, read> features: array<vec4<u32>>;           // (T, R, 1 + K / 4)
@group(0) @binding(5) var<storage, read> activations: array<StoredOctet>;      // (R, N, B)
@group(0) @binding(6) var<storage, read> deltas: array<StoredOctet>;           // (R, N, B)
@group(0) @binding(7) var<storage, read> masks: array<vec4<u32>>;              // (R, B / 32, 2 N)

// What eight neighbours share.
fn shared_octet(index: u32) -> Octet {
    return unpack_octet(deltas[index]);
}

fn word_vec4(index: u32) -> vec4<u32> {
    return masks[index];
}

// c of four inputs each: row 8 p + i of the tile is element p of array i.
alias Counts = array<array<vec4<u32>, 4>, 8>;

// S_jk += a_k delta_j for eight samples of each of four inputs.
fn add_samples(sums: ptr<function, Tile>, a: Octet, b: Octet, c: Octet, d: Octet, rows: TileRows) {
    add_tile(sums, transpose(mat4x4(a.low, b.low, c.low, d.low)), transpose(mat4x4(a.high, b.high, c.high, d.high)), rows);
}

// c_jk += popcount, for one word of samples.
fn add_counts(counts: ptr<function, Counts>, columns: vec4<u32>, rows: Words) {
    add_counts_octet(counts, columns, rows, 0u);
    if TILE_OCTETS > 1u {
        add_counts_octet(counts, columns, rows, 1u);
    }
    if TILE_OCTETS > 2u {
        add_counts_octet(counts, columns, rows, 2u);
    }
    if TILE_OCTETS > 3u {
        add_counts_octet(counts, columns, rows, 3u);
    }
}

// A loop for each octet, as in tile.wgsl.
fn add_counts_octet(counts: ptr<function, Counts>, columns: vec4<u32>, rows: Words, tile_octet: u32) {
    for (var index = 0u; index < 8u; index++) {
        (*counts)[index][tile_octet] += countOneBits(columns & vec4(word(rows, 2u * tile_octet + index / 4u)[index % 4u]));
    }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn reduce(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    // Every layer's tiles are padded to a multiple of eight columns, so that eight neighbours share a tile.
    var tiles_per_replica = 0u;
    for (var l = 0u; l < network.layer_count; l++) {
        tiles_per_replica += layer_tiles(l);
    }
    let index = flat_index(id, groups);
    let replica = min(index / tiles_per_replica, network.replica_count - 1u);
    var tile = scattered(index % tiles_per_replica / 8u, tiles_per_replica / 8u) * 8u + index % 8u;
    var l = 0u;
    while tile >= layer_tiles(l) {
        tile -= layer_tiles(l);
        l++;
    }
    let layer = network.layers[l];
    let octets = batch.sample4s / 2u;
    let words = batch.sample4s / 8u;
    let lane = local % 8u;
    let padded_columns = (column_count(layer) + 7u) / 8u * 8u;
    let column = tile % padded_columns;
    let own_column = min(column, column_count(layer) - 1u);
    let first_neuron = tile / padded_columns * TILE_ROWS;
    let last = layer.outputs - 1u - first_neuron;

    let list = features_start(replica);
    let is_data = layer.reads_data == 1u;
    let hidden_inputs = vec4(4u * own_column) + vec4(0u, 1u, 2u, 3u);
    let own_inputs = select(hidden_inputs, features[list + 1u + own_column], is_data);
    let active_columns = select(column_count(layer), (features[list].x + 3u) / 4u, is_data);
    // The loops run for eight neighbours together.
    let is_active = u32(column - lane < active_columns);

    // Of each pair of loops only one runs. (Software Vulkan executes both sides of an if, but leaves a loop.)
    var sums: Tile;
    let delta = row_start(replica, layer.output_row + first_neuron) / 2u;
    let data = vec4(input_start(replica, 0u) / 2u) + own_inputs * octets;
    for (var octet = 0u; octet < octets * is_active * layer.reads_data; octet++) {
        let a = input_octet(inputs[data.x + octet]);
        let b = input_octet(inputs[data.y + octet]);
        let c = input_octet(inputs[data.z + octet]);
        let d = input_octet(inputs[data.w + octet]);
        add_samples(&sums, a, b, c, d, load_tile(delta + octet, octets, last, lane));
    }
    let hidden = row_start(replica, layer.input_row + 4u * own_column) / 2u;
    for (var octet = 0u; octet < octets * (1u - layer.reads_data); octet++) {
        let a = unpack_octet(activations[hidden + octet]);
        let b = unpack_octet(activations[hidden + octets + octet]);
        let c = unpack_octet(activations[hidden + 2u * octets + octet]);
        let d = unpack_octet(activations[hidden + 3u * octets + octet]);
        add_samples(&sums, a, b, c, d, load_tile(delta + octet, octets, last, lane));
    }

    var counts: Counts;
    let counted_words = words * is_active * counts_wanted(replica);
    let delta_row = network.row_count + layer.output_row + first_neuron;
    for (var word = 0u; word < counted_words; word++) {
        let start = mask_start(replica, word);
        var columns = masks[(start + layer.input_row) / 4u + own_column];
        if is_data {
            let data_masks = vec4(input_mask_start(replica, word)) + own_inputs;
            columns = vec4(input_masks[data_masks.x], input_masks[data_masks.y], input_masks[data_masks.z], input_masks[data_masks.w]);
        }
        add_counts(&counts, columns, load_words((start + delta_row) / 4u, 1u, last / 4u, lane));
    }

    let is_stored = index / tiles_per_replica < network.replica_count && column < column_count(layer)
        && (column < active_columns || STORES_INACTIVE);
    let start = (replica * network.parameter_vec4s + layer.weight_start + first_neuron / 4u) / 2u;
    // Rows of zeros have no parameters.
    let octet_counts = select(vec4<u32>(), vec4(last / 8u + 1u), vec4(is_stored) & (own_inputs <= vec4(layer.inputs)));
    let divisor = select(1.0, INPUT_ONE, is_data);
    let settings = settings_of(replica);
    let offsets = start + own_inputs * (layer.weight_stride / 2u);
    finish_input(&sums, &counts, settings, offsets.x, octet_counts.x, last, divisor, 0u);
    finish_input(&sums, &counts, settings, offsets.y, octet_counts.y, last, divisor, 1u);
    finish_input(&sums, &counts, settings, offsets.z, octet_counts.z, last, divisor, 2u);
    finish_input(&sums, &counts, settings, offsets.w, octet_counts.w, last, divisor, 3u);
}

// The parameters of one of the four inputs, an octet of neurons at a time.
fn finish_input(
    sums: ptr<function, Tile>,
    counts: ptr<function, Counts>,
    settings: Replica,
    offset: u32,
    octet_count: u32,
    last: u32,
    divisor: f32,
    input: u32,
) {
    for (var tile_octet = 0u; tile_octet < TILE_OCTETS; tile_octet++) {
        if tile_octet < octet_count {
            // Places after the last neuron stay zero.
            let is_low = vec4(8u * tile_octet) + vec4(0u, 1u, 2u, 3u) <= vec4(last);
            let is_high = vec4(8u * tile_octet) + vec4(4u, 5u, 6u, 7u) <= vec4(last);
            let low = vec4((*sums)[0][tile_octet][input], (*sums)[1][tile_octet][input], (*sums)[2][tile_octet][input], (*sums)[3][tile_octet][input]);
            let high = vec4((*sums)[4][tile_octet][input], (*sums)[5][tile_octet][input], (*sums)[6][tile_octet][input], (*sums)[7][tile_octet][input]);
            let low_counts = vec4((*counts)[0][tile_octet][input], (*counts)[1][tile_octet][input], (*counts)[2][tile_octet][input], (*counts)[3][tile_octet][input]);
            let high_counts = vec4((*counts)[4][tile_octet][input], (*counts)[5][tile_octet][input], (*counts)[6][tile_octet][input], (*counts)[7][tile_octet][input]);
            let octet = Octet(select(vec4<f32>(), low / divisor, is_low), select(vec4<f32>(), high / divisor, is_high));
            finish(offset + tile_octet, octet, select(vec4<u32>(), low_counts, is_low), select(vec4<u32>(), high_counts, is_high), settings);
        }
    }
}

// A bijection of 0..count - 1 that puts neighbours far apart. Software Vulkan gives each thread one stretch of the
// workgroups; so every thread gets its share of the inactive tiles, which cost nothing.
fn scattered(index: u32, count: u32) -> u32 {
    // Any number that has no divisor in common with `count`.
    let stride = select(select(select(1u, 11u, count % 11u != 0u), 7u, count % 7u != 0u), 5u, count % 5u != 0u);
    return index * stride % count;
}

// Quads of inputs, the one that is always 1 included.
fn column_count(layer: Layer) -> u32 {
    return select(layer.inputs / 4u + 1u, network.input_rows / 4u, layer.reads_data == 1u);
}

// Invocations that layer l takes.
fn layer_tiles(l: u32) -> u32 {
    let layer = network.layers[l];
    return (column_count(layer) + 7u) / 8u * 8u * ((layer.outputs + TILE_ROWS - 1u) / TILE_ROWS);
}
