// reduce.wgsl: the heart. Gradient sum S and adaptive batch size c of every parameter of all layers, in
// one pass (algorithm 2):
//
//   S_jk = sum_i delta_j,i a_k,i        c_jk = popcount(mask(a_k) & mask(delta_j))
//
// The count is factored: a product is non-zero where both factors are, 32 samples a word. Biases are the
// column of the row of ones.
//
// One invocation owns TILE_ROWS neurons j by four inputs k and walks over the samples of the batch; eight
// neighbours share the deltas. What becomes of S and c is up to finish(), in reduce_store.wgsl or
// reduce_update.wgsl.

@group(0) @binding(2) var<storage, read> inputs: array<InputQuad>;             // (T, R, K, B)
@group(0) @binding(3) var<storage, read> input_masks: array<u32>;              // (T, R, K, B / 32)
@group(0) @binding(4) var<storage, read> activations: array<vec4<f32>>;        // (R, N, B)
@group(0) @binding(5) var<storage, read> activation_masks: array<u32>;         // (R, N, B / 32)
@group(0) @binding(6) var<storage, read> deltas: array<vec4<f32>>;             // (R, N, B)
@group(0) @binding(7) var<storage, read> delta_masks: array<u32>;              // (R, N, B / 32)

// What eight neighbours share.
fn row_vec4(index: u32) -> vec4<f32> {
    return deltas[index];
}

fn row_word(index: u32) -> u32 {
    return delta_masks[index];
}

fn input_mask_columns(first: u32, words: u32) -> vec4<u32> {
    return vec4(input_masks[first], input_masks[first + words], input_masks[first + 2u * words], input_masks[first + 3u * words]);
}

fn activation_mask_columns(first: u32, words: u32) -> vec4<u32> {
    return vec4(activation_masks[first], activation_masks[first + words], activation_masks[first + 2u * words], activation_masks[first + 3u * words]);
}

// S_jk += delta_j . a_k for half a tile; the matrix has a column of four inputs k for each sample.
fn add_products(sums: ptr<function, array<vec4<f32>, 8>>, samples: mat4x4<f32>, first: u32, delta: u32, last: u32, lane: u32) {
    let start = min(first, last);
    let rows = load_rows(delta + start * batch.quads, batch.quads, last - start, lane);
    for (var j = 0u; j < 8u; j++) {
        (*sums)[j] = add_product((*sums)[j], samples, rows[j]);
    }
}

// c_jk += popcount, for half a tile and one word of samples.
fn add_counts(counts: ptr<function, array<vec4<u32>, 8>>, columns: vec4<u32>, first: u32, delta_mask: u32, words: u32, last: u32, lane: u32) {
    let start = min(first, last);
    let rows = load_words(delta_mask + start * words, words, last - start, lane);
    for (var j = 0u; j < 8u; j++) {
        (*counts)[j] += countOneBits(columns & vec4(rows[j]));
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
    var tile = index % tiles_per_replica;
    var l = 0u;
    while tile >= layer_tiles(l) {
        tile -= layer_tiles(l);
        l++;
    }
    let layer = network.layers[l];
    let padded_columns = (layer.weight_stride + 7u) / 8u * 8u;
    let own_column = tile % padded_columns;
    let owned = index / tiles_per_replica < network.replica_count && own_column < layer.weight_stride;
    let column = min(own_column, layer.weight_stride - 1u);
    let first_neuron = tile / padded_columns * TILE_ROWS;
    let last = layer.outputs - 1u - first_neuron;
    let lane = local % 8u;
    let words = batch.quads / 8u;

    // Of each pair of loops only one runs. (Software Vulkan executes both sides of an if, but leaves a loop.)
    var low_sums: array<vec4<f32>, 8>;
    var high_sums: array<vec4<f32>, 8>;
    let delta = row_start(replica, layer.output_row + first_neuron);
    let data = input_start(replica, column * 4u);
    for (var quad = 0u; quad < batch.quads * layer.reads_data; quad++) {
        let samples = transpose(input_columns(data + quad));
        add_products(&low_sums, samples, 0u, delta + quad, last, lane);
        add_products(&high_sums, samples, 8u, delta + quad, last, lane);
    }
    let hidden = row_start(replica, layer.input_row + column * 4u);
    for (var quad = 0u; quad < batch.quads * (1u - layer.reads_data); quad++) {
        let samples = transpose(activation_columns(hidden + quad));
        add_products(&low_sums, samples, 0u, delta + quad, last, lane);
        add_products(&high_sums, samples, 8u, delta + quad, last, lane);
    }

    var low_counts: array<vec4<u32>, 8>;
    var high_counts: array<vec4<u32>, 8>;
    let counted_words = words * counts_wanted(replica);
    let delta_mask = mask_start(replica, layer.output_row + first_neuron);
    let data_mask = data / 8u;
    for (var word = 0u; word < counted_words * layer.reads_data; word++) {
        let columns = input_mask_columns(data_mask + word, words);
        add_counts(&low_counts, columns, 0u, delta_mask + word, words, last, lane);
        add_counts(&high_counts, columns, 8u, delta_mask + word, words, last, lane);
    }
    let hidden_mask = hidden / 8u;
    for (var word = 0u; word < counted_words * (1u - layer.reads_data); word++) {
        let columns = activation_mask_columns(hidden_mask + word, words);
        add_counts(&low_counts, columns, 0u, delta_mask + word, words, last, lane);
        add_counts(&high_counts, columns, 8u, delta_mask + word, words, last, lane);
    }

    let parameter = replica * network.parameter_vec4s + layer.weight_start + first_neuron * layer.weight_stride + column;
    for (var j = 0u; j < 8u; j++) {
        if owned && j <= last {
            finish(replica, parameter + j * layer.weight_stride, low_sums[j], low_counts[j]);
        }
    }
    for (var j = 0u; j < 8u; j++) {
        if owned && j + 8u <= last {
            finish(replica, parameter + (j + 8u) * layer.weight_stride, high_sums[j], high_counts[j]);
        }
    }
}

// Invocations that layer l takes.
fn layer_tiles(l: u32) -> u32 {
    let layer = network.layers[l];
    return (layer.weight_stride + 7u) / 8u * 8u * ((layer.outputs + TILE_ROWS - 1u) / TILE_ROWS);
}
