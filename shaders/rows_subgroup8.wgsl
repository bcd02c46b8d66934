// rows_subgroup8.wgsl: eight vec4s that a subgroup of eight shares: each lane loads one and hands it to the
// others. Software Vulkan does every load lane by lane, so this is an eighth of the work there.
// Valid where subgroups have exactly 8 lanes, all with the same `first`, `stride` and `last`.
// The kernel defines row_vec4(index).

struct Rows {
    own: vec4<f32>,
}

// Rows 0..last of at most 8; those after it repeat it.
fn load_rows(first: u32, stride: u32, last: u32, lane: u32) -> Rows {
    return Rows(row_vec4(first + min(lane, last) * stride));
}

fn row(rows: Rows, index: u32) -> vec4<f32> {
    return subgroupShuffle(rows.own, index);
}
