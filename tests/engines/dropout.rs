//! Dropout of hidden nodes and of inputs: trainings against the reference, what counts, and trainings against themselves, bit for bit.

use asgd::check::training::{Course, Stop};
use asgd::dataset::{Inputs, Samples};
use asgd::reference::dropout::{INPUTS, is_kept};
use asgd::reference::step::Training;
use asgd::{Dataset, Model, Optimizer, ReplicaSettings, Split, TrainSettings};

use crate::common::{follows, grouping_leaves_no_trace};
use crate::support::{ENGINES, Engine, FORMS, circles, images, model, pixels, replica, replicas};

/// Replicas of these seeds with these dropouts, of hidden nodes and of inputs, in turn.
fn dropping(seeds: std::ops::Range<u64>, dropouts: &[[f32; 2]]) -> Vec<ReplicaSettings> {
    replicas(seeds)
        .into_iter()
        .zip(dropouts.iter().cycle())
        .map(|(own, &[dropout, input_dropout])| ReplicaSettings { dropout, input_dropout, ..own })
        .collect()
}

fn trained(engine: Engine, dataset: &Dataset, initial: &Model, replicas: Vec<ReplicaSettings>, steps: u64) -> Model {
    let settings = TrainSettings { replicas, ..Default::default() };
    let mut trainer = engine.trainer(dataset, initial, settings).unwrap();
    trainer.train(steps).unwrap();
    trainer.model().unwrap()
}

fn course(dataset: Dataset, hidden: &[usize], batch_size: usize, seed: u64) -> Course {
    let optimizers = ["asgd", "sgd", "asgd", "adamw"].map(|name| name.parse::<Optimizer>().unwrap());
    Course::new(dataset, hidden, batch_size, seed, &optimizers).unwrap()
}

/// The same with dropout of hidden nodes.
fn of_nodes(mut course: Course) -> Course {
    for (replica, dropout) in course.settings.replicas.iter_mut().zip([0.5, 0.1, 0.0, 0.3]) {
        replica.dropout = dropout;
    }
    course
}

/// The same with dropout of inputs, one replica's of hidden nodes as well, and one with a threshold of the counts.
fn of_inputs(mut course: Course, threshold: f32) -> Course {
    for (replica, input_dropout) in course.settings.replicas.iter_mut().zip([0.5, 0.1, 0.3, 0.2]) {
        replica.input_dropout = input_dropout;
    }
    course.settings.replicas[2].count_threshold = threshold;
    course.settings.replicas[3].dropout = 0.3;
    course
}

/// The same with biases: a node whose inputs are all silent is not at its kink.
fn with_biases(mut course: Course) -> Course {
    (0..course.initial.replicas()).for_each(|replica| course.initial.bias_mut(0, replica).fill(0.1));
    course
}

/// The same numbers as 32-bit floats.
fn floats(mut dataset: Dataset) -> Dataset {
    let floats = |samples: &Samples| {
        let values = (0..samples.len()).flat_map(|index| samples.sample(index)).collect();
        Samples::new(samples.features(), Inputs::F32(values), samples.labels().to_vec(), 3).unwrap()
    };
    (dataset.train, dataset.test) = (floats(&dataset.train), floats(&dataset.test));
    dataset
}

/// S, c and the parameters after 1 and 50 steps, and the last replica against the same alone.
fn follow(course: Course) {
    follows("dropout", &course, &Stop::all(&course, &[1, 50]));
}

/// Seeds are such that no hidden node comes so near its kink that rounding could carry it across (`Stop::clearance`),
/// and that no output saturates in f32, whose delta would be 0.
#[test]
fn fifty_steps_follow_the_reference() {
    follow(of_nodes(course(images(), &[17, 9], 40, 173)));
    follow(of_nodes(course(circles(), &[8], 64, 40)));
    // All layers forward and back in one dispatch on a GPU, and a dispatch a layer.
    follow(of_nodes(course(images(), &[100, 6], 20, 77)));
    follow(of_nodes(course(images(), &[131], 20, 53)));
}

/// Bytes and floats, those that the CPU keeps as lists and those that it does not; the same forms on a GPU, and a normalized network.
#[test]
fn fifty_steps_with_silent_inputs_follow_the_reference() {
    follow(of_inputs(course(images(), &[17, 9], 40, 17), 0.3));
    follow(of_inputs(with_biases(course(circles(), &[8], 64, 2)), 0.3));
    follow(of_inputs(course(pixels(300, 40, 3, 8), &[9], 20, 3), 0.3));
    follow(of_inputs(course(floats(pixels(300, 40, 3, 8)), &[9], 20, 3), 0.3));
    follow(of_inputs(course(images(), &[], 40, 1), 0.3));
    follow(of_inputs(course(images(), &[100, 6], 20, 76), 0.0));
    follow(of_inputs(course(floats(pixels(300, 40, 3, 8)), &[100], 20, 72), 0.0));
    follow(of_inputs(course(images(), &[131], 20, 78), 0.0));
    follow(of_inputs(course(images(), &[9], 40, 1).normalized().unwrap(), 0.0));
}

