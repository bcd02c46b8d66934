//! Batch normalization: trainings against the reference, against values made elsewhere, what counts, and trainings against
//! themselves, bit for bit.

use asgd::check::Comparison;
use asgd::check::training::{self, Course, Stop};
use asgd::dataset::{Inputs, Samples};
use asgd::reference::step::Training;
use asgd::{Dataset, Init, Model, NetworkSpec, Optimizer, Order, ReplicaSettings, Split, TrainSettings};

use crate::command::{adapter, devices, kill_often, refuses, run};
use crate::common::grouping_leaves_no_trace;
use crate::support::{ENGINES, Engine, circles, images, replica, replicas};

/// A normalized network with these hidden layers for each seed.
fn model(dataset: &Dataset, hidden: &[usize], seeds: &[u64]) -> Model {
    let spec = NetworkSpec::new(&[&[dataset.features()], hidden, &[dataset.output_units()]].concat()).unwrap();
    Init::Kaiming.model(&spec.with_batch_norm(true), seeds).unwrap()
}

fn optimizer(name: &str) -> Optimizer {
    name.parse().unwrap()
}

/// Replicas with rules of all kinds, some clipped, some with dropout.
fn mixed(seeds: std::ops::Range<u64>) -> Vec<ReplicaSettings> {
    let optimizers = [
        Optimizer::ASGD,
        Optimizer::SGD,
        Optimizer { weight_decay: 0.01, ..optimizer("aadam") },
        Optimizer { clip_norm: 0.3, ..optimizer("amomentum") },
        Optimizer { clip_norm: 0.2, clip_value: 0.05, ..Optimizer::ASGD },
        Optimizer { weight_decay: 0.05, clip_norm: 0.2, ..optimizer("adamw") },
    ];
    let own = |(seed, (&optimizer, &dropout)): (u64, (&Optimizer, &f32))| {
        let learning_rate = if optimizer.is_plain() { 0.05 } else { optimizer.default_learning_rate() };
        ReplicaSettings { seed, optimizer, learning_rate, dropout, ..Default::default() }
    };
    seeds.zip(optimizers.iter().cycle().zip([0.0, 0.0, 0.3, 0.0, 0.5].iter().cycle())).map(own).collect()
}

/// S, c, the parameters and the running statistics after 1 and 50 steps, and the last replica against the same alone.
fn follow(dataset: Dataset, hidden: &[usize], batch_size: usize, seed: u64) {
    let names = ["asgd", "sgd", "aadam", "adamw"];
    let mut course =
        Course::new(dataset, hidden, batch_size, seed, &names.map(optimizer)).unwrap().normalized().unwrap();
    course.settings.replicas[3].dropout = 0.3;
    course.settings.replicas[2].optimizer.clip_norm = 0.2;
    let stops = Stop::all(&course, &[1, 50]);
    for engine in ENGINES {
        let mut trainer = engine.trainer(&course.dataset, &course.initial, course.settings.clone()).unwrap();
        let mut comparison = Comparison::default();
        for stop in &stops {
            stop.check(&mut *trainer, &mut comparison).unwrap();
        }
        training::alone(&engine, &mut *trainer, &course, &mut comparison).unwrap();
        assert_eq!(comparison.mismatch(), None, "{} {engine:?}", course.name());
        evaluations_are_those_of(&course, &trainer.model().unwrap().folded(), &mut *trainer, engine);
    }
}

/// What an engine makes of a data set is what the reference makes of it with the running statistics, unfolded.
fn evaluations_are_those_of(
    course: &Course,
    folded: &Model,
    trainer: &mut dyn asgd::engine::TrainingEngine,
    engine: Engine,
) {
    let trained = trainer.model().unwrap();
    let samples = &course.dataset.test;
    let all: Vec<u32> = (0..samples.len() as u32).collect();
    let evaluations = trainer.evaluate(Split::Test).unwrap();
    for (replica, evaluation) in evaluations.iter().enumerate() {
        let exact = Training::new(&trained, replica, course.settings.replicas[replica], |value| value);
        let loss = exact.loss(samples, &all) / samples.len() as f64;
        assert!((evaluation.loss - loss).abs() <= 1e-5 * loss, "{engine:?} {replica}: {} {loss}", evaluation.loss);
        assert_eq!((evaluation.score * samples.len() as f64).round() as usize, exact.hits(samples, &all));
        assert_eq!((evaluation.true_dummies(), evaluation.pseudo_dummies()), exact.dummies(samples, &all));
        assert!(!evaluation.has_diverged);
    }
    // A predictor of either network.
    for model in [&trained, folded] {
        let mut predictor = engine.predictor(model, samples).unwrap();
        for (alone, evaluation) in predictor.evaluate().unwrap().iter().zip(&evaluations) {
            // A GPU need not divide as a CPU does, and folds by itself.
            let error = if engine == Engine::Gpu { 1e-6 * alone.loss } else { 0.0 };
            assert!((alone.loss - evaluation.loss).abs() <= error, "{engine:?}");
            assert_eq!(alone.nodes, evaluation.nodes, "{engine:?}");
        }
    }
}

