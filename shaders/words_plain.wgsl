// words_plain.wgsl: as rows_plain.wgsl, for vec4s of words. The kernel defines word_vec4(index).

struct Words {
    first: u32,
    stride: u32,
    last: u32,
}

// Rows 0..last; those after it repeat it.
fn load_words(first: u32, stride: u32, last: u32, lane: u32) -> Words {
    return Words(first, stride, last);
}

fn word(words: Words, index: u32) -> vec4<u32> {
    return word_vec4(words.first + min(index, words.last) * words.stride);
}