/// Hidden nodes that every sample would activate, with deltas that are never 0: each counts for as many samples as it is not
/// silent for, in the weights on both its sides and in its bias.
#[test]
fn silent_nodes_are_not_counted() {
    let (dataset, p, seed, batch_size) = (circles(), 0.4, 5, 50);
    for (engine, hidden) in
        ENGINES.into_iter().map(|engine| (engine, 7)).chain(FORMS.map(|(engine, [hidden, _])| (engine, hidden)))
    {
        let mut initial = model(&dataset, &[hidden], &[seed]);
        initial.bias_mut(0, 0).fill(20.0);
        // So that no output saturates.
        initial.weight_mut(1, 0).iter_mut().for_each(|weight| *weight *= 0.01);
        let own = ReplicaSettings { learning_rate: 1e-4, dropout: p, ..replica(seed, Optimizer::ASGD) };
        let settings = TrainSettings { batch_size, replicas: vec![own], ..Default::default() };
        let mut trainer = engine.trainer(&dataset, &initial, settings).unwrap();
        for step in 1..=5 {
            trainer.train(1).unwrap();
            let (_, counts) = trainer.last_reduction().unwrap().unwrap();
            let kept =
                |node: usize| (0..batch_size).filter(|&sample| is_kept(p, seed, step, 0, node, sample)).count() as u32;
            let expected: Vec<u32> = (0..hidden).map(kept).collect();
            assert_eq!(counts.bias(0, 0), expected, "{engine:?} step {step}");
            assert_eq!(counts.weight(1, 0), expected, "{engine:?} step {step}");
            let both: Vec<u32> = expected.iter().flat_map(|&count| [count; 2]).collect();
            assert_eq!(counts.weight(0, 0), both, "{engine:?} step {step}");
            assert_eq!(counts.bias(1, 0), [batch_size as u32]);
            let means = trainer.mean_adaptive_batch_sizes().unwrap().unwrap().swap_remove(0);
            let layers = Training::flatten_counts(&counts, 0);
            for (mean, layer) in means.iter().zip(layers) {
                let expected = layer.iter().map(|&count| f64::from(count)).sum::<f64>() / layer.len() as f64;
                assert!((mean - expected).abs() < 1e-12 * expected, "{engine:?} step {step}: {mean} {expected}");
            }
        }
    }
}

/// Hidden nodes that every sample activates, and inputs that are never 0: each counts for as many samples as it is not silent for. Of
/// one that is silent for a whole batch, no weight moves.
#[test]
fn silent_inputs_are_not_counted() {
    let (dataset, p, seed) = (circles(), 0.7, 5);
    for (engine, hidden) in
        ENGINES.into_iter().map(|engine| (engine, 7)).chain(FORMS.map(|(engine, [hidden, _])| (engine, hidden)))
    {
        let mut initial = model(&dataset, &[hidden], &[seed]);
        initial.bias_mut(0, 0).fill(20.0);
        // So that no output saturates, and that small steps show.
        (0..2).for_each(|layer| initial.weight_mut(layer, 0).iter_mut().for_each(|weight| *weight *= 0.01));
        let own = ReplicaSettings { learning_rate: 1e-4, input_dropout: p, ..replica(seed, Optimizer::ASGD) };
        for batch_size in [2, 50] {
            let settings = TrainSettings { batch_size, replicas: vec![own], ..Default::default() };
            let mut trainer = engine.trainer(&dataset, &initial, settings).unwrap();
            let mut silent = 0;
            for step in 1..=5 {
                let before = trainer.model().unwrap();
                trainer.train(1).unwrap();
                let (_, counts) = trainer.last_reduction().unwrap().unwrap();
                let after = trainer.model().unwrap();
                let kept = |input: usize| {
                    (0..batch_size).filter(|&sample| is_kept(p, seed, step, INPUTS, input, sample)).count() as u32
                };
                let expected = [kept(0), kept(1)];
                assert_eq!(counts.weight(0, 0), expected.repeat(hidden), "{engine:?} step {step}");
                assert!(counts.bias(0, 0).iter().all(|&count| count == batch_size as u32), "{engine:?} step {step}");
                assert!(counts.weight(1, 0).iter().all(|&count| count == batch_size as u32), "{engine:?} step {step}");
                for (index, (after, before)) in after.weight(0, 0).iter().zip(before.weight(0, 0)).enumerate() {
                    let is_still = expected[index % 2] == 0;
                    silent += usize::from(is_still);
                    assert!(!is_still || after.to_bits() == before.to_bits(), "{engine:?} step {step} weight {index}");
                }
                assert_ne!(after.weight(0, 0) == before.weight(0, 0), expected != [0, 0], "{engine:?} step {step}");
            }
            assert_eq!(silent > 0, batch_size == 2, "{engine:?}: {silent}");
        }
    }
}

