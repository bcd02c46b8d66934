// Uses: reduce, optimizer
// update.wgsl: theta from S and c (algorithm 2, last line), at the end of reduce.wgsl, by the invocation that summed them. Replicas that
// train with SGD need no counts and skip them; parameters of inactive features do not move.

@group(0) @binding(10) var<storage, read> replicas: array<Replica>;                     // (R)

const REDUCES_ALL = false;

fn counts_wanted(replica: u32) -> bool {
    return replicas[replica].optimizer == OPTIMIZER_ASGD;
}

fn finish(replica: u32, parameter: u32, sums: vec4<f32>, counts: vec4<u32>) {
    parameters[parameter] -= parameter_step(sums, counts, replicas[replica]);
}
