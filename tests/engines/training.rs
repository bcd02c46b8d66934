//! Whole steps and trainings: against the reference, against values from PyTorch, and against themselves in
//! other circumstances, bit for bit.

use std::ops::ControlFlow;

use asgd::check::Checks;
use asgd::check::training::{Course, Stop};
use asgd::dataset::{Circles, Inputs, Samples, Spirals};
use asgd::reference::step::Training;
use asgd::reference::update::{At, Parameter, update};
use asgd::reference::{Sum, gamma};
use asgd::{Dataset, Init, Model, NetworkSpec, Optimizer, Order, ReplicaSettings, Split, TrainSettings};

use crate::common::{follows, has_the_gradient};
use crate::support::{ENGINES, Engine, FORMS, circles, images, model, replica, replicas, trainer};

/// Trains replicas of both optimizers with every engine for `steps` steps, and holds evaluations before them, S, c and
/// the parameters after them against the reference's, and the last replica against the same alone.
fn follow(dataset: Dataset, hidden: &[usize], batch_size: usize, steps: u64) {
    let optimizers = [Optimizer::ASGD, Optimizer::SGD, Optimizer::ASGD];
    let course = Course::new(dataset, hidden, batch_size, 40, &optimizers).unwrap();
    follows("classes", &course, &Stop::all(&course, &[steps]));
}

#[test]
fn one_step_equals_the_reference() {
    follow(images(), &[17, 9], 40, 1);
    follow(circles(), &[6, 5], 33, 1);
    follow(circles(), &[], 1, 1);
    // So wide that the GPU's engine takes a dispatch a layer.
    follow(circles(), &[129, 5], 33, 1);
}

#[test]
fn fifty_steps_follow_the_reference() {
    follow(images(), &[17, 9], 40, 50);
    follow(Spirals::default().dataset().unwrap(), &[8], 64, 50);
    follow(images(), &[131], 40, 50);
}

/// What `asgd check` does with its five trainings, on every engine.
#[test]
fn every_engine_passes_the_check() {
    let checks = Checks::new().unwrap();
    for engine in ENGINES {
        let mut findings = Vec::new();
        checks.run_trainings(&engine, &mut |finding| findings.push(finding));
        assert_eq!(findings.len(), 21);
        let failed: Vec<_> = findings.iter().filter(|finding| !finding.passed()).collect();
        assert!(failed.is_empty(), "{engine:?}: {failed:#?}");
    }
}

#[derive(serde::Deserialize)]
struct Golden {
    learning_rate: f32,
    epsilon: f32,
    cases: Vec<GoldenCase>,
}

#[derive(serde::Deserialize)]
struct GoldenCase {
    widths: Vec<usize>,
    inputs: Vec<f64>,
    labels: Vec<u32>,
    parameters: Vec<Vec<f64>>,
    loss_sum: f64,
    sums: Vec<Vec<f64>>,
    counts: Vec<Vec<u32>>,
    asgd: Vec<Vec<f64>>,
    sgd: Vec<Vec<f64>>,
}

impl GoldenCase {
    fn samples(&self) -> Samples {
        let inputs = self.inputs.iter().map(|&value| value as f32).collect();
        let classes = (*self.widths.last().unwrap()).max(2);
        Samples::new(self.widths[0], Inputs::F32(inputs), self.labels.clone(), classes).unwrap()
    }

    fn model(&self) -> Model {
        let mut model = Model::zeros(&NetworkSpec::new(&self.widths).unwrap(), 1);
        for (layer, values) in self.parameters.chunks(2).enumerate() {
            for (to, from) in model.weight_mut(layer, 0).iter_mut().zip(&values[0]) {
                *to = *from as f32;
            }
            for (to, from) in model.bias_mut(layer, 0).iter_mut().zip(&values[1]) {
                *to = *from as f32;
            }
        }
        model
    }

    /// PyTorch's weight and bias tensors in the reference's order: rows with the bias at their end.
    fn rows<T: Copy>(&self, tensors: &[Vec<T>]) -> Vec<T> {
        let mut flat = Vec::new();
        for (pair, widths) in tensors.chunks(2).zip(self.widths.windows(2)) {
            for (row, bias) in pair[0].chunks(widths[0]).zip(&pair[1]) {
                flat.extend_from_slice(row);
                flat.push(*bias);
            }
        }
        flat
    }
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../golden/golden.json")).unwrap()
}

