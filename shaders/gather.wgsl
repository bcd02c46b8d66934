// Uses: inputs, common
// gather.wgsl: the next batches, transposed so that samples are the fastest axis, and their zero masks.
//
// One invocation owns a block of features (16 of bytes, 4 of floats) of 32 samples (one mask word) of one
// (step, replica). Outputs are written; samples past the end of the batch are zero. The data set's rows
// already hold the 1 that multiplies the bias.

@group(0) @binding(2) var<storage, read> dataset: array<InputBlock>;           // (samples + 1, K)
@group(0) @binding(3) var<storage, read> sample_indices: array<vec4<u32>>;     // (T, R, B)
@group(0) @binding(4) var<storage, read_write> inputs: array<InputBlock>;      // (T, R, K, B)
@group(0) @binding(5) var<storage, read_write> input_masks: array<vec4<u32>>;  // (T, R, B / 32, K)

const BLOCKS_A_WORD = 32u / BLOCK;

@compute @workgroup_size(WORKGROUP_SIZE)
fn gather(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = flat_index(id, groups);
    let feature_blocks = network.input_rows / BLOCK;
    let words = batch.sample4s / 8u;
    let feature_block = index % feature_blocks;
    let word = index / feature_blocks % words;
    let batch_index = index / feature_blocks / words;
    if batch_index >= batch.steps * batch.input_replicas {
        return;
    }
    let first_row = batch_index * network.input_rows + feature_block * BLOCK;
    let first_sample4 = batch_index * batch.sample4s + word * 8u;

    var masks: array<vec4<u32>, BLOCK / 4u>;
    for (var block = 0u; block < BLOCKS_A_WORD; block++) {
        var offsets: array<vec4<u32>, BLOCK / 4u>;
        for (var sample4 = 0u; sample4 < BLOCK / 4u; sample4++) {
            offsets[sample4] = sample_indices[first_sample4 + block * (BLOCK / 4u) + sample4] * feature_blocks + feature_block;
        }
        var samples: array<InputBlock, BLOCK>;
        for (var sample = 0u; sample < BLOCK; sample++) {
            samples[sample] = dataset[offsets[sample / 4u][sample % 4u]];
        }
        var features = transpose_block(samples);
        for (var feature = 0u; feature < BLOCK; feature++) {
            inputs[((first_row + feature) * words + word) * BLOCKS_A_WORD + block] = features[feature];
        }
        var bits = blocks_bits(features);
        for (var feature4 = 0u; feature4 < BLOCK / 4u; feature4++) {
            masks[feature4] |= bits[feature4] << vec4(block * BLOCK);
        }
    }
    let first_mask = ((batch_index * words + word) * network.input_rows + feature_block * BLOCK) / 4u;
    for (var feature4 = 0u; feature4 < BLOCK / 4u; feature4++) {
        input_masks[first_mask + feature4] = masks[feature4];
    }
}
