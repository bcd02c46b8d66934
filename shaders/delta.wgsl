// Uses: block, activation, dropout
// delta.wgsl: delta^l = (W^(l+1)^T delta^(l+1)) * phi'(z^l) (eqs. 5 and 6), with their masks.
//
// A workgroup owns a block: 32 neurons of layer l by 32 samples of a replica. The terms are the neurons of layer l + 1. Outputs are
// written. ReLU'(0) = 0: its activation is positive exactly where z is, but for silent neurons (dropout.wgsl), whose deltas are 0.
// Other activations take z from the sums that forward.wgsl kept.

// Four samples of output `j` of `layer`.
fn load_delta(replica: u32, layer: Layer, j: u32, sample4: u32) -> vec4<f32> {
    if j >= layer.outputs {
        return vec4<f32>();
    }
    return deltas[row_start(replica, layer.output_row + j) + sample4];
}

// Weights of a neuron to outputs `j`.. of `layer`.
fn load_weights(replica: u32, layer: Layer, neuron: u32, j: u32) -> vec4<f32> {
    if neuron >= layer.inputs || j >= 4u * layer.weight_stride {
        return vec4<f32>();
    }
    return parameters[weight_start(replica, layer, neuron) + j / 4u];
}

// The deltas of one neuron from their finished sums over layer `l`.
fn finish_delta(replica: u32, l: u32, neuron: u32, sample4: u32, sum: vec4<f32>) -> vec4<f32> {
    let layer = network.layers[l];
    if neuron >= layer.inputs {
        return vec4<f32>();
    }
    let own = row_start(replica, layer.input_row + neuron) + sample4;
    let dropout = dropout_of(replica, batch.t);
    var delta: vec4<f32>;
    if ACTIVATION == RELU {
        delta = select(vec4<f32>(), scale_deltas(dropout, sum), activations[own] > vec4<f32>());
    } else {
        let z = activations[kept_start(replica, layer.input_row + neuron) + sample4];
        delta = drop_out(dropout, l - 1u, vec4(neuron), samples_of(sample4), sum * slope(z));
    }
    deltas[own] = delta;
    return delta;
}

// The weights of layer `l` carry its deltas back to its inputs. Called by whole workgroups.
fn delta_block(replica: u32, word: u32, l: u32, block: u32, local: u32) {
    let layer = network.layers[l];
    let sample4 = 8u * word + local % 8u;
    // What this invocation stages: terms j and j + 16 of its samples, and of rows 2 j and 2 j + 1 the weights to four terms.
    let j = local / 8u;
    let neuron = BLOCK * block + 2u * j;
    let terms = local % 8u * 4u;
    var sums: Pair;
    var samples = load_delta(replica, layer, j, sample4);
    var more = load_delta(replica, layer, j + 16u, sample4);
    var low = load_weights(replica, layer, neuron, terms);
    var high = load_weights(replica, layer, neuron + 1u, terms);
    for (var first = 0u; first < layer.outputs; first += DEPTH) {
        workgroupBarrier();
        staged_samples[local % 8u][j] = samples;
        staged_samples[local % 8u][j + 16u] = more;
        staged_rows[j][terms] = vec2(low.x, high.x);
        staged_rows[j][terms + 1u] = vec2(low.y, high.y);
        staged_rows[j][terms + 2u] = vec2(low.z, high.z);
        staged_rows[j][terms + 3u] = vec2(low.w, high.w);
        workgroupBarrier();
        // On their way while the arithmetic runs.
        samples = load_delta(replica, layer, first + DEPTH + j, sample4);
        more = load_delta(replica, layer, first + DEPTH + j + 16u, sample4);
        low = load_weights(replica, layer, neuron, first + DEPTH + terms);
        high = load_weights(replica, layer, neuron + 1u, first + DEPTH + terms);
        add_stage(&sums, local, layer.outputs - first);
    }
    let a = finish_delta(replica, l, neuron, sample4, sums.a);
    let b = finish_delta(replica, l, neuron + 1u, sample4, sums.b);
    store_masks(mask_start(replica, word) + network.row_count + layer.input_row + BLOCK * block, layer.inputs - BLOCK * block, a, b, local);
}

// The deltas of the inputs of batch.layer: x is the mask word, y the block of neurons.
@compute @workgroup_size(128)
fn delta(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    for (var replica = id.z; replica < network.replica_count; replica += groups.z) {
        delta_block(replica, id.x, batch.layer, id.y, local);
    }
}
