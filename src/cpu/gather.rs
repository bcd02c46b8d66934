//! The samples of a mini-batch, ready for the first layer: gather.wgsl.

use super::panels::{PANEL, Panels};
use super::samples::{Feature, StoredInputs, StoredSamples, TypedLists, Value, Values, with_types};
use super::simd::{Kernel, LANES, floats_mut};
use crate::dataset::Targets;

/// Some samples.
#[derive(Debug)]
pub enum BatchInputs {
    /// What is not zero.
    Listed(BatchLists),
    /// All inputs: (samples, features).
    Dense(Panels),
}

/// What is not zero in some samples, sample by sample.
#[derive(Debug, Default)]
pub struct BatchLists {
    /// Where each sample's entries begin, and the end.
    pub start: Vec<usize>,
    /// Which inputs they are, in rising order within a sample.
    pub features: Vec<u32>,
    /// Their values.
    pub values: Vec<f32>,
}

impl BatchInputs {
    /// Room for `capacity` samples.
    pub fn new(samples: &StoredSamples, capacity: usize) -> Self {
        match samples.inputs {
            StoredInputs::Listed(_) => Self::Listed(BatchLists::default()),
            StoredInputs::Dense(_) => Self::Dense(Panels::zeros(capacity, samples.features)),
        }
    }
}

impl BatchLists {
    /// A sample's inputs that are not zero, and their values.
    #[inline(always)]
    pub fn of(&self, sample: usize) -> (&[u32], &[f32]) {
        let range = self.start[sample]..self.start[sample + 1];
        (&self.features[range.clone()], &self.values[range])
    }
}

/// Takes samples out of the data set.
pub struct Gather<'a> {
    /// The data set.
    pub from: &'a StoredSamples,
    /// Which samples.
    pub indices: &'a [u32],
    /// The samples of the next batch, which are asked for meanwhile, so that they are in the cache by then.
    pub next: &'a [u32],
    /// Where their inputs go.
    pub inputs: &'a mut BatchInputs,
    /// Where their targets go, of the kind that the data set has.
    pub targets: &'a mut Targets,
}

impl Kernel for Gather<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { from, indices, next, inputs, targets } = self;
        match (&from.targets, targets) {
            (Targets::Classes(all), Targets::Classes(labels)) => {
                labels.clear();
                labels.extend(indices.iter().map(|&index| all[index as usize]));
            }
            (Targets::Numbers { values: all, outputs }, Targets::Numbers { values, .. }) => {
                values.clear();
                indices
                    .iter()
                    .for_each(|&index| values.extend_from_slice(&all[index as usize * outputs..][..*outputs]));
            }
            _ => unreachable!("Block::new takes the kind of the data set"),
        }
        match (&from.inputs, inputs) {
            (StoredInputs::Listed(lists), BatchInputs::Listed(batch)) => {
                with_types!(lists, lists => copy(lists, indices, next, batch));
            }
            (StoredInputs::Dense(Values::U8(values)), BatchInputs::Dense(panels)) => spread(values, indices, panels),
            (StoredInputs::Dense(Values::F32(values)), BatchInputs::Dense(panels)) => spread(values, indices, panels),
            _ => unreachable!("BatchInputs::new takes the form of the data set"),
        }
    }
}

/// Copies lists, as 32-bit numbers.
#[inline(always)]
fn copy(lists: TypedLists<'_, impl Feature, impl Value>, indices: &[u32], next: &[u32], batch: &mut BatchLists) {
    let BatchLists { start, features, values } = batch;
    start.clear();
    start.push(0);
    let mut total = 0;
    start.extend(indices.iter().map(|&index| {
        total += lists.of(index).0.len();
        total
    }));
    if features.len() < total {
        features.resize(total, 0);
        values.resize(total, 0.0);
    }
    for (position, (&index, range)) in indices.iter().zip(start.windows(2)).enumerate() {
        if let Some(&next) = next.get(position) {
            lists.fetch(next);
        }
        let (source_features, source_values) = lists.of(index);
        for (target, feature) in features[range[0]..range[1]].iter_mut().zip(source_features) {
            *target = feature.index() as u32;
        }
        for (target, value) in values[range[0]..range[1]].iter_mut().zip(source_values) {
            *target = value.to_f32();
        }
    }
}

/// Spreads dense samples over panels.
#[inline(always)]
fn spread(source: &[impl Value], indices: &[u32], panels: &mut Panels) {
    let features = panels.columns();
    for panel in 0..panels.panels() {
        let width = panels.lanes(panel) * LANES;
        let columns = PANEL.min(features - panel * PANEL);
        let target = floats_mut(panels.panel_mut(panel));
        for (&index, row) in indices.iter().zip(target.chunks_exact_mut(width)) {
            let sample = &source[index as usize * features + panel * PANEL..][..columns];
            for (target, value) in row.iter_mut().zip(sample) {
                *target = value.to_f32();
            }
        }
    }
}
