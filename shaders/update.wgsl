// Uses: reduce, reduce_norms, parameters
// update.wgsl: parameters from S and c at the end of reduce.wgsl and reduce_norms.wgsl, by the invocation that summed them. Those of
// inactive features move only where the rule moves them without a gradient. Replicas that clip by norm need all sums first, others
// masks of what is above a threshold: clip.wgsl.

fn reduces_all(replica: u32) -> bool {
    return replicas[replica].moves_inactive == 1u;
}

fn finish(replica: u32, parameter: u32, sums: vec4<f32>, counts: vec4<u32>) {
    if moves_at_once(replica) {
        parameters[parameter] = moved(replica, parameter, parameters[parameter], sums, counts, 1.0, step_of(batch.slot, batch.size));
    }
}
