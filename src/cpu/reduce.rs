//! S and c of every parameter, and at once what becomes of it: reduce.wgsl and update.wgsl.
//!
//! S = sum_i delta_i a_i is a chain of fused multiply-adds over the samples in their order; c counts the samples where
//! both factors are not zero, or above the bounds of threshold.rs; of a normalized layer, dy is the factor that counts. Both are found
//! for a tile of parameters that fits the fastest cache, and then the tile is moved.

use std::ops::{Deref, Range};

use super::block::Block;
use super::gather::{BatchInputs, BatchLists};
use super::marked::{Flags, flags};
use super::masks::{Words, count_shared};
use super::optimizer::Update;
use super::panels::{FULL, PANEL};
use super::parameters::{Share, Values};
use super::simd::{Kernel, LANES, Lanes, floats, with_lanes};
use super::threshold::{bounds_of, counts};

/// Weights of the first layer, where the data is listed. Rows of inputs that are zero in the whole batch are not touched.
pub struct ReduceLists<'a, B, U, const M: usize> {
    /// The batch, block by block.
    pub blocks: &'a [B],
    /// Whose rows.
    pub share: &'a mut Share,
    /// The rule, with M moments.
    pub update: U,
}

/// S and c of a tile: some inputs to the outputs of a panel.
struct Tile {
    sums: [Lanes; Self::ROOM],
    counts: [Lanes; Self::ROOM],
    /// c of up to 255 samples.
    bytes: [Flags; Self::ROOM],
}

impl Tile {
    /// 16 KiB of sums.
    const ROOM: usize = 512;
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
        let (sums, counts) = ([Lanes::ZERO; Tile::ROOM], [Lanes::ZERO; Tile::ROOM]);
        let mut tile = Tile { sums, counts, bytes: [Flags::default(); Tile::ROOM] };
        for panel in 0..weights.panels() {
            let lanes = weights.lanes(panel);
            let mut moments = moments.each_mut().map(|weights| weights.panel_mut(panel));
            let mut walks: Vec<Walk<'_>> = blocks.iter().map(|block| Walk::new(block, features.start)).collect();
            let rows = Tile::ROOM / lanes;
            for (index, weights) in weights.panel_mut(panel).chunks_mut(rows * lanes).enumerate() {
                let first = index * rows;
                let inputs = features.start + first..features.start + first + weights.len() / lanes;
                let mut own = moments.each_mut().map(|moment| &mut moment[first * lanes..][..weights.len()]);
                tile.sums[..weights.len()].fill(Lanes::ZERO);
                tile.counts[..weights.len()].fill(Lanes::ZERO);
                with_lanes!(lanes, P, Q => {
                    for walk in &mut walks {
                        let deltas = walk.block.marked.rows_of::<Q>(panel);
                        match (update.counts(), walk.block.count_threshold > 0.0) {
                            (false, _) => walk.add::<P, Q, NOTHING>(inputs.clone(), deltas, &mut tile),
                            (true, false) => walk.add::<P, Q, ENTRIES>(inputs.clone(), deltas, &mut tile),
                            (true, true) => walk.add::<P, Q, LARGE_ENTRIES>(inputs.clone(), deltas, &mut tile),
                        }
                    }
                });
                let (sums, counts) = (&tile.sums[..weights.len()], &tile.counts[..weights.len()]);
                if update.moves_inactive() {
                    update.apply(weights, own, sums, counts);
                    continue;
                }
                for (row, weights) in weights.chunks_exact_mut(lanes).enumerate() {
                    let range = row * lanes..(row + 1) * lanes;
                    let (sums, counts) = (&sums[range.clone()], &counts[range.clone()]);
                    if [sums, counts].into_iter().flatten().any(|values| *values != Lanes::ZERO) {
                        update.apply(weights, own.each_mut().map(|own| &mut own[range.clone()]), sums, counts);
                    }
                }
            }
        }
    }
}

/// What a walk counts: nothing, all entries, or those above the threshold.
const NOTHING: u8 = 0;
const ENTRIES: u8 = 1;
const LARGE_ENTRIES: u8 = 2;

/// The lists of a block, walked through tile by tile: each sample's entries from a place on.
struct Walk<'a> {
    block: &'a Block,
    lists: &'a BatchLists,
    /// (samples)
    places: Vec<usize>,
}

impl<'a> Walk<'a> {
    /// From an input on.
    fn new(block: &'a Block, input: usize) -> Self {
        let BatchInputs::Listed(lists) = &block.inputs else { unreachable!("ReduceLists is for lists") };
        let place = |sample| lists.of(sample).0.partition_point(|&feature| (feature as usize) < input);
        Self { block, lists, places: (0..block.samples).map(place).collect() }
    }

