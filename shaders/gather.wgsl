// gather.wgsl: the next batches, transposed so that samples are the fastest axis, and their zero masks.
//
// One invocation owns up to 16 features of 32 samples (one mask word) of one (step, replica): the places of
// its samples are looked up once. Outputs are written; samples past the end of the batch are zero. The data
// set's rows already hold the 1 that multiplies the bias.

@group(0) @binding(2) var<storage, read> dataset: array<InputQuad>;            // (samples + 1, K), four features a quad
@group(0) @binding(3) var<storage, read> sample_indices: array<vec4<u32>>;     // (T, R, B)
@group(0) @binding(4) var<storage, read_write> inputs: array<InputQuad>;       // (T, R, K, B)
@group(0) @binding(5) var<storage, read_write> input_masks: array<u32>;        // (T, R, K, B / 32)

const FEATURE_QUADS = 4u;

@compute @workgroup_size(WORKGROUP_SIZE)
fn gather(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = flat_index(id, groups);
    let feature_quads = network.input_rows / 4u;
    let groups_of_features = (feature_quads + FEATURE_QUADS - 1u) / FEATURE_QUADS;
    let words = batch.quads / 8u;
    let word = index / groups_of_features % words;
    let batch_index = index / groups_of_features / words;
    if batch_index >= batch.steps * batch.input_replicas {
        return;
    }
    let first_feature_quad = index % groups_of_features * FEATURE_QUADS;
    let end = min(first_feature_quad + FEATURE_QUADS, feature_quads);

    // Where the rows of the 32 samples begin.
    var rows: array<vec4<u32>, 8>;
    for (var quad = 0u; quad < 8u; quad++) {
        rows[quad] = sample_indices[batch_index * batch.quads + word * 8u + quad] * feature_quads;
    }
    for (var feature_quad = first_feature_quad; feature_quad < end; feature_quad++) {
        let first_row = batch_index * network.input_rows + feature_quad * 4u;
        var masks = vec4<u32>();
        for (var quad = 0u; quad < 8u; quad++) {
            let row = rows[quad] + vec4(feature_quad);
            let features = transpose_inputs(dataset[row.x], dataset[row.y], dataset[row.z], dataset[row.w]);
            let target_quad = first_row * batch.quads + word * 8u + quad;
            var bits = vec4<u32>();
            for (var feature = 0u; feature < 4u; feature++) {
                inputs[target_quad + feature * batch.quads] = features[feature];
                bits[feature] = quad_bits(input_values(features[feature]) != vec4<f32>());
            }
            masks |= bits << vec4(4u * quad);
        }
        for (var feature = 0u; feature < 4u; feature++) {
            input_masks[(first_row + feature) * words + word] = masks[feature];
        }
    }
}
