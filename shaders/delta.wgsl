// Uses: block
// delta.wgsl: delta^l = (W^(l+1)^T delta^(l+1)) * [z^l > 0] (eqs. 5 and 6), with their masks.
//
// A workgroup owns a block: 32 neurons of layer l by 32 samples of a replica. The terms are the neurons of layer l + 1. Outputs are
// written. ReLU'(0) = 0: the activation is positive exactly where z is.

// Four samples of output `j` of `layer`.
fn load_delta(replica: u32, layer: Layer, j: u32, sample4: u32) -> vec4<f32> {
    if j >= layer.outputs {
        return vec4<f32>();
    }
    return deltas[row_start(replica, layer.output_row + j) + sample4];
}

// Weights of a neuron to outputs `j`.. of `layer`.
fn load_weights(replica: u32, layer: Layer, neuron: u32, j: u32, is_wanted: bool) -> vec4<f32> {
    if !is_wanted || neuron >= layer.inputs || j >= 4u * layer.weight_stride {
        return vec4<f32>();
    }
    return parameters[weight_start(replica, layer, neuron) + j / 4u];
}

// The deltas of one neuron from their finished sums.
fn mask_delta(replica: u32, layer: Layer, neuron: u32, sample4: u32, sum: vec4<f32>) -> vec4<f32> {
    if neuron >= layer.inputs {
        return vec4<f32>();
    }
    let own = row_start(replica, layer.input_row + neuron) + sample4;
    let delta = select(vec4<f32>(), sum, activations[own] > vec4<f32>());
    deltas[own] = delta;
    return delta;
}

// `layer` is layer l + 1, whose weights carry the deltas back. Called by whole workgroups.
fn delta_block(replica: u32, word: u32, layer: Layer, block: u32, local: u32) {
    let sample4 = 8u * word + local % 8u;
    // What this invocation stages: term j of its samples and, in half of the workgroup, of two rows the weights to four terms.
    let j = local / 8u;
    let pair = local / 4u;
    let neuron = BLOCK * block + pair * 2u;
    let terms = local % 4u * 4u;
    let has_weights = local < 64u;
    var sums: Pair;
    var samples = load_delta(replica, layer, j, sample4);
    var low = load_weights(replica, layer, neuron, terms, has_weights);
    var high = load_weights(replica, layer, neuron + 1u, terms, has_weights);
    for (var first = 0u; first < layer.outputs; first += DEPTH) {
        workgroupBarrier();
        staged_samples[local % 8u][j] = samples;
        if has_weights {
            staged_rows[pair][terms] = vec2(low.x, high.x);
            staged_rows[pair][terms + 1u] = vec2(low.y, high.y);
            staged_rows[pair][terms + 2u] = vec2(low.z, high.z);
            staged_rows[pair][terms + 3u] = vec2(low.w, high.w);
        }
        workgroupBarrier();
        // On their way while the arithmetic runs.
        samples = load_delta(replica, layer, first + DEPTH + j, sample4);
        low = load_weights(replica, layer, neuron, first + DEPTH + terms, has_weights);
        high = load_weights(replica, layer, neuron + 1u, first + DEPTH + terms, has_weights);
        add_stage(&sums, local);
    }
    let own = BLOCK * block + local / 8u * 2u;
    let a = mask_delta(replica, layer, own, sample4, sums.a);
    let b = mask_delta(replica, layer, own + 1u, sample4, sums.b);
    store_masks(mask_start(replica, word) + network.row_count + layer.input_row + BLOCK * block, layer.inputs - BLOCK * block, a, b, local);
}

// The deltas of the inputs of batch.layer: x is the mask word, y the block of neurons.
@compute @workgroup_size(128)
fn delta(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    for (var replica = id.z; replica < network.replica_count; replica += groups.z) {
        delta_block(replica, id.x, network.layers[batch.layer], id.y, local);
    }
}
