// Uses: block, activation, dropout, norms
// forward.wgsl: a^l = phi(W^l a^(l-1) + b^l), and the logits for the last layer, with their masks. Dropout silences hidden neurons.
//
// A workgroup owns a block: 32 neurons by 32 samples of a replica. The terms are the inputs, and last the one that is always 1; in
// the first layer only the features that select.wgsl listed as active. Outputs are written. The row of ones that follows a
// layer's neurons, and its mask, are there before the first step and stay. A normalized layer has no bias, and z is all that it gets here:
// normalize.wgsl does the rest.

// Four samples of a term, and its weights to four neurons.
struct Term {
    samples: Loaded,
    weights: vec4<f32>,
}

// The input that is term `k`; past term `last`, that again.
fn term_input(replica: u32, layer: Layer, k: u32, last: u32) -> u32 {
    if layer.reads_data == 1u {
        return features[features_start(replica) + 4u + min(k, last)];
    }
    return min(k, last);
}

fn load_term(replica: u32, word: u32, layer: Layer, block: u32, input: u32, local: u32) -> Term {
    let column = min(8u * block + local % 8u, layer.weight_stride - 1u);
    return Term(load_input(replica, layer, input, 8u * word + local % 8u), parameters[weight_start(replica, layer, input) + column]);
}

// As term `k` of a stage; as zeros, if it is none.
fn stage_term(layer: Layer, term: Term, k: u32, is_term: bool, local: u32) {
    let weights = select(vec4<f32>(), term.weights, is_term);
    staged_samples[local % 8u][k] = loaded_values(layer, term.samples);
    staged_rows[local % 8u * 2u][k] = vec2(weights.x, weights.y);
    staged_rows[local % 8u * 2u + 1u][k] = vec2(weights.z, weights.w);
}

// The activations of one neuron from their finished sums.
fn activate(replica: u32, l: u32, neuron: u32, sample4: u32, sum: vec4<f32>) -> vec4<f32> {
    let layer = network.layers[l];
    if neuron >= layer.outputs {
        return vec4<f32>();
    }
    let z = sum * input_scale(layer);
    if is_normalized(layer) {
        activations[row_start(replica, layer.output_row + neuron) + sample4] = z;
        return z;
    }
    if KEEPS_SUMS {
        activations[kept_start(replica, layer.output_row + neuron) + sample4] = z;
    }
    let whole = select(activation(z), z, vec4(layer.is_output == 1u));
    let a = drop_out(dropout_of(replica, batch.t), l, vec4(neuron), samples_of(sample4), whole);
    activations[row_start(replica, layer.output_row + neuron) + sample4] = a;
    return a;
}

// Layer `l`. Called by whole workgroups.
fn forward_block(replica: u32, word: u32, l: u32, block: u32, local: u32) {
    let layer = network.layers[l];
    // The one that is always 1 is the last.
    let terms = select(layer.inputs + 1u, features[features_start(replica)], layer.reads_data == 1u) - u32(is_normalized(layer));
    let last = max(terms, 1u) - 1u;
    let k = local / 8u;
    var sums: Pair;
    var low = load_term(replica, word, layer, block, term_input(replica, layer, k, last), local);
    var high = load_term(replica, word, layer, block, term_input(replica, layer, k + 16u, last), local);
    var next_low = term_input(replica, layer, DEPTH + k, last);
    var next_high = term_input(replica, layer, DEPTH + k + 16u, last);
    for (var first = 0u; first < terms; first += DEPTH) {
        workgroupBarrier();
        stage_term(layer, low, k, first + k < terms, local);
        stage_term(layer, high, k + 16u, first + k + 16u < terms, local);
        workgroupBarrier();
        // On their way while the arithmetic runs: the next terms, and which inputs the terms after those are.
        low = load_term(replica, word, layer, block, next_low, local);
        high = load_term(replica, word, layer, block, next_high, local);
        next_low = term_input(replica, layer, first + 2u * DEPTH + k, last);
        next_high = term_input(replica, layer, first + 2u * DEPTH + k + 16u, last);
        add_stage(&sums, local, terms - first);
    }
    let neuron = BLOCK * block + local / 8u * 2u;
    let a = activate(replica, l, neuron, 8u * word + local % 8u, sums.a);
    let b = activate(replica, l, neuron + 1u, 8u * word + local % 8u, sums.b);
    store_masks(mask_start(replica, word) + layer.output_row + BLOCK * block, layer.outputs - BLOCK * block, a, b, local);
}

// Layer batch.layer: x is the mask word, y the block of neurons.
@compute @workgroup_size(128)
fn forward(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    for (var replica = id.z; replica < network.replica_count; replica += groups.z) {
        forward_block(replica, id.x, batch.layer, id.y, local);
    }
}
