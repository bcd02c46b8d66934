//! The product of a block of samples with a matrix: what forward and delta have in common.
//!
//! Every sum is one chain of fused multiply-adds in the order of the inputs, from its initial value on. A zero input leaves
//! the sum as it is, so it makes no difference whether zeros are skipped, where tiles begin, or who computes what.

use super::simd::{LANES, Lanes, floats};

/// Some of the inputs of a product: a panel of the samples' values, and the rows of weights that belong to its columns.
#[derive(Clone, Copy)]
pub struct Segment<'a, const P: usize> {
    /// The panel's vectors: (samples, lanes).
    pub inputs: &'a [Lanes],
    /// Vectors in a row of the panel.
    pub lanes: usize,
    /// (columns of the panel, P vectors)
    pub weights: &'a [[Lanes; P]],
}

/// Rows of one panel of the product: for each sample `finish(sample, initial + sum over inputs a_k w_k)`.
#[inline(always)]
pub fn product<const P: usize>(
    segments: &[Segment<'_, P>],
    initial: [Lanes; P],
    samples: usize,
    mut finish: impl FnMut(usize, [Lanes; P]),
) {
    /// Samples of a tile. With four vectors of outputs that is eight 512-bit sums; AVX2 would rather have two.
    const TILE: usize = 4;
    let whole = samples - samples % TILE;
    for first in (0..whole).step_by(TILE) {
        let sums = tile::<P, TILE>(segments, initial, first);
        for (offset, sum) in sums.into_iter().enumerate() {
            finish(first + offset, sum);
        }
    }
    for sample in whole..samples {
        let [sum] = tile::<P, 1>(segments, initial, sample);
        finish(sample, sum);
    }
}

#[inline(always)]
fn tile<const P: usize, const S: usize>(
    segments: &[Segment<'_, P>],
    initial: [Lanes; P],
    first: usize,
) -> [[Lanes; P]; S] {
    let mut sums = [initial; S];
    for segment in segments {
        let width = segment.lanes * LANES;
        let inputs = floats(segment.inputs);
        let count = segment.weights.len();
        let rows: [&[f32]; S] = std::array::from_fn(|offset| &inputs[(first + offset) * width..][..count]);
        for (k, weights) in segment.weights.iter().enumerate() {
            for offset in 0..S {
                let a = rows[offset][k];
                for vector in 0..P {
                    sums[offset][vector] = sums[offset][vector].add_product(a, weights[vector]);
                }
            }
        }
    }
    sums
}
