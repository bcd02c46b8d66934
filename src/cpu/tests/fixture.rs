//! What the stages' tests share: sizes, data, parameters, and the comparison.

use std::fmt::Debug;

use crate::cpu::block::Block;
use crate::cpu::gather::BatchLists;
use crate::cpu::panels::{Panels, panel_columns};
use crate::cpu::parameters::{Parameters, split};
use crate::cpu::samples::{StoredInputs, StoredSamples, Values};
use crate::cpu::simd::{InstructionSet, LANES, floats, floats_mut};
use crate::dataset::{Inputs, Samples};
use crate::random::Random;
use crate::reference::Sum;
use crate::{Init, Model, NetworkSpec};

/// Below, at and above a vector, a tile of rows and a panel.
pub const WIDTHS: [usize; 11] = [1, 2, 3, 7, 8, 9, 31, 32, 33, 64, 65];

/// Below, at and above a tile of samples, a word of a mask and the largest number that a byte holds.
pub const SAMPLES: [usize; 13] = [1, 2, 3, 4, 31, 32, 33, 64, 65, 255, 256, 257, 300];

/// How many of ten values are 0: none, some, most, all.
pub const ZEROS: [u64; 4] = [0, 5, 8, 10];

/// A layer to test.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub inputs: usize,
    pub outputs: usize,
    pub samples: usize,
    /// How many of ten inputs are 0.
    pub zeros: u64,
    pub is_u8: bool,
}

/// Every pair of widths, and every number of samples with every share of zeros.
pub fn for_each_case(mut check: impl FnMut(Case)) {
    let pairs = WIDTHS.iter().flat_map(|&inputs| WIDTHS.map(|outputs| (inputs, outputs)));
    for (index, (inputs, outputs)) in pairs.enumerate() {
        let (samples, zeros) = (SAMPLES[index % SAMPLES.len()], ZEROS[index / 3 % ZEROS.len()]);
        check(Case { inputs, outputs, samples, zeros, is_u8: index % 2 == 0 });
    }
    let pairs = SAMPLES.iter().flat_map(|&samples| ZEROS.map(|zeros| (samples, zeros)));
    for (samples, zeros) in pairs {
        check(Case { inputs: 9, outputs: 33, samples, zeros, is_u8: true });
        check(Case { inputs: 33, outputs: 9, samples, zeros, is_u8: false });
    }
}

impl Case {
    /// As many random samples, in the format of the case, with labels of so many classes.
    pub fn data(&self, classes: usize) -> Samples {
        let mut random = Random::new(self.samples as u64, self.inputs as u64);
        let count = self.samples * self.inputs;
        let inputs = if self.is_u8 {
            let byte = |random: &mut Random| random.next_u64() as u8;
            Inputs::U8(
                (0..count).map(|_| if is_zero(&mut random, self.zeros) { 0 } else { byte(&mut random) }).collect(),
            )
        } else {
            Inputs::F32(numbers(&mut random, count, self.zeros))
        };
        let labels = (0..self.samples).map(|_| (random.next_u64() % classes as u64) as u32).collect();
        Samples::new(self.inputs, inputs, labels, classes).unwrap()
    }

    /// The inputs of all samples: (inputs, samples).
    pub fn values(&self) -> Vec<f32> {
        let indices: Vec<u32> = (0..self.samples as u32).collect();
        crate::reference::gather::gather(&self.data(2), &indices)
    }
}

fn is_zero(random: &mut Random, zeros: u64) -> bool {
    random.next_u64() % 10 < zeros
}

/// Numbers of both signs, `zeros` of ten of them 0.
pub fn numbers(random: &mut Random, count: usize, zeros: u64) -> Vec<f32> {
    let number = |random: &mut Random| if is_zero(random, zeros) { 0.0 } else { random.normal() as f32 };
    (0..count).map(|_| number(random)).collect()
}

/// A network of these widths, biases included.
pub fn model(widths: &[usize]) -> Model {
    Init::Pytorch.model(&NetworkSpec::new(widths).unwrap(), &[widths.iter().sum::<usize>() as u64]).unwrap()
}

/// The parameters of a network in the shares of `members`, split by lists (where `is_listed`) or by panels.
pub fn shared(model: &Model, members: usize, is_listed: bool) -> Parameters {
    let entries: Vec<f64> = match is_listed {
        true => (0..model.spec().inputs()).map(|input| (input % 5) as f64).collect(),
        false => Vec::new(),
    };
    Parameters::new(model, 0, 0, &split(model.spec(), members, 64, &entries))
}

