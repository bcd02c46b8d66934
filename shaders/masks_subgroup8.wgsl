// masks_subgroup8.wgsl: which samples of a neuron are non-zero, one bit a sample, packed from the four bits that
// each lane of a subgroup of eight holds. Same functions as masks_plain.wgsl, without workgroup memory.
// Valid where subgroups have exactly 8 lanes, in the order of the local index.

var<private> own_masks: vec4<u32>;

fn share_mask(local: u32, tile_row: u32, bits: u32) {
    let lane = local % 8u;
    // Three shuffles: Mesa's subgroupOr goes lane by lane.
    var word = bits << (4u * lane);
    word |= subgroupShuffle(word, lane ^ 1u);
    word |= subgroupShuffle(word, lane ^ 2u);
    word |= subgroupShuffle(word, lane ^ 4u);
    let is_own = vec4(tile_row) == vec4(4u * lane) + vec4(0u, 1u, 2u, 3u);
    own_masks = select(own_masks, vec4(word), is_own);
}

fn mask_barrier() {
}

// The words of rows 4 q.. of the tile: the invocation's own, for tiles of at most 32 rows.
fn shared_masks(local: u32, q: u32) -> vec4<u32> {
    return own_masks;
}
