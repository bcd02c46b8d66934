//! Dropout: trainings against the reference, what counts, and trainings against themselves, bit for bit.

#![allow(missing_docs, reason = "a test binary")]

use std::ops::ControlFlow;

use asgd::check::Comparison;
use asgd::check::training::{self, Course, Stop};
use asgd::reference::dropout::is_kept;
use asgd::reference::step::Training;
use asgd::{Dataset, Model, Optimizer, ReplicaSettings, Split, TrainSettings};

mod engines;

use engines::{ENGINES, Engine, FORMS, circles, images, model, replica, replicas};

/// Replicas of these seeds with these dropouts in turn.
fn dropping(seeds: std::ops::Range<u64>, dropouts: &[f32]) -> Vec<ReplicaSettings> {
    replicas(seeds)
        .into_iter()
        .zip(dropouts.iter().cycle())
        .map(|(own, &dropout)| ReplicaSettings { dropout, ..own })
        .collect()
}

fn trained(engine: Engine, dataset: &Dataset, initial: &Model, replicas: Vec<ReplicaSettings>, steps: u64) -> Model {
    let settings = TrainSettings { replicas, ..Default::default() };
    let mut trainer = engine.trainer(dataset, initial, settings).unwrap();
    trainer.train(steps).unwrap();
    trainer.model().unwrap()
}

/// S, c and the parameters after 1 and 50 steps, and the last replica against the same alone.
fn follow(dataset: Dataset, hidden: &[usize], batch_size: usize, seed: u64) {
    let optimizers = ["asgd", "sgd", "asgd", "adamw"].map(|name| name.parse::<Optimizer>().unwrap());
    let mut course = Course::new(dataset, hidden, batch_size, seed, &optimizers).unwrap();
    for (replica, dropout) in course.settings.replicas.iter_mut().zip([0.5, 0.1, 0.0, 0.3]) {
        replica.dropout = dropout;
    }
    let stops = Stop::all(&course, &[1, 50]);
    for engine in ENGINES {
        let mut trainer = engine.trainer(&course.dataset, &course.initial, course.settings.clone()).unwrap();
        let mut comparison = Comparison::default();
        for stop in &stops {
            stop.check(&mut *trainer, &mut comparison).unwrap();
        }
        training::alone(&engine, &mut *trainer, &course, &mut comparison).unwrap();
        assert_eq!(comparison.mismatch(), None, "{} {engine:?}", course.name());
    }
}

/// Seeds are such that no hidden node comes so near its kink that rounding could carry it across (`Stop::clearance`),
/// and that no output saturates in f32, whose delta would be 0.
#[test]
fn fifty_steps_follow_the_reference() {
    follow(images(), &[17, 9], 40, 173);
    follow(circles(), &[8], 64, 40);
    // All layers forward and back in one dispatch on a GPU, and a dispatch a layer.
    follow(images(), &[100, 6], 20, 77);
    follow(images(), &[131], 20, 53);
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

/// A replica without dropout has the bits that it has where none has dropout; one with dropout has others, which its seed decides.
#[test]
fn a_replica_drops_out_by_itself() {
    let dataset = images();
    for (engine, hidden) in ENGINES.into_iter().map(|engine| (engine, [8, 6])).chain(FORMS) {
        let initial = model(&dataset, &hidden, &[1, 2, 3]);
        let plain = trained(engine, &dataset, &initial, replicas(1..4), 30);
        let dropped = trained(engine, &dataset, &initial, dropping(1..4, &[0.0, 0.5, 0.2]), 30);
        assert_eq!(dropped.slice(0..1), plain.slice(0..1), "{engine:?}");
        for replica in 1..3 {
            let own = replica..replica + 1;
            assert_ne!(dropped.slice(own.clone()), plain.slice(own.clone()), "{engine:?}");
            let settings = dropping(1..4, &[0.0, 0.5, 0.2])[own.clone()].to_vec();
            let alone = trained(engine, &dataset, &initial.slice(own.clone()), settings, 30);
            assert_eq!(alone, dropped.slice(own), "{engine:?}");
        }
    }
    let initial = model(&dataset, &[8, 6], &[1, 2, 3]);
    let [one, three] =
        [1, 3].map(|threads| trained(Engine::Cpu(threads), &dataset, &initial, dropping(1..4, &[0.5]), 30));
    assert_eq!(one, three, "the threads");
}

#[test]
fn how_steps_are_grouped_leaves_no_trace() {
    let dataset = images();
    for (engine, hidden) in ENGINES.into_iter().map(|engine| (engine, [8, 6])).chain(FORMS) {
        let initial = model(&dataset, &hidden, &[1, 2]);
        let settings = TrainSettings { replicas: dropping(1..3, &[0.5, 0.2]), ..Default::default() };
        let start = |initial: &Model| engine.trainer(&dataset, initial, settings.clone()).unwrap();
        let mut at_once = start(&initial);
        at_once.train(40).unwrap();
        let expected = at_once.model().unwrap();

        let mut piecewise = start(&initial);
        while piecewise.step() < 40 {
            let left = 40 - piecewise.step();
            piecewise.train_while(left.min(3), &mut |_| ControlFlow::Break(())).unwrap();
            piecewise.evaluate(Split::Train).unwrap();
            piecewise.last_reduction().unwrap();
        }
        assert_eq!(piecewise.model().unwrap(), expected, "{engine:?}");
        assert_eq!(piecewise.last_reduction().unwrap(), at_once.last_reduction().unwrap(), "{engine:?}");

        for stop in [1, 5, 23] {
            let mut first = start(&initial);
            first.train(stop).unwrap();
            let mut resumed = start(&first.model().unwrap());
            resumed.resume_at(stop, &[]).unwrap();
            resumed.train(40 - stop).unwrap();
            assert_eq!(resumed.model().unwrap(), expected, "{engine:?} resumed at {stop}");
        }
    }
}

/// A trainer evaluates as a predictor does, which knows of no dropout.
#[test]
fn evaluations_silence_no_node() {
    let dataset = images();
    for (engine, hidden) in ENGINES.into_iter().map(|engine| (engine, [8, 6])).chain(FORMS) {
        let initial = model(&dataset, &hidden, &[1, 2]);
        let settings = TrainSettings { replicas: dropping(1..3, &[0.5, 0.9]), ..Default::default() };
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
        for wrong in [1.0, -0.1, 1.5, f32::NAN, f32::INFINITY] {
            let settings = TrainSettings { replicas: dropping(1..2, &[wrong]), ..Default::default() };
            let error = engine.trainer(&dataset, &initial, settings).err().expect("refused").to_string();
            assert!(error.contains("--dropout") && error.contains("at least 0 and below 1"), "{error}");
        }
    }
}
