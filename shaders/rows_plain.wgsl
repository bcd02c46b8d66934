// rows_plain.wgsl: octets that eight neighbouring invocations share; each loads those that it needs, and a GPU's cache
// makes the repeats cheap. Same functions as rows_subgroup8.wgsl. The kernel defines shared_octet(index).

struct Rows {
    first: u32,
    stride: u32,
    last: u32,
}

struct Pair {
    first: u32,
    second: u32,
    last: u32,
}

alias Row = array<f32, 8>;      // its values

fn whole_row(index: u32) -> Row {
    let octet = shared_octet(index);
    return Row(octet.low.x, octet.low.y, octet.low.z, octet.low.w, octet.high.x, octet.high.y, octet.high.z, octet.high.w);
}

// Rows 0..last; those after it repeat it.
fn load_rows(first: u32, stride: u32, last: u32, lane: u32) -> Rows {
    return Rows(first, stride, last);
}

fn pick_row(rows: Rows, index: u32) -> Row {
    return whole_row(rows.first + min(index, rows.last) * rows.stride);
}

fn row_value(rows: Rows, row: Row, offset: u32) -> f32 {
    return row[offset];
}

// Two rows of up to four octets each, 0..last; octets after it repeat it.
fn load_pair(first: u32, second: u32, last: u32, lane: u32) -> Pair {
    return Pair(first, second, last);
}

fn pick_first(pair: Pair, octet: u32) -> Row {
    return whole_row(pair.first + min(octet, pair.last));
}

fn pick_second(pair: Pair, octet: u32) -> Row {
    return whole_row(pair.second + min(octet, pair.last));
}

fn pair_value(pair: Pair, row: Row, offset: u32) -> f32 {
    return row[offset];
}
