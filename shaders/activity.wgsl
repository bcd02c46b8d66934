// Uses: common
// activity.wgsl: which neurons a data set ever activates, and which it ever leaves inactive, block by
// block, from the masks that forward.wgsl wrote. A true dummy is never active, a pseudo dummy never inactive.
//
// One invocation owns one row of one replica. Outputs are added to (bitwise or): bit 0 is set where some
// sample activates the neuron, bit 1 where some sample does not. The host clears them first.

@group(0) @binding(2) var<storage, read> masks: array<u32>;                     // (R, B / 32, 2 N)
@group(0) @binding(3) var<storage, read_write> activity: array<u32>;            // (R, N)

@compute @workgroup_size(WORKGROUP_SIZE)
fn observe(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = flat_index(id, groups);
    if index >= network.replica_count * network.row_count {
        return;
    }
    let words = batch.sample4s / 8u;
    var seen = activity[index];
    for (var word = 0u; word < words; word++) {
        let samples = min(batch.size - min(batch.size, word * 32u), 32u);
        let valid = select((1u << (samples % 32u)) - 1u, 0xffffffffu, samples == 32u);
        let mask = masks[mask_start(index / network.row_count, word) + index % network.row_count] & valid;
        seen |= select(0u, 1u, mask != 0u) | select(0u, 2u, mask != valid);
    }
    activity[index] = seen;
}