/// The reference is right: PyTorch's per-sample autograd gives the same sums, counts, loss and steps.
#[test]
fn the_reference_equals_pytorch() {
    let golden = golden();
    for case in &golden.cases {
        let (samples, all) = (case.samples(), (0..case.labels.len() as u32).collect::<Vec<_>>());
        // The file's learning rate is 0.05 in f64, the reference's an f32: compare in units of that rounding.
        let tolerance = 1e-7;
        for (optimizer, expected) in [(Optimizer::ASGD, &case.asgd), (Optimizer::SGD, &case.sgd)] {
            let Golden { learning_rate, epsilon, .. } = golden;
            let settings = ReplicaSettings { optimizer, learning_rate, epsilon, ..Default::default() };
            let mut training = Training::new(&case.model(), 0, settings, |value| value);
            assert!((training.loss(&samples, &all) - case.loss_sum).abs() < 1e-12 * case.loss_sum);
            let sums: Vec<f64> = training.reduce(&samples, &all).into_iter().flatten().collect();
            for (actual, expected) in sums.iter().zip(case.rows(&case.sums)) {
                assert!((actual - expected).abs() < 1e-13, "{actual} {expected}");
            }
            assert_eq!(training.counts.concat(), case.rows(&case.counts));
            training.step(&samples, &all);
            for (actual, expected) in training.parameters.iter().flatten().zip(case.rows(expected)) {
                assert!((actual - expected).abs() < tolerance, "{actual} {expected}");
            }
        }
    }
}

/// The engines are right: the same, to f32 rounding; counts exactly.
#[test]
fn the_engines_equal_pytorch() {
    let golden = golden();
    for case in &golden.cases {
        let samples = case.samples();
        let dataset = Dataset {
            name: "golden".into(),
            class_names: Vec::new(),
            classes: (*case.widths.last().unwrap()).max(2),
            train: samples.clone(),
            test: samples,
            validation: None,
        };
        for engine in ENGINES {
            for (optimizer, expected) in [(Optimizer::ASGD, &case.asgd), (Optimizer::SGD, &case.sgd)] {
                let Golden { learning_rate, epsilon, .. } = golden;
                let replicas = vec![ReplicaSettings { optimizer, learning_rate, epsilon, ..Default::default() }];
                let settings = TrainSettings {
                    batch_size: case.labels.len(),
                    order: Order::Sequential,
                    replicas,
                    ..Default::default()
                };
                let mut trainer = engine.trainer(&dataset, &case.model(), settings).unwrap();
                let loss = trainer.evaluate(Split::Train).unwrap()[0].loss * case.labels.len() as f64;
                assert!((loss - case.loss_sum).abs() < 1e-5 * case.loss_sum, "{loss} {}", case.loss_sum);
                trainer.train(1).unwrap();
                let (sums, counts) = trainer.last_reduction().unwrap().unwrap();
                assert_eq!(Training::flatten_counts(&counts, 0).concat(), case.rows(&case.counts));
                for (actual, expected) in Training::flatten(&sums, 0).concat().iter().zip(case.rows(&case.sums)) {
                    assert!((actual - expected).abs() < 1e-5, "{engine:?} {optimizer:?}: sum {actual} {expected}");
                }
                let trained = trainer.model().unwrap();
                for (actual, expected) in Training::flatten(&trained, 0).concat().iter().zip(case.rows(expected)) {
                    assert!((actual - expected).abs() < 1e-6, "{engine:?} {optimizer:?}: {actual} {expected}");
                }
            }
        }
    }
}

/// Central differences of the loss, away from kinks: where |z| stays well above the difference, the loss is smooth.
#[test]
fn the_reference_gradient_equals_finite_differences() {
    for case in &golden().cases {
        let (samples, all) = (case.samples(), (0..case.labels.len() as u32).collect::<Vec<_>>());
        let training = Training::new(&case.model(), 0, replica(0, Optimizer::SGD), |value| value);
        has_the_gradient(training, &samples, &all, 1e-7);
    }
}

