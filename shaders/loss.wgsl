// Uses: block
// loss.wgsl: delta^L = output - target (eq. 4 for the last layer), from the logits, with their masks.
//
// Softmax with cross-entropy where the output layer has two or more units, one sigmoid unit with binary cross-entropy otherwise;
// both in the form that cannot overflow.
//
// A workgroup owns 32 samples of a replica. Outputs are written; samples past the end of the batch get 0, so they enter neither
// sum nor count.

fn sigmoid(z: vec4<f32>) -> vec4<f32> {
    let e = exp(-abs(z));
    return select(vec4(1.0), e, z < vec4<f32>()) / (1.0 + e);
}

// The deltas of one unit; the logits of unit 0 are at `logits`.
fn unit_delta(replica: u32, layer: Layer, unit: u32, sample4: u32, logits: u32, highest: vec4<f32>, total: vec4<f32>) -> vec4<f32> {
    if unit >= layer.outputs {
        return vec4<f32>();
    }
    let z = activations[logits + unit * batch.sample4s];
    let label = labels[batch_of(replica) * batch.sample4s + sample4];
    var delta = exp(z - highest) / total - select(vec4<f32>(), vec4(1.0), label == vec4(unit));
    if layer.outputs == 1u {
        delta = sigmoid(z) - vec4<f32>(label);
    }
    delta = select(vec4<f32>(), delta, sample4_is_valid(sample4));
    deltas[logits + unit * batch.sample4s] = delta;
    return delta;
}

// Called by whole workgroups.
fn loss_block(replica: u32, word: u32, layer: Layer, local: u32) {
    let sample4 = 8u * word + local % 8u;
    let logits = row_start(replica, layer.output_row) + sample4;
    // Eight invocations find the same: cheaper than to share it.
    var highest = activations[logits];
    for (var j = 1u; j < layer.outputs; j++) {
        highest = max(highest, activations[logits + j * batch.sample4s]);
    }
    var total = vec4<f32>();
    for (var j = 0u; j < layer.outputs; j++) {
        total += exp(activations[logits + j * batch.sample4s] - highest);
    }
    for (var first = 0u; first < layer.outputs; first += BLOCK) {
        let unit = first + local / 8u * 4u;
        let a = unit_delta(replica, layer, unit, sample4, logits, highest, total);
        let b = unit_delta(replica, layer, unit + 1u, sample4, logits, highest, total);
        let c = unit_delta(replica, layer, unit + 2u, sample4, logits, highest, total);
        let d = unit_delta(replica, layer, unit + 3u, sample4, logits, highest, total);
        let first_mask = mask_start(replica, word) + network.row_count + layer.output_row + first;
        store_masks(first_mask, layer.outputs - first, Tile(a, b, c, d), local);
    }
}

// x is the mask word.
@compute @workgroup_size(64)
fn loss(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    for (var replica = id.z; replica < network.replica_count; replica += groups.z) {
        loss_block(replica, id.x, network.layers[network.layer_count - 1u], local);
    }
}
