// rows_subgroup8.wgsl: eight octets that a subgroup of eight shares: each lane loads one and hands its values to the
// others. Software Vulkan does every load lane by lane, so this is an eighth of the work there.
// Valid where subgroups have exactly 8 lanes, all with the same arguments but `lane`.
// The kernel defines shared_octet(index).

alias Rows = array<f32, 8>;     // the lane's own octet
alias Pair = array<f32, 8>;
alias Row = u32;                // the lane that holds it

fn own_octet(index: u32) -> array<f32, 8> {
    let octet = shared_octet(index);
    return array<f32, 8>(octet.low.x, octet.low.y, octet.low.z, octet.low.w, octet.high.x, octet.high.y, octet.high.z, octet.high.w);
}

// Rows 0..last of at most 8; those after it repeat it.
fn load_rows(first: u32, stride: u32, last: u32, lane: u32) -> Rows {
    return own_octet(first + min(lane, last) * stride);
}

fn pick_row(rows: Rows, index: u32) -> Row {
    return index;
}

fn row_value(rows: Rows, row: Row, offset: u32) -> f32 {
    return subgroupShuffle(rows[offset], row);
}

// Two rows of up to four octets each, 0..last; octets after it repeat it.
fn load_pair(first: u32, second: u32, last: u32, lane: u32) -> Pair {
    return own_octet(select(first, second, lane >= 4u) + min(lane % 4u, last));
}

fn pick_first(pair: Pair, octet: u32) -> Row {
    return octet;
}

fn pick_second(pair: Pair, octet: u32) -> Row {
    return 4u + octet;
}

fn pair_value(pair: Pair, row: Row, offset: u32) -> f32 {
    return subgroupShuffle(pair[offset], row);
}