/// Replica r of a run with seed s is, bit for bit, the run with seed s + r alone; however replicas are grouped. The last of
/// 10 (or of 22) batches is short.
#[test]
fn a_replica_does_not_depend_on_the_others() {
    for (dataset, hidden) in [(images(), vec![17, 9]), (circles(), vec![5]), (circles(), vec![130, 3])] {
        for engine in ENGINES.into_iter().chain([Engine::Cpu(2)]) {
            let (settings, seeds) = (replicas(10..27), (10..27).collect::<Vec<u64>>());
            let all = model(&dataset, &hidden, &seeds);
            let run = |range: std::ops::Range<usize>| {
                let initial = all.slice(range.clone());
                let mut trainer = trainer(&dataset, &initial, 32, settings[range].to_vec(), engine);
                trainer.train(45).unwrap();
                let evaluations = [Split::Train, Split::Test].map(|split| trainer.evaluate(split).unwrap());
                (trainer.model().unwrap(), evaluations, trainer.last_reduction().unwrap().unwrap())
            };
            let (together, evaluations, (sums, counts)) = run(0..17);
            for range in [3..4, 0..2, 2..5, 16..17] {
                let (some, some_evaluations, some_reductions) = run(range.clone());
                assert_eq!(some, together.slice(range.clone()), "{engine:?} {range:?}");
                for (some, all) in some_evaluations.iter().zip(&evaluations) {
                    assert_eq!(some, &all[range.clone()], "{engine:?} {range:?}");
                }
                assert_eq!(some_reductions, (sums.slice(range.clone()), counts.slice(range.clone())), "{engine:?}");
            }
            let alone = model(&dataset, &hidden, &[13]);
            assert_eq!(alone, all.slice(3..4), "a seed alone decides its initial network");
        }
    }
}

/// Neither does it depend on how steps are grouped, on evaluations in between, on a training that was broken off, or on
/// where it was stopped and resumed.
#[test]
fn how_steps_are_grouped_leaves_no_trace() {
    let dataset = images();
    for (engine, hidden) in ENGINES.into_iter().map(|engine| (engine, [8, 6])).chain(FORMS) {
        let settings = replicas(1..3);
        let initial = model(&dataset, &hidden, &[1, 2]);
        let start = |initial: &Model| trainer(&dataset, initial, 64, settings.clone(), engine);
        let mut at_once = start(&initial);
        at_once.train(30).unwrap();
        let expected = at_once.model().unwrap();
        let mut piecewise = start(&initial);
        for steps in [1, 2, 7, 1, 19] {
            piecewise.train(steps).unwrap();
            piecewise.evaluate(Split::Train).unwrap();
            piecewise.last_reduction().unwrap();
            piecewise.mean_adaptive_batch_sizes().unwrap();
        }
        assert_eq!(piecewise.step(), 30);
        assert_eq!(piecewise.model().unwrap(), expected, "{engine:?}");
        assert_eq!(piecewise.last_reduction().unwrap(), at_once.last_reduction().unwrap(), "{engine:?}");

        let mut one_by_one = start(&initial);
        (0..30).for_each(|_| one_by_one.train(1).unwrap());
        assert_eq!(one_by_one.model().unwrap(), expected, "{engine:?}");

        let mut broken_off = start(&initial);
        while broken_off.step() < 30 {
            let (before, mut heard) = (broken_off.step(), 0);
            let mut submitted = |steps| {
                heard += steps;
                ControlFlow::Break(())
            };
            broken_off.train_while(30 - before, &mut submitted).unwrap();
            assert!(heard > 0 && broken_off.step() == before + heard, "{engine:?}: {heard} steps after {before}");
        }
        assert_eq!(broken_off.model().unwrap(), expected, "{engine:?}");

        for stop in [1, 4, 5, 17] {
            let mut first = start(&initial);
            first.train(stop).unwrap();
            let mut resumed = start(&first.model().unwrap());
            resumed.resume_at(stop, &first.moments().unwrap()).unwrap();
            assert!(resumed.last_reduction().unwrap().is_none(), "{engine:?}: nothing is known of the step before");
            resumed.train(30 - stop).unwrap();
            assert_eq!(resumed.step(), 30);
            assert_eq!(resumed.model().unwrap(), expected, "{engine:?}: resumed at {stop}");
        }
    }
}

