// Uses: loss, activation, dropout, parameters
// step.wgsl: whole steps of a small network, many a dispatch, where a layer would not fill the blocks of propagate.wgsl and the tiles of
// reduce.wgsl: the same sums in the same order.
//
// A workgroup owns a replica. It keeps the parameters in workgroup memory through all steps, and of 32 samples at a time (a mask
// word) the inputs, activations and deltas. Forward and back, an invocation takes four neurons of one sample; then it owns 4 inputs by
// 4 neurons and adds the word to their S and c, in registers until the batch is through. What the last step leaves is written, for
// those who ask about it: activations, deltas, masks.

const INVOCATIONS = 128u;
const SAMPLES = 32u;

// vec4s of the parameters, then of the samples.
override POOL = 1200u;
var<workgroup> pool: array<vec4<f32>, POOL>;

// Which samples of a word are not zero: (B / 32, K + 2 N).
override MASKS = 500u;
var<workgroup> row_masks: array<u32, MASKS>;

// S of four neurons of each of four inputs. Names instead of an array: see Tile of reduce.wgsl.
struct Sums {
    a: vec4<f32>,
    b: vec4<f32>,
    c: vec4<f32>,
    d: vec4<f32>,
}

// Where a sample's vec4 `quad` is: four inputs, activations, deltas or sums that are kept. An odd number of vec4s a sample, against bank conflicts.
fn at(sample: u32, quad: u32) -> u32 {
    let rows = network.input_rows + select(2u, 3u, KEEPS_SUMS) * network.row_count;
    return network.parameter_vec4s + sample * ((rows / 4u) | 1u) + quad;
}

// First quad of a layer's inputs, among a sample's.
fn input_quad(layer: Layer) -> u32 {
    return select((network.input_rows + layer.input_row) / 4u, 0u, layer.reads_data == 1u);
}

fn output_quad(layer: Layer) -> u32 {
    return (network.input_rows + layer.output_row) / 4u;
}

fn delta_quad(layer: Layer) -> u32 {
    return (network.input_rows + network.row_count + layer.output_row) / 4u;
}

fn kept_quad(layer: Layer) -> u32 {
    return (network.input_rows + 2u * network.row_count + layer.output_row) / 4u;
}

fn neurons_of(quad: u32) -> vec4<u32> {
    return vec4(4u * quad) + vec4(0u, 1u, 2u, 3u);
}

// Rows of ones, and zeros after them, where no layer writes them.
fn write_ones(sample: u32, local: u32) {
    for (var l = local / SAMPLES; l < network.layer_count; l += INVOCATIONS / SAMPLES) {
        let layer = network.layers[l];
        let quad = layer.outputs / 4u;
        pool[at(sample, output_quad(layer) + quad)] = select(vec4<f32>(), vec4(1.0), neurons_of(quad) == vec4(layer.outputs));
        pool[at(sample, delta_quad(layer) + quad)] = vec4<f32>();
    }
}

// `gathered` is the batch, of T R.
fn read_inputs(gathered: u32, word: u32, sample: u32, local: u32) {
    let sample4 = 8u * word + sample / 4u;
    for (var quad = local / SAMPLES; quad < network.input_rows / 4u; quad += INVOCATIONS / SAMPLES) {
        let first = (gathered * network.input_rows + 4u * quad) * batch.sample4s + sample4;
        let i = sample % 4u;
        pool[at(sample, quad)] = vec4(
            input_value(inputs[first], i),
            input_value(inputs[first + batch.sample4s], i),
            input_value(inputs[first + 2u * batch.sample4s], i),
            input_value(inputs[first + 3u * batch.sample4s], i),
        );
    }
}

