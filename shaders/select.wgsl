// Uses: common
// select.wgsl: which features of the gathered batches are active, that is, not zero in every sample. The others
// add nothing to the first layer and their parameters do not move, so the step leaves them out.
//
// A workgroup owns one (step, replica) and takes 256 features at a time, an invocation each. Outputs are written: the number of
// active features, then the active ones in their order, then the others from the end backwards.

@group(0) @binding(2) var<storage, read> input_masks: array<u32>;              // (T, R, B / 32, K)
@group(0) @binding(3) var<storage, read_write> features: array<u32>;           // (T, R, 4 + K)

// One bit a feature: whether it is active.
var<workgroup> flags: array<atomic<u32>, 8>;

// z is the (step, replica).
@compute @workgroup_size(256)
fn list_features(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let words = batch.sample4s / 8u;
    for (var index = id.z; index < batch.steps * batch.input_replicas; index += groups.z) {
        let list = index * (4u + network.input_rows) + 4u;
        var count = 0u;     // active features so far
        for (var first = 0u; first < network.input_rows; first += 256u) {
            let feature = first + local;
            var mask = 0u;
            if feature < network.input_rows {
                for (var word = 0u; word < words; word++) {
                    mask |= input_masks[(index * words + word) * network.input_rows + feature];
                }
            }
            workgroupBarrier();
            if local < 8u {
                atomicStore(&flags[local], 0u);
            }
            workgroupBarrier();
            atomicOr(&flags[local / 32u], u32(mask != 0u) << (local % 32u));
            workgroupBarrier();
            var before = count;     // active features before this one
            for (var i = 0u; i < 8u; i++) {
                let word = atomicLoad(&flags[i]);
                let lower = extractBits(word, 0u, clamp(local, 32u * i, 32u * i + 32u) - 32u * i);
                before += countOneBits(lower);
                count += countOneBits(word);
            }
            if feature < network.input_rows {
                features[list + select(network.input_rows - 1u - (feature - before), before, mask != 0u)] = feature;
            }
        }
        if local < 4u {
            features[list - 4u + local] = select(0u, count, local == 0u);
        }
    }
}