/// Seeds are such that no hidden node comes so near its kink that rounding could carry it across (`Stop::clearance`).
#[test]
fn fifty_steps_follow_the_reference() {
    follow(images(), &[17, 9], 40, 7);
    follow(circles(), &[8], 64, 1);
    follow(images(), &[33], 20, 1);
    follow(images(), &[131], 20, 95);
}

/// By central differences in f64, through the statistics of the batch: every parameter of a small network, some of whose neurons and
/// inputs are silenced by dropout.
#[test]
fn the_reference_has_the_gradient() {
    let dataset = circles();
    let batch: Vec<u32> = (0..13).collect();
    let initial = model(&dataset, &[4, 3], &[5]);
    for [dropout, input_dropout] in [[0.0, 0.0], [0.4, 0.0], [0.2, 0.3]] {
        let settings = ReplicaSettings { dropout, input_dropout, ..replica(5, Optimizer::SGD) };
        let mut training = Training::new(&initial, 0, settings, |value| value);
        // Not the first step, where gamma is 1 and beta 0.
        training.step(&dataset.train, &batch);
        let sums = training.reduce(&dataset.train, &batch);
        let difference = 1e-5;
        assert!(training.nearest > 10.0 * difference, "a kink is near: {}", training.nearest);
        for (layer, sums) in sums.iter().enumerate() {
            for (index, &sum) in sums.iter().enumerate() {
                let loss = |by: f64| {
                    let mut moved = training.clone();
                    moved.parameters[layer][index] += by;
                    moved.batch_loss(&dataset.train, &batch)
                };
                let slope = (loss(difference) - loss(-difference)) / (2.0 * difference);
                assert!((slope - sum).abs() < 1e-6 * sum.abs().max(1.0), "{layer} {index}: {slope} {sum}");
            }
        }
        // Running statistics have none.
        assert!(sums[0].chunks(6).all(|row| row[4] == 0.0 && row[5] == 0.0 && row[3] != 0.0));
    }
}

/// 50 steps made by tests/golden/make_batch_norm.py.
#[derive(serde::Deserialize)]
struct Golden {
    widths: Vec<usize>,
    batch_size: usize,
    inputs: Vec<f64>,
    labels: Vec<u32>,
    initial: Vec<f64>,
    steps: Vec<u64>,
    trajectories: Vec<Trajectory>,
}

#[derive(serde::Deserialize)]
struct Trajectory {
    rule: String,
    learning_rate: f32,
    weight_decay: f32,
    /// After each of the steps.
    parameters: Vec<Vec<f64>>,
    /// Mean cross-entropy of all samples in evaluation, after each of the steps.
    losses: Vec<f64>,
    /// c in the first step, in the order of the reference.
    counts: Vec<u32>,
}

impl Golden {
    fn spec(&self) -> NetworkSpec {
        NetworkSpec::new(&self.widths).unwrap().with_batch_norm(true)
    }

    /// Flat numbers, of layer after layer: weights, then bias; of normalized ones beta, gamma, running mean, running variance.
    fn model(&self, numbers: &[f64]) -> Model {
        let mut model = Model::zeros(&self.spec(), 1);
        let mut numbers = numbers.iter().map(|&number| number as f32);
        for layer in 0..self.widths.len() - 1 {
            let kinds: [fn(&mut Model, usize) -> &mut [f32]; 5] = [
                |model, layer| model.weight_mut(layer, 0),
                |model, layer| model.bias_mut(layer, 0),
                |model, layer| model.gamma_mut(layer, 0),
                |model, layer| model.running_mean_mut(layer, 0),
                |model, layer| model.running_variance_mut(layer, 0),
            ];
            for values in kinds {
                values(&mut model, layer).iter_mut().for_each(|value| *value = numbers.next().unwrap());
            }
        }
        assert!(numbers.next().is_none());
        model
    }

