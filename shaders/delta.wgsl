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
fn load_weights(replica: u32, layer: Layer, neuron: u32, j: u32) -> vec4<f32> {
    if neuron >= layer.inputs || j >= 4u * layer.weight_stride {
        return vec4<f32>();
    }
    return parameters[weight_start(replica, layer, neuron) + j / 4u];
}

// Weights of row `row` to terms `first`.. of the stage.
fn stage_weights(row: u32, first: u32, weights: vec4<f32>) {
    staged_rows[row / 4u][first][row % 4u] = weights.x;
    staged_rows[row / 4u][first + 1u][row % 4u] = weights.y;
    staged_rows[row / 4u][first + 2u][row % 4u] = weights.z;
    staged_rows[row / 4u][first + 3u][row % 4u] = weights.w;
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

// The same for four neurons.
fn mask_deltas(replica: u32, layer: Layer, neuron: u32, sample4: u32, sums: Tile) -> Tile {
    let a = mask_delta(replica, layer, neuron, sample4, sums.a);
    let b = mask_delta(replica, layer, neuron + 1u, sample4, sums.b);
    let c = mask_delta(replica, layer, neuron + 2u, sample4, sums.c);
    return Tile(a, b, c, mask_delta(replica, layer, neuron + 3u, sample4, sums.d));
}

// `layer` is layer l + 1, whose weights carry the deltas back. Called by whole workgroups.
fn delta_block(replica: u32, word: u32, layer: Layer, block: u32, local: u32) {
    let j = local / 8u;         // of its samples
    let sample4 = 8u * word + local % 8u;
    let row = local / 4u;       // of its weights, to terms 4 (local % 4)..
    let terms = local % 4u * 4u;
    var sums: Tile;
    var low = load_delta(replica, layer, j, sample4);
    var high = load_delta(replica, layer, j + 8u, sample4);
    var low_weights = load_weights(replica, layer, BLOCK * block + row, terms);
    var high_weights = load_weights(replica, layer, BLOCK * block + row + 16u, terms);
    for (var first = 0u; first < layer.outputs; first += DEPTH) {
        workgroupBarrier();
        staged_samples[local % 8u][j] = low;
        staged_samples[local % 8u][j + 8u] = high;
        stage_weights(row, terms, low_weights);
        stage_weights(row + 16u, terms, high_weights);
        workgroupBarrier();
        // On their way while the arithmetic runs.
        low = load_delta(replica, layer, first + DEPTH + j, sample4);
        high = load_delta(replica, layer, first + DEPTH + j + 8u, sample4);
        low_weights = load_weights(replica, layer, BLOCK * block + row, first + DEPTH + terms);
        high_weights = load_weights(replica, layer, BLOCK * block + row + 16u, first + DEPTH + terms);
        add_stage(&sums, local);
    }
    let tile = mask_deltas(replica, layer, BLOCK * block + local / 8u * 4u, sample4, sums);
    store_masks(mask_start(replica, word) + network.row_count + layer.input_row + BLOCK * block, layer.inputs - BLOCK * block, tile, local);
}

// The deltas of the inputs of batch.layer: x is the mask word, y the block of neurons.
@compute @workgroup_size(64)
fn delta(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    for (var replica = id.z; replica < network.replica_count; replica += groups.z) {
        delta_block(replica, id.x, network.layers[batch.layer], id.y, local);
    }
}