/// A matrix of nothing but NaN, padding included.
pub fn poisoned(rows: usize, columns: usize) -> Panels {
    let mut panels = Panels::zeros(rows, columns);
    for panel in 0..panels.panels() {
        floats_mut(panels.panel_mut(panel)).fill(f32::NAN);
    }
    panels
}

/// A matrix from (columns, samples), with three rows of NaN after the samples.
pub fn panels(values: &[f32], samples: usize) -> Panels {
    let columns = values.len() / samples;
    let mut panels = Panels::zeros(samples + 3, columns);
    for (index, &value) in values.iter().enumerate() {
        panels.set(index % samples, index / samples, value);
    }
    (samples..samples + 3).for_each(|row| (0..columns).for_each(|column| panels.set(row, column, f32::NAN)));
    panels
}

/// The lists of (features, samples), with entries of another batch after their end.
pub fn lists(values: &[f32], samples: usize) -> BatchLists {
    let mut lists = BatchLists::default();
    lists.start.push(0);
    for sample in 0..samples {
        for (feature, &value) in values.iter().skip(sample).step_by(samples).enumerate() {
            if value != 0.0 {
                lists.features.push(feature as u32);
                lists.values.push(value);
            }
        }
        lists.start.push(lists.features.len());
    }
    lists.features.extend([0; 5]);
    lists.values.extend([f32::NAN; 5]);
    lists
}

/// The first `samples` rows of a matrix: (columns, samples).
pub fn values_of(panels: &Panels, samples: usize) -> Vec<f32> {
    let columns = 0..panels.columns();
    columns.flat_map(|column| (0..samples).map(move |sample| panels.get(sample, column))).collect()
}

/// The first `samples` rows, bit by bit, after checking that padding is 0 and that further rows are still NaN.
#[track_caller]
pub fn written(panels: &Panels, samples: usize) -> Vec<u32> {
    for panel in 0..panels.panels() {
        let (width, columns) = (panels.lanes(panel) * LANES, panel_columns(panels.columns(), panel).len());
        let (inside, outside) = floats(panels.panel(panel)).split_at(samples * width);
        assert!(outside.iter().all(|value| value.is_nan()), "rows after the last sample were written");
        for (columns, padding) in inside.chunks_exact(width).map(|row| row.split_at(columns)) {
            let is_sound = columns.iter().all(|value| value.is_finite());
            assert!(!is_sound || padding.iter().all(|&value| value == 0.0), "padding is not 0");
        }
    }
    bits(&values_of(panels, samples))
}

/// The same samples without lists.
pub fn dense(samples: &Samples) -> StoredSamples {
    let values = match samples.inputs() {
        Inputs::U8(values) => Values::U8(values.clone()),
        Inputs::F32(values) => Values::F32(values.clone()),
    };
    StoredSamples { inputs: StoredInputs::Dense(values), ..StoredSamples::new(samples) }
}

/// A block that holds the samples at `indices`, with room for more.
pub fn gathered(simd: InstructionSet, spec: &NetworkSpec, samples: &StoredSamples, indices: &[u32]) -> Block {
    let mut block = Block::new(spec, samples, indices.len() + 3);
    block.gather(simd, samples, indices, &[]);
    block
}

/// The positions of a batch of `samples` cut into blocks, as a team of so many members cuts it.
pub fn blocks(samples: usize, members: usize) -> Vec<Vec<u32>> {
    let bound = |member: usize| (member * samples / members) as u32;
    (0..members).map(|member| (bound(member)..bound(member + 1)).collect()).collect()
}

/// What `run` gives for every instruction set of this machine, which must be the same.
#[track_caller]
pub fn on_every_machine<T: PartialEq + Debug>(mut run: impl FnMut(InstructionSet) -> T) -> T {
    let mut sets = InstructionSet::available().into_iter();
    let first = run(sets.next().unwrap());
    for set in sets {
        assert!(run(set) == first, "{set} gives other bits");
    }
    first
}

pub fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Each value is within `roundings` roundings of its sum; the same number of both.
#[track_caller]
pub fn assert_close(what: &dyn Debug, actual: &[u32], expected: &[Sum], roundings: usize) {
    assert_eq!(actual.len(), expected.len(), "{what:?}");
    for (index, (&actual, expected)) in actual.iter().zip(expected).enumerate() {
        let actual = f32::from_bits(actual);
        assert!(
            expected.admits(actual, roundings),
            "{what:?} index {index}: {actual} instead of {expected:?} within {roundings} roundings"
        );
    }
}

/// The sum that admits `error` around `value`, for `admits(.., 1)`.
pub fn within(value: f64, error: f64) -> Sum {
    Sum { value, magnitude: error / crate::rounding::gamma(1) }
}
