// loss.wgsl: delta^L = output - target (eq. 4 for the last layer), from the logits.
//
// Softmax with cross-entropy where the output layer has two or more units, one sigmoid unit with binary
// cross-entropy otherwise; both in the form that cannot overflow.
//
// One invocation owns one quad of samples. Outputs are written; samples past the end of the batch get 0,
// so they enter neither sum nor count.

fn sigmoid(z: vec4<f32>) -> vec4<f32> {
    let e = exp(-abs(z));
    return select(vec4(1.0), e, z < vec4<f32>()) / (1.0 + e);
}

// Called by whole workgroups, for the barriers.
fn loss_quad(replica: u32, layer: Layer, quad: u32, local: u32, owned: bool) {
    let logits = row_start(replica, layer.output_row) + quad;
    let label = labels[label_start(replica) + quad];
    let valid = quad_is_valid(quad);

    var highest = activations[logits];
    for (var j = 1u; j < layer.outputs; j++) {
        highest = max(highest, activations[logits + j * batch.quads]);
    }
    var total = vec4<f32>();
    for (var j = 0u; j < layer.outputs; j++) {
        total += exp(activations[logits + j * batch.quads] - highest);
    }

    for (var first = 0u; first < layer.outputs; first += TILE_ROWS) {
        let row_count = min(layer.outputs - first, TILE_ROWS);
        for (var j = 0u; j < row_count; j++) {
            let unit = first + j;
            let z = activations[logits + unit * batch.quads];
            let is_target = select(vec4<f32>(), vec4(1.0), label == vec4(unit));
            var delta = exp(z - highest) / total - is_target;
            if layer.outputs == 1u {
                delta = sigmoid(z) - vec4<f32>(label);
            }
            delta = select(vec4<f32>(), delta, valid);
            if owned {
                deltas[row_start(replica, layer.output_row + unit) + quad] = delta;
            }
            share_mask(local, j, quad_bits(delta != vec4<f32>()));
        }
        store_masks(replica, network.row_count + layer.output_row + first, row_count, quad, local, owned, 0u);
    }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn loss(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let index = flat_index(id, groups);
    let quad = index % batch.quads;
    let replica = index / batch.quads;
    let owned = replica < network.replica_count;
    loss_quad(min(replica, network.replica_count - 1u), network.layers[network.layer_count - 1u], quad, local, owned);
}
