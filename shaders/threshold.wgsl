// Uses: replicas, inputs, norms
// threshold.wgsl: what counts of a batch, for replicas with a threshold T above 0: a_k where |a_k| > T, and delta_j where |delta_j| is
// above T times the largest |delta_j| of the batch, which is known only now. NaN counts.
//
// One invocation owns one row of one replica: of the inputs, or of the neurons, whose activations and deltas it takes in turn. Masks
// that forward.wgsl, delta.wgsl and gather.wgsl left are written anew; select.wgsl must have read those of the inputs before.
// Rows of ones stay as they are, because 1 > T. Of normalized networks a dispatch takes layer batch.layer alone, with the inputs if it is
// the first, because normalize_back.wgsl puts others in the place of the deltas that count.

@group(0) @binding(2) var<storage, read> inputs: array<Input4>;                 // (T, R, K, B)
@group(0) @binding(3) var<storage, read> activations: array<vec4<f32>>;         // (R, N, B)
@group(0) @binding(4) var<storage, read> deltas: array<vec4<f32>>;              // (R, N, B)
@group(0) @binding(5) var<storage, read_write> masks: array<u32>;               // (R, B / 32, 2 N)
@group(0) @binding(6) var<storage, read_write> input_masks: array<u32>;         // (T, R, B / 32, K)

fn counted(values: vec4<f32>, bound: f32) -> u32 {
    return sample4_bits(!(abs(values) <= vec4(bound)));
}

// The larger magnitudes, where they are numbers.
fn larger(largest: vec4<f32>, values: vec4<f32>) -> vec4<f32> {
    return select(largest, abs(values), abs(values) > largest);
}

fn input_word(first: u32, bound: f32) -> u32 {
    return counted(input_values(inputs[first]), bound) | counted(input_values(inputs[first + 1u]), bound) << 4u
        | counted(input_values(inputs[first + 2u]), bound) << 8u | counted(input_values(inputs[first + 3u]), bound) << 12u
        | counted(input_values(inputs[first + 4u]), bound) << 16u | counted(input_values(inputs[first + 5u]), bound) << 20u
        | counted(input_values(inputs[first + 6u]), bound) << 24u | counted(input_values(inputs[first + 7u]), bound) << 28u;
}

fn activation_word(first: u32, bound: f32) -> u32 {
    return counted(activations[first], bound) | counted(activations[first + 1u], bound) << 4u
        | counted(activations[first + 2u], bound) << 8u | counted(activations[first + 3u], bound) << 12u
        | counted(activations[first + 4u], bound) << 16u | counted(activations[first + 5u], bound) << 20u
        | counted(activations[first + 6u], bound) << 24u | counted(activations[first + 7u], bound) << 28u;
}

fn delta_word(first: u32, bound: f32) -> u32 {
    return counted(deltas[first], bound) | counted(deltas[first + 1u], bound) << 4u
        | counted(deltas[first + 2u], bound) << 8u | counted(deltas[first + 3u], bound) << 12u
        | counted(deltas[first + 4u], bound) << 16u | counted(deltas[first + 5u], bound) << 20u
        | counted(deltas[first + 6u], bound) << 24u | counted(deltas[first + 7u], bound) << 28u;
}

fn count_inputs(replica: u32, row: u32, words: u32) {
    let bound = select(replicas[replica].byte_threshold, replicas[replica].count_threshold, INPUT_SCALE == 1.0);
    for (var word = 0u; word < words; word++) {
        input_masks[input_mask_start(replica, word) + row] = input_word(input_start(replica, row) + 8u * word, bound);
    }
}

fn count_neurons(replica: u32, row: u32, words: u32) {
    let threshold = replicas[replica].count_threshold;
    let first = row_start(replica, row);
    var four: vec4<f32>;
    for (var word = 0u; word < words; word++) {
        let own = first + 8u * word;
        four = larger(larger(larger(larger(four, deltas[own]), deltas[own + 1u]), deltas[own + 2u]), deltas[own + 3u]);
        four = larger(larger(larger(larger(four, deltas[own + 4u]), deltas[own + 5u]), deltas[own + 6u]), deltas[own + 7u]);
    }
    let bound = threshold * max(max(four.x, four.y), max(four.z, four.w));
    for (var word = 0u; word < words; word++) {
        let own = mask_start(replica, word) + row;
        masks[own] = activation_word(first + 8u * word, threshold);
        masks[own + network.row_count] = delta_word(first + 8u * word, bound);
    }
}

// Whether a row, of the inputs or after them of the neurons, is this dispatch's.
fn is_now(row: u32) -> bool {
    if !has_norms() {
        return true;
    }
    let first = network.input_rows + network.layers[batch.layer].output_row;
    return row >= first && row < first + network.layers[batch.layer].outputs || row < network.input_rows && batch.layer == 0u;
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn threshold(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = flat_index(id, groups);
    let rows = network.input_rows + network.row_count;
    let replica = index / rows;
    if replica >= network.replica_count {
        return;
    }
    let row = index % rows;
    let words = select(0u, batch.sample4s / 8u, replicas[replica].count_threshold > 0.0 && is_now(row));
    if row < network.input_rows {
        count_inputs(replica, row, words);
    } else {
        count_neurons(replica, row - network.input_rows, words);
    }
}
