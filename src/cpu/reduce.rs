//! S and c of every parameter, and at once what becomes of it: reduce.wgsl and update.wgsl.
//!
//! S = sum_i delta_i a_i is a chain of fused multiply-adds over the samples in their order; c counts the samples where
//! both factors are not zero; of a normalized layer, dy is the factor that counts.

use std::hint::black_box;
use std::ops::Deref;

use wide::u8x16;

use super::block::Block;
use super::marked::flags;
use super::masks::{Words, count_shared};
use super::optimizer::Update;
use super::panels::{FULL, PANEL};
use super::parameters::{Share, Values};
use super::simd::{Kernel, LANES, Lanes, floats, with_lanes};

/// Weights of the first layer, where the data is listed. Rows of inputs that are zero in the whole batch are not touched.
pub struct ReduceLists<'a, B, U, const M: usize> {
    /// The batch, block by block.
    pub blocks: &'a [B],
    /// Whose rows.
    pub share: &'a mut Share,
    /// The rule, with M moments.
    pub update: U,
}

impl<B: Deref<Target = Block>, U: Update<M>, const M: usize> Kernel for ReduceLists<'_, B, U, M> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { blocks, share, update } = self;
        let features = share.split.rows[0].clone();
        let weights = &mut share.values.weights[0];
        let Some(moments) = share.moments.first_chunk_mut::<M>() else { return };
        let mut moments = moments.each_mut().map(|values| &mut values.weights[0]);
        for panel in 0..weights.panels() {
            with_lanes!(weights.lanes(panel), P, Q => {
                let mut moments = moments.each_mut().map(|weights| weights.rows_of_mut::<P>(panel));
                for (index, (feature, row)) in features.clone().zip(weights.rows_of_mut::<P>(panel)).enumerate() {
                    let mut sums = [Lanes::ZERO; P];
                    let mut counts = [Lanes::ZERO; P];
                    let mut is_active = update.moves_inactive();
                    for block in blocks {
                        let entries = block.columns.of(feature);
                        is_active |= !entries.is_empty();
                        reduce_list::<P, Q>(entries, block.marked.rows_of::<Q>(panel), &mut sums, &mut counts);
                    }
                    if is_active {
                        // Through memory: in registers, the compiler would gather the first lanes of all vectors, then the
                        // second, for the update.
                        let (sums, counts) = (black_box(&sums), black_box(&counts));
                        for vector in 0..P {
                            let mut own = moments.each_ref().map(|rows| rows[index][vector]);
                            row[vector] = update.apply(row[vector], &mut own, sums[vector], counts[vector]);
                            for (rows, own) in moments.iter_mut().zip(own) {
                                rows[index][vector] = own;
                            }
                        }
                    }
                }
            });
        }
    }
}

#[inline(always)]
fn reduce_list<const P: usize, const Q: usize>(
    entries: &[(u32, f32)],
    deltas: &[[Lanes; Q]],
    sums: &mut [Lanes; P],
    counts: &mut [Lanes; P],
) {
    /// So many additions of 1 fit a byte.
    const BYTE: usize = 255;
    for entries in entries.chunks(BYTE) {
        let mut bytes = [u8x16::ZERO; 2];
        let mut own = *sums;
        for &(sample, value) in entries {
            let row = &deltas[sample as usize];
            for vector in 0..P {
                own[vector] = own[vector].add_product(value, row[vector]);
            }
            let flags = flags(&row[P]);
            bytes = [bytes[0] + flags[0], bytes[1] + flags[1]];
        }
        *sums = own;
        let bytes: [u8; PANEL] = bytemuck::cast(bytes);
        for vector in 0..P {
            for lane in 0..LANES {
                counts[vector].0[lane] += f32::from(bytes[vector * LANES + lane]);
            }
        }
    }
}

/// Weights of a layer that reads panels.
pub struct ReducePanels<'a, B, U, const M: usize> {
    /// Which layer, from 0.
    pub layer: usize,
    /// The batch, block by block.
    pub blocks: &'a [B],
    /// Whose rows.
    pub share: &'a mut Share,
    /// The rule.
    pub update: U,
}

impl<B: Deref<Target = Block>, U: Update<M>, const M: usize> Kernel for ReducePanels<'_, B, U, M> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { layer, blocks, share, update } = self;
        let rows = share.split.rows[layer].clone();
        let weights = &mut share.values.weights[layer];
        let Some(moments) = share.moments.first_chunk_mut::<M>() else { return };
        let mut moments = moments.each_mut().map(|values| &mut values.weights[layer]);
        for panel in 0..weights.panels() {
            with_lanes!(weights.lanes(panel), P => {
                let mut moments = moments.each_mut().map(|weights| weights.rows_of_mut::<P>(panel));
                for (offset, weights) in weights.rows_of_mut::<P>(panel).chunks_mut(PANEL).enumerate() {
                    let from = rows.start / PANEL + offset;
                    let mut tiles = weights.chunks_exact_mut(TILE);
                    let mut first = 0;
                    for tile in &mut tiles {
                        let place = Place { layer, from, panel, first };
                        let own = moments.each_mut().map(|rows| &mut rows[offset * PANEL + first..][..TILE]);
                        reduce_tile::<P, TILE, _, _, M>(place, blocks, tile, own, update);
                        first += TILE;
                    }
                    for row in tiles.into_remainder() {
                        let place = Place { layer, from, panel, first };
                        let own = moments.each_mut().map(|rows| &mut rows[offset * PANEL + first..][..1]);
                        reduce_tile::<P, 1, _, _, M>(place, blocks, std::slice::from_mut(row), own, update);
                        first += 1;
                    }
                }
            });
        }
    }
}

