use super::fixture::{Case, dense, for_each_case, on_every_machine, written};
use crate::cpu::gather::{BatchInputs, BatchLists, Gather};
use crate::cpu::panels::Panels;
use crate::cpu::samples::{StoredInputs, StoredSamples};
use crate::cpu::simd::{InstructionSet, floats_mut};
use crate::dataset::{Inputs, Samples, Targets};
use crate::reference::gather::gather;

/// Samples of the data set in another order, some of them twice.
fn indices(case: &Case) -> Vec<u32> {
    (0..case.samples).map(|position| (position * 7 % case.samples) as u32).chain([0]).collect()
}

/// What a sample's list says, as all of its inputs: (features, samples).
pub fn spread(lists: &BatchLists, features: usize, samples: usize) -> Vec<f32> {
    assert_eq!((lists.start.len(), lists.start[0]), (samples + 1, 0));
    let mut inputs = vec![0.0; features * samples];
    for sample in 0..samples {
        let range = lists.start[sample]..lists.start[sample + 1];
        let numbers = &lists.features[range.clone()];
        assert!(numbers.is_sorted_by(|a, b| a < b), "features of a sample rise");
        for (&feature, &value) in numbers.iter().zip(&lists.values[range]) {
            assert!(value != 0.0, "a zero is listed");
            inputs[feature as usize * samples + sample] = value;
        }
    }
    inputs
}

/// Inputs and targets of the samples at `indices`.
fn gathered(simd: InstructionSet, from: &StoredSamples, indices: &[u32], next: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let capacity = indices.len() + 2;
    let mut inputs = BatchInputs::new(from, capacity);
    match &mut inputs {
        // Left over from a batch before.
        BatchInputs::Listed(lists) => {
            *lists = BatchLists { start: vec![9; 7], features: vec![u32::MAX; 50], values: vec![f32::NAN; 50] };
        }
        BatchInputs::Dense(panels) => poison_columns(panels),
    }
    let mut targets = match &from.targets {
        Targets::Classes(_) => Targets::Classes(vec![u32::MAX; 3]),
        Targets::Numbers { outputs, .. } => Targets::Numbers { values: vec![f32::NAN; 3 * outputs], outputs: *outputs },
    };
    simd.run(Gather { from, indices, next, inputs: &mut inputs, targets: &mut targets });
    let values = match &inputs {
        BatchInputs::Listed(lists) => super::fixture::bits(&spread(lists, from.features, indices.len())),
        BatchInputs::Dense(panels) => written(panels, indices.len()),
    };
    (values, targets.words().to_vec())
}

/// Padding is 0 and stays so; all else is NaN. Rows after the last sample are NaN throughout.
fn poison_columns(panels: &mut Panels) {
    let (rows, columns) = (panels.rows(), panels.columns());
    for panel in 0..panels.panels() {
        let width = panels.lanes(panel) * crate::cpu::simd::LANES;
        floats_mut(&mut panels.panel_mut(panel)[(rows - 2) * width / crate::cpu::simd::LANES..]).fill(f32::NAN);
    }
    (0..rows).for_each(|row| (0..columns).for_each(|column| panels.set(row, column, f32::NAN)));
}

#[test]
fn equals_its_twin() {
    let mut listed = 0;
    for_each_case(|case| {
        let (data, indices) = (case.data(2), indices(&case));
        let stored = StoredSamples::new(&data);
        listed += usize::from(matches!(stored.inputs, StoredInputs::Listed(_)));
        let expected = super::fixture::bits(&gather(&data, &indices));
        let labels: Vec<u32> = indices.iter().map(|&index| data.labels()[index as usize]).collect();
        for from in [&stored, &dense(&data)] {
            for next in [&indices[..0], &indices[..indices.len() / 2], &indices] {
                let actual = on_every_machine(|simd| gathered(simd, from, &indices, next));
                assert!(actual == (expected.clone(), labels.clone()), "{case:?}");
            }
        }
    });
    assert!(listed > 50, "only {listed} cases had lists");
}

/// Several numbers a sample, in the order of the samples.
#[test]
fn numbers_are_gathered() {
    for_each_case(|case| {
        let (classes, indices) = (case.data(2), indices(&case));
        let values: Vec<f32> = (0..3 * case.samples).map(|index| index as f32 / 7.0).collect();
        let data = Samples::of_numbers(case.inputs, classes.inputs().clone(), values.clone(), 3).unwrap();
        let expected: Vec<u32> =
            indices.iter().flat_map(|&index| &values[3 * index as usize..][..3]).map(|value| value.to_bits()).collect();
        let (_, targets) = on_every_machine(|simd| gathered(simd, &StoredSamples::new(&data), &indices, &[]));
        assert!(targets == expected, "{case:?}");
    });
}

/// Features whose numbers need 16 bits, and those that need more.
#[test]
fn many_features() {
    for features in [65_535, 65_536, 65_537, 70_000] {
        let mut values = vec![0u8; 2 * features];
        for index in [0, features - 1, features, 2 * features - 2, 2 * features - 1] {
            values[index] = (index % 251) as u8 + 1;
        }
        let data = Samples::new(features, Inputs::U8(values), vec![0, 1], 2).unwrap();
        let expected = super::fixture::bits(&gather(&data, &[1, 0]));
        let (actual, labels) = on_every_machine(|simd| gathered(simd, &StoredSamples::new(&data), &[1, 0], &[0]));
        assert!(actual == expected && labels == [1, 0], "{features}");
    }
}

/// How often each input is not zero: what shares of the first layer are split by.
#[test]
fn entries_are_counted() {
    for_each_case(|case| {
        let counts = StoredSamples::new(&case.data(2)).entries_per_feature();
        let values = case.values();
        let expected = values.chunks(case.samples).map(|row| row.iter().filter(|&&value| value != 0.0).count() as u64);
        assert!(counts.is_empty() || counts == expected.collect::<Vec<_>>(), "{case:?}");
    });
}
