// Uses: buffers
// block.wgsl: what forward.wgsl, loss.wgsl and delta.wgsl share: a block, 32 rows by 32 samples (a mask word) of a matrix product, by a
// workgroup of 128. An invocation owns rows 2 (local / 8).. of sample4 local % 8.
//
// The kernel stages 32 terms of both factors at a time. Each sum is one chain of fused multiply-adds in the order of the terms,
// so terms of zeros change no bit, wherever they are: features left out, padded networks, nodes cut out.

const BLOCK = 32u;
const DEPTH = 32u;

// A column is what an invocation reads of a stage: of each term four samples, or two rows. A 33rd against bank conflicts. 8.3 KiB.
var<workgroup> staged_samples: array<array<vec4<f32>, 33>, 8>;  // (sample4s, DEPTH)
var<workgroup> staged_rows: array<array<vec2<f32>, 33>, 16>;    // (pairs of rows, DEPTH)

// Four bits each, where they are in a mask word: eight for a word.
var<workgroup> nibbles: array<u32, 256>;

// Four samples of each of two rows.
struct Pair {
    a: vec4<f32>,
    b: vec4<f32>,
}

fn add_term(sums: ptr<function, Pair>, samples: vec4<f32>, rows: vec2<f32>) {
    (*sums).a = fma(samples, vec4(rows.x), (*sums).a);
    (*sums).b = fma(samples, vec4(rows.y), (*sums).b);
}

fn add_four_terms(sums: ptr<function, Pair>, sample4: u32, pair: u32, first: u32) {
    add_term(sums, staged_samples[sample4][first], staged_rows[pair][first]);
    add_term(sums, staged_samples[sample4][first + 1u], staged_rows[pair][first + 1u]);
    add_term(sums, staged_samples[sample4][first + 2u], staged_rows[pair][first + 2u]);
    add_term(sums, staged_samples[sample4][first + 3u], staged_rows[pair][first + 3u]);
}

// The terms of a stage, of which so many are left.
fn add_stage(sums: ptr<function, Pair>, local: u32, left: u32) {
    add_four_terms(sums, local % 8u, local / 8u, 0u);
    add_four_terms(sums, local % 8u, local / 8u, 4u);
    add_four_terms(sums, local % 8u, local / 8u, 8u);
    add_four_terms(sums, local % 8u, local / 8u, 12u);
    if left > 16u {
        add_four_terms(sums, local % 8u, local / 8u, 16u);
        add_four_terms(sums, local % 8u, local / 8u, 20u);
        add_four_terms(sums, local % 8u, local / 8u, 24u);
        add_four_terms(sums, local % 8u, local / 8u, 28u);
    }
}

// Leaves which of four samples are not zero for mask_word.
fn stage_bits(nibble: u32, values: vec4<f32>, local: u32) {
    nibbles[nibble] = sample4_bits(values != vec4<f32>()) << (4u * (local % 8u));
}

fn mask_word(first: u32) -> u32 {
    return nibbles[first] | nibbles[first + 1u] | nibbles[first + 2u] | nibbles[first + 3u]
        | nibbles[first + 4u] | nibbles[first + 5u] | nibbles[first + 6u] | nibbles[first + 7u];
}

// Writes the mask words of a block's rows: `count` of them, from masks[first] on. What the workgroup stored before is there for
// all of it afterwards.
fn store_masks(first: u32, count: u32, a: vec4<f32>, b: vec4<f32>, local: u32) {
    stage_bits(16u * (local / 8u) + local % 8u, a, local);
    stage_bits(16u * (local / 8u) + local % 8u + 8u, b, local);
    workgroupBarrier();
    if local < min(count, BLOCK) {
        masks[first + local] = mask_word(8u * local);
    }
    workgroupBarrier();
    storageBarrier();
}