/// A replica without dropout has the bits that it has where none has dropout; one with dropout has others, which its seed decides.
#[test]
fn a_replica_drops_out_by_itself() {
    let dataset = images();
    for (engine, hidden) in ENGINES.into_iter().map(|engine| (engine, [8, 6])).chain(FORMS) {
        let initial = model(&dataset, &hidden, &[1, 2, 3, 4]);
        let plain = trained(engine, &dataset, &initial, replicas(1..5), 30);
        let settings = dropping(1..5, &[[0.0, 0.0], [0.5, 0.0], [0.2, 0.3], [0.0, 0.4]]);
        let dropped = trained(engine, &dataset, &initial, settings.clone(), 30);
        assert_eq!(dropped.slice(0..1), plain.slice(0..1), "{engine:?}");
        for replica in 1..4 {
            let own = replica..replica + 1;
            assert_ne!(dropped.slice(own.clone()), plain.slice(own.clone()), "{engine:?}");
            let alone = settings[own.clone()].to_vec();
            let alone = trained(engine, &dataset, &initial.slice(own.clone()), alone, 30);
            assert_eq!(alone, dropped.slice(own), "{engine:?}");
        }
    }
    let initial = model(&dataset, &[8, 6], &[1, 2, 3]);
    let of_both = || dropping(1..4, &[[0.5, 0.3]]);
    let [one, three] = [1, 3].map(|threads| trained(Engine::Cpu(threads), &dataset, &initial, of_both(), 30));
    assert_eq!(one, three, "the threads");
}

#[test]
fn how_steps_are_grouped_leaves_no_trace() {
    let dataset = images();
    for (engine, hidden) in ENGINES.into_iter().map(|engine| (engine, [8, 6])).chain(FORMS) {
        let initial = model(&dataset, &hidden, &[1, 2]);
        let settings = TrainSettings { replicas: dropping(1..3, &[[0.5, 0.3], [0.0, 0.2]]), ..Default::default() };
        let start = |initial: &Model| engine.trainer(&dataset, initial, settings.clone()).unwrap();
        grouping_leaves_no_trace(engine, start, &initial, 40);
    }
}

/// A trainer evaluates as a predictor does, which knows of no dropout.
#[test]
fn evaluations_silence_no_node() {
    let dataset = images();
    for (engine, hidden) in ENGINES.into_iter().map(|engine| (engine, [8, 6])).chain(FORMS) {
        let initial = model(&dataset, &hidden, &[1, 2]);
        let settings = TrainSettings { replicas: dropping(1..3, &[[0.5, 0.3], [0.0, 0.9]]), ..Default::default() };
        let mut trainer = engine.trainer(&dataset, &initial, settings).unwrap();
        for _ in 0..2 {
            trainer.train(3).unwrap();
            let mut predictor = engine.predictor(&trainer.model().unwrap(), &dataset.test).unwrap();
            assert_eq!(trainer.evaluate(Split::Test).unwrap(), predictor.evaluate().unwrap(), "{engine:?}");
        }
    }
}

#[test]
fn probabilities_without_sense_are_refused() {
    let dataset = circles();
    let initial = model(&dataset, &[3], &[1]);
    for engine in ENGINES {
        let wrong = [1.0, -0.1, 1.5, f32::NAN, f32::INFINITY];
        let of_nodes = wrong.map(|wrong| ("--dropout", [wrong, 0.0]));
        let of_inputs = wrong.map(|wrong| ("--input-dropout", [0.0, wrong]));
        for (option, dropouts) in of_nodes.into_iter().chain(of_inputs) {
            let settings = TrainSettings { replicas: dropping(1..2, &[dropouts]), ..Default::default() };
            let error = engine.trainer(&dataset, &initial, settings).err().expect("refused").to_string();
            assert!(error.contains(option) && error.contains("at least 0 and below 1"), "{error}");
        }
    }
}
