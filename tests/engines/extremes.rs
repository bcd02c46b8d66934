//! Numbers that go wrong: what has overflowed, underflowed or died in one replica leaves the others as they are alone, counts stay the
//! reference's, and what c = 0 says is untouched is.

use asgd::check::training;
use asgd::dataset::{Inputs, Samples};
use asgd::reference::step::{Training, to_f32};
use asgd::{Dataset, Gradient, Init, NetworkSpec, Optimizer, ReplicaSettings, Rule, Split, TrainSettings};

use crate::support::{ENGINES, Engine, FORMS, circles, images, model, replica, trainer};

/// Every rule on the effective gradient.
fn optimizers() -> impl Iterator<Item = Optimizer> {
    Rule::all().map(|rule| Optimizer { rule, ..Optimizer::ASGD })
}

/// Softmax so far beyond its limits that most probabilities are 0 or 1: what is exactly 0 is not counted, and nothing is NaN.
#[test]
fn counts_of_a_saturated_softmax_are_those_of_the_reference() {
    let settings = replica(1, Optimizer::ASGD);
    for factor in [30.0, 1e3, 1e6] {
        let mut initial = model(&images(), &[9], &[1]);
        initial.weight_mut(1, 0).iter_mut().for_each(|weight| *weight *= factor);
        let mut reference = Training::new(&initial, 0, settings, to_f32);
        // Where e to the distance of two logits is subnormal, or near half a step of f32 below 1, the driver decides what is 0 or 1.
        let is_clear = |sample: &[f32]| {
            let logits = reference.activations(sample).pop().unwrap();
            let highest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let unclear = [14.0..20.0, 85.0..106.0];
            logits.iter().all(|z| !unclear.iter().any(|unclear| unclear.contains(&(highest - z))))
        };
        let dataset = images();
        let kept: Vec<usize> =
            (0..dataset.train.len()).filter(|&index| is_clear(&dataset.train.sample(index))).collect();
        let inputs = kept.iter().flat_map(|&index| dataset.train.sample(index)).collect();
        let labels = kept.iter().map(|&index| dataset.train.labels()[index]).collect();
        let dataset = Dataset { train: Samples::new(25, Inputs::F32(inputs), labels, 3).unwrap(), ..dataset };
        let all: Vec<u32> = (0..dataset.train.len() as u32).collect();
        reference.reduce(&dataset.train, &all);
        let counted: u32 = reference.counts[1].iter().sum();
        let possible = (all.len() * reference.counts[1].len()) as u32;
        assert!(all.len() > 100 && counted > 0 && counted < possible, "{factor}: {counted} of {possible}");
        for engine in ENGINES {
            let mut trainer = trainer(&dataset, &initial, all.len(), vec![settings], engine);
            trainer.train(1).unwrap();
            let (_, counts) = trainer.last_reduction().unwrap().unwrap();
            assert_eq!(Training::flatten_counts(&counts, 0), reference.counts, "{engine:?} {factor}");
            let evaluation = &trainer.evaluate(Split::Train).unwrap()[0];
            assert!(!evaluation.has_diverged && evaluation.loss.is_finite(), "{engine:?} {factor}");
        }
    }
}

/// A sample that is told apart beyond all doubt has no gradient at all, and moves nothing under any rule, at any rate, for any eps.
#[test]
fn nothing_moves_where_all_counts_are_zero() {
    let dataset = images();
    // Logits that are right by a thousand, whatever the inputs: all samples of one class.
    let samples = |samples: &Samples| {
        let Inputs::U8(pixels) = samples.inputs() else { unreachable!() };
        Samples::new(25, Inputs::U8(pixels.clone()), vec![2; samples.len()], 3).unwrap()
    };
    let one_class =
        Dataset { train: samples(&dataset.train), test: samples(&dataset.test), validation: None, ..dataset };
    for (index, optimizer) in optimizers().enumerate() {
        let mut initial = model(&one_class, &[7, 5], &[3, 4]);
        for replica in 0..2 {
            initial.bias_mut(2, replica).copy_from_slice(&[0.0, 0.0, 1e4]);
        }
        let extreme =
            |seed, learning_rate, epsilon| ReplicaSettings { learning_rate, epsilon, ..replica(seed, optimizer) };
        let settings = vec![extreme(3, 1e30, 0.0), extreme(4, 0.1, 1e-8)];
        for engine in ENGINES.into_iter().skip(index % 2).step_by(2) {
            let mut trainer = trainer(&one_class, &initial, 64, settings.clone(), engine);
            trainer.train(7).unwrap();
            let what = format!("{engine:?} {optimizer:?}");
            assert_eq!(trainer.model().unwrap(), initial, "{what}");
            let (_, counts) = trainer.last_reduction().unwrap().unwrap();
            assert!(Training::flatten_counts(&counts, 1).iter().flatten().all(|&count| count == 0), "{what}");
            let evaluation = &trainer.evaluate(Split::Test).unwrap()[0];
            assert!(evaluation.loss == 0.0 && evaluation.score == 1.0 && !evaluation.has_diverged, "{what}");
        }
    }
}

