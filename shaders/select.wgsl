// Uses: common
// select.wgsl: which features of the gathered batches are active, that is, not zero in every sample. The others
// add nothing to the first layer and their parameters do not move, so the step leaves them out.
//
// One invocation owns one (step, replica). Outputs are written: the number of active features, then the active
// ones in their order, then the others. It looks at no more than LOOKED_AT mask words in all, so that its loops stay
// short (see MAX_LOOP_ITERATIONS in dispatch.rs): a feature that is zero in those of a long batch counts as active, which
// costs time and changes nothing.

@group(0) @binding(2) var<storage, read> input_masks: array<vec4<u32>>;        // (T, R, B / 32, K)
@group(0) @binding(3) var<storage, read_write> features: array<u32>;           // (T, R, 4 + K)

const LOOKED_AT = 60000u;

@compute @workgroup_size(WORKGROUP_SIZE)
fn list_features(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let batch_index = flat_index(id, groups);
    if batch_index >= batch.steps * batch.input_replicas {
        return;
    }
    let words = batch.sample4s / 8u;
    let feature4s = network.input_rows / 4u;
    let list = batch_index * (4u + network.input_rows) + 4u;
    let looked_at = max(LOOKED_AT / feature4s, 1u);
    var count = 0u;
    for (var feature4 = 0u; feature4 < feature4s; feature4++) {
        var mask = vec4<u32>();
        for (var word = 0u; word < min(words, looked_at) && any(mask == vec4<u32>()); word++) {
            mask |= input_masks[(batch_index * words + word) * feature4s + feature4];
        }
        mask |= vec4(u32(words > looked_at));
        for (var component = 0u; component < 4u; component++) {
            let feature = 4u * feature4 + component;
            let is_active = mask[component] != 0u;
            // The others from the end backwards.
            features[list + select(network.input_rows - 1u - (feature - count), count, is_active)] = feature;
            count += u32(is_active);
        }
    }
    features[list - 4u] = count;
    features[list - 3u] = 0u;
    features[list - 2u] = 0u;
    features[list - 1u] = 0u;
}