/// S and c of the last step are those that moved the parameters in it: of that batch (full or short), and of the
/// parameters before it.
#[test]
fn the_last_reduction_explains_the_last_step() {
    let dataset = images();
    for (engine, hidden) in ENGINES.into_iter().map(|engine| (engine, [9, 6])).chain(FORMS) {
        let settings = replicas(1..4);
        let mut trainer = trainer(&dataset, &model(&dataset, &hidden, &[1, 2, 3]), 64, settings.clone(), engine);
        // 300 samples: the fifth batch of each epoch has 44.
        for (steps, samples) in [(1, 64), (4, 44), (1, 64), (9, 44)] {
            trainer.train(steps - 1).unwrap();
            let before = trainer.model().unwrap();
            trainer.train(1).unwrap();
            let (after, (sums, counts)) = (trainer.model().unwrap(), trainer.last_reduction().unwrap().unwrap());
            for (index, settings) in settings.iter().enumerate() {
                let [before, after, sums] =
                    [&before, &after, &sums].map(|model| Training::flatten(model, index).concat());
                let counts = Training::flatten_counts(&counts, index).concat();
                for (parameter, &count) in counts.iter().enumerate() {
                    let own = Parameter::new(before[parameter]);
                    let value = update(own, sums[parameter], At { count, samples, t: 1, scale: 1.0 }, settings).theta;
                    // Of the sum, the quotient and the product (2.5 ULP in WGSL), and the difference.
                    let step = (value - before[parameter]).abs();
                    let magnitude = value.abs() + before[parameter].abs() + step * gamma(8) / gamma(1);
                    let expected = Sum { value, magnitude };
                    assert!(
                        expected.admits(after[parameter] as f32, 1),
                        "{engine:?} step {} replica {index} parameter {parameter}",
                        trainer.step()
                    );
                }
            }
        }
    }
}

#[test]
fn the_same_run_twice_gives_the_same_bits() {
    let dataset = circles();
    for engine in ENGINES {
        let run = || {
            let initial = model(&dataset, &[10, 10], &[3]);
            let mut trainer = trainer(&dataset, &initial, 50, vec![replica(3, Optimizer::ASGD)], engine);
            trainer.train(100).unwrap();
            trainer.model().unwrap()
        };
        assert_eq!(run(), run(), "{engine:?}");
    }
}

/// Evaluation against the reference: a whole data set in several blocks, with dummies of both kinds.
#[test]
fn evaluation_equals_the_reference() {
    let dataset = Circles { samples: 5000, ..Circles::default() }.dataset().unwrap();
    let mut initial = model(&dataset, &[6, 4], &[1, 2]);
    initial.bias_mut(0, 1)[2] = -100.0;
    initial.bias_mut(1, 1)[0] = -100.0;
    initial.bias_mut(0, 1)[5] = 100.0;
    for engine in ENGINES {
        let mut trainer = trainer(&dataset, &initial, 64, replicas(1..3), engine);
        for (split, samples) in [(Split::Train, &dataset.train), (Split::Test, &dataset.test)] {
            let evaluations = trainer.evaluate(split).unwrap();
            let alone = engine.predictor(&initial, samples).unwrap().evaluate().unwrap();
            assert_eq!(alone, evaluations, "{engine:?}: a predictor sees what a trainer sees");
            for (index, evaluation) in evaluations.iter().enumerate() {
                let exact = Training::new(&initial, index, replica(0, Optimizer::SGD), |value| value);
                let all: Vec<u32> = (0..samples.len() as u32).collect();
                let loss = exact.loss(samples, &all) / samples.len() as f64;
                assert!((evaluation.loss - loss).abs() < 1e-5 * loss, "{} {loss}", evaluation.loss);
                let hits = exact.hits(samples, &all) as f64 / samples.len() as f64;
                assert_eq!(evaluation.score, hits);
                let dummies = exact.dummies(samples, &all);
                let found = (evaluation.true_dummies(), evaluation.pseudo_dummies());
                assert_eq!(found, dummies, "{engine:?} replica {index}");
            }
            assert!(evaluations[1].true_dummies() >= 2 && evaluations[1].pseudo_dummies() >= 1);
        }
    }
}

