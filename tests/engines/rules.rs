//! Rules beside plain SGD, on both gradients: against the reference, against torch.optim, and against themselves, bit for bit.

use asgd::check::Comparison;
use asgd::check::training::{Course, Stop};
use asgd::dataset::{Inputs, Samples};
use asgd::reference::step::Training;
use asgd::{Dataset, Model, NetworkSpec, Optimizer, Order, ReplicaSettings, TrainSettings};

use crate::support::{ENGINES, FORMS, circles, images, model, trainer};

/// Bounds of values and of the norm: neither, each, both.
const CLIPS: [(f32, f32); 4] =
    [(f32::INFINITY, f32::INFINITY), (0.02, f32::INFINITY), (f32::INFINITY, 0.05), (0.02, 0.05)];

/// One replica for every rule and gradient, then those that clip.
fn all_rules() -> Vec<ReplicaSettings> {
    let replica = |(seed, optimizer): (u64, Optimizer)| ReplicaSettings {
        seed,
        optimizer,
        learning_rate: optimizer.default_learning_rate(),
        ..Default::default()
    };
    let clipped = ["sgd", "aadam"].into_iter().flat_map(|name| CLIPS[1..].iter().map(move |clip| (name, clip)));
    let clipped = clipped.map(|(name, &(clip_value, clip_norm))| {
        let optimizer: Optimizer = name.parse().unwrap();
        Optimizer { clip_value, clip_norm, ..optimizer }
    });
    (1..).zip(Optimizer::all().chain(clipped)).map(replica).collect()
}

/// 50 steps of every rule, some with weight decay, some clipped, as the reference makes them.
#[test]
fn rules_follow_the_reference() {
    let plain: Vec<Optimizer> = Optimizer::all().collect();
    let decayed: Vec<Optimizer> =
        plain.iter().map(|&optimizer| Optimizer { weight_decay: 0.05, ..optimizer }).collect();
    let clipped = decayed.iter().zip(CLIPS[1..].iter().cycle());
    let clipped = clipped
        .map(|(&optimizer, &(clip_value, clip_norm))| Optimizer { clip_value, clip_norm, ..optimizer })
        .collect();
    for optimizers in [plain, decayed, clipped] {
        let course = Course::new(circles(), &[6, 5], 16, 40, &optimizers).unwrap();
        let stops = Stop::all(&course, &[1, 50]);
        for engine in ENGINES {
            let mut trainer = engine.trainer(&course.dataset, &course.initial, course.settings.clone()).unwrap();
            for stop in &stops {
                let mut comparison = Comparison::default();
                stop.check(&mut *trainer, &mut comparison).unwrap();
                assert_eq!(comparison.mismatch(), None, "{engine:?}");
            }
        }
    }
}

/// Moments are part of what a training resumes from, and of nothing else: a replica is what it is alone, whatever rules train
/// beside it.
#[test]
fn rules_resume_and_do_not_meet() {
    let dataset = images();
    let settings = all_rules();
    let seeds: Vec<u64> = settings.iter().map(|replica| replica.seed).collect();
    for (engine, hidden) in ENGINES.into_iter().map(|engine| (engine, [8, 6])).chain(FORMS) {
        let initial = model(&dataset, &hidden, &seeds);
        let mut at_once = trainer(&dataset, &initial, 64, settings.clone(), engine);
        at_once.train(12).unwrap();
        let (expected, moments) = (at_once.model().unwrap(), at_once.moments().unwrap());
        assert_eq!(moments.len(), 2);

        let mut first = trainer(&dataset, &initial, 64, settings.clone(), engine);
        first.train(5).unwrap();
        let mut resumed = trainer(&dataset, &first.model().unwrap(), 64, settings.clone(), engine);
        resumed.resume_at(5, &first.moments().unwrap()).unwrap();
        resumed.train(7).unwrap();
        assert_eq!(resumed.model().unwrap(), expected, "{engine:?}");
        assert_eq!(resumed.moments().unwrap(), moments, "{engine:?}");
        assert!(first.resume_at(5, &[]).is_err(), "moments are missing");

        for replica in [0, 1, 9, 12, 15, 17, 18, 19, 20, 21, 22, 23] {
            let own = settings[replica..=replica].to_vec();
            let mut alone = trainer(&dataset, &initial.slice(replica..replica + 1), 64, own, engine);
            alone.train(12).unwrap();
            assert_eq!(alone.model().unwrap(), expected.slice(replica..replica + 1), "{engine:?}, {replica}");
            for (own, all) in alone.moments().unwrap().iter().zip(&moments) {
                assert_eq!(*own, all.slice(replica..replica + 1), "{engine:?}, {replica}");
            }
        }
    }
}

