// Uses: replicas, buffers
// parameters.wgsl: how an invocation moves four parameters: theta and its moments from S and c (algorithm 2, last line). Replicas
// with the mean gradient need no counts.

fn counts_wanted(replica: u32) -> bool {
    return replicas[replica].is_effective == 1u;
}

// Whether any replica counts what is above a threshold only.
override HAS_THRESHOLDS = true;

// Whether the kernel that has S and c moves the parameters: clip.wgsl does, where the norm of all of them is needed first, or what
// counts.
fn moves_at_once(replica: u32) -> bool {
    return (!HAS_RULES || replicas[replica].clip_norm == 0.0) && (!HAS_THRESHOLDS || replicas[replica].count_threshold == 0.0);
}

// The step of a slot, whose batch really has `size` samples.
fn step_of(slot: u32, size: u32) -> Step {
    return Step(size, batch.t + slot - batch.slot, batch.rate_factors[slot / 4u][slot % 4u]);
}

// theta after the step. Its moments, `parameter` vec4s from the start of the arena, are read and written. `scale` is what the gradient
// is multiplied by.
fn moved(replica: u32, parameter: u32, theta: vec4<f32>, sums: vec4<f32>, counts: vec4<u32>, scale: f32, step: Step) -> vec4<f32> {
    var settings = replicas[replica];
    settings.learning_rate *= step.rate_factor;
    let moments = select(0u, settings.moments, HAS_RULES);
    let first = parameter + network.parameter_vec4s;
    let second = first + network.parameter_vec4s;
    var own: Parameters;
    own.theta = theta;
    if moments > 0u {
        own.first = parameters[first];
    }
    if moments > 1u {
        own.second = parameters[second];
    }
    own = updated(own, sums, counts, scale, settings, step);
    if moments > 0u {
        parameters[first] = own.first;
    }
    if moments > 1u {
        parameters[second] = own.second;
    }
    return own.theta;
}
