use super::fixture::{
    assert_close, bits, for_each_case, numbers, on_every_machine, panels, poisoned, values_of, written,
};
use crate::cpu::normalize::{Normalize, Normalized};
use crate::cpu::parameters::{Parameters, Split};
use crate::cpu::simd::floats;
use crate::random::Random;
use crate::reference::Sum;
use crate::reference::activation::activate;
use crate::reference::normalize::bounded;
use crate::spec::Activation;
use crate::{Init, Model, NetworkSpec};

/// A normalized layer of so many neurons, none of whose numbers is that of another.
pub fn model(outputs: usize, random: &mut Random) -> Model {
    let spec = NetworkSpec::new(&[3, outputs, 1]).unwrap().with_batch_norm(true);
    let mut model = Init::Kaiming.model(&spec, &[7]).unwrap();
    for neuron in 0..outputs {
        model.gamma_mut(0, 0)[neuron] = random.normal() as f32;
        model.bias_mut(0, 0)[neuron] = random.normal() as f32;
        model.running_mean_mut(0, 0)[neuron] = random.normal() as f32;
        model.running_variance_mut(0, 0)[neuron] = random.uniform() as f32;
    }
    model
}

#[test]
fn equals_its_twin() {
    for_each_case(|case| {
        let (outputs, samples) = (case.outputs, case.samples);
        let mut random = Random::new(case.inputs as u64, outputs as u64);
        let model = model(outputs, &mut random);
        // Far from 0, where a variance by squares would be all rounding.
        let z: Vec<f32> = numbers(&mut random, outputs * samples, case.zeros).iter().map(|z| z + 100.0).collect();
        let parameters = Parameters::new(&model, 0, 0, &[Split::whole(model.spec())]);
        let run = on_every_machine(|simd| {
            let mut normalized = Normalized::new(samples + 2, outputs);
            normalized.values = poisoned(samples + 2, outputs);
            let mut activations = panels(&z, samples);
            let shares = parameters.read();
            simd.run(Normalize {
                layer: 0,
                is_relu: true,
                share: &shares[0],
                samples,
                sums: &mut activations,
                normalized: &mut normalized,
            });
            assert!(activations.get(samples, 0).is_nan(), "{case:?}: a row after the samples");
            let mut statistics = shares[0].statistics[0].clone();
            normalized.move_statistics(&mut statistics, samples);
            let statistics = statistics.map(|values| bits(&floats(&values)[..outputs]));
            (written(&normalized.values, samples), bits(&values_of(&activations, samples)), statistics)
        });
        let (values, activations, [means, variances]) = run;
        for neuron in 0..outputs {
            let own = neuron * samples..(neuron + 1) * samples;
            let (gamma, beta) = (model.gamma(0, 0)[neuron], model.bias(0, 0)[neuron]);
            let expected = bounded(&z[own.clone()], gamma, beta, 1);
            assert_close(&(case, "x^", neuron), &values[own.clone()], &expected.values, 1);
            let relu = |&y: &Sum| activate(Activation::Relu, y);
            let relu: Vec<Sum> = expected.outputs.iter().map(relu).collect();
            assert_close(&(case, "a", neuron), &activations[own], &relu, 1);

            let running = [model.running_mean(0, 0)[neuron], model.running_variance(0, 0)[neuron]].map(f64::from);
            let moved = expected.moved_statistics(running, samples, 1);
            assert_close(&(case, "running statistics", neuron), &[means[neuron], variances[neuron]], &moved, 1);
            assert!(samples > 1 || variances[neuron] == model.running_variance(0, 0)[neuron].to_bits());
        }
    });
}

/// A neuron that says the same of every sample has the variance 0: x^ is 0, and what comes out is beta.
#[test]
fn constant_neurons_give_beta() {
    let model = model(9, &mut Random::new(1, 2));
    let parameters = Parameters::new(&model, 0, 0, &[Split::whole(model.spec())]);
    let z: Vec<f32> = (0..9 * 20).map(|index| [0.0, 2.5, -1e6][index / 20 % 3]).collect();
    on_every_machine(|simd| {
        let mut normalized = Normalized::new(20, 9);
        let mut activations = panels(&z, 20);
        simd.run(Normalize {
            layer: 0,
            is_relu: true,
            share: &parameters.read()[0],
            samples: 20,
            sums: &mut activations,
            normalized: &mut normalized,
        });
        for neuron in 0..9 {
            let expected = model.bias(0, 0)[neuron].max(0.0);
            assert!((0..20).all(|sample| activations.get(sample, neuron) == expected), "{neuron}");
        }
    });
}
