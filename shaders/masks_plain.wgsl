// masks_plain.wgsl: which samples of a neuron are non-zero, one bit a sample, packed from the four bits that
// each of eight neighbouring invocations holds. The invocations of one mask word are neighbours in one
// workgroup: local index / 8 is the word, local index % 8 the quad in it.

var<workgroup> quad_masks: array<u32, WORKGROUP_SIZE * TILE_ROWS>;

fn share_mask(local: u32, tile_row: u32, bits: u32) {
    quad_masks[tile_row * WORKGROUP_SIZE + local] = bits << (4u * (local % 8u));
}

// Between share_mask and shared_mask, and again before the next tile.
fn mask_barrier() {
    workgroupBarrier();
}

// The word of row `tile_row`; of every eight rows, an invocation may ask for the one of its place in the word.
fn shared_mask(local: u32, tile_row: u32) -> u32 {
    let first = tile_row * WORKGROUP_SIZE + local / 8u * 8u;
    return quad_masks[first] | quad_masks[first + 1u] | quad_masks[first + 2u] | quad_masks[first + 3u]
        | quad_masks[first + 4u] | quad_masks[first + 5u] | quad_masks[first + 6u] | quad_masks[first + 7u];
}
