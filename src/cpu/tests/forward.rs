use super::fixture::{assert_close, for_each_case, lists, model, on_every_machine, panels, poisoned, shared, written};
use crate::Model;
use crate::cpu::forward::{Forward, LayerInputs};
use crate::cpu::simd::InstructionSet;
use crate::reference::Sum;
use crate::reference::activation::activate;
use crate::reference::forward::forward;
use crate::spec::Activation;

/// What reads the same inputs: the number of shares, and whether they are lists.
const FORMS: [(usize, bool); 8] =
    [(1, false), (1, true), (2, true), (2, false), (3, false), (3, true), (5, true), (5, false)];

fn run(
    simd: InstructionSet,
    model: &Model,
    values: &[f32],
    samples: usize,
    is_relu: bool,
    (members, is_listed): (usize, bool),
) -> Vec<u32> {
    let parameters = shared(model, members, is_listed);
    let (shares, lists, panels) = (parameters.read(), lists(values, samples), panels(values, samples));
    let inputs = if is_listed { LayerInputs::Lists(&lists) } else { LayerInputs::Panels(&panels) };
    let mut outputs = poisoned(samples + 2, model.spec().outputs());
    let has_biases = true;
    simd.run(Forward { layer: 0, is_relu, has_biases, shares: &shares, inputs, samples, outputs: &mut outputs });
    written(&outputs, samples)
}

/// Lists and panels, one share and several give the same bits, and those are right.
#[test]
fn equals_its_twin() {
    for_each_case(|case| {
        let (model, values) = (model(&[case.inputs, case.outputs]), case.values());
        let z = forward(model.weight(0, 0), model.bias(0, 0), &values, case.samples);
        for is_relu in [false, true] {
            let run = |form| on_every_machine(|simd| run(simd, &model, &values, case.samples, is_relu, form));
            let actual = run(FORMS[0]);
            let expected: Vec<Sum> =
                z.iter().map(|&z| if is_relu { activate(Activation::Relu, z) } else { z }).collect();
            // A fused multiply-add an input, from the bias on.
            assert_close(&case, &actual, &expected, case.inputs);
            for form in &FORMS[1..] {
                assert!(run(*form) == actual, "{case:?} {form:?}");
            }
        }
    });
}

/// NaN must not be swallowed by the ReLU: it is how a diverged replica shows.
#[test]
fn nan_stays_nan() {
    let mut model = model(&[3, 9]);
    model.bias_mut(0, 0)[4] = f32::NAN;
    let values = [1.0f32, 2.0, 0.0, 0.0, 0.0, 3.0];
    for form in FORMS {
        let actual = on_every_machine(|simd| run(simd, &model, &values, 2, true, form));
        for (index, value) in actual.iter().map(|&bits| f32::from_bits(bits)).enumerate() {
            assert_eq!(value.is_nan(), index / 2 == 4, "{form:?} {index}: {value}");
        }
    }
}
