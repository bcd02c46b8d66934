// masks_subgroup8.wgsl: which samples of a neuron are non-zero, one bit a sample, packed from the four bits that
// each lane of a subgroup of eight holds. Same functions as masks_plain.wgsl, without workgroup memory.
// Valid where subgroups have exactly 8 lanes, in the order of the local index.

var<private> own_masks: vec2<u32>;

fn share_mask(local: u32, tile_row: u32, bits: u32) {
    let lane = local % 8u;
    let word = subgroupOr(bits << (4u * lane));
    let is_own = vec2(tile_row == lane, tile_row == lane + 8u);
    own_masks = select(own_masks, vec2(word), is_own);
}

fn mask_barrier() {
}

fn shared_mask(local: u32, tile_row: u32) -> u32 {
    return select(own_masks.y, own_masks.x, tile_row < 8u);
}
