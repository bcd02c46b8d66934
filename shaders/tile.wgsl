// tile.wgsl: a tile of TILE_ROWS rows of octets that eight neighbours share, times 4 x 4 matrices of each invocation's
// own. It is kept as octets of rows.

struct TileRows {
    a: Rows,
    b: Rows,
    c: Rows,
    d: Rows,
}

fn load_rows_octet(first: u32, stride: u32, last: u32, lane: u32, tile_octet: u32) -> Rows {
    // An octet past the end of the tile repeats the last one, so that compilers load it once.
    let start = min(8u * min(tile_octet, TILE_OCTETS - 1u), last);
    return load_rows(first + start * stride, stride, last - start, lane);
}

// Rows 0..last of a tile; those after it repeat others.
fn load_tile(first: u32, stride: u32, last: u32, lane: u32) -> TileRows {
    return TileRows(
        load_rows_octet(first, stride, last, lane, 0u),
        load_rows_octet(first, stride, last, lane, 1u),
        load_rows_octet(first, stride, last, lane, 2u),
        load_rows_octet(first, stride, last, lane, 3u),
    );
}

// sums += low * (values 0 to 3 of the row) + high * (values 4 to 7), for every row.
fn add_tile(sums: ptr<function, Tile>, low: mat4x4<f32>, high: mat4x4<f32>, rows: TileRows) {
    add_octet(sums, low, rows.a, 0u, 0u);
    add_octet(sums, high, rows.a, 4u, 0u);
    if TILE_OCTETS > 1u {
        add_octet(sums, low, rows.b, 0u, 1u);
        add_octet(sums, high, rows.b, 4u, 1u);
    }
    if TILE_OCTETS > 2u {
        add_octet(sums, low, rows.c, 0u, 2u);
        add_octet(sums, high, rows.c, 4u, 2u);
    }
    if TILE_OCTETS > 3u {
        add_octet(sums, low, rows.d, 0u, 3u);
        add_octet(sums, high, rows.d, 4u, 3u);
    }
}

// A loop for each octet and half: Mesa unrolls loops up to some hundred scalar operations an iteration, and only arrays whose
// loops are all unrolled stay in registers.
fn add_octet(sums: ptr<function, Tile>, matrix: mat4x4<f32>, rows: Rows, offset: u32, tile_octet: u32) {
    for (var index = 0u; index < 8u; index++) {
        let row = pick_row(rows, index);
        let factors = vec4(row_value(rows, row, offset), row_value(rows, row, offset + 1u), row_value(rows, row, offset + 2u), row_value(rows, row, offset + 3u));
        (*sums)[index][tile_octet] = add_product((*sums)[index][tile_octet], matrix, factors);
    }
}