// Layer `l` of sample `sample` of the word, which is sample `position` of the batch.
fn forward_sample(l: u32, dropout: Dropout, position: u32, sample: u32, quad: u32) {
    let layer = network.layers[l];
    let stride = layer.weight_stride;
    let samples = at(sample, input_quad(layer));
    var weights = layer.weight_start + quad;
    var z: vec4<f32>;
    for (var k4 = 0u; k4 < layer.inputs / 4u; k4++) {
        let a = pool[samples + k4];
        z = fma(vec4(a.x), pool[weights], z);
        z = fma(vec4(a.y), pool[weights + stride], z);
        z = fma(vec4(a.z), pool[weights + 2u * stride], z);
        z = fma(vec4(a.w), pool[weights + 3u * stride], z);
        weights += 4u * stride;
    }
    // What is left of the inputs, and the one that is always 1.
    let a = pool[samples + layer.inputs / 4u];
    z = fma(vec4(a.x), pool[weights], z);
    if layer.inputs % 4u > 0u {
        z = fma(vec4(a.y), pool[weights + stride], z);
    }
    if layer.inputs % 4u > 1u {
        z = fma(vec4(a.z), pool[weights + 2u * stride], z);
    }
    if layer.inputs % 4u > 2u {
        z = fma(vec4(a.w), pool[weights + 3u * stride], z);
    }
    z *= input_scale(layer);
    if KEEPS_SUMS {
        pool[at(sample, kept_quad(layer) + quad)] = z;
    }
    let whole = select(activation(z), z, vec4(layer.is_output == 1u));
    let activations = drop_out(dropout, l, neurons_of(quad), vec4(position), whole);
    let after = select(vec4<f32>(), vec4(1.0), neurons_of(quad) == vec4(layer.outputs));
    pool[at(sample, output_quad(layer) + quad)] = select(activations, after, neurons_of(quad) >= vec4(layer.outputs));
}

// Targets of sample `i` of a sample4, of four units from `first` on; past the last unit any.
fn numbers_of(gathered: u32, sample4: u32, i: u32, first: u32, units: u32) -> vec4<f32> {
    let quad = min(vec4(first) + vec4(0u, 1u, 2u, 3u), vec4(units - 1u));
    return bitcast<vec4<f32>>(vec4(
        labels[target_start(gathered, quad.x) + sample4][i],
        labels[target_start(gathered, quad.y) + sample4][i],
        labels[target_start(gathered, quad.z) + sample4][i],
        labels[target_start(gathered, quad.w) + sample4][i],
    ));
}

fn squared_sample(layer: Layer, sample: u32, is_valid: bool, gathered: u32, sample4: u32, local: u32) {
    for (var quad = local / SAMPLES; 4u * quad < layer.outputs; quad += INVOCATIONS / SAMPLES) {
        let numbers = numbers_of(gathered, sample4, sample % 4u, 4u * quad, layer.outputs);
        let delta = squared_delta(pool[at(sample, output_quad(layer) + quad)], numbers, layer.outputs);
        let are_neurons = vec4(is_valid) & (neurons_of(quad) < vec4(layer.outputs));
        pool[at(sample, delta_quad(layer) + quad)] = select(vec4<f32>(), delta, are_neurons);
    }
}

fn loss_sample(layer: Layer, sample: u32, is_valid: bool, label: u32, local: u32) {
    let logits = at(sample, output_quad(layer));
    var highest = pool[logits].x;
    for (var j = 1u; j < layer.outputs; j++) {
        highest = max(highest, pool[logits + j / 4u][j % 4u]);
    }
    var sum = 0.0;
    for (var j = 0u; j < layer.outputs; j++) {
        sum += exp(pool[logits + j / 4u][j % 4u] - highest);
    }
    for (var quad = local / SAMPLES; 4u * quad < layer.outputs; quad += INVOCATIONS / SAMPLES) {
        var delta = softmax_delta(pool[logits + quad], vec4(highest), vec4(sum), neurons_of(quad) == vec4(label));
        if layer.outputs == 1u {
            delta = sigmoid(pool[logits]) - f32(label);
        }
        let are_neurons = vec4(is_valid) & (neurons_of(quad) < vec4(layer.outputs));
        pool[at(sample, delta_quad(layer) + quad)] = select(vec4<f32>(), delta, are_neurons);
    }
}

// The deltas of the inputs of layer `l` of sample `sample` of the word, which is sample `position` of the batch.
fn delta_sample(l: u32, dropout: Dropout, position: u32, sample: u32, quad: u32) {
    let below = network.layers[l - 1u];
    let layer = network.layers[l];
    let stride = layer.weight_stride;
    let deltas = at(sample, delta_quad(layer));
    // Rows past the last one are left out of what is stored.
    let weights = layer.weight_start + min(neurons_of(quad), vec4(layer.inputs)) * stride;
    var sums: vec4<f32>;
    for (var j4 = 0u; 4u * j4 < layer.outputs; j4++) {
        let delta = pool[deltas + j4];
        let columns = transpose(mat4x4(pool[weights.x + j4], pool[weights.y + j4], pool[weights.z + j4], pool[weights.w + j4]));
        sums = fma(vec4(delta.x), columns[0], sums);
        sums = fma(vec4(delta.y), columns[1], sums);
        sums = fma(vec4(delta.z), columns[2], sums);
        sums = fma(vec4(delta.w), columns[3], sums);
    }
    let are_neurons = neurons_of(quad) < vec4(below.outputs);
    let own = at(sample, delta_quad(below) + quad);
    if ACTIVATION == RELU {
        let are_active = (pool[at(sample, output_quad(below) + quad)] > vec4<f32>()) & are_neurons;
        pool[own] = select(vec4<f32>(), scale_deltas(dropout, sums), are_active);
    } else {
        let delta = sums * slope(pool[at(sample, kept_quad(below) + quad)]);
        pool[own] = select(vec4<f32>(), drop_out(dropout, l - 1u, neurons_of(quad), vec4(position), delta), are_neurons);
    }
}