/// A parameter that is infinite is found, in its own replica only, though the CPU's loss does not show it.
#[test]
fn divergence_shows_without_the_loss() {
    let dataset = images();
    let mut initial = model(&dataset, &[6, 4], &[1, 2, 3]);
    // A node that no sample activates.
    initial.bias_mut(0, 1)[2] = f32::NEG_INFINITY;
    for engine in ENGINES {
        let mut trainer = trainer(&dataset, &initial, 64, replicas(1..4), engine);
        for (steps, split) in [(0, Split::Train), (7, Split::Train), (0, Split::Test)] {
            trainer.train(steps).unwrap();
            let evaluations = trainer.evaluate(split).unwrap();
            let diverged: Vec<bool> = evaluations.iter().map(|evaluation| evaluation.has_diverged).collect();
            assert_eq!(diverged, [false, true, false], "{engine:?}");
            // Shaders may multiply minus infinity by the 0 of a padded input.
            let is_shown = !evaluations[1].loss.is_finite();
            assert!(!is_shown || engine == Engine::Gpu, "{engine:?}: {}", evaluations[1].loss);
        }
        assert_eq!(trainer.model().unwrap().bias(0, 1)[2], f32::NEG_INFINITY, "{engine:?}: c = 0");
    }
}

/// The means that metrics.csv shows are those of the counts.
#[test]
fn mean_adaptive_batch_sizes_are_those_of_the_counts() {
    let dataset = images();
    for engine in ENGINES {
        let mut trainer = trainer(&dataset, &model(&dataset, &[9, 5], &[4, 5]), 64, replicas(4..6), engine);
        assert!(trainer.mean_adaptive_batch_sizes().unwrap().is_none() && trainer.last_reduction().unwrap().is_none());
        trainer.train(5).unwrap();
        let means = trainer.mean_adaptive_batch_sizes().unwrap().unwrap();
        let (_, counts) = trainer.last_reduction().unwrap().unwrap();
        assert_eq!(means.len(), 2);
        for (replica, means) in means.iter().enumerate() {
            let layers = Training::flatten_counts(&counts, replica);
            let expected = layers
                .iter()
                .map(|layer| layer.iter().map(|&count| f64::from(count)).sum::<f64>() / layer.len() as f64);
            let expected: Vec<f64> = expected.collect();
            assert_eq!(means.len(), expected.len());
            assert!(
                means.iter().zip(&expected).all(|(mean, expected)| (mean - expected).abs() < 1e-12 * expected),
                "{engine:?}"
            );
        }
    }
}

/// It learns: the made-up sets are nearly solved.
#[test]
fn training_reaches_a_high_accuracy() {
    for (dataset, hidden, least) in [(circles(), vec![10, 10], 0.95), (images(), vec![12], 0.95)] {
        for engine in [Engine::Gpu, Engine::Cpu(2)] {
            let initial = model(&dataset, &hidden, &[0]);
            let mut trainer = trainer(&dataset, &initial, 64, vec![replica(0, Optimizer::ASGD)], engine);
            let before = trainer.evaluate(Split::Test).unwrap()[0].score;
            trainer.train(1500).unwrap();
            let after = trainer.evaluate(Split::Test).unwrap()[0].score;
            assert!(before < 0.8 && after > least, "{engine:?} {}: {before} {after}", dataset.name);
        }
    }
}

