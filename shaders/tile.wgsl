// tile.wgsl: a tile of TILE_ROWS rows that eight neighbours share, times a 4 x 4 matrix of each invocation's own.
// It is kept as four parts; part p holds rows p, p + 4, p + 8, ...

struct TileRows {
    a: Rows,
    b: Rows,
    c: Rows,
    d: Rows,
}

fn load_part(first: u32, stride: u32, last: u32, lane: u32, part: u32) -> Rows {
    let start = min(part, last);
    return load_rows(first + start * stride, 4u * stride, (last - start) / 4u, lane);
}

// Rows 0..last of a tile; those after it repeat others.
fn load_tile(first: u32, stride: u32, last: u32, lane: u32) -> TileRows {
    return TileRows(
        load_part(first, stride, last, lane, 0u),
        load_part(first, stride, last, lane, 1u),
        load_part(first, stride, last, lane, 2u),
        load_part(first, stride, last, lane, 3u),
    );
}

// sums += matrix * row, for every row; a quad of rows is a matrix of sums.
fn add_tile(sums: ptr<function, array<mat4x4<f32>, TILE_QUADS>>, matrix: mat4x4<f32>, rows: TileRows) {
    add_part(sums, matrix, rows.a, 0u);
    add_part(sums, matrix, rows.b, 1u);
    add_part(sums, matrix, rows.c, 2u);
    add_part(sums, matrix, rows.d, 3u);
}

// A loop for each part: Mesa unrolls loops up to some hundred scalar operations a turn, and only arrays whose loops
// are all unrolled stay in registers.
fn add_part(sums: ptr<function, array<mat4x4<f32>, TILE_QUADS>>, matrix: mat4x4<f32>, rows: Rows, part: u32) {
    for (var quad = 0u; quad < TILE_QUADS; quad++) {
        (*sums)[quad][part] = add_product((*sums)[quad][part], matrix, row(rows, quad));
    }
}