/// Where no sample activates a hidden node, only the biases of the outputs have a gradient.
#[test]
fn a_dead_network_learns_its_output_biases() {
    let dataset = images();
    for (engine, hidden) in ENGINES.map(|engine| (engine, [7, 5])).into_iter().chain(FORMS) {
        let mut initial = model(&dataset, &hidden, &[1, 2]);
        initial.bias_mut(1, 0).fill(-1e4);
        let mut trainer = trainer(&dataset, &initial, 64, crate::support::replicas(0..2), engine);
        trainer.train(20).unwrap();
        let trained = trainer.model().unwrap();
        for layer in 0..3 {
            let is_output = layer == 2;
            assert_eq!(trained.weight(layer, 0), initial.weight(layer, 0), "{engine:?} layer {layer}");
            assert_eq!(trained.bias(layer, 0) != initial.bias(layer, 0), is_output, "{engine:?} layer {layer}");
            assert_ne!(trained.weight(layer, 1), initial.weight(layer, 1), "{engine:?} layer {layer}");
        }
        let evaluations = trainer.evaluate(Split::Train).unwrap();
        assert!(evaluations[0].nodes[hidden[0]..].iter().all(|node| *node == asgd::Activity::Never), "{engine:?}");
        // The classes are equally frequent, and that is all that such a network can know.
        assert!((evaluations[0].loss - 3f64.ln()).abs() < 0.01 && !evaluations[0].has_diverged, "{engine:?}");
    }
}

/// The CPU keeps subnormal numbers, as every CPU does; an adapter keeps them or counts them as the zeros that it makes of them.
#[test]
fn subnormal_numbers_are_kept_or_zero() {
    assert!(training::keeps_subnormals(&Engine::Cpu(1)).unwrap());
    let keeps = training::keeps_subnormals(&Engine::Gpu).unwrap();
    println!("the adapter keeps subnormal numbers: {keeps}");
    let inputs = [1e-40f32, 1.0, 3e-42, 0.0];
    let samples = || Samples::new(4, Inputs::F32(inputs.repeat(40)), vec![1; 40], 2).unwrap();
    let (name, train, test) = ("tiny".into(), samples(), samples());
    let dataset = Dataset { name, classes: 2, class_names: Vec::new(), train, test, validation: None };
    let initial = Init::Kaiming.model(&NetworkSpec::new(&[4, 1]).unwrap(), &[5]).unwrap();
    for engine in ENGINES {
        let mut trainer = trainer(&dataset, &initial, 40, vec![replica(5, Optimizer::ASGD)], engine);
        trainer.train(1).unwrap();
        let (_, counts) = trainer.last_reduction().unwrap().unwrap();
        let tiny = if engine == Engine::Gpu && !keeps { [0, 40] } else { [40; 2] };
        assert!(tiny.contains(&counts.weight(0, 0)[0]), "{engine:?} {:?}", counts.weight(0, 0));
        assert_eq!(counts.weight(0, 0)[1..], [40, counts.weight(0, 0)[0], 0], "{engine:?}");
        trainer.train(20).unwrap();
        assert!(!trainer.evaluate(Split::Train).unwrap()[0].has_diverged, "{engine:?}");
    }
}

