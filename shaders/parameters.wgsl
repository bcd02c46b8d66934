// Uses: optimizer, buffers
// parameters.wgsl: how an invocation moves four parameters: theta and its moments from S and c (algorithm 2, last line). Replicas
// with the mean gradient need no counts.

@group(0) @binding(10) var<storage, read> replicas: array<Replica>;                     // (R)

fn counts_wanted(replica: u32) -> bool {
    return replicas[replica].is_effective == 1u;
}

// theta after the step. Its moments, `parameter` vec4s from the start of the arena, are read and written.
fn moved(replica: u32, parameter: u32, theta: vec4<f32>, sums: vec4<f32>, counts: vec4<u32>, step: Step) -> vec4<f32> {
    var settings = replicas[replica];
    settings.learning_rate *= step.rate_factor;
    let moments = moments_of(settings.rule);
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
    own = updated(own, sums, counts, settings, step);
    if moments > 0u {
        parameters[first] = own.first;
    }
    if moments > 1u {
        parameters[second] = own.second;
    }
    return own.theta;
}
