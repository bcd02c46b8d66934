// Uses: hash, optimizer, targets
// permute.wgsl: which sample of the data set is at each index of the next batches, and its label or targets.
//
// Every epoch has its own permutation per replica: a Feistel network keyed by (seed, epoch) permutes the
// smallest power of two that holds the data set, and walks on until it lands inside (cycle walking).
// It is a bijection by construction and needs no state and no index upload.
//
// One invocation owns one index (step, replica, sample). Outputs are written; indices past the end of the
// batch or of the epoch get the index after the last sample, where the data set has a row of zeros, and label 0.

@group(0) @binding(2) var<storage, read> replicas: array<Replica>;            // (R)
@group(0) @binding(3) var<storage, read> dataset_labels: array<u32>;          // (samples), or (samples, n_L)
@group(0) @binding(4) var<storage, read_write> sample_indices: array<u32>;    // (T, R, B)
@group(0) @binding(5) var<storage, read_write> labels: array<u32>;            // (T, R, B), or (T, R, n_L, B)

const FEISTEL_ROUNDS = 6u;

fn permuted(position: u32, count: u32, key: u32) -> u32 {
    let bits = 32u - countLeadingZeros(max(count - 1u, 3u));
    let low_bits = bits / 2u;
    let low_mask = (1u << low_bits) - 1u;
    let high_mask = (1u << (bits - low_bits)) - 1u;
    var low = position & low_mask;
    var high = position >> low_bits;
    loop {
        for (var round = 0u; round < FEISTEL_ROUNDS; round += 2u) {
            low = (low ^ mix(high ^ mix(key + round))) & low_mask;
            high = (high ^ mix(low ^ mix(key + round + 1u))) & high_mask;
        }
        if ((high << low_bits) | low) < count {
            break;
        }
    }
    return (high << low_bits) | low;
}

// The targets of sample `source`, if it is one.
fn write_targets(index: u32, source: u32, is_sample: bool) {
    let stride = batch.sample4s * 4u;
    for (var unit = 0u; unit < target_rows(); unit++) {
        let number = dataset_labels[source * target_rows() + unit];
        labels[4u * target_start(index / stride, unit) + index % stride] = select(0u, number, is_sample);
    }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn permute(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = flat_index(id, groups);
    let stride = batch.sample4s * 4u;
    let sample = index % stride;
    let replica = index / stride % batch.input_replicas;
    let step = index / stride / batch.input_replicas;
    if step >= batch.steps {
        return;
    }
    let place = place_of(step);
    let position = place.position + sample;
    if sample >= batch.batch_size || position >= batch.sample_count {
        sample_indices[index] = batch.sample_count;
        if HAS_NUMBERS {
            write_targets(index, 0u, false);
        } else {
            labels[index] = 0u;
        }
        return;
    }
    var source = position;
    if batch.shuffled != 0u {
        let settings = replicas[replica];
        let key = mix(mix(mix(settings.seed_low) + settings.seed_high) + place.epoch);
        source = permuted(position, batch.sample_count, key);
    }
    sample_indices[index] = source;
    if HAS_NUMBERS {
        write_targets(index, source, true);
    } else {
        labels[index] = dataset_labels[source];
    }
}
