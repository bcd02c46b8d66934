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

@group(0) @binding(2) var<storage, read> inputs: array<InputQuad>;             // (T, R, K, B)
@group(0) @binding(3) var<storage, read> input_masks: array<u32>;              // (T, R, B / 32, K)
@group(0) @binding(4) var<storage, read> features: array<vec4<u32>>;           // (T, R, 1 + K / 4)
@group(0) @binding(5) var<storage, read> activations: array<vec4<f32>>;        // (R, N, B)
@group(0) @binding(6) var<storage, read> deltas: array<vec4<f32>>;             // (R, N, B)
@group(0) @binding(7) var<storage, read> masks: array<vec4<u32>>;              // (R, B / 32, 2 N)

// What eight neighbours share.
fn row_vec4(index: u32) -> vec4<f32> {
    return deltas[index];
}

fn word_vec4(index: u32) -> vec4<u32> {
    return masks[index];
}

// c_jk += popcount, for one word of samples; a quad of neurons is a vec4 of words.
fn add_counts(counts: ptr<function, array<array<vec4<u32>, 4>, TILE_QUADS>>, columns: vec4<u32>, rows: Words) {
    add_counts_part(counts, columns, rows, 0u);
    add_counts_part(counts, columns, rows, 1u);
    add_counts_part(counts, columns, rows, 2u);
    add_counts_part(counts, columns, rows, 3u);
}

// A loop for each part, as in tile.wgsl.
fn add_counts_part(counts: ptr<function, array<array<vec4<u32>, 4>, TILE_QUADS>>, columns: vec4<u32>, rows: Words, part: u32) {
    for (var quad = 0u; quad < TILE_QUADS; quad++) {
        (*counts)[quad][part] += countOneBits(columns & vec4(word(rows, quad)[part]));
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
    let quads = batch.quads;
    let words = quads / 8u;
    let lane = local % 8u;
    let padded_columns = (column_quads(layer) + 7u) / 8u * 8u;
    let column = tile % padded_columns;
    let own_column = min(column, column_quads(layer) - 1u);
    let first_neuron = tile / padded_columns * TILE_ROWS;
    let last = layer.outputs - 1u - first_neuron;

    let list = features_start(replica);
    let is_data = layer.reads_data == 1u;
    let hidden_inputs = vec4(4u * own_column) + vec4(0u, 1u, 2u, 3u);
    let own_inputs = select(hidden_inputs, features[list + 1u + own_column], is_data);
    let active_columns = select(column_quads(layer), (features[list].x + 3u) / 4u, is_data);
    // The loops run for eight neighbours together.
    let is_active = u32(column - lane < active_columns);

    // Of each pair of loops only one runs. (Software Vulkan executes both sides of an if, but leaves a loop.)
    var sums: array<mat4x4<f32>, TILE_QUADS>;
    let delta = row_start(replica, layer.output_row + first_neuron);
    let data = vec4(input_start(replica, 0u)) + own_inputs * quads;
    for (var quad = 0u; quad < quads * is_active * layer.reads_data; quad++) {
        let columns = mat4x4(
            input_values(inputs[data.x + quad]),
            input_values(inputs[data.y + quad]),
            input_values(inputs[data.z + quad]),
            input_values(inputs[data.w + quad]),
        );
        add_tile(&sums, transpose(columns), load_tile(delta + quad, quads, last, lane));
    }
    let hidden = row_start(replica, layer.input_row + 4u * own_column);
    for (var quad = 0u; quad < quads * (1u - layer.reads_data); quad++) {
        let first = hidden + quad;
        let columns = mat4x4(activations[first], activations[first + quads], activations[first + 2u * quads], activations[first + 3u * quads]);
        add_tile(&sums, transpose(columns), load_tile(delta + quad, quads, last, lane));
    }

    var counts: array<array<vec4<u32>, 4>, TILE_QUADS>;
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

    let is_stored = index / tiles_per_replica < network.replica_count && column < column_quads(layer)
        && (column < active_columns || STORES_INACTIVE);
    let start = replica * network.parameter_vec4s + layer.weight_start + first_neuron / 4u;
    // Rows of zeros have no parameters.
    let quad_counts = select(vec4<u32>(), vec4(last / 4u + 1u), vec4(is_stored) & (own_inputs <= vec4(layer.inputs)));
    let divisor = select(1.0, INPUT_ONE, is_data);
    let settings = settings_of(replica);
    let places = start + own_inputs * layer.weight_stride;
    finish_part(&sums, &counts, settings, places.x, quad_counts.x, last, divisor, 0u);
    finish_part(&sums, &counts, settings, places.y, quad_counts.y, last, divisor, 1u);
    finish_part(&sums, &counts, settings, places.z, quad_counts.z, last, divisor, 2u);
    finish_part(&sums, &counts, settings, places.w, quad_counts.w, last, divisor, 3u);
}

// The parameters of one of the four inputs.
fn finish_part(
    sums: ptr<function, array<mat4x4<f32>, TILE_QUADS>>,
    counts: ptr<function, array<array<vec4<u32>, 4>, TILE_QUADS>>,
    settings: Replica,
    parameter: u32,
    quad_count: u32,
    last: u32,
    divisor: f32,
    part: u32,
) {
    for (var quad = 0u; quad < TILE_QUADS; quad++) {
        if quad < quad_count {
            // Places after the last neuron stay zero.
            let is_neuron = vec4(4u * quad) + vec4(0u, 1u, 2u, 3u) <= vec4(last);
            let sum = vec4((*sums)[quad][0][part], (*sums)[quad][1][part], (*sums)[quad][2][part], (*sums)[quad][3][part]);
            let count = vec4((*counts)[quad][0][part], (*counts)[quad][1][part], (*counts)[quad][2][part], (*counts)[quad][3][part]);
            finish(parameter + quad, select(vec4<f32>(), sum / divisor, is_neuron), select(vec4<u32>(), count, is_neuron), settings);
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
fn column_quads(layer: Layer) -> u32 {
    return select(layer.inputs / 4u + 1u, network.input_rows / 4u, layer.reads_data == 1u);
}

// Invocations that layer l takes.
fn layer_tiles(l: u32) -> u32 {
    let layer = network.layers[l];
    return (column_quads(layer) + 7u) / 8u * 8u * ((layer.outputs + TILE_ROWS - 1u) / TILE_ROWS);
}
