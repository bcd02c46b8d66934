// Uses: buffers, norms
// reduce.wgsl: the heart. Gradient sum S and adaptive batch size c of every parameter of all layers, in one pass (algorithm 2):
//
//   S_jk = sum_i delta_j,i a_k,i        c_jk = popcount(mask(a_k) & mask(delta_j))
//
// The count is factored: a product is non-zero where both factors are, 32 samples a word. Biases belong to the input that is
// always 1; beta and gamma of normalized layers are left to reduce_norms.wgsl.
//
// A workgroup owns 64 inputs k by 32 neurons j of one layer of a replica, an invocation 4 by 4 of them, and walks over the batch, 16
// samples a stage, in their order. In the first layer the inputs come in the order of select.wgsl's list. What becomes of S and
// c is up to store.wgsl or update.wgsl: reduces_all, counts_wanted, finish.

const TILE_INPUTS = 64u;
const TILE_NEURONS = 32u;

// A column is what an invocation reads of a stage: of each sample4 its four inputs, or its four neurons. A 17th vec4 against bank
// conflicts. 6.4 KiB.
var<workgroup> staged_inputs: array<array<vec4<f32>, 17>, 16>;
var<workgroup> staged_deltas: array<array<vec4<f32>, 17>, 8>;

// Four neurons of each of four inputs. Names instead of an array, and no loop around them: naga bounds every loop with a counter,
// and where a compiler then does not unroll it, an array is kept in local memory.
struct Tile {
    a: vec4<f32>,
    b: vec4<f32>,
    c: vec4<f32>,
    d: vec4<f32>,
}

// Tiles that cover the inputs: all that select.wgsl lists in the first layer, else the neurons and the row of ones.
fn input_tiles(layer: Layer) -> u32 {
    return (select(layer.inputs + 1u, network.input_rows, layer.reads_data == 1u) + TILE_INPUTS - 1u) / TILE_INPUTS;
}

fn layer_tiles(layer: Layer) -> u32 {
    return input_tiles(layer) * ((layer.outputs + TILE_NEURONS - 1u) / TILE_NEURONS);
}

// Input `index`: a feature of select.wgsl's list in the first layer.
fn input_of(replica: u32, layer: Layer, index: u32) -> u32 {
    if layer.reads_data == 1u {
        return features[features_start(replica) + 4u + index];
    }
    return index;
}

// Four samples of one input and four neurons.
fn add_product(sum: vec4<f32>, columns: mat4x4<f32>, samples: vec4<f32>) -> vec4<f32> {
    let two = fma(columns[1], vec4(samples.y), fma(columns[0], vec4(samples.x), sum));
    return fma(columns[3], vec4(samples.w), fma(columns[2], vec4(samples.z), two));
}

// Four samples, whose first vec4 in both columns is `first`.
fn add_sample4(sums: ptr<function, Tile>, input: u32, neurons: u32, first: u32, has_all: bool) {
    let columns = transpose(mat4x4(staged_deltas[neurons][first], staged_deltas[neurons][first + 1u], staged_deltas[neurons][first + 2u], staged_deltas[neurons][first + 3u]));
    (*sums).a = add_product((*sums).a, columns, staged_inputs[input][first]);
    if has_all {
        (*sums).b = add_product((*sums).b, columns, staged_inputs[input][first + 1u]);
        (*sums).c = add_product((*sums).c, columns, staged_inputs[input][first + 2u]);
        (*sums).d = add_product((*sums).d, columns, staged_inputs[input][first + 3u]);
    }
}

