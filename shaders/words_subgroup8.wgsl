// words_subgroup8.wgsl: as rows_subgroup8.wgsl, for eight mask words. The kernel defines row_word(index).

fn load_words(first: u32, stride: u32, last: u32, lane: u32) -> array<u32, 8> {
    let own = row_word(first + min(lane, last) * stride);
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
