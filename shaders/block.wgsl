// Uses: buffers
// block.wgsl: what forward.wgsl, loss.wgsl and delta.wgsl share: a block, 32 rows by 32 samples (a mask word) of a matrix product, by a
// workgroup of 64. An invocation owns a tile: rows 4 (local / 8).. of sample4
// local % 8.
//
// The kernel stages 16 terms of both factors at a time. Each sum is one chain of fused multiply-adds in the order of the terms,
// so terms of zeros change no bit, wherever they are: features left out, padded networks, nodes cut out.

const BLOCK = 32u;
const DEPTH = 16u;

// A column is what an invocation reads of a stage: of each term four samples, or four rows. A 17th vec4 against bank conflicts.
// 4.3 KiB.
var<workgroup> staged_samples: array<array<vec4<f32>, 17>, 8>;  // (sample4s, DEPTH)
var<workgroup> staged_rows: array<array<vec4<f32>, 17>, 8>;     // (row4s, DEPTH)

// Four bits each, where they are in a mask word: eight for a word.
var<workgroup> nibbles: array<u32, 256>;

fn add_term(sums: ptr<function, Tile>, samples: vec4<f32>, rows: vec4<f32>) {
    (*sums).a = fma(samples, vec4(rows.x), (*sums).a);
    (*sums).b = fma(samples, vec4(rows.y), (*sums).b);
    (*sums).c = fma(samples, vec4(rows.z), (*sums).c);
    (*sums).d = fma(samples, vec4(rows.w), (*sums).d);
}

fn add_four_terms(sums: ptr<function, Tile>, sample4: u32, row4: u32, first: u32) {
    add_term(sums, staged_samples[sample4][first], staged_rows[row4][first]);
    add_term(sums, staged_samples[sample4][first + 1u], staged_rows[row4][first + 1u]);
    add_term(sums, staged_samples[sample4][first + 2u], staged_rows[row4][first + 2u]);
    add_term(sums, staged_samples[sample4][first + 3u], staged_rows[row4][first + 3u]);
}

// The terms of a stage.
fn add_stage(sums: ptr<function, Tile>, local: u32) {
    add_four_terms(sums, local % 8u, local / 8u, 0u);
    add_four_terms(sums, local % 8u, local / 8u, 4u);
    add_four_terms(sums, local % 8u, local / 8u, 8u);
    add_four_terms(sums, local % 8u, local / 8u, 12u);
}

fn mask_word(first: u32) -> u32 {
    return nibbles[first] | nibbles[first + 1u] | nibbles[first + 2u] | nibbles[first + 3u]
        | nibbles[first + 4u] | nibbles[first + 5u] | nibbles[first + 6u] | nibbles[first + 7u];
}

// Leaves which of a tile's values are not zero, of rows `distance` nibbles apart.
fn stage_bits(first: u32, distance: u32, tile: Tile, local: u32) {
    let shift = 4u * (local % 8u);
    nibbles[first] = sample4_bits(tile.a != vec4<f32>()) << shift;
    nibbles[first + distance] = sample4_bits(tile.b != vec4<f32>()) << shift;
    nibbles[first + 2u * distance] = sample4_bits(tile.c != vec4<f32>()) << shift;
    nibbles[first + 3u * distance] = sample4_bits(tile.d != vec4<f32>()) << shift;
}

// Writes the mask words of a block's rows: `count` of them, from masks[first] on. What the workgroup stored before is there for
// all of it afterwards.
fn store_masks(first: u32, count: u32, tile: Tile, local: u32) {
    stage_bits(local / 8u * 32u + local % 8u, 8u, tile, local);
    workgroupBarrier();
    if local < min(count, BLOCK) {
        masks[first + local] = mask_word(8u * local);
    }
    storageBarrier();
}