// Called by whole workgroups.
fn reduce_tile(replica: u32, layer: Layer, tile: u32, local: u32) {
    let first_input = tile % input_tiles(layer) * TILE_INPUTS;
    let first_neuron = tile / input_tiles(layer) * TILE_NEURONS;
    let count = select(layer.inputs + 1u, select(features[features_start(replica)], network.input_rows, reduces_all(replica)), layer.reads_data == 1u);
    if first_input >= count {
        return;
    }
    // What this invocation stages: sample4 local % 4 of two inputs and of a neuron. Past the last one it stages that again, and its
    // sums are left out.
    let row = local / 4u;
    let low = input_of(replica, layer, min(first_input + row, count - 1u));
    let high = input_of(replica, layer, min(first_input + 32u + row, count - 1u));
    let deltas_start = row_start(replica, layer.output_row + min(first_neuron + row, layer.outputs - 1u));
    let place = 4u * (local % 4u) + row / 16u;
    // What it owns: inputs input + 16 i, of which there may be only the first, and neurons 4 neuron4 + j.
    let input = local / 8u;
    let neuron4 = local % 8u;
    let has_all = first_input + 16u < count;

    var sums: Tile;
    var sample4 = local % 4u;
    var next_low = load_input(replica, layer, low, sample4);
    var next_high = load_input(replica, layer, high, sample4);
    var next_delta = deltas[deltas_start + sample4];
    for (var first = 0u; first < batch.sample4s; first += 4u) {
        workgroupBarrier();
        staged_inputs[row % 16u][place] = loaded_values(layer, next_low);
        staged_inputs[row % 16u][place + 2u] = loaded_values(layer, next_high);
        staged_deltas[row / 4u][4u * (local % 4u) + row % 4u] = next_delta;
        workgroupBarrier();
        // On their way while the arithmetic runs; after the last stage, the last ones again.
        sample4 = min(sample4 + 4u, batch.sample4s - 1u);
        next_low = load_input(replica, layer, low, sample4);
        next_high = load_input(replica, layer, high, sample4);
        next_delta = deltas[deltas_start + sample4];
        add_sample4(&sums, input, neuron4, 0u, has_all);
        add_sample4(&sums, input, neuron4, 4u, has_all);
        add_sample4(&sums, input, neuron4, 8u, has_all);
        add_sample4(&sums, input, neuron4, 12u, has_all);
    }
    let indices = vec4(first_input + input) + vec4(0u, 16u, 32u, 48u);
    let last = vec4(count - 1u);
    let own = min(indices, last);
    let inputs = vec4(input_of(replica, layer, own.x), input_of(replica, layer, own.y), input_of(replica, layer, own.z), input_of(replica, layer, own.w));
    finish_tile(replica, layer, inputs, indices <= last, first_neuron / 4u + neuron4, sums);
}

// The parameters of four inputs, of those that are such, and of four neurons; after the last neuron they stay zero.
fn finish_tile(replica: u32, layer: Layer, inputs: vec4<u32>, are_inputs: vec4<bool>, neuron4: u32, sums: Tile) {
    if neuron4 >= layer.weight_stride {
        return;
    }
    let are_neurons = vec4(4u * neuron4) + vec4(0u, 1u, 2u, 3u) < vec4(layer.outputs);
    var a: vec4<u32>;
    var b: vec4<u32>;
    var c: vec4<u32>;
    var d: vec4<u32>;
    for (var word = 0u; word < select(0u, batch.sample4s / 8u, counts_wanted(replica)); word++) {
        let first = mask_start(replica, word) + network.row_count + layer.output_row + min(4u * neuron4, (layer.outputs - 1u) / 4u * 4u);
        let neurons = vec4(masks[first], masks[first + 1u], masks[first + 2u], masks[first + 3u]);
        a += countOneBits(vec4(input_mask(replica, layer, inputs.x, word)) & neurons);
        b += countOneBits(vec4(input_mask(replica, layer, inputs.y, word)) & neurons);
        c += countOneBits(vec4(input_mask(replica, layer, inputs.z, word)) & neurons);
        d += countOneBits(vec4(input_mask(replica, layer, inputs.w, word)) & neurons);
    }
    let own = are_inputs & (inputs < vec4(layer.inputs + 1u - u32(is_normalized(layer))));
    finish_input(replica, layer, inputs.x, own.x, neuron4, are_neurons, sums.a, a);
    finish_input(replica, layer, inputs.y, own.y, neuron4, are_neurons, sums.b, b);
    finish_input(replica, layer, inputs.z, own.z, neuron4, are_neurons, sums.c, c);
    finish_input(replica, layer, inputs.w, own.w, neuron4, are_neurons, sums.d, d);
}

fn finish_input(replica: u32, layer: Layer, input: u32, is_input: bool, neuron4: u32, are_neurons: vec4<bool>, sums: vec4<f32>, counts: vec4<u32>) {
    if is_input {
        let scaled = select(vec4<f32>(), sums * input_scale(layer), are_neurons);
        finish(replica, weight_start(replica, layer, input) + neuron4, scaled, select(vec4<u32>(), counts, are_neurons));
    }
}

fn input_mask(replica: u32, layer: Layer, input: u32, word: u32) -> u32 {
    if layer.reads_data == 1u {
        return input_masks[input_mask_start(replica, word) + input];
    }
    return masks[mask_start(replica, word) + layer.input_row + input];
}

// x is the tile, all layers' in turn.
@compute @workgroup_size(128)
fn reduce(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    var tile = id.x;
    var l = 0u;
    while tile >= layer_tiles(network.layers[l]) {
        tile -= layer_tiles(network.layers[l]);
        l++;
    }
    for (var replica = id.z; replica < network.replica_count; replica += groups.z) {
        reduce_tile(replica, network.layers[l], tile, local);
    }
}
