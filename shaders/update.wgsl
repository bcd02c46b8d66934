// Uses: reduce, optimizer
// update.wgsl: theta and its moments from S and c (algorithm 2, last line), at the end of reduce.wgsl, by the invocation that summed
// them. Replicas with the mean gradient need no counts and skip them; parameters of inactive features move only where the rule
// moves them without a gradient. Replicas that clip by norm need all sums first: clip.wgsl.

@group(0) @binding(10) var<storage, read> replicas: array<Replica>;                     // (R)

fn reduces_all(replica: u32) -> bool {
    return replicas[replica].moves_inactive == 1u;
}

fn counts_wanted(replica: u32) -> bool {
    return replicas[replica].is_effective == 1u;
}

fn finish(replica: u32, parameter: u32, sums: vec4<f32>, counts: vec4<u32>) {
    if replicas[replica].clip_norm == 0.0 {
        update_parameter(replica, parameter, sums, counts, 1.0);
    }
}

fn update_parameter(replica: u32, parameter: u32, sums: vec4<f32>, counts: vec4<u32>, scale: f32) {
    let settings = replicas[replica];
    let first = parameter + network.parameter_vec4s;
    let second = first + network.parameter_vec4s;
    var own: Parameters;
    own.theta = parameters[parameter];
    if settings.moments > 0u {
        own.first = parameters[first];
    }
    if settings.moments > 1u {
        own.second = parameters[second];
    }
    own = updated(own, sums, counts, scale, settings);
    parameters[parameter] = own.theta;
    if settings.moments > 0u {
        parameters[first] = own.first;
    }
    if settings.moments > 1u {
        parameters[second] = own.second;
    }
}
