// Uses: state, masks
// loss.wgsl: delta^L = output - target (eq. 4 for the last layer), from the logits.
//
// Softmax with cross-entropy where the output layer has two or more units, one sigmoid unit with binary
// cross-entropy otherwise; both in the form that cannot overflow.
//
// One invocation owns one sample4. Outputs are written; samples past the end of the batch get 0,
// so they enter neither sum nor count.

fn sigmoid(z: vec4<f32>) -> vec4<f32> {
    let e = exp(-abs(z));
    return select(vec4(1.0), e, z < vec4<f32>()) / (1.0 + e);
}

// Called by whole workgroups, for the barriers.
fn loss_sample4(replica: u32, layer: Layer, sample4: u32, local: u32, in_bounds: bool) {
    let logits = row_start(replica, layer.output_row) + sample4;
    let label = labels[label_start(replica) + sample4];
    let valid = sample4_is_valid(sample4);

    var highest = activations[logits];
    for (var j = 1u; j < layer.outputs; j++) {
        highest = max(highest, activations[logits + j * batch.sample4s]);
    }
    var total = vec4<f32>();
    for (var j = 0u; j < layer.outputs; j++) {
        total += exp(activations[logits + j * batch.sample4s] - highest);
    }

    for (var first = 0u; first < layer.outputs; first += TILE_ROWS) {
        let row_count = min(layer.outputs - first, TILE_ROWS);
        for (var j = 0u; j < row_count; j++) {
            let unit = first + j;
            let z = activations[logits + unit * batch.sample4s];
            let is_target = select(vec4<f32>(), vec4(1.0), label == vec4(unit));
            var delta = exp(z - highest) / total - is_target;
            if layer.outputs == 1u {
                delta = sigmoid(z) - vec4<f32>(label);
            }
            delta = select(vec4<f32>(), delta, valid);
            if in_bounds {
                deltas[row_start(replica, layer.output_row + unit) + sample4] = delta;
            }
            share_mask(local, j, sample4_bits(delta != vec4<f32>()));
        }
        store_masks(replica, network.row_count + layer.output_row + first, row_count, sample4, local, in_bounds, 0u);
    }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn loss(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let index = flat_index(id, groups);
    let sample4 = index % batch.sample4s;
    let replica = index / batch.sample4s;
    let in_bounds = replica < network.replica_count;
    loss_sample4(min(replica, network.replica_count - 1u), network.layers[network.layer_count - 1u], sample4, local, in_bounds);
}