// Row `row` of the inputs, activations and deltas, of four samples.
fn four_samples(row: u32, first: u32) -> vec4<f32> {
    let i = row % 4u;
    return vec4(pool[at(first, row / 4u)][i], pool[at(first + 1u, row / 4u)][i], pool[at(first + 2u, row / 4u)][i], pool[at(first + 3u, row / 4u)][i]);
}

// Rows of inputs, activations and deltas.
fn all_rows() -> u32 {
    return network.input_rows + 2u * network.row_count;
}

fn find_masks(word: u32, local: u32) {
    for (var row = local; row < all_rows(); row += INVOCATIONS) {
        var mask = 0u;
        for (var sample = 0u; sample < SAMPLES; sample += 4u) {
            mask |= sample4_bits(four_samples(row, sample) != vec4<f32>()) << sample;
        }
        row_masks[word * all_rows() + row] = mask;
    }
}

fn add_sample(sums: ptr<function, Sums>, inputs: vec4<f32>, deltas: vec4<f32>) {
    (*sums).a = fma(deltas, vec4(inputs.x), (*sums).a);
    (*sums).b = fma(deltas, vec4(inputs.y), (*sums).b);
    (*sums).c = fma(deltas, vec4(inputs.z), (*sums).c);
    (*sums).d = fma(deltas, vec4(inputs.w), (*sums).d);
}

fn add_samples(sums: ptr<function, Sums>, inputs: u32, deltas: u32) {
    let stride = at(1u, 0u) - at(0u, 0u);
    for (var first = 0u; first < SAMPLES * stride; first += 4u * stride) {
        let a = at(0u, inputs) + first;
        let d = at(0u, deltas) + first;
        add_sample(sums, pool[a], pool[d]);
        add_sample(sums, pool[a + stride], pool[d + stride]);
        add_sample(sums, pool[a + 2u * stride], pool[d + 2u * stride]);
        add_sample(sums, pool[a + 3u * stride], pool[d + 3u * stride]);
    }
}

// c of four neurons and one input, all of which are rows.
fn counts_of(input: u32, delta_quad: u32) -> vec4<u32> {
    var counts: vec4<u32>;
    for (var word = 0u; word < batch.sample4s / 8u; word++) {
        let first = word * all_rows() + 4u * delta_quad;
        let counted = vec4(row_masks[first], row_masks[first + 1u], row_masks[first + 2u], row_masks[first + 3u]);
        counts += countOneBits(vec4(row_masks[word * all_rows() + input]) & counted);
    }
    return counts;
}

// `input` of the layer, and its row.
fn move_input(replica: u32, layer: Layer, input: u32, row: u32, neuron4: u32, sums: vec4<f32>, has_counts: bool, step: Step) {
    if input <= layer.inputs {
        var counts: vec4<u32>;
        if has_counts {
            counts = counts_of(row, delta_quad(layer) + neuron4);
        }
        let own = layer.weight_start + input * layer.weight_stride + neuron4;
        pool[own] = moved(replica, replica * network.replica_vec4s + own, pool[own], sums * input_scale(layer), counts, 1.0, step);
    }
}

// Activations, deltas and masks of the word.
fn write_word(replica: u32, word: u32, local: u32) {
    let first = word * all_rows() + network.input_rows;
    for (var l = 0u; l < network.layer_count; l++) {
        let layer = network.layers[l];
        for (var i = local; i < 8u * layer.outputs; i += INVOCATIONS) {
            let row = layer.output_row + i / 8u;
            let own = row_start(replica, row) + 8u * word + i % 8u;
            activations[own] = four_samples(network.input_rows + row, i % 8u * 4u);
            deltas[own] = four_samples(network.input_rows + network.row_count + row, i % 8u * 4u);
            if i % 8u == 0u {
                masks[mask_start(replica, word) + row] = row_masks[first + row];
                masks[mask_start(replica, word) + network.row_count + row] = row_masks[first + network.row_count + row];
            }
        }
    }
}

