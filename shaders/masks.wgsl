// Uses: nothing
// masks.wgsl: which samples of a neuron are non-zero, one bit a sample, packed from the four bits that
// each of eight neighbouring invocations holds. The invocations of one mask word are neighbours in one
// workgroup: local index / 8 is the word, local index % 8 the sample4 in it.

var<workgroup> sample4_masks: array<u32, WORKGROUP_SIZE * TILE_ROWS>;

fn share_mask(local: u32, tile_row: u32, bits: u32) {
    sample4_masks[tile_row * WORKGROUP_SIZE + local] = bits << (4u * (local % 8u));
}

fn shared_mask(local: u32, tile_row: u32) -> u32 {
    let first = tile_row * WORKGROUP_SIZE + local / 8u * 8u;
    return sample4_masks[first] | sample4_masks[first + 1u] | sample4_masks[first + 2u] | sample4_masks[first + 3u]
        | sample4_masks[first + 4u] | sample4_masks[first + 5u] | sample4_masks[first + 6u] | sample4_masks[first + 7u];
}

// The words of rows 4 q.. of the tile, after a barrier.
fn shared_masks(local: u32, q: u32) -> vec4<u32> {
    return vec4(shared_mask(local, 4u * q), shared_mask(local, 4u * q + 1u), shared_mask(local, 4u * q + 2u), shared_mask(local, 4u * q + 3u));
}
