// words_plain.wgsl: as rows_plain.wgsl, for eight mask words. The kernel defines row_word(index).

fn load_words(first: u32, stride: u32, last: u32, lane: u32) -> array<u32, 8> {
    return array(
        row_word(first),
        row_word(first + min(1u, last) * stride),
        row_word(first + min(2u, last) * stride),
        row_word(first + min(3u, last) * stride),
        row_word(first + min(4u, last) * stride),
        row_word(first + min(5u, last) * stride),
        row_word(first + min(6u, last) * stride),
        row_word(first + min(7u, last) * stride),
    );
}
