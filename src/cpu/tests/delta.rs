use super::fixture::{
    Case, assert_close, for_each_case, model, numbers, on_every_machine, panels, poisoned, shared, written,
};
use crate::cpu::delta::Delta;
use crate::random::Random;
use crate::reference::delta::{delta, relu_delta};

#[test]
fn equals_its_twin() {
    for_each_case(|case| {
        let Case { inputs, outputs, samples, zeros, .. } = case;
        let mut random = Random::new(inputs as u64, outputs as u64);
        let model = model(&[2, inputs, outputs]);
        let above = numbers(&mut random, outputs * samples, zeros);
        let mut activations: Vec<f32> = numbers(&mut random, inputs * samples, 2);
        activations.iter_mut().for_each(|a| *a = a.max(0.0));
        let expected = relu_delta(model.weight(1, 0), &above, &activations, samples);
        let run = |members, is_relu: bool| {
            on_every_machine(|simd| {
                let parameters = shared(&model, members, members % 2 == 0);
                let mut deltas = poisoned(samples + 2, inputs);
                simd.run(Delta {
                    layer: 1,
                    shares: &parameters.read(),
                    above: &panels(&above, samples),
                    activations: is_relu.then_some(&panels(&activations, samples)),
                    samples,
                    deltas: &mut deltas,
                });
                written(&deltas, samples)
            })
        };
        let actual = run(1, true);
        assert_close(&case, &actual, &expected, outputs);
        for (index, &a) in activations.iter().enumerate() {
            assert!(a > 0.0 || actual[index] == 0, "{case:?} {index}: the derivative at 0 is 0");
        }
        for members in [2, 3] {
            assert!(run(members, true) == actual, "{case:?}: {members} shares");
        }
        // The others' slopes come after.
        let actual = run(2, false);
        assert_close(&case, &actual, &delta(model.weight(1, 0), &above, samples), outputs);
    });
}
