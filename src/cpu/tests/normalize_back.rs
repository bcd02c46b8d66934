use super::fixture::{assert_close, for_each_case, numbers, on_every_machine, panels, poisoned, written};
use super::normalize::model;
use crate::cpu::normalize::Normalized;
use crate::cpu::normalize_back::NormalizeBack;
use crate::cpu::parameters::{Parameters, Split};
use crate::cpu::simd::floats_mut;
use crate::random::Random;
use crate::reference::normalize_back::bounded;

#[test]
fn equals_its_twin() {
    for_each_case(|case| {
        let (outputs, samples) = (case.outputs, case.samples);
        let mut random = Random::new(case.inputs as u64, outputs as u64);
        let model = model(outputs, &mut random);
        let dy = numbers(&mut random, outputs * samples, case.zeros);
        let values = numbers(&mut random, outputs * samples, 0);
        let inverse: Vec<f32> = (0..outputs).map(|_| (0.1 + random.uniform()) as f32).collect();
        let parameters = Parameters::new(&model, 0, 0, &[Split::whole(model.spec())]);
        let deltas = on_every_machine(|simd| {
            let mut normalized = Normalized::new(samples + 3, outputs);
            normalized.values = panels(&values, samples);
            floats_mut(&mut normalized.inverse)[..outputs].copy_from_slice(&inverse);
            let mut deltas = poisoned(samples + 2, outputs);
            simd.run(NormalizeBack {
                layer: 0,
                share: &parameters.read()[0],
                samples,
                normalized: &normalized,
                outputs: &panels(&dy, samples),
                deltas: &mut deltas,
            });
            written(&deltas, samples)
        });
        for neuron in 0..outputs {
            let own = neuron * samples..(neuron + 1) * samples;
            let expected =
                bounded(&dy[own.clone()], &values[own.clone()], model.gamma(0, 0)[neuron], inverse[neuron], 1);
            assert_close(&(case, neuron), &deltas[own], &expected.deltas, 1);
        }
    });
}
