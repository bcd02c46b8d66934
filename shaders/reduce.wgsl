// Uses: inputs, common
// reduce.wgsl: the heart. Gradient sum S and adaptive batch size c of every parameter of all layers, in
// one pass (algorithm 2):
//
//   S_jk = sum_i delta_j,i a_k,i        c_jk = popcount(mask(a_k) & mask(delta_j))
//
// The count is factored: a product is non-zero where both factors are, 32 samples a word. Biases belong to
// the input that is always 1.
//
// A workgroup owns 128 inputs k by 32 neurons j of one layer of a replica, an invocation 4 by 4 of them, and walks over the batch, 16
// samples a stage, in their order. In the first layer the inputs come in the order of select.wgsl's list. What becomes of S and
// c is up to store.wgsl or update.wgsl: REDUCES_ALL, counts_wanted, finish.

@group(0) @binding(2) var<storage, read> inputs: array<Input4>;          // (T, R, K, B)
@group(0) @binding(3) var<storage, read> input_masks: array<u32>;              // (T, R, B / 32, K)
@group(0) @binding(4) var<storage, read> features: array<u32>;                 // (T, R, 4 + K)
@group(0) @binding(5) var<storage, read> activations: array<vec4<f32>>;        // (R, N, B)
@group(0) @binding(6) var<storage, read> deltas: array<vec4<f32>>;             // (R, N, B)
@group(0) @binding(7) var<storage, read> masks: array<vec4<u32>>;              // (R, B / 32, 2 N)

const TILE_INPUTS = 128u;
const TILE_NEURONS = 32u;

// A column is what an invocation reads of a stage: of each sample4 its four inputs, or its four neurons. A 17th vec4 against bank
// conflicts. 10.6 KiB.
var<workgroup> staged_inputs: array<array<vec4<f32>, 17>, 32>;
var<workgroup> staged_deltas: array<array<vec4<f32>, 17>, 8>;