    /// Adds the entries of the next inputs to their S and c.
    #[inline(always)]
    fn add<const P: usize, const Q: usize, const COUNTED: u8>(
        &mut self,
        inputs: Range<usize>,
        deltas: &[[Lanes; Q]],
        tile: &mut Tile,
    ) {
        /// So many additions of 1 fit a byte.
        const BYTE: usize = 255;
        let Self { block, lists, places } = self;
        let (sums, all_counts) = (tile.sums.as_chunks_mut::<P>().0, tile.counts.as_chunks_mut::<P>().0);
        let samples = places.len();
        for first in (0..samples).step_by(BYTE) {
            for sample in first..samples.min(first + BYTE) {
                let row = deltas[sample];
                let flags = *flags(&row[P]);
                let (features, values) = lists.of(sample);
                // In a register until all entries are added.
                let mut place = places[sample];
                for (&feature, &value) in features[place..].iter().zip(&values[place..]) {
                    if feature as usize >= inputs.end {
                        break;
                    }
                    place += 1;
                    let index = feature as usize - inputs.start;
                    let sums = &mut sums[index];
                    for vector in 0..P {
                        sums[vector] = sums[vector].add_product(value, row[vector]);
                    }
                    let is_counted = match COUNTED {
                        LARGE_ENTRIES => counts(value, block.count_threshold),
                        _ => COUNTED == ENTRIES,
                    };
                    if is_counted {
                        // No byte overflows into the next.
                        for (bytes, flags) in tile.bytes[index].iter_mut().zip(flags) {
                            *bytes += flags;
                        }
                    }
                }
                places[sample] = place;
            }
            if COUNTED != NOTHING {
                for (counts, bytes) in all_counts.iter_mut().zip(&mut tile.bytes[..inputs.len()]) {
                    let bytes: [u8; PANEL] = bytemuck::cast(std::mem::take(bytes));
                    for vector in 0..P {
                        for lane in 0..LANES {
                            counts[vector].0[lane] += f32::from(bytes[vector * LANES + lane]);
                        }
                    }
                }
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
        let (mut sums, mut counts) = ([Lanes::ZERO; PANEL * FULL], [Lanes::ZERO; PANEL * FULL]);
        for panel in 0..weights.panels() {
            let lanes = weights.lanes(panel);
            let mut moments = moments.each_mut().map(|weights| weights.panel_mut(panel));
            for (offset, weights) in weights.panel_mut(panel).chunks_mut(PANEL * lanes).enumerate() {
                let from = rows.start / PANEL + offset;
                let (sums, counts) = (&mut sums[..weights.len()], &mut counts[..weights.len()]);
                with_lanes!(lanes, P => {
                    let (sums, counts) = (sums.as_chunks_mut::<P>().0, counts.as_chunks_mut::<P>().0);
                    let mut first = 0;
                    while first + ROWS <= sums.len() {
                        let place = Place { layer, from, panel, first };
                        let (sums, counts) = (&mut sums[first..][..ROWS], &mut counts[first..][..ROWS]);
                        reduce_rows::<P, ROWS, _>(place, blocks, sums, update.counts().then_some(counts));
                        first += ROWS;
                    }
                    for first in first..sums.len() {
                        let place = Place { layer, from, panel, first };
                        let (sums, counts) = (&mut sums[first..][..1], &mut counts[first..][..1]);
                        reduce_rows::<P, 1, _>(place, blocks, sums, update.counts().then_some(counts));
                    }
                });
                let first = offset * PANEL * lanes;
                let own = moments.each_mut().map(|moment| &mut moment[first..][..weights.len()]);
                update.apply(weights, own, sums, counts);
            }
        }
    }
}

/// Rows whose sums are in registers at once; see product.rs.
const ROWS: usize = 4;

/// Where rows are: at the inputs from `first` of the input panel `from`, and at the outputs of `panel`.
#[derive(Clone, Copy)]
struct Place {
    layer: usize,
    from: usize,
    panel: usize,
    first: usize,
}

/// S and, where it is asked for, c of the weights of T inputs to the outputs of a panel.
#[inline(always)]
fn reduce_rows<const P: usize, const T: usize, B: Deref<Target = Block>>(
    place: Place,
    blocks: &[B],
    all_sums: &mut [[Lanes; P]],
    all_counts: Option<&mut [[Lanes; P]]>,
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
        if all_counts.is_some() {
            let delta_masks = delta_masks.rows_of::<P>(panel);
            for (row, counts) in counts.iter_mut().enumerate() {
                count_shared(counts, input_masks.words_of(from, first + row), delta_masks);
            }
        }
    }
    all_sums.copy_from_slice(&sums);
    for (all, counts) in all_counts.into_iter().flatten().zip(counts) {
        *all = counts.map(to_floats);
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
            let (mut sums, mut own_counts) = ([Lanes::ZERO; FULL], [Lanes::ZERO; FULL]);
            with_lanes!(own.len(), P => {
                let bounds: [Lanes; P] = bounds_of(blocks[0].bounds(layer), panel);
                for block in blocks {
                    let values = if GAMMA { block.normalized[layer].values.rows_of::<P>(panel) } else { &[] };
                    for (sample, delta) in block.outputs(layer).rows_of::<P>(panel)[..block.samples].iter().enumerate() {
                        for vector in 0..P {
                            sums[vector] = match GAMMA {
                                true => sums[vector].add_products(delta[vector], values[sample][vector]),
                                false => sums[vector].zip(delta[vector], |sum, delta| sum + delta),
                            };
                            let counted = delta[vector].zip(bounds[vector], |delta, bound| f32::from(u8::from(counts(delta, bound))));
                            own_counts[vector] = own_counts[vector].zip(counted, |count, counted| count + counted);
                        }
                    }
                }
            });
            let lanes = own.len();
            let moments = moments.each_mut().map(|moment| &mut moment[panel * FULL..][..lanes]);
            update.apply(own, moments, &sums[..lanes], &own_counts[..lanes]);
        }
    }
}
