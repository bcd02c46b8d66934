// Uses: norms
// count.wgsl: the adaptive batch sizes of the last step, summed over the parameters of each neuron, for
// the metrics. The counts themselves are those of reduce.wgsl.
//
// One invocation owns one mask word (32 samples) of one neuron (weights, bias, gamma) of one replica. Outputs are added to
// (integers, so that the order does not matter); the host clears them first. Rows that are no neuron get nothing.

@group(0) @binding(2) var<storage, read> input_masks: array<vec4<u32>>;         // (T, R, B / 32, K)
@group(0) @binding(3) var<storage, read> masks: array<vec4<u32>>;               // (R, B / 32, 2 N)
@group(0) @binding(4) var<storage, read_write> count_sums: array<atomic<u32>>;  // (R, N)

@compute @workgroup_size(WORKGROUP_SIZE)
fn count(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = flat_index(id, groups);
    let row = index % network.row_count;
    let word = index / network.row_count % (batch.sample4s / 8u);
    let replica = index / network.row_count / (batch.sample4s / 8u);
    if replica >= network.replica_count {
        return;
    }
    let start = mask_start(replica, word);
    var sum = 0u;
    for (var l = 0u; l < network.layer_count; l++) {
        let layer = network.layers[l];
        if row >= layer.output_row && row < layer.output_row + layer.outputs {
            let delta = masks[(start + network.row_count + row) / 4u][row % 4u];
            // The inputs end with the row of ones, which means the bias; after it masks are zero.
            for (var input4 = 0u; input4 <= layer.inputs / 4u; input4++) {
                var inputs = masks[(start + layer.input_row) / 4u + input4];
                if layer.reads_data == 1u {
                    inputs = input_masks[input_mask_start(replica, word) / 4u + input4];
                }
                let counts = countOneBits(inputs & vec4(delta));
                sum += counts.x + counts.y + counts.z + counts.w;
            }
            if is_normalized(layer) {
                sum += countOneBits(delta);
            }
        }
    }
    if sum != 0u {
        atomicAdd(&count_sums[replica * network.row_count + row], sum);
    }
}
