//! Which hidden nodes are silent for which samples: the integers of dropout.wgsl.

use super::panels::{FULL, PANEL, Panels};
use super::permute::mix;
use super::simd::{Kernel, LANES, with_lanes};
use crate::settings::ReplicaSettings;

/// Dropout of a replica in one step.
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
    /// That of step `t`, from 1, if the replica has any.
    pub fn new(settings: &ReplicaSettings, t: u64) -> Option<Self> {
        let seed = settings.seed;
        // Steps are counted down: epochs, which are the keys of the permutations, are counted up.
        let key = mix(mix(mix(seed as u32).wrapping_add((seed >> 32) as u32)).wrapping_sub(t as u32));
        let (threshold, scale) = (settings.dropout_threshold(), settings.dropout_scale());
        (settings.dropout > 0.0).then_some(Self { key, threshold, scale, first: 0 })
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
    /// Which layer, from 0.
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
