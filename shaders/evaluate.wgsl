// Uses: targets
// evaluate.wgsl: loss sum and hits over a data set, block by block.
//
// 64 invocations a replica; each owns every 64th sample4 of the block and adds to its own two totals, so the
// order of every sum is fixed by the data set alone. Outputs are added to; the host clears them first.
// A hit is a label that is the first highest logit (one output unit: the sign of the logit). Where targets are numbers, the loss is
// the mean squared error, and nothing is a hit.

@group(0) @binding(2) var<storage, read> activations: array<vec4<f32>>;         // (R, N, B)
@group(0) @binding(3) var<storage, read> labels: array<vec4<u32>>;              // (1, 1, B), or (1, 1, n_L, B)
@group(0) @binding(4) var<storage, read_write> loss_sums: array<f32>;           // (R, 64)
@group(0) @binding(5) var<storage, read_write> hits: array<u32>;                // (R, 64)

const EVALUATE_LANES = 64u;

fn squared_error(first_output: u32, first_target: u32, units: u32) -> vec4<f32> {
    var sum = vec4<f32>();
    for (var j = 0u; j < units; j++) {
        let numbers = bitcast<vec4<f32>>(labels[first_target + j * batch.sample4s]);
        let difference = activations[first_output + j * batch.sample4s] - numbers;
        sum = fma(difference, difference, sum);
    }
    return sum / f32(units);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn evaluate(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = flat_index(id, groups);
    let replica = index / EVALUATE_LANES;
    if replica >= network.replica_count {
        return;
    }
    let layer = network.layers[network.layer_count - 1u];
    let first_logit = row_start(replica, layer.output_row);
    var loss_sum = loss_sums[index];
    var hit_count = hits[index];
    for (var sample4 = index % EVALUATE_LANES; sample4 < batch.sample4s; sample4 += EVALUATE_LANES) {
        let logits = first_logit + sample4;
        let valid = sample4_is_valid(sample4);
        if HAS_NUMBERS {
            let error = squared_error(logits, target_start(batch_of(replica), 0u) + sample4, layer.outputs);
            let loss = select(vec4<f32>(), error, valid);
            loss_sum += (loss.x + loss.y) + (loss.z + loss.w);
            continue;
        }
        let label = labels[target_start(batch_of(replica), 0u) + sample4];
        var highest = activations[logits];
        var best = vec4<u32>();
        var target_logit = highest;
        for (var j = 1u; j < layer.outputs; j++) {
            let z = activations[logits + j * batch.sample4s];
            best = select(best, vec4(j), z > highest);
            highest = max(highest, z);
            target_logit = select(target_logit, z, label == vec4(j));
        }
        var total = vec4<f32>();
        for (var j = 0u; j < layer.outputs; j++) {
            total += exp(activations[logits + j * batch.sample4s] - highest);
        }
        var loss = log(total) + (highest - target_logit);
        var hit = best == label;
        if layer.outputs == 1u {
            // softplus(z) - y z
            loss = max(highest, vec4<f32>()) - vec4<f32>(label) * highest + log(1.0 + exp(-abs(highest)));
            hit = (highest > vec4<f32>()) == (label == vec4(1u));
        }
        // A loss that is not a number is no hit.
        hit_count += countOneBits(sample4_bits(hit & valid & (loss > vec4(-1.0))));
        loss = select(vec4<f32>(), loss, valid);
        loss_sum += (loss.x + loss.y) + (loss.z + loss.w);
    }
    loss_sums[index] = loss_sum;
    hits[index] = hit_count;
}
