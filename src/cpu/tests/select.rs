use super::fixture::{for_each_case, lists};
use crate::cpu::select::Columns;

/// The entries of a feature that the textbook finds: samples in their order.
fn column(values: &[f32], samples: usize, feature: usize) -> Vec<(u32, f32)> {
    let row = values[feature * samples..][..samples].iter().enumerate();
    row.filter(|(_, value)| **value != 0.0).map(|(sample, &value)| (sample as u32, value)).collect()
}

/// The lists by feature are the batch's entries, none left out and none twice, in the order of the samples.
#[test]
fn equals_its_twin() {
    // Filled again and again: nothing of the batches before may stay.
    let mut columns = Columns::default();
    for_each_case(|case| {
        let values = case.values();
        columns.fill(case.inputs, &lists(&values, case.samples), case.samples);
        for feature in 0..case.inputs {
            assert_eq!(columns.of(feature), column(&values, case.samples, feature), "{case:?} {feature}");
        }
    });
}
