// reduce_update.wgsl: the end of the fused reduce: the invocation that summed a parameter's gradient
// updates it at once. Replicas that train with SGD need no counts and skip them.

@group(0) @binding(8) var<storage, read> replicas: array<Replica>;                     // (R)
@group(0) @binding(9) var<storage, read_write> parameters: array<vec4<f32>>;           // (R, P)

fn counts_wanted(replica: u32) -> u32 {
    return select(0u, 1u, replicas[replica].optimizer == OPTIMIZER_ASGD);
}

fn finish(replica: u32, parameter: u32, sums: vec4<f32>, counts: vec4<u32>) {
    parameters[parameter] = updated(parameters[parameter], sums, counts, replicas[replica]);
}