/// Rows of a tile; see product.rs.
const TILE: usize = 4;

/// Where a tile is: at the inputs from `first` of the input panel `from`, and at the outputs of `panel`.
#[derive(Clone, Copy)]
struct Place {
    layer: usize,
    from: usize,
    panel: usize,
    first: usize,
}

/// Weights of T inputs to the outputs of a panel, and their moments.
#[inline(always)]
fn reduce_tile<const P: usize, const T: usize, B: Deref<Target = Block>, U: Update<M>, const M: usize>(
    place: Place,
    blocks: &[B],
    weights: &mut [[Lanes; P]],
    mut moments: [&mut [[Lanes; P]]; M],
    update: U,
) {
    let Place { layer, from, panel, first } = place;
    let mut sums = [[Lanes::ZERO; P]; T];
    let mut counts = [[[0u32; LANES]; P]; T];
    for block in blocks {
        let (inputs, input_masks) = block.panels_below(layer);
        let (deltas, delta_masks) = block.deltas(layer);
        let width = inputs.lanes(from) * LANES;
        let inputs = floats(inputs.panel(from)).chunks_exact(width);
        for (input, delta) in inputs.zip(&deltas.rows_of::<P>(panel)[..block.samples]) {
            let input = &input[first..first + T];
            for row in 0..T {
                for vector in 0..P {
                    sums[row][vector] = sums[row][vector].add_product(input[row], delta[vector]);
                }
            }
        }
        let delta_masks = delta_masks.rows_of::<P>(panel);
        for (row, counts) in counts.iter_mut().enumerate() {
            count_shared(counts, input_masks.words_of(from, first + row), delta_masks);
        }
    }
    for (row, ((weights, sums), counts)) in weights.iter_mut().zip(sums).zip(counts).enumerate() {
        for vector in 0..P {
            let mut own = moments.each_ref().map(|rows| rows[row][vector]);
            weights[vector] = update.apply(weights[vector], &mut own, sums[vector], to_floats(counts[vector]));
            for (rows, own) in moments.iter_mut().zip(own) {
                rows[row][vector] = own;
            }
        }
    }
}

/// Exact up to 2^24.
#[inline(always)]
fn to_floats(counts: Words) -> Lanes {
    let mut floats = Lanes::ZERO;
    for lane in 0..LANES {
        floats.0[lane] = counts[lane] as f32;
    }
    floats
}

/// What each neuron of a layer has beside its weights: its bias (or beta), whose gradient is sum dy; or gamma, sum dy x^.
pub struct ReduceNeurons<'a, B, U, const GAMMA: bool, const M: usize> {
    /// Which layer, from 0.
    pub layer: usize,
    /// The batch, block by block.
    pub blocks: &'a [B],
    /// Whose.
    pub share: &'a mut Share,
    /// The rule.
    pub update: U,
}

/// Biases or gammas of a layer.
fn neurons_mut<const GAMMA: bool>(values: &mut Values, layer: usize) -> &mut [Lanes] {
    if GAMMA { &mut values.gammas[layer] } else { &mut values.biases[layer] }
}

impl<B: Deref<Target = Block>, U: Update<M>, const GAMMA: bool, const M: usize> Kernel
    for ReduceNeurons<'_, B, U, GAMMA, M>
{
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { layer, blocks, share, update } = self;
        let Some(moments) = share.moments.first_chunk_mut::<M>() else { return };
        let mut moments = moments.each_mut().map(|values| neurons_mut::<GAMMA>(values, layer));
        for (panel, own) in neurons_mut::<GAMMA>(&mut share.values, layer).chunks_mut(FULL).enumerate() {
            with_lanes!(own.len(), P => {
                let mut sums = [Lanes::ZERO; P];
                let mut counts = [Lanes::ZERO; P];
                for block in blocks {
                    let values = if GAMMA { block.normalized[layer].values.rows_of::<P>(panel) } else { &[] };
                    for (sample, delta) in block.outputs(layer).rows_of::<P>(panel)[..block.samples].iter().enumerate() {
                        for vector in 0..P {
                            sums[vector] = match GAMMA {
                                true => sums[vector].add_products(delta[vector], values[sample][vector]),
                                false => sums[vector].zip(delta[vector], |sum, delta| sum + delta),
                            };
                            counts[vector] = counts[vector].zip(delta[vector], |count, delta| count + f32::from(u8::from(delta != 0.0)));
                        }
                    }
                }
                for vector in 0..P {
                    let place = panel * FULL + vector;
                    let mut moment = moments.each_ref().map(|values| values[place]);
                    own[vector] = update.apply(own[vector], &mut moment, sums[vector], counts[vector]);
                    for (values, moment) in moments.iter_mut().zip(moment) {
                        values[place] = moment;
                    }
                }
            });
        }
    }
}