/// Replicas that leave the numbers, by a rate of 1e30 under every rule, are marked; those between them are what they are alone, bit for
/// bit, and lose nothing.
#[test]
fn rates_beyond_reason_spoil_their_own_replicas_only() {
    for dataset in [images(), circles()] {
        let both = optimizers().flat_map(|effective| [effective, Optimizer { gradient: Gradient::Mean, ..effective }]);
        let wild = both.enumerate().map(|(index, optimizer)| {
            let learning_rate = if index % 3 == 0 { f32::MAX } else { 1e30 };
            ReplicaSettings { learning_rate, ..replica(index as u64, optimizer) }
        });
        let settings: Vec<ReplicaSettings> =
            wild.flat_map(|wild| [replica(7, Optimizer::ASGD), wild, replica(8, Optimizer::SGD)]).collect();
        let seeds: Vec<u64> = settings.iter().map(|settings| settings.seed).collect();
        for engine in [Engine::Gpu, Engine::Cpu(2)] {
            let mut together = trainer(&dataset, &model(&dataset, &[9, 6], &seeds), 64, settings.clone(), engine);
            let sound = vec![replica(7, Optimizer::ASGD), replica(8, Optimizer::SGD)];
            let mut alone = trainer(&dataset, &model(&dataset, &[9, 6], &[7, 8]), 64, sound, engine);
            for steps in [1, 29] {
                together.train(steps).unwrap();
                alone.train(steps).unwrap();
            }
            let (model, expected) = (together.model().unwrap(), alone.model().unwrap());
            let evaluations = together.evaluate(Split::Test).unwrap();
            let expected_evaluations = alone.evaluate(Split::Test).unwrap();
            for group in 0..settings.len() / 3 {
                for (offset, own) in [(0, 0), (2, 1)] {
                    let replica = 3 * group + offset;
                    let what = format!("{engine:?} {} replica {replica}", dataset.name);
                    assert_eq!(model.slice(replica..replica + 1), expected.slice(own..own + 1), "{what}");
                    assert_eq!(evaluations[replica], expected_evaluations[own], "{what}");
                    assert!(!evaluations[replica].has_diverged, "{what}");
                }
                let wild = 3 * group + 1;
                let (model, evaluation) = (model.slice(wild..wild + 1), &evaluations[wild]);
                let is_finite = (0..3).all(|layer| model.parameters(layer, 0).all(|value| value.is_finite()));
                let what = format!("{engine:?} {} {:?}", dataset.name, settings[wild].optimizer);
                assert_eq!(evaluation.has_diverged, !is_finite || !evaluation.loss.is_finite(), "{what}");
                // Finite or not, it has not learned by chance.
                assert!(evaluation.has_diverged || evaluation.loss > 1.0, "{what}: {}", evaluation.loss);
            }
            assert!(evaluations.iter().filter(|evaluation| evaluation.has_diverged).count() >= settings.len() / 6);
        }
    }
}

/// Inputs of 1e38 overflow in the first layer: all networks that move are lost and say so; one that does not move is not.
#[test]
fn inputs_beyond_reason_are_divergence() {
    let inputs: Vec<f32> =
        (0..80).map(|index| if index % 3 == 0 { -1e38 } else { 1e38 / (1 + index % 7) as f32 }).collect();
    let samples = || {
        let labels = (0..20).map(|index| index % 2).collect();
        Samples::new(4, Inputs::F32(inputs.clone()), labels, 2).unwrap()
    };
    let (name, train, test) = ("huge".into(), samples(), samples());
    let dataset = Dataset { name, classes: 2, class_names: Vec::new(), train, test, validation: None };
    let mut initial = model(&dataset, &[6], &[1, 2]);
    let one = initial.weight(0, 0).len();
    // The smallest that no GPU flushes to zero.
    initial.weight_mut(0, 0).copy_from_slice(&vec![1.2e-38; one]);
    for engine in ENGINES {
        let still = ReplicaSettings { learning_rate: 0.0, ..replica(1, Optimizer::SGD) };
        let settings =
            TrainSettings { batch_size: 10, replicas: vec![still, replica(2, Optimizer::SGD)], ..Default::default() };
        let mut trainer = engine.trainer(&dataset, &initial, settings).unwrap();
        trainer.train(20).unwrap();
        let diverged: Vec<bool> =
            trainer.evaluate(Split::Train).unwrap().iter().map(|evaluation| evaluation.has_diverged).collect();
        assert_eq!(diverged, [false, true], "{engine:?}");
        assert_eq!(trainer.model().unwrap().slice(0..1), initial.slice(0..1), "{engine:?}");
    }
}
