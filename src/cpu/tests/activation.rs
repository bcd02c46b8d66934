use super::fixture::{assert_close, bits, for_each_case, numbers, on_every_machine, panels, values_of};
use crate::cpu::activation::{Activate, MultiplySlopes};
use crate::random::Random;
use crate::reference::Sum;
use crate::reference::activation::{activate, differentiate};
use crate::spec::Activation;

/// As the reference has phi and phi', and rows after the samples stay as they are.
#[test]
fn equals_its_twin() {
    for_each_case(|case| {
        let (samples, count) = (case.samples, case.outputs * case.samples);
        let mut random = Random::new(count as u64, 3);
        let z: Vec<f32> = numbers(&mut random, count, 1).into_iter().map(|z| 4.0 * z).collect();
        let sums = numbers(&mut random, count, case.zeros);
        for activation in Activation::all() {
            let activated = on_every_machine(|simd| {
                let mut activations = panels(&vec![f32::NAN; count], samples);
                let own = panels(&z, samples);
                simd.run(Activate { activation, samples, sums: &own, activations: &mut activations });
                assert!(activations.get(samples, 0).is_nan(), "{case:?}: a row after the samples");
                bits(&values_of(&activations, samples))
            });
            let exact = |&z: &f32| activate(activation, Sum { value: z.into(), magnitude: 0.0 });
            assert_close(&(case, activation), &activated, &z.iter().map(exact).collect::<Vec<_>>(), 1);
            let deltas = on_every_machine(|simd| {
                let (own, mut deltas) = (panels(&z, samples), panels(&sums, samples));
                simd.run(MultiplySlopes { activation, samples, sums: &own, deltas: &mut deltas });
                assert!(deltas.get(samples, 0).is_nan(), "{case:?}: a row after the samples");
                bits(&values_of(&deltas, samples))
            });
            let exact = |(&z, &sum): (&f32, &f32)| {
                let sum = Sum { value: sum.into(), magnitude: 0.0 };
                differentiate(activation, sum, z.into(), 0.0)
            };
            let expected: Vec<Sum> = z.iter().zip(&sums).map(exact).collect();
            assert_close(&(case, activation), &deltas, &expected, 1);
        }
    });
}

/// It is how a diverged replica shows.
#[test]
fn nan_stays_nan() {
    for activation in Activation::all() {
        let mut activations = panels(&[0.0], 1);
        let sums = panels(&[f32::NAN], 1);
        on_every_machine(|simd| {
            simd.run(Activate { activation, samples: 1, sums: &sums, activations: &mut activations });
        });
        assert!(activations.get(0, 0).is_nan(), "{activation}");
    }
}
