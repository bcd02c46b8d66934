use super::fixture::{bits, dense, for_each_case, gathered, model, numbers, on_every_machine, panels, values_of};
use super::gather::spread;
use crate::cpu::dropout::{Dropout, ScaleDeltas, Silence};
use crate::cpu::gather::BatchInputs;
use crate::cpu::samples::StoredSamples;
use crate::random::Random;
use crate::reference::dropout::{input, is_kept, scale};
use crate::reference::gather::gather;

/// The same nodes are silent as in the reference, for blocks from any position of a batch on; the others and the deltas are scaled,
/// and rows after the samples stay as they are.
#[test]
fn equals_its_twin() {
    for_each_case(|case| {
        let index = case.inputs + case.outputs + case.samples;
        let (seed, t, layer) = ([0, 7, 1 << 40][index % 3], 1 + index as u64, index % 4);
        let (p, first) = ([0.1, 0.5, 0.999][index % 3], [0, 31, 1000][index / 3 % 3]);
        let dropout = Dropout::new(p, seed, t).unwrap().from(first);
        let values = numbers(&mut Random::new(index as u64, 0), case.outputs * case.samples, 3);
        let dropped = on_every_machine(|simd| {
            let mut activations = panels(&values, case.samples);
            simd.run(Silence { dropout, layer, samples: case.samples, values: &mut activations });
            assert!(activations.get(case.samples, 0).is_nan(), "{case:?}: a row after the samples");
            bits(&values_of(&activations, case.samples))
        });
        let scaled = on_every_machine(|simd| {
            let mut deltas = panels(&values, case.samples);
            simd.run(ScaleDeltas { dropout, samples: case.samples, deltas: &mut deltas });
            bits(&values_of(&deltas, case.samples))
        });
        let all: Vec<f32> = values.iter().map(|value| value * scale(p) as f32).collect();
        assert_eq!(scaled, bits(&all), "{case:?}");
        let kept = |index: usize| is_kept(p, seed, t, layer, index / case.samples, first + index % case.samples);
        let expected = all.iter().enumerate().map(|(index, &value)| if kept(index) { value } else { 0.0 });
        assert_eq!(dropped, bits(&expected.collect::<Vec<_>>()), "{case:?}");
    });
}

/// Inputs of lists and of panels alike. Lists stay lists of what is not zero, in rising order.
#[test]
fn inputs_equal_their_twin() {
    for_each_case(|case| {
        let index = case.inputs + case.outputs + case.samples;
        let (seed, t, first) = ([0, 7, 1 << 40][index % 3], 1 + index as u64, [0, 31, 1000][index / 3 % 3]);
        let p = [0.1, 0.5, 0.999][index % 3];
        let dropout = Dropout::new(p, seed, t).unwrap().from(first);
        let (data, spec) = (case.data(2), model(&[case.inputs, 1]).spec().clone());
        let indices: Vec<u32> = (0..case.samples as u32).rev().collect();
        let mut expected = gather(&data, &indices);
        for (place, value) in expected.iter_mut().enumerate() {
            *value = input(p, seed, t, place / case.samples, first + place % case.samples, *value);
        }
        for from in [StoredSamples::new(&data), dense(&data)] {
            let dropped = on_every_machine(|simd| {
                let mut block = gathered(simd, &spec, &from, &indices);
                block.drop_inputs(simd, dropout);
                match &block.inputs {
                    BatchInputs::Dense(panels) => bits(&values_of(panels, case.samples)),
                    BatchInputs::Listed(lists) => bits(&spread(lists, case.inputs, case.samples)),
                }
            });
            assert_eq!(dropped, bits(&expected), "{case:?}");
        }
    });
}

#[test]
fn without_dropout_there_is_no_work() {
    assert!(Dropout::new(0.0, 7, 1).is_none());
}
