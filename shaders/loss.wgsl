// Uses: block, targets
// loss.wgsl: delta^L = output - target (eq. 4 for the last layer), from the logits, with their masks.
//
// Softmax with cross-entropy where the output layer has two or more units, one sigmoid unit with binary cross-entropy otherwise;
// both in the form that cannot overflow. Where targets are numbers, linear units with the mean squared error, whose delta is
// 2 (output - target) / n_L.
//
// A workgroup owns 32 samples of a replica. Outputs are written; samples past the end of the batch get 0, so they enter neither
// sum nor count.

fn sigmoid(z: vec4<f32>) -> vec4<f32> {
    let e = exp(-abs(z));
    return select(vec4(1.0), e, z < vec4<f32>()) / (1.0 + e);
}

// Outputs less targets of softmax, from its logits.
fn softmax_delta(logits: vec4<f32>, highest: vec4<f32>, sum: vec4<f32>, are_targets: vec4<bool>) -> vec4<f32> {
    return exp(logits - highest) / sum - select(vec4<f32>(), vec4(1.0), are_targets);
}

fn squared_delta(outputs: vec4<f32>, numbers: vec4<f32>, units: u32) -> vec4<f32> {
    return (outputs - numbers) * (2.0 / f32(units));
}

// Of softmax: each sample's highest logit, and the sum of e to the distance from it.
struct Total {
    highest: vec4<f32>,
    sum: vec4<f32>,
}

fn total_of(replica: u32, layer: Layer, sample4: u32) -> Total {
    if HAS_NUMBERS {
        return Total();
    }
    let logits = row_start(replica, layer.output_row) + sample4;
    var total = Total(activations[logits], vec4<f32>());
    for (var j = 1u; j < layer.outputs; j++) {
        total.highest = max(total.highest, activations[logits + j * batch.sample4s]);
    }
    for (var j = 0u; j < layer.outputs; j++) {
        total.sum += exp(activations[logits + j * batch.sample4s] - total.highest);
    }
    return total;
}

// The deltas of one unit.
fn unit_delta(replica: u32, layer: Layer, unit: u32, sample4: u32, total: Total) -> vec4<f32> {
    if unit >= layer.outputs {
        return vec4<f32>();
    }
    let own = row_start(replica, layer.output_row + unit) + sample4;
    var delta: vec4<f32>;
    if HAS_NUMBERS {
        let numbers = bitcast<vec4<f32>>(labels[target_start(batch_of(replica), unit) + sample4]);
        delta = squared_delta(activations[own], numbers, layer.outputs);
    } else {
        let label = labels[target_start(batch_of(replica), 0u) + sample4];
        delta = softmax_delta(activations[own], total.highest, total.sum, label == vec4(unit));
        if layer.outputs == 1u {
            delta = sigmoid(activations[own]) - vec4<f32>(label);
        }
    }
    delta = select(vec4<f32>(), delta, sample4_is_valid(sample4));
    deltas[own] = delta;
    return delta;
}

// Called by whole workgroups.
fn loss_block(replica: u32, word: u32, layer: Layer, local: u32) {
    let sample4 = 8u * word + local % 8u;
    // Sixteen invocations find the same: cheaper than to share it.
    let total = total_of(replica, layer, sample4);
    for (var first = 0u; first < layer.outputs; first += BLOCK) {
        let unit = first + local / 8u * 2u;
        let a = unit_delta(replica, layer, unit, sample4, total);
        let b = unit_delta(replica, layer, unit + 1u, sample4, total);
        store_masks(mask_start(replica, word) + network.row_count + layer.output_row + first, layer.outputs - first, a, b, local);
    }
}

// x is the mask word.
@compute @workgroup_size(128)
fn loss(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    for (var replica = id.z; replica < network.replica_count; replica += groups.z) {
        loss_block(replica, id.x, network.layers[network.layer_count - 1u], local);
    }
}
