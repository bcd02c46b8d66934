//! Which hidden nodes and inputs are silent for which samples: the integers of dropout.wgsl.

use super::gather::BatchLists;
use super::panels::{FULL, PANEL, Panels};
use super::permute::mix;
use super::simd::{Kernel, LANES, with_lanes};
use crate::settings::{dropout_scale, dropout_threshold};

/// The inputs, as a layer.
pub const INPUTS: usize = u32::MAX as usize;

/// Dropout of a replica in one step, of its hidden nodes or of its inputs.
#[derive(Debug, Clone, Copy)]
pub struct Dropout {
    key: u32,
    threshold: u32,
    /// What the nodes that are not silent are multiplied by.
    scale: f32,
    /// The position in the batch of the first sample of a block.
    first: u32,
}

impl Dropout {
    /// That of step `t`, from 1, of the replica with this seed, if `p` is not 0.
    pub fn new(p: f32, seed: u64, t: u64) -> Option<Self> {
        // Steps are counted down: epochs, which are the keys of the permutations, are counted up.
        let key = mix(mix(mix(seed as u32).wrapping_add((seed >> 32) as u32)).wrapping_sub(t as u32));
        (p > 0.0).then_some(Self { key, threshold: dropout_threshold(p), scale: dropout_scale(p), first: 0 })
    }

    /// That of the samples from position `first` of the batch on.
    pub fn from(self, first: usize) -> Self {
        Self { first: first as u32, ..self }
    }
}

/// Silences nodes of a layer, and scales the others.
pub struct Silence<'a> {
    /// Of the step.
    pub dropout: Dropout,
    /// Which layer, from 0, or [`INPUTS`].
    pub layer: usize,
    /// How many samples.
    pub samples: usize,
    /// a of the layer, or delta that does not know yet which nodes are silent: (samples, outputs).
    pub values: &'a mut Panels,
}

impl Kernel for Silence<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { dropout: Dropout { key, threshold, scale, first }, layer, samples, values } = self;
        let key = mix(key.wrapping_add(layer as u32));
        for panel in 0..values.panels() {
            let mut keys = [[0; LANES]; FULL];
            for (node, own) in (PANEL * panel..).zip(keys.as_flattened_mut()) {
                *own = mix(key.wrapping_add(node as u32));
            }
            with_lanes!(values.lanes(panel), P => {
                for (sample, row) in values.rows_of_mut::<P>(panel)[..samples].iter_mut().enumerate() {
                    let position = first.wrapping_add(sample as u32);
                    for vector in 0..P {
                        for lane in 0..LANES {
                            let is_kept = mix(keys[vector][lane].wrapping_add(position)) >= threshold;
                            let value = row[vector].0[lane] * scale;
                            row[vector].0[lane] = if is_kept { value } else { 0.0 };
                        }
                    }
                }
            });
        }
    }
}

/// Leaves silent inputs out of the lists of some samples, and scales the others.
pub struct SilenceLists<'a> {
    /// Of the step.
    pub dropout: Dropout,
    /// Changed in place.
    pub lists: &'a mut BatchLists,
}

impl Kernel for SilenceLists<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { dropout: Dropout { key, threshold, scale, first }, lists } = self;
        let BatchLists { start, features, values } = lists;
        let key = mix(key.wrapping_add(INPUTS as u32));
        let (mut read, mut kept) = (0, 0);
        for (sample, end) in start[1..].iter_mut().enumerate() {
            let position = first.wrapping_add(sample as u32);
            for place in read..*end {
                let (feature, value) = (features[place], values[place] * scale);
                (features[kept], values[kept]) = (feature, value);
                kept += usize::from(mix(mix(key.wrapping_add(feature)).wrapping_add(position)) >= threshold);
            }
            (read, *end) = (*end, kept);
        }
    }
}

/// Scales the deltas of a ReLU layer, which are 0 where its nodes are silent.
pub struct ScaleDeltas<'a> {
    /// Of the step.
    pub dropout: Dropout,
    /// How many samples.
    pub samples: usize,
    /// delta of the layer: (samples, outputs).
    pub deltas: &'a mut Panels,
}

impl Kernel for ScaleDeltas<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { dropout, samples, deltas } = self;
        for panel in 0..deltas.panels() {
            with_lanes!(deltas.lanes(panel), P => {
                for row in &mut deltas.rows_of_mut::<P>(panel)[..samples] {
                    *row = row.map(|delta| delta.map(|delta| delta * dropout.scale));
                }
            });
        }
    }
}
