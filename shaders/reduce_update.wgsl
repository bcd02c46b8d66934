// Uses: reduce, optimizer
// reduce_update.wgsl: the end of the fused reduce: the invocation that summed a parameter's gradient
// updates it at once. Replicas that train with SGD need no counts and skip them.

@group(0) @binding(8) var<storage, read> replicas: array<Replica>;                     // (R)
@group(0) @binding(9) var<storage, read_write> parameters: array<Octet>;               // (R, P)

// Parameters of inactive inputs do not move.
const STORES_INACTIVE = false;

fn counts_wanted(replica: u32) -> bool {
    return replicas[replica].optimizer == OPTIMIZER_ASGD;
}

fn finish(replica: u32, offset: u32, sums: Octet, low_counts: vec4<u32>, high_counts: vec4<u32>) {
    let settings = replicas[replica];
    parameters[offset].low -= parameter_step(sums.low, low_counts, settings);
    parameters[offset].high -= parameter_step(sums.high, high_counts, settings);
}