// The batch in a slot, and the move that it makes. `l`, if there is such a layer, `input4` and `neuron4` are the tile of the invocation.
fn step_replica(replica: u32, slot: u32, l: u32, input4: u32, neuron4: u32, local: u32) {
    let last = network.layer_count - 1u;
    let sample = local % SAMPLES;
    let own = network.layers[min(l, last)];
    let gathered = batch_at(slot, replica);
    let step = step_of(slot, min(batch.batch_size, batch.sample_count - place_of(slot).position));
    let dropout = dropout_of(replica, step.t);
    let is_last = slot + 1u == batch.slot + batch.steps;
    let has_counts = counts_wanted(replica);
    var sums: Sums;
    for (var word = 0u; word < batch.sample4s / 8u; word++) {
        read_inputs(gathered, word, sample, local);
        let sample4 = 8u * word + sample / 4u;
        let label = labels[target_start(gathered, 0u) + sample4][sample % 4u];
        workgroupBarrier();
        for (var i = 0u; i <= last; i++) {
            let layer = network.layers[i];
            for (var quad = local / SAMPLES; 4u * quad < layer.outputs; quad += INVOCATIONS / SAMPLES) {
                forward_sample(i, dropout, SAMPLES * word + sample, sample, quad);
            }
            workgroupBarrier();
        }
        let is_valid = SAMPLES * word + sample < step.size;
        if HAS_NUMBERS {
            squared_sample(network.layers[last], sample, is_valid, gathered, sample4, local);
        } else {
            loss_sample(network.layers[last], sample, is_valid, label, local);
        }
        workgroupBarrier();
        for (var i = last; i > 0u; i--) {
            for (var quad = local / SAMPLES; 4u * quad < network.layers[i].inputs; quad += INVOCATIONS / SAMPLES) {
                delta_sample(i, dropout, SAMPLES * word + sample, sample, quad);
            }
            workgroupBarrier();
        }
        if has_counts || is_last {
            find_masks(word, local);
        }
        workgroupBarrier();
        if l <= last {
            add_samples(&sums, input_quad(own) + input4, delta_quad(own) + neuron4);
        }
        if is_last {
            write_word(replica, word, local);
        }
        workgroupBarrier();
    }
    if l <= last && moves_at_once(replica) {
        let input = 4u * input4;
        let row = 4u * (input_quad(own) + input4);
        move_input(replica, own, input, row, neuron4, sums.a, has_counts, step);
        move_input(replica, own, input + 1u, row + 1u, neuron4, sums.b, has_counts, step);
        move_input(replica, own, input + 2u, row + 2u, neuron4, sums.c, has_counts, step);
        move_input(replica, own, input + 3u, row + 3u, neuron4, sums.d, has_counts, step);
    }
}

// 4 inputs, the row of ones among them, by 4 neurons.
fn tiles_of(layer: Layer) -> u32 {
    return (layer.inputs / 4u + 1u) * ((layer.outputs + 3u) / 4u);
}

// z is the replica.
@compute @workgroup_size(INVOCATIONS)
fn step_samples(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    // All layers' tiles in turn.
    var tile = local;
    var l = 0u;
    while l < network.layer_count && tile >= tiles_of(network.layers[l]) {
        tile -= tiles_of(network.layers[l]);
        l++;
    }
    let input4s = network.layers[min(l, network.layer_count - 1u)].inputs / 4u + 1u;
    for (var replica = id.z; replica < network.replica_count; replica += groups.z) {
        let arena = replica * network.replica_vec4s;
        for (var i = local; i < network.parameter_vec4s; i += INVOCATIONS) {
            pool[i] = parameters[arena + i];
        }
        write_ones(local % SAMPLES, local);
        for (var slot = batch.slot; slot < batch.slot + batch.steps; slot++) {
            step_replica(replica, slot, l, tile % input4s, tile / input4s, local);
        }
        workgroupBarrier();
        for (var i = local; i < network.parameter_vec4s; i += INVOCATIONS) {
            parameters[arena + i] = pool[i];
        }
        workgroupBarrier();
    }
}
