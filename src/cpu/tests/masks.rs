use super::fixture::{for_each_case, numbers, on_every_machine, panels};
use crate::cpu::masks::{FillMasks, Masks};
use crate::cpu::panels::PANEL;
use crate::random::Random;
use crate::reference::gather::mask;

#[test]
fn equals_its_twin() {
    for_each_case(|case| {
        let mut values = numbers(&mut Random::new(1, case.inputs as u64), case.inputs * case.samples, case.zeros);
        // No zeros, and no less than one sample's bit.
        if let Some(value) = values.iter_mut().find(|value| **value == 0.0) {
            *value = -0.0;
        }
        let capacity = case.samples + 70;
        let words = capacity.div_ceil(32);
        let actual = on_every_machine(|simd| {
            let mut masks = Masks::new(capacity, case.inputs);
            // All bits were set before.
            let full = panels(&vec![1.0; case.inputs * capacity], capacity);
            simd.run(FillMasks { values: &full, samples: capacity, bounds: None, masks: &mut masks });
            let values = panels(&values, case.samples);
            simd.run(FillMasks { values: &values, samples: case.samples, bounds: None, masks: &mut masks });
            let words = |column: usize| masks.words_of(column / PANEL, column % PANEL).collect();
            (0..case.inputs).map(words).collect::<Vec<Vec<u32>>>()
        });
        for (column, row) in values.chunks(case.samples).enumerate() {
            let mut expected = mask(row);
            expected.resize(words, 0);
            assert_eq!(actual[column], expected, "{case:?} column {column}");
        }
    });
}