    fn dataset(&self) -> Dataset {
        let classes = self.widths[self.widths.len() - 1];
        let inputs = Inputs::F32(self.inputs.iter().map(|&x| x as f32).collect());
        let train = Samples::new(self.widths[0], inputs, self.labels.clone(), classes).unwrap();
        let test = train.clone();
        Dataset { name: "golden".into(), classes, class_names: Vec::new(), train, test, validation: None }
    }
}

#[test]
fn trajectories_are_those_made_elsewhere() {
    let golden: Golden = serde_json::from_str(include_str!("../golden/batch_norm.json")).unwrap();
    let dataset = golden.dataset();
    let initial = golden.model(&golden.initial);
    let samples = dataset.train.len();
    assert_ne!(samples % golden.batch_size, 0, "the last batch is short");
    assert_ne!(samples % golden.batch_size, 1);
    for trajectory in &golden.trajectories {
        let rule = optimizer(&trajectory.rule);
        let optimizer = Optimizer { weight_decay: trajectory.weight_decay, ..rule };
        let learning_rate = trajectory.learning_rate;
        let settings = ReplicaSettings { optimizer, learning_rate, ..Default::default() };
        let all: Vec<u32> = (0..samples as u32).collect();
        let batches: Vec<&[u32]> = all.chunks(golden.batch_size).collect();

        let mut reference = Training::new(&initial, 0, settings, |value| value);
        for (step, batch) in (1..=golden.steps[golden.steps.len() - 1]).zip(batches.iter().cycle()) {
            reference.step(&dataset.train, batch);
            if step == 1 {
                assert_eq!(reference.counts.concat(), trajectory.counts, "{}", trajectory.rule);
            }
            let Some(stop) = golden.steps.iter().position(|&stop| stop == step) else { continue };
            let expected = Training::flatten(&golden.model(&trajectory.parameters[stop]), 0).concat();
            for (index, (actual, expected)) in reference.parameters.concat().iter().zip(&expected).enumerate() {
                // Nine digits, as f32.
                let error = 1.2e-7 * expected.abs() + 1e-9;
                assert!((actual - expected).abs() <= error, "{} {step} {index}: {actual} {expected}", trajectory.rule);
            }
            let loss = reference.loss(&dataset.test, &all) / samples as f64;
            assert!((loss - trajectory.losses[stop]).abs() < 1e-8, "{loss} {}", trajectory.losses[stop]);
        }

        for engine in ENGINES {
            let settings = TrainSettings {
                batch_size: golden.batch_size,
                order: Order::Sequential,
                replicas: vec![settings],
                ..Default::default()
            };
            let mut trainer = engine.trainer(&dataset, &initial, settings).unwrap();
            for (stop, &step) in golden.steps.iter().enumerate() {
                trainer.train(step - trainer.step()).unwrap();
                let actual = Training::flatten(&trainer.model().unwrap(), 0).concat();
                let expected = Training::flatten(&golden.model(&trajectory.parameters[stop]), 0).concat();
                for (index, (actual, expected)) in actual.iter().zip(&expected).enumerate() {
                    let error = 2e-5 * expected.abs().max(0.1);
                    assert!(
                        (actual - expected).abs() <= error,
                        "{engine:?} {} {step} {index}: {actual} {expected}",
                        trajectory.rule
                    );
                }
                let (_, counts) = trainer.last_reduction().unwrap().unwrap();
                if step == 1 {
                    assert_eq!(Training::flatten_counts(&counts, 0).concat(), trajectory.counts, "{engine:?}");
                }
                let loss = trainer.evaluate(Split::Test).unwrap()[0].loss;
                assert!((loss - trajectory.losses[stop]).abs() < 1e-5, "{engine:?} {step}: {loss}");
            }
        }
    }
}

