// words_subgroup8.wgsl: as rows_subgroup8.wgsl, for vec4s of words. The kernel defines word_vec4(index).

struct Words {
    own: vec4<u32>,
}

// Rows 0..last of at most 8; those after it repeat it.
fn load_words(first: u32, stride: u32, last: u32, lane: u32) -> Words {
    return Words(word_vec4(first + min(lane, last) * stride));
}

fn word(words: Words, index: u32) -> vec4<u32> {
    return subgroupShuffle(words.own, index);
}
