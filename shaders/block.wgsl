// Uses: inputs, common
// block.wgsl: what forward.wgsl, loss.wgsl and delta.wgsl share: their buffers, which are one bind group, and a block: 32 rows by
// 32 samples (a mask word) of a matrix product, by a workgroup of 64. An invocation owns a tile: rows 4 (local / 8).. of sample4
// local % 8.
//
// The kernel stages 16 terms of both factors at a time. Each sum is one chain of fused multiply-adds in the order of the terms,
// so terms of zeros change no bit, wherever they are: features left out, padded networks, nodes cut out.

@group(0) @binding(2) var<storage, read> parameters: array<vec4<f32>>;          // (R, P)
@group(0) @binding(3) var<storage, read> inputs: array<Input4>;                 // (T, R, K, B)
@group(0) @binding(4) var<storage, read_write> activations: array<vec4<f32>>;   // (R, N, B)
@group(0) @binding(5) var<storage, read_write> masks: array<u32>;               // (R, B / 32, 2 N)
@group(0) @binding(6) var<storage, read_write> deltas: array<vec4<f32>>;        // (R, N, B)
@group(0) @binding(7) var<storage, read> features: array<u32>;                  // (T, R, 4 + K)
@group(0) @binding(8) var<storage, read> labels: array<vec4<u32>>;              // (T, R, B)

const BLOCK = 32u;
const DEPTH = 16u;

// A column is what an invocation reads of a stage: of each term four samples, or four rows. A 17th vec4 against bank conflicts.
// 4.3 KiB.
var<workgroup> staged_samples: array<array<vec4<f32>, 17>, 8>;  // (sample4s, DEPTH)
var<workgroup> staged_rows: array<array<vec4<f32>, 17>, 8>;     // (row4s, DEPTH)

// The bits of each row and sample4, where they are in the row's mask word.
var<workgroup> nibbles: array<u32, 256>;

// Four samples of each of four rows. Names instead of an array, and no loop around them: naga bounds every loop with a
// counter, and where a compiler then does not unroll it, an array is kept in local memory.
struct Tile {
    a: vec4<f32>,
    b: vec4<f32>,
    c: vec4<f32>,
    d: vec4<f32>,
}

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

// Writes the mask words of a block's rows: `count` of them, from masks[first] on. What the workgroup stored before is there for
// all of it afterwards.
fn store_masks(first: u32, count: u32, tile: Tile, local: u32) {
    let shift = 4u * (local % 8u);
    let own = local / 8u * 32u + local % 8u;
    nibbles[own] = sample4_bits(tile.a != vec4<f32>()) << shift;
    nibbles[own + 8u] = sample4_bits(tile.b != vec4<f32>()) << shift;
    nibbles[own + 16u] = sample4_bits(tile.c != vec4<f32>()) << shift;
    nibbles[own + 24u] = sample4_bits(tile.d != vec4<f32>()) << shift;
    workgroupBarrier();
    if local < min(count, BLOCK) {
        let row = 8u * local;
        masks[first + local] = nibbles[row] | nibbles[row + 1u] | nibbles[row + 2u] | nibbles[row + 3u]
            | nibbles[row + 4u] | nibbles[row + 5u] | nibbles[row + 6u] | nibbles[row + 7u];
    }
    storageBarrier();
}