/// Where a sample has an input that is 0, or ReLU lets nothing of it through, it does not count, although its dz is not 0. What no
/// sample counts for stays, bit for bit, though its gradient sum is not 0.
#[test]
fn what_relu_stops_is_not_counted() {
    let dataset = images();
    for (engine, name) in ENGINES.into_iter().flat_map(|engine| ["asgd", "aadam"].map(|name| (engine, name))) {
        let mut initial = model(&dataset, &[8], &[3]);
        // Few samples pass the first node, none the second.
        initial.bias_mut(0, 0)[..2].copy_from_slice(&[-1.8, -30.0]);
        let optimizer = Optimizer { weight_decay: 0.1, ..optimizer(name) };
        let own = ReplicaSettings { optimizer, learning_rate: 0.05, ..replica(3, optimizer) };
        let settings =
            TrainSettings { batch_size: 30, order: Order::Sequential, replicas: vec![own], ..Default::default() };
        let mut trainer = engine.trainer(&dataset, &initial, settings).unwrap();
        trainer.train(1).unwrap();
        let (sums, counts) = trainer.last_reduction().unwrap().unwrap();
        let after = trainer.model().unwrap();
        let mut dense = 0;
        for node in 0..8 {
            let range = node * 25..(node + 1) * 25;
            for ((before, after), (&sum, &count)) in initial.weight(0, 0)[range.clone()]
                .iter()
                .zip(&after.weight(0, 0)[range.clone()])
                .zip(sums.weight(0, 0)[range.clone()].iter().zip(&counts.weight(0, 0)[range]))
            {
                assert!(count <= counts.bias(0, 0)[node]);
                if count == 0 {
                    assert_eq!(before.to_bits(), after.to_bits(), "{engine:?} {name}");
                    dense += usize::from(sum != 0.0);
                }
            }
        }
        assert!(dense > 0, "no gradient sum of a parameter that does not count");
        assert_eq!((counts.bias(0, 0)[1], counts.gamma(0, 0)[1]), (0, 0));
        assert!((1..10).contains(&counts.bias(0, 0)[0]), "{:?}", counts.bias(0, 0));
        assert_eq!(counts.bias(0, 0), counts.gamma(0, 0));
        assert_eq!((after.gamma(0, 0)[1], after.bias(0, 0)[1]), (1.0, -30.0));
        assert_ne!(after.running_mean(0, 0)[1], 0.0, "the statistics of a node that is silent move");
        assert_eq!(counts.running_mean(0, 0), [0; 8]);
        assert_eq!(sums.running_variance(0, 0), [0.0; 8]);
        let means = trainer.mean_adaptive_batch_sizes().unwrap().unwrap().swap_remove(0);
        for (layer, mean) in means.iter().enumerate() {
            let all: Vec<f64> = counts.parameters(layer, 0).map(|&count| f64::from(count)).collect();
            let expected = all.iter().sum::<f64>() / all.len() as f64;
            assert!((mean - expected).abs() < 1e-12 * expected, "{engine:?}: {mean} {expected}");
        }
    }
}

/// Whatever trains beside a replica, on however many threads.
#[test]
fn a_replica_alone_is_the_replica_among_others() {
    let dataset = images();
    let train = |engine: Engine, initial: &Model, replicas: Vec<ReplicaSettings>| {
        let settings = TrainSettings { replicas, ..Default::default() };
        let mut trainer = engine.trainer(&dataset, initial, settings).unwrap();
        trainer.train(23).unwrap();
        (trainer.model().unwrap(), trainer.moments().unwrap(), trainer.last_reduction().unwrap().unwrap())
    };
    let seeds: Vec<u64> = (1..7).collect();
    for engine in ENGINES {
        let initial = model(&dataset, &[9, 6], &seeds);
        let (together, _, (sums, counts)) = train(engine, &initial, mixed(1..7));
        for index in 0..6 {
            let own = index..index + 1;
            let settings = mixed(1..7)[own.clone()].to_vec();
            let (alone, _, (own_sums, own_counts)) = train(engine, &initial.slice(own.clone()), settings);
            assert_eq!(alone, together.slice(own.clone()), "{engine:?} {index}");
            assert_eq!((own_sums, own_counts), (sums.slice(own.clone()), counts.slice(own)), "{engine:?} {index}");
        }
    }
    // A wide network, which several threads would share.
    let initial = model(&dataset, &[300, 200], &[1]);
    let [one, three] = [1, 3].map(|threads| train(Engine::Cpu(threads), &initial, mixed(1..2)));
    assert_eq!(one, three, "the threads");
}

