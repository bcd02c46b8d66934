// rows_subgroup8.wgsl: eight vec4s that a subgroup of eight shares; each lane loads one and hands it
// to the others. Software Vulkan does every load lane by lane, so this is an eighth of the work there.
// Valid where subgroups have exactly 8 lanes, all with the same `first`, `stride` and `last`.
// The kernel defines row_vec4(index).

fn load_rows(first: u32, stride: u32, last: u32, lane: u32) -> array<vec4<f32>, 8> {
    let own = row_vec4(first + min(lane, last) * stride);
    return array(
        subgroupBroadcast(own, 0u),
        subgroupBroadcast(own, 1u),
        subgroupBroadcast(own, 2u),
        subgroupBroadcast(own, 3u),
        subgroupBroadcast(own, 4u),
        subgroupBroadcast(own, 5u),
        subgroupBroadcast(own, 6u),
        subgroupBroadcast(own, 7u),
    );
}
