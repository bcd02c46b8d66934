// Uses: reduce
// reduce_store.wgsl: the end of the staged reduce: S and c are written for update.wgsl, and for whoever
// wants to read them.

@group(0) @binding(8) var<storage, read_write> gradient_sums: array<vec4<f32>>;        // (R, P)
@group(0) @binding(9) var<storage, read_write> adaptive_batch_sizes: array<vec4<u32>>; // (R, P)

const STORES_INACTIVE = true;

fn counts_wanted(replica: u32) -> bool {
    return true;
}

fn finish(replica: u32, offset: u32, sums: Octet, low_counts: vec4<u32>, high_counts: vec4<u32>) {
    gradient_sums[2u * offset] = sums.low;
    gradient_sums[2u * offset + 1u] = sums.high;
    adaptive_batch_sizes[2u * offset] = low_counts;
    adaptive_batch_sizes[2u * offset + 1u] = high_counts;
}