// Four neurons for each of four inputs. Names, not an array, and no loop around them: see block.wgsl.
struct Sums {
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

// Four samples of an input.
fn load_input(replica: u32, layer: Layer, input: u32, sample4: u32) -> vec4<f32> {
    if layer.reads_data == 1u {
        return input_values(inputs[input_start(replica, input) + sample4]);
    }
    return activations[row_start(replica, layer.input_row + input) + sample4];
}

fn add_product(sum: vec4<f32>, columns: mat4x4<f32>, samples: vec4<f32>) -> vec4<f32> {
    let two = fma(columns[1], vec4(samples.y), fma(columns[0], vec4(samples.x), sum));
    return fma(columns[3], vec4(samples.w), fma(columns[2], vec4(samples.z), two));
}

// Four samples, whose first vec4 in both columns is `first`.
fn add_sample4(sums: ptr<function, Sums>, input: u32, neurons: u32, first: u32) {
    let columns = transpose(mat4x4(staged_deltas[neurons][first], staged_deltas[neurons][first + 1u], staged_deltas[neurons][first + 2u], staged_deltas[neurons][first + 3u]));
    (*sums).a = add_product((*sums).a, columns, staged_inputs[input][first]);
    (*sums).b = add_product((*sums).b, columns, staged_inputs[input][first + 1u]);
    (*sums).c = add_product((*sums).c, columns, staged_inputs[input][first + 2u]);
    (*sums).d = add_product((*sums).d, columns, staged_inputs[input][first + 3u]);
}

// Called by whole workgroups.
fn reduce_tile(replica: u32, layer: Layer, tile: u32, local: u32) {
    let first_input = tile % input_tiles(layer) * TILE_INPUTS;
    let first_neuron = tile / input_tiles(layer) * TILE_NEURONS;
    let count = select(layer.inputs + 1u, select(features[features_start(replica)], network.input_rows, REDUCES_ALL), layer.reads_data == 1u);
    if first_input >= count {
        return;
    }
    // What this invocation stages: sample4 local % 4 of two inputs and, in half of the workgroup, of a neuron. Past the last one it
    // stages that again, and finish_input leaves it out.
    let row = local / 4u;
    let low = input_of(replica, layer, min(first_input + row, count - 1u));
    let high = input_of(replica, layer, min(first_input + 64u + row, count - 1u));
    let deltas_start = row_start(replica, layer.output_row + min(first_neuron + row, layer.outputs - 1u));
    let place = 4u * (local % 4u) + row / 32u;
    // What it owns: inputs input + 32 i, neurons 4 neuron4 + j.
    let input = local / 8u;
    let neuron4 = local % 8u;

    var sums: Sums;
    var sample4 = local % 4u;
    var next_low = load_input(replica, layer, low, sample4);
    var next_high = load_input(replica, layer, high, sample4);
    var next_delta = deltas[deltas_start + sample4];
    for (var first = 0u; first < batch.sample4s; first += 4u) {
        workgroupBarrier();
        staged_inputs[row % 32u][place] = next_low;
        staged_inputs[row % 32u][place + 2u] = next_high;
        if row < TILE_NEURONS {
            staged_deltas[row / 4u][4u * (local % 4u) + row % 4u] = next_delta;
        }
        workgroupBarrier();
        // On their way while the arithmetic runs; after the last stage, the last ones again.
        sample4 = min(sample4 + 4u, batch.sample4s - 1u);
        next_low = load_input(replica, layer, low, sample4);
        next_high = load_input(replica, layer, high, sample4);
        next_delta = deltas[deltas_start + sample4];
        add_sample4(&sums, input, neuron4, 0u);
        add_sample4(&sums, input, neuron4, 4u);
        add_sample4(&sums, input, neuron4, 8u);
        add_sample4(&sums, input, neuron4, 12u);
    }
    finish_input(replica, layer, first_input + input, count, first_neuron / 4u + neuron4, sums.a);
    finish_input(replica, layer, first_input + input + 32u, count, first_neuron / 4u + neuron4, sums.b);
    finish_input(replica, layer, first_input + input + 64u, count, first_neuron / 4u + neuron4, sums.c);
    finish_input(replica, layer, first_input + input + 96u, count, first_neuron / 4u + neuron4, sums.d);
}

// The parameters of one input and four neurons, if there are such; those after the last neuron stay zero.
fn finish_input(replica: u32, layer: Layer, index: u32, count: u32, neuron4: u32, sum: vec4<f32>) {
    let input = input_of(replica, layer, min(index, count - 1u));
    if index >= count || input > layer.inputs || neuron4 >= layer.weight_stride {
        return;
    }
    let is_neuron = vec4(4u * neuron4) + vec4(0u, 1u, 2u, 3u) < vec4(layer.outputs);
    let sums = select(vec4<f32>(), sum / select(1.0, INPUT_ONE, layer.reads_data == 1u), is_neuron);
    let counts = select(vec4<u32>(), count_of(replica, layer, input, neuron4), is_neuron);
    finish(replica, weight_start(replica, layer, input) + neuron4, sums, counts);
}

// c of one input and four neurons.
fn count_of(replica: u32, layer: Layer, input: u32, neuron4: u32) -> vec4<u32> {
    var counts: vec4<u32>;
    for (var word = 0u; word < select(0u, batch.sample4s / 8u, counts_wanted(replica)); word++) {
        let start = mask_start(replica, word);
        var mask = 0u;
        if layer.reads_data == 1u {
            mask = input_masks[input_mask_start(replica, word) + input];
        } else {
            let row = start + layer.input_row + input;
            mask = masks[row / 4u][row % 4u];
        }
        counts += countOneBits(vec4(mask) & masks[(start + network.row_count + layer.output_row) / 4u + min(neuron4, (layer.outputs - 1u) / 4u)]);
    }
    return counts;
}

// x is the tile, all layers' in turn.
@compute @workgroup_size(256)
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
