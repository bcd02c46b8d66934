// Uses: reduce, reduce_norms
// store.wgsl: the end of a reduce that is to be looked at: S and c are written, of inactive features too.

@group(0) @binding(11) var<storage, read_write> gradient_sums: array<vec4<f32>>;        // (R, P)
@group(0) @binding(12) var<storage, read_write> adaptive_batch_sizes: array<vec4<u32>>; // (R, P)

fn reduces_all(replica: u32) -> bool {
    return true;
}

fn counts_wanted(replica: u32) -> bool {
    return true;
}

fn finish(replica: u32, parameter: u32, sums: vec4<f32>, counts: vec4<u32>) {
    // Without the moments that are between the parameters of two replicas.
    let own = parameter - replica * (network.replica_vec4s - network.parameter_vec4s);
    gradient_sums[own] = sums;
    adaptive_batch_sizes[own] = counts;
}
