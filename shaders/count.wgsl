// count.wgsl: the adaptive batch sizes of the last step, summed over the parameters of each neuron, for
// the metrics. The counts themselves are those of reduce.wgsl.
//
// One invocation owns one neuron (weights and bias) of one replica. Outputs are written; rows that are no
// neuron get 0.

@group(0) @binding(2) var<storage, read> input_masks: array<u32>;               // (T, R, B / 32, K)
@group(0) @binding(3) var<storage, read> masks: array<u32>;                     // (R, B / 32, 2 N)
@group(0) @binding(4) var<storage, read_write> count_sums: array<u32>;          // (R, N)

@compute @workgroup_size(WORKGROUP_SIZE)
fn count(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = flat_index(id, groups);
    let replica = index / network.row_count;
    if replica >= network.replica_count {
        return;
    }
    let row = index % network.row_count;
    let words = batch.quads / 8u;
    var sum = 0u;
    for (var l = 0u; l < network.layer_count; l++) {
        let layer = network.layers[l];
        if row >= layer.output_row && row < layer.output_row + layer.outputs {
            for (var word = 0u; word < words; word++) {
                let data = input_mask_start(replica, word);
                let start = mask_start(replica, word);
                let delta = masks[start + network.row_count + row];
                for (var k = 0u; k <= layer.inputs; k++) {
                    if layer.reads_data == 1u {
                        sum += countOneBits(delta & input_masks[data + k]);
                    } else {
                        sum += countOneBits(delta & masks[start + layer.input_row + k]);
                    }
                }
            }
        }
    }
    count_sums[index] = sum;
}
