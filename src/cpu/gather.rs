//! The samples of a mini-batch: gather.wgsl.

use prefetch_index::prefetch_index;

use super::panels::{Panels, PANEL};
use super::samples::{Features, StoredInputs, StoredSamples, Values};
use super::simd::{floats_mut, Kernel, LANES};

/// Some samples, ready for the first layer.
#[derive(Debug)]
pub enum BatchInputs {
    /// What is not zero.
    Listed(Lists),
    /// All inputs: (samples, features).
    Dense(Panels),
}

/// The inputs of samples that are not zero, sample by sample.
#[derive(Debug, Default)]
pub struct Lists {
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
            StoredInputs::Listed { .. } => Self::Listed(Lists::default()),
            StoredInputs::Dense(_) => Self::Dense(Panels::zeros(capacity, samples.features)),
        }
    }
}

/// Copies samples out of the data set.
pub struct Gather<'a> {
    /// The data set.
    pub from: &'a StoredSamples,
    /// Which samples.
    pub indices: &'a [u32],
    /// The samples of the next batch, which are asked for meanwhile, so that they are in the cache by then.
    pub next: &'a [u32],
    /// Where they go.
    pub inputs: &'a mut BatchInputs,
    /// Where their labels go.
    pub labels: &'a mut Vec<u32>,
}

impl Kernel for Gather<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { from, indices, next, inputs, labels } = self;
        labels.clear();
        labels.extend(indices.iter().map(|&index| from.labels[index as usize]));
        match (&from.inputs, inputs) {
            (StoredInputs::Listed { start, features, values }, BatchInputs::Listed(lists)) => {
                lists.start.clear();
                lists.start.push(0);
                let mut total = 0;
                for &index in indices {
                    total += start[index as usize + 1] - start[index as usize];
                    lists.start.push(total);
                }
                if lists.features.len() < total {
                    lists.features.resize(total, 0);
                    lists.values.resize(total, 0.0);
                }
                match features {
                    Features::U16(features) => {
                        copy(features, start, (indices, next), &lists.start, &mut lists.features, |&feature| {
                            feature.into()
                        });
                    }
                    Features::U32(features) => {
                        copy(features, start, (indices, next), &lists.start, &mut lists.features, |&feature| feature);
                    }
                }
                match values {
                    Values::U8(values) => {
                        copy(values, start, (indices, next), &lists.start, &mut lists.values, |&value| {
                            f32::from(value) / 255.0
                        });
                    }
                    Values::F32(values) => {
                        copy(values, start, (indices, next), &lists.start, &mut lists.values, |&value| value);
                    }
                }
            }
            (StoredInputs::Dense(Values::U8(values)), BatchInputs::Dense(panels)) => {
                spread(values, indices, panels, |&value| f32::from(value) / 255.0);
            }
            (StoredInputs::Dense(Values::F32(values)), BatchInputs::Dense(panels)) => {
                spread(values, indices, panels, |&value| value);
            }
            _ => unreachable!("BatchInputs::new takes the form of the data set"),
        }
    }
}

/// Asks for the cache lines of a sample's entries.
#[inline(always)]
fn fetch<T>(source: &[T], start: &[usize], sample: u32) {
    let lines = 64 / size_of::<T>();
    for index in (start[sample as usize]..start[sample as usize + 1]).step_by(lines) {
        prefetch_index(source, index);
    }
}

/// Copies each sample's entries to where the batch has them.
#[inline(always)]
fn copy<T, U>(
    source: &[T],
    start: &[usize],
    (indices, next): (&[u32], &[u32]),
    target_start: &[usize],
    target: &mut [U],
    convert: impl Fn(&T) -> U,
) {
    for (position, (&index, range)) in indices.iter().zip(target_start.windows(2)).enumerate() {
        if let Some(&next) = next.get(position) {
            fetch(source, start, next);
        }
        let source = &source[start[index as usize]..start[index as usize + 1]];
        for (target, value) in target[range[0]..range[1]].iter_mut().zip(source) {
            *target = convert(value);
        }
    }
}

/// Spreads dense samples over panels.
#[inline(always)]
fn spread<T>(source: &[T], indices: &[u32], panels: &mut Panels, convert: impl Fn(&T) -> f32) {
    let features = panels.columns();
    for panel in 0..panels.panels() {
        let width = panels.lanes(panel) * LANES;
        let columns = PANEL.min(features - panel * PANEL);
        let target = floats_mut(panels.panel_mut(panel));
        for (&index, row) in indices.iter().zip(target.chunks_exact_mut(width)) {
            let sample = &source[index as usize * features + panel * PANEL..][..columns];
            for (target, value) in row.iter_mut().zip(sample) {
                *target = convert(value);
            }
        }
    }
}
