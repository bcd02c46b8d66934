// Uses: nothing
// tile.wgsl: a tile of eight rows of octets that neighbours share, times 4 x 4 matrices of each invocation's own.

// sums += low * (values 0 to 3 of the row) + high * (values 4 to 7), for rows 0..last; those after it repeat it.
// The kernel defines shared_octet(index).
fn add_tile(sums: ptr<function, Tile>, low: mat4x4<f32>, high: mat4x4<f32>, first: u32, stride: u32, last: u32) {
    for (var index = 0u; index < TILE_ROWS; index++) {
        let row = shared_octet(first + min(index, last) * stride);
        (*sums)[index] = add_product(add_product((*sums)[index], low, row.low), high, row.high);
    }
}