#[test]
fn how_steps_are_grouped_leaves_no_trace() {
    let dataset = images();
    for engine in ENGINES {
        let initial = model(&dataset, &[8, 6], &[1, 2, 3, 4, 5, 6]);
        let settings = TrainSettings { batch_size: 40, replicas: mixed(1..7), ..Default::default() };
        let start = |initial: &Model| engine.trainer(&dataset, initial, settings.clone()).unwrap();
        grouping_leaves_no_trace(engine, start, &initial, 30);
    }
}

/// Wider layers whose other nodes are zero: what a GPU trains networks of several widths in.
#[test]
fn padding_moves_nothing() {
    let dataset = images();
    for engine in ENGINES {
        let initial = model(&dataset, &[5, 4], &[1, 2]);
        let wide = NetworkSpec::new(&[25, 9, 11, 3]).unwrap().with_batch_norm(true);
        let train = |initial: &Model| {
            let settings = TrainSettings { replicas: replicas(1..3), ..Default::default() };
            let mut trainer = engine.trainer(&dataset, initial, settings).unwrap();
            trainer.train(20).unwrap();
            trainer.model().unwrap()
        };
        let (narrow, padded) = (train(&initial), train(&initial.resized(&wide)));
        assert_eq!(padded.resized(narrow.spec()), narrow, "{engine:?}");
        assert_eq!(padded, narrow.resized(&wide), "{engine:?}: padding moved");
    }
}

/// Of one sample every x^ is 0: nothing but beta and what is above passes through, and no variance is known.
#[test]
fn batches_of_one_sample() {
    let dataset = circles();
    for engine in ENGINES {
        let mut initial = model(&dataset, &[6], &[1]);
        initial.bias_mut(0, 0).fill(0.5);
        let replicas = vec![replica(1, Optimizer::ASGD)];
        let settings = TrainSettings { batch_size: 1, replicas, ..Default::default() };
        let mut trainer = engine.trainer(&dataset, &initial, settings).unwrap();
        trainer.train(3).unwrap();
        let after = trainer.model().unwrap();
        assert_eq!(after.weight(0, 0), initial.weight(0, 0), "{engine:?}");
        assert_eq!(after.gamma(0, 0), [1.0; 6], "{engine:?}");
        assert_eq!(after.running_variance(0, 0), [1.0; 6], "{engine:?}");
        assert!(after.bias(0, 0) != initial.bias(0, 0) && after.running_mean(0, 0) != [0.0; 6], "{engine:?}");
        let (sums, counts) = trainer.last_reduction().unwrap().unwrap();
        assert_eq!((sums.gamma(0, 0), counts.gamma(0, 0)), (&[0.0; 6][..], &[1; 6][..]), "{engine:?}");
    }
}

/// A network that has left the numbers shows, wherever it has.
#[test]
fn what_is_no_number_shows() {
    let dataset = circles();
    let kinds: [fn(&mut Model) -> &mut f32; 5] = [
        |model| &mut model.weight_mut(0, 0)[0],
        |model| &mut model.gamma_mut(0, 0)[2],
        |model| &mut model.bias_mut(0, 0)[2],
        |model| &mut model.running_mean_mut(0, 0)[2],
        |model| &mut model.running_variance_mut(0, 0)[2],
    ];
    for engine in ENGINES {
        for (index, kind) in kinds.into_iter().enumerate() {
            for wrong in [f32::NAN, f32::INFINITY] {
                let mut initial = model(&dataset, &[4], &[1]);
                *kind(&mut initial) = wrong;
                let settings = TrainSettings { replicas: replicas(1..2), ..Default::default() };
                let mut trainer = engine.trainer(&dataset, &initial, settings).unwrap();
                assert!(trainer.evaluate(Split::Test).unwrap()[0].has_diverged, "{engine:?} {index} {wrong}");
                trainer.train(1).unwrap();
                assert!(trainer.evaluate(Split::Test).unwrap()[0].has_diverged, "{engine:?} {index} {wrong}");
            }
        }
    }
}

