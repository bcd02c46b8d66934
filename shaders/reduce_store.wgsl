// reduce_store.wgsl: the end of the staged reduce: S and c are written for update.wgsl, and for whoever
// wants to read them.

@group(0) @binding(8) var<storage, read_write> gradient_sums: array<vec4<f32>>;        // (R, P)
@group(0) @binding(9) var<storage, read_write> adaptive_batch_sizes: array<vec4<u32>>; // (R, P)

const STORES_INACTIVE = true;

fn counts_wanted(replica: u32) -> u32 {
    return 1u;
}

fn settings_of(replica: u32) -> Replica {
    return Replica();
}

fn finish(parameter: u32, sums: vec4<f32>, counts: vec4<u32>, settings: Replica) {
    gradient_sums[parameter] = sums;
    adaptive_batch_sizes[parameter] = counts;
}
