// Uses: stored, inputs, dropout
// gather.wgsl: the next batches, transposed so that samples are the fastest axis, and their zero masks. Dropout silences inputs.
//
// A workgroup owns 32 features of 32 samples (a mask word) of one (step, replica), an invocation 4 by 4 of them. Outputs are
// written; samples past the end of the batch are zero. The data set's rows already hold the 1 that multiplies the bias.

@group(0) @binding(2) var<storage, read> dataset: array<Stored4>;        // (samples + 1, K)
@group(0) @binding(3) var<storage, read> sample_indices: array<vec4<u32>>;     // (T, R, B)
@group(0) @binding(4) var<storage, read_write> inputs: array<Input4>;    // (T, R, K, B)
@group(0) @binding(5) var<storage, read_write> input_masks: array<vec4<u32>>;  // (T, R, B / 32, K)

// Each invocation's bits of its four features.
var<workgroup> nibbles: array<vec4<u32>, 64>;

fn bits(samples: vec4<f32>) -> u32 {
    return sample4_bits(samples != vec4<f32>());
}

// x is the mask word, y the block of features, z the (step, replica).
@compute @workgroup_size(64)
fn gather(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let feature4s = network.input_rows / 4u;
    let feature4 = 8u * id.y + local / 8u;
    let sample4 = 8u * id.x + local % 8u;
    for (var index = id.z; index < batch.steps * batch.input_replicas; index += groups.z) {
        if feature4 < feature4s {
            let dropout = input_dropout_of(index % batch.input_replicas, batch.t + index / batch.input_replicas);
            let rows = sample_indices[index * batch.sample4s + sample4] * feature4s + feature4;
            let features = transpose(mat4x4(stored_values(dataset[rows.x]), stored_values(dataset[rows.y]), stored_values(dataset[rows.z]), stored_values(dataset[rows.w])));
            let a = drop_input(dropout, 4u * feature4, sample4, features[0]);
            let b = drop_input(dropout, 4u * feature4 + 1u, sample4, features[1]);
            let c = drop_input(dropout, 4u * feature4 + 2u, sample4, features[2]);
            let d = drop_input(dropout, 4u * feature4 + 3u, sample4, features[3]);
            let first = (index * network.input_rows + 4u * feature4) * batch.sample4s + sample4;
            inputs[first] = pack_inputs(a);
            inputs[first + batch.sample4s] = pack_inputs(b);
            inputs[first + 2u * batch.sample4s] = pack_inputs(c);
            inputs[first + 3u * batch.sample4s] = pack_inputs(d);
            nibbles[local] = vec4(bits(a), bits(b), bits(c), bits(d)) << vec4(4u * (local % 8u));
        }
        workgroupBarrier();
        if local % 8u == 0u && feature4 < feature4s {
            let words = nibbles[local] | nibbles[local + 1u] | nibbles[local + 2u] | nibbles[local + 3u]
                | nibbles[local + 4u] | nibbles[local + 5u] | nibbles[local + 6u] | nibbles[local + 7u];
            input_masks[(index * (batch.sample4s / 8u) + id.x) * feature4s + feature4] = words;
        }
        workgroupBarrier();
    }
}