/// One network trained by every rule of torch.optim and by Lion, with and without weight decay: tests/golden/make_rules.py.
#[derive(serde::Deserialize)]
struct Rules {
    widths: Vec<usize>,
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
    clip_value: Option<f32>,
    clip_norm: Option<f32>,
    /// After each of the steps.
    parameters: Vec<Vec<f64>>,
}

impl Rules {
    /// PyTorch's flat numbers, weight and bias of layer after layer, as a model.
    fn model(&self, numbers: &[f64]) -> Model {
        let mut model = Model::zeros(&NetworkSpec::new(&self.widths).unwrap(), 1);
        let mut numbers = numbers.iter().map(|&number| number as f32);
        for layer in 0..self.widths.len() - 1 {
            model.weight_mut(layer, 0).fill_with(|| numbers.next().unwrap());
            model.bias_mut(layer, 0).fill_with(|| numbers.next().unwrap());
        }
        model
    }

    fn samples(&self) -> Samples {
        let inputs = self.inputs.iter().map(|&value| value as f32).collect();
        Samples::new(self.widths[0], Inputs::F32(inputs), self.labels.clone(), *self.widths.last().unwrap()).unwrap()
    }
}

/// The rules are those of torch.optim, and Lion as its paper writes it: 50 steps of each on the mean gradient, of the reference and of every engine.
#[test]
fn rules_equal_pytorch() {
    let rules: Rules = serde_json::from_str(include_str!("../golden/rules.json")).unwrap();
    let (samples, initial) = (rules.samples(), rules.model(&rules.initial));
    let all: Vec<u32> = (0..samples.len() as u32).collect();
    let replica = |trajectory: &Trajectory| {
        let optimizer: Optimizer = trajectory.rule.parse().unwrap();
        let optimizer = Optimizer {
            weight_decay: trajectory.weight_decay,
            clip_value: trajectory.clip_value.unwrap_or(f32::INFINITY),
            clip_norm: trajectory.clip_norm.unwrap_or(f32::INFINITY),
            ..optimizer
        };
        ReplicaSettings { optimizer, learning_rate: trajectory.learning_rate, ..Default::default() }
    };
    let replicas: Vec<ReplicaSettings> = rules.trajectories.iter().map(replica).collect();
    assert_eq!(replicas.len(), 18 + 3 * 3);
    for (trajectory, settings) in rules.trajectories.iter().zip(&replicas) {
        let mut training = Training::new(&initial, 0, *settings, |value| value);
        let mut done = 0;
        for (&stop, expected) in rules.steps.iter().zip(&trajectory.parameters) {
            (done..stop).for_each(|_| training.step(&samples, &all));
            done = stop;
            let expected = Training::flatten(&rules.model(expected), 0).concat();
            for (actual, expected) in training.parameters.iter().flatten().zip(expected) {
                // The file's numbers were rounded to f32 on their way.
                assert!((actual - expected).abs() < 1e-7 * expected.abs().max(0.1), "{settings:?}, step {stop}");
            }
        }
    }
    let dataset = Dataset {
        name: "golden".into(),
        class_names: Vec::new(),
        classes: *rules.widths.last().unwrap(),
        train: samples.clone(),
        test: samples,
        validation: None,
    };
    for engine in ENGINES {
        let settings = TrainSettings {
            batch_size: all.len(),
            order: Order::Sequential,
            replicas: replicas.clone(),
            ..Default::default()
        };
        let mut trainer = engine.trainer(&dataset, &initial.repeat(replicas.len()), settings).unwrap();
        for (index, &stop) in rules.steps.iter().enumerate() {
            trainer.train(stop - trainer.step()).unwrap();
            let trained = trainer.model().unwrap();
            for (replica, trajectory) in rules.trajectories.iter().enumerate() {
                let actual = Training::flatten(&trained, replica).concat();
                let expected = Training::flatten(&rules.model(&trajectory.parameters[index]), 0).concat();
                for (actual, expected) in actual.iter().zip(expected) {
                    let place = || format!("{engine:?}, {:?}", replicas[replica]);
                    // f32 after 50 steps; `rules_follow_the_reference` has bounds.
                    assert!((actual - expected).abs() < 2e-5, "{}, step {stop}: {actual} {expected}", place());
                }
            }
        }
    }
}