/// A learning rate of 0 moves no parameter, bit for bit, and its sums and counts are there to be looked at.
#[test]
fn nothing_moves_at_a_learning_rate_of_zero() {
    let dataset = circles();
    let initial = model(&dataset, &[5, 4], &[0, 1]);
    let still = |seed, optimizer| ReplicaSettings { learning_rate: 0.0, ..replica(seed, optimizer) };
    for engine in ENGINES {
        let replicas = vec![still(0, Optimizer::ASGD), still(1, Optimizer::SGD)];
        let mut trainer = trainer(&dataset, &initial, 30, replicas, engine);
        trainer.train(40).unwrap();
        let (now, before) = (trainer.model().unwrap(), initial.clone());
        assert_eq!(now.to_bytes(), before.to_bytes(), "{engine:?}");
        let (_, counts) = trainer.last_reduction().unwrap().unwrap();
        assert!(counts.weight(0, 0).iter().any(|&count| count > 0));
    }
}

/// Settings that make no sense are refused before anything is begun.
#[test]
fn wrong_settings_are_refused() {
    let dataset = circles();
    let initial = model(&dataset, &[3], &[0]);
    for engine in [Engine::Gpu, Engine::Cpu(2)] {
        let refused = |batch_size: usize, change: fn(&mut ReplicaSettings)| {
            let mut settings = replica(0, Optimizer::ASGD);
            change(&mut settings);
            let settings = TrainSettings { batch_size, replicas: vec![settings], ..Default::default() };
            engine.trainer(&dataset, &initial, settings).err().expect("refused").to_string()
        };
        assert!(refused(0, |_| {}).contains("--batch-size"));
        assert!(refused(701, |_| {}).contains("--batch-size"));
        assert!(refused(10, |s| s.learning_rate = f32::NAN).contains("--lr"));
        assert!(refused(10, |s| s.learning_rate = -0.1).contains("--lr"));
        assert!(refused(10, |s| s.epsilon = -1.0).contains("--epsilon"));
        let settings =
            |count: usize| TrainSettings { batch_size: 1, replicas: replicas(0..count as u64), ..Default::default() };
        let other = Init::Kaiming.model(&NetworkSpec::new(&[3, 1]).unwrap(), &[0]).unwrap();
        let error = engine.trainer(&dataset, &other, settings(1)).err().unwrap().to_string();
        assert!(error.contains("does not fit circles"), "{error}");
        for count in [0, 2] {
            let error = engine.trainer(&dataset, &initial, settings(count)).err().unwrap().to_string();
            assert!(error.contains("--replicas"), "{error}");
        }
        let error = engine.predictor(&other, &dataset.test).err().unwrap().to_string();
        assert!(error.contains("3 inputs"), "{error}");
    }
}

/// Timed steps are steps like any other, and every dispatch is told of.
#[test]
fn timed_steps_are_the_same_steps() {
    let dataset = images();
    let forms = [
        ([8, 6], vec!["step"]),
        ([100, 6], vec!["select", "propagate", "update"]),
        ([129, 6], vec!["select", "forward", "loss", "delta", "update"]),
    ];
    for (hidden, form) in forms {
        let initial = model(&dataset, &hidden, &[1, 2]);
        let start = || trainer(&dataset, &initial, 64, replicas(1..3), Engine::Gpu);
        let (mut timed, mut plain) = (start(), start());
        plain.train(12).unwrap();
        timed.train(2).unwrap();
        let times = timed.kernel_times(10).unwrap().expect("llvmpipe and every GPU have timestamps");
        assert_eq!((timed.step(), timed.model().unwrap()), (12, plain.model().unwrap()));
        let found: Vec<&str> = times.iter().map(|time| time.kernel).collect();
        assert_eq!(found, [vec!["permute", "gather"], form].concat());
        for time in times {
            let per_step = match time.kernel {
                "forward" => 3,
                "delta" => 2,
                _ => 1,
            };
            let takes_several = matches!(time.kernel, "permute" | "gather" | "select" | "step");
            assert!(
                time.dispatches == 10 * per_step || takes_several && (1..=10).contains(&time.dispatches),
                "{time:?}"
            );
            assert!(time.seconds > 0.0 && time.seconds < 10.0, "{time:?}");
        }
    }
    let initial = model(&dataset, &[8, 6], &[1]);
    let mut cpu = trainer(&dataset, &initial, 64, replicas(1..2), Engine::Cpu(1));
    assert_eq!((cpu.kernel_times(10).unwrap(), cpu.step()), (None, 0));
}