/// The run folder's network gives the test loss that was said, unfolded and in f64.
#[test]
fn commands_know_normalized_networks() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path();
    for device in devices() {
        let train = format!("train --batch-norm --hidden 9,7 --epochs 6 --seed 2 --quiet --device {device}");
        run(path, &format!("{train} --out {device}"));
        let file = path.join(&device).join("model.safetensors");
        let model = Model::load(&file).unwrap();
        assert!(model.spec().batch_norm() && model.running_mean(1, 0).iter().all(|&mean| mean != 0.0));
        let counts = asgd::AdaptiveBatchSizes::load(&path.join(&device).join("counts.safetensors")).unwrap();
        assert_eq!((counts.spec(), counts.gamma(0, 0)), (model.spec(), counts.bias(0, 0)));
        let document = std::fs::read_to_string(path.join(&device).join("run.json")).unwrap();
        let document: serde_json::Value = serde_json::from_str(&document).unwrap();
        assert_eq!(document["settings"]["batch_norm"], true);
        let page = std::fs::read_to_string(path.join(&device).join("report.html")).unwrap();
        assert!(page.contains("batch normalization"));

        let test = circles().test;
        let all: Vec<u32> = (0..test.len() as u32).collect();
        let exact = Training::new(&model, 0, ReplicaSettings::default(), |value| value);
        let loss = exact.loss(&test, &all) / test.len() as f64;
        let metrics = std::fs::read_to_string(path.join(&device).join("metrics.csv")).unwrap();
        let said: f64 = metrics.lines().last().unwrap().split(',').nth(5).unwrap().parse().unwrap();
        assert!((said - loss).abs() < 1e-5 * loss, "{device}: {said} {loss}");

        // Folded by prune, with nothing to cut, it is the same network.
        let model = format!("{device}/model.safetensors");
        run(path, &format!("prune {model} circles -o folded.safetensors --device {device}"));
        let folded = Model::load(&path.join("folded.safetensors")).unwrap();
        assert_eq!(folded.spec(), &NetworkSpec::new(&[2, 9, 7, 1]).unwrap());
        run(path, &format!("export {model} -o own.onnx"));
        run(path, "export folded.safetensors -o folded.onnx");
        let [own, other] = ["own.onnx", "folded.onnx"].map(|name| std::fs::read(path.join(name)).unwrap());
        assert!(own == other, "{device}: another network is exported");
        let evaluated = |model: &str| run(path, &format!("evaluate {model} circles --json --device {device}")).stdout;
        let [own, other] = [&model[..], "folded.safetensors"].map(|model| {
            let json: serde_json::Value = serde_json::from_slice(&evaluated(model)).unwrap();
            json["loss"].clone()
        });
        assert_eq!(own, other, "{device}");
        let inspected =
            String::from_utf8(run(path, &format!("inspect {model} circles --device {device}")).stdout).unwrap();
        assert!(inspected.contains("batch normalization") && inspected.contains("running variances"), "{inspected}");

        // It trains on, as a file says that it is normalized.
        run(path, &format!("train --init {model} --epochs 1 --quiet --device {device} --out more"));
        assert!(Model::load(&path.join("more/model.safetensors")).unwrap().spec().batch_norm());
    }
    refuses(path, "train --hidden none --batch-norm --quiet", 2, &["--batch-norm", "--hidden"]);
    refuses(path, "train --batch-norm --batch-size 1 --quiet", 2, &["--batch-size", "variance"]);
    refuses(path, "train --init folded.safetensors --batch-norm --quiet", 1, &["without batch normalization"]);
    refuses(path, "train --resume cpu --batch-norm --quiet", 2, &["--resume", "--batch-norm"]);
}

#[test]
fn kills_change_no_bit() {
    for (device, epochs, evaluate, save) in [("cpu".to_string(), 3000, 500, 20), (adapter(), 80, 3, 1)] {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path();
        let long = format!(
            "train --batch-norm --hidden 7,5 --replicas 3 --seed 4 --epochs {epochs} --eval-every {evaluate} \
             --checkpoint-every {save} --quiet --device {device} --optimizer aadam --dropout 0.1"
        );
        run(path, &format!("{long} --out long"));
        let kills = kill_often(path, &long, "checkpoints/replicas-0-3.safetensors", 8);
        assert!(kills >= 2, "{device}: only {kills} kills hit a run");
        for name in ["model.safetensors", "counts.safetensors", "metrics.csv"] {
            let [a, b] = ["long", "killed"].map(|run| std::fs::read(path.join(run).join(name)).unwrap());
            assert!(a == b, "{device}: {name} differs");
        }
    }
}
