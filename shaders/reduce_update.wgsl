// reduce_update.wgsl: the end of the fused reduce: the invocation that summed a parameter's gradient
// updates it at once. Replicas that train with SGD need no counts and skip them.

@group(0) @binding(8) var<storage, read> replicas: array<Replica>;                     // (R)
@group(0) @binding(9) var<storage, read_write> parameters: array<vec4<f32>>;           // (R, P)

// Parameters of inactive inputs do not move.
const STORES_INACTIVE = false;

fn counts_wanted(replica: u32) -> u32 {
    return u32(replicas[replica].optimizer == OPTIMIZER_ASGD);
}

fn settings_of(replica: u32) -> Replica {
    return replicas[replica];
}

fn finish(parameter: u32, sums: vec4<f32>, counts: vec4<u32>, settings: Replica) {
    parameters[parameter] -= parameter_step(sums, counts, settings);
}
