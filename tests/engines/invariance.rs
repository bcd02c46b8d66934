//! A replica of any training has the same bits whatever trains beside it, on however many threads, and however its steps are cut:
//! trainings made up at random, `ASGD_TRAININGS` of them.

use std::ops::ControlFlow;

use asgd::dataset::{Inputs, Samples};
use asgd::engine::TrainingEngine;
use asgd::{
    Activation, AdaptiveBatchSizes, Dataset, Decay, Evaluation, Init, Loss, Model, NetworkSpec, Optimizer, Order,
    ReplicaSettings, Schedule, Split, TrainSettings,
};

use crate::support::Engine;

/// A generator of 64 bits (splitmix64).
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn within(&mut self, from: usize, to: usize) -> usize {
        from + (self.next() % (to - from + 1) as u64) as usize
    }

    fn choose<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.within(0, items.len() - 1)]
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.within(1, count) == 1
    }
}

/// Everything that decides a training.
pub struct Training {
    pub dataset: Dataset,
    pub initial: Model,
    pub settings: TrainSettings,
    pub steps: u64,
}

const OPTIMIZERS: [&str; 12] = [
    "sgd",
    "asgd",
    "asgd",
    "asgd",
    "amomentum",
    "anesterov",
    "adagrad",
    "aadadelta",
    "armsprop",
    "aadam",
    "adamw",
    "alion",
];

impl Training {
    pub fn any(random: &mut Random) -> Self {
        let (samples, features, classes) = (random.within(2, 150), random.within(1, 40), random.within(2, 11));
        let loss = match random.within(0, 3) {
            0 => Loss::MeanSquaredError,
            _ => Loss::for_units(if classes == 2 { 1 } else { classes }),
        };
        let outputs = if loss == Loss::MeanSquaredError || classes > 2 { classes } else { 1 };
        let as_bytes = random.one_in(2);
        let mut set = |count: usize| {
            let values: Vec<u8> =
                (0..count * features).map(|_| if random.one_in(2) { 0 } else { random.next() as u8 }).collect();
            let inputs = match as_bytes {
                true => Inputs::U8(values),
                false => Inputs::F32(values.into_iter().map(|value| f32::from(value) / 64.0 - 2.0).collect()),
            };
            match loss {
                Loss::MeanSquaredError => {
                    let numbers = (0..count * outputs).map(|_| random.next() as i8 as f32 / 100.0).collect();
                    Samples::of_numbers(features, inputs, numbers, outputs).unwrap()
                }
                _ => {
                    let labels = (0..count).map(|_| random.within(0, classes - 1) as u32).collect();
                    Samples::new(features, inputs, labels, classes).unwrap()
                }
            }
        };
        let (train, test) = (set(samples), set(20));
        let classes = if loss == Loss::MeanSquaredError { 0 } else { classes };
        let dataset = Dataset { name: "any".into(), classes, class_names: Vec::new(), train, test, validation: None };

        let hidden: Vec<usize> = (0..random.within(0, 3)).map(|_| random.choose(&[1, 3, 10, 31, 33, 70])).collect();
        let activation =
            random.choose(&["relu", "relu", "leaky-relu:0.1", "gelu", "tanh"]).parse::<Activation>().unwrap();
        let widths = [&[features], &hidden[..], &[outputs]].concat();
        let batch_size = random.choose(&[1, 2, 7, 31, 32, 33, 64, 100]).min(samples);
        // The last batch of an epoch may hold one sample, which has no variance.
        let can_normalize = batch_size > 1 && samples % batch_size != 1 && !hidden.is_empty();
        let spec = NetworkSpec::with(&widths, activation, loss).unwrap();
        let spec = spec.with_batch_norm(can_normalize && random.one_in(3));
        let seeds: Vec<u64> = (0..random.within(1, 6)).map(|_| random.next()).collect();
        let initial = Init::Kaiming.model(&spec, &seeds).unwrap();
        let dropout = random.one_in(3);
        let threshold = random.one_in(4);
        let replica = |&seed: &u64| {
            let optimizer: Optimizer = random.choose(&OPTIMIZERS).parse().unwrap();
            ReplicaSettings {
                seed,
                optimizer,
                learning_rate: optimizer.default_learning_rate() * random.choose(&[0.1, 1.0]),
                epsilon: random.choose(&[0.0, 1e-8, 1.0]),
                dropout: if dropout && !hidden.is_empty() { random.choose(&[0.0, 0.3]) } else { 0.0 },
                input_dropout: if dropout { random.choose(&[0.0, 0.2]) } else { 0.0 },
                count_threshold: if threshold { random.choose(&[0.0, 0.05]) } else { 0.0 },
            }
        };
        let replicas = seeds.iter().map(replica).collect();
        let steps = random.within(5, 40) as u64;
        let decay = random.choose(&[Decay::Constant, Decay::Cosine { minimum: 0.1 }]);
        let settings = TrainSettings {
            batch_size,
            order: random.choose(&[Order::Shuffled, Order::Shuffled, Order::Sequential]),
            schedule: Schedule { decay, warmup: random.choose(&[0, 0, 3]), steps },
            replicas,
        };
        Self { dataset, initial, settings, steps }
    }

    pub fn describe(&self) -> String {
        let Self { dataset, initial, settings, steps } = self;
        format!("{} samples, {:?}, {settings:?}, {steps} steps", dataset.train.len(), initial.spec())
    }

    /// The same with some of its replicas.
    fn part(&self, replicas: std::ops::Range<usize>) -> Self {
        Self {
            dataset: self.dataset.clone(),
            initial: self.initial.slice(replicas.clone()),
            settings: TrainSettings { replicas: self.settings.replicas[replicas].to_vec(), ..self.settings.clone() },
            steps: self.steps,
        }
    }

    fn start(&self, engine: Engine) -> Box<dyn TrainingEngine> {
        engine.trainer(&self.dataset, &self.initial, self.settings.clone()).unwrap()
    }

    fn run(&self, engine: Engine) -> End {
        let mut trainer = self.start(engine);
        trainer.train(self.steps).unwrap();
        End::of(&mut *trainer)
    }

    /// Stopped, looked at and begun anew from what it was, at random.
    fn run_in_pieces(&self, engine: Engine, random: &mut Random) -> End {
        let mut trainer = self.start(engine);
        while trainer.step() < self.steps {
            let left = (self.steps - trainer.step()).min(random.within(1, 9) as u64);
            trainer
                .train_while(left, &mut |_| {
                    if random.one_in(2) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                })
                .unwrap();
            if random.one_in(2) {
                trainer.evaluate(random.choose(&[Split::Train, Split::Test])).unwrap();
            }
            // What the last step counted is not part of what is resumed.
            if random.one_in(3) && trainer.step() < self.steps {
                let (step, model, moments) = (trainer.step(), trainer.model().unwrap(), trainer.moments().unwrap());
                trainer = engine.trainer(&self.dataset, &model, self.settings.clone()).unwrap();
                trainer.resume_at(step, &moments).unwrap();
            }
        }
        End::of(&mut *trainer)
    }
}

/// All that a training comes to.
pub struct End {
    model: Vec<u8>,
    moments: Vec<Vec<u8>>,
    counts: Vec<u8>,
    evaluations: Vec<String>,
    replicas: (Model, AdaptiveBatchSizes),
}

impl End {
    pub fn of(trainer: &mut dyn TrainingEngine) -> Self {
        let (model, (_, counts)) = (trainer.model().unwrap(), trainer.last_reduction().unwrap().unwrap());
        let evaluations: Vec<Evaluation> =
            [Split::Train, Split::Test].into_iter().flat_map(|split| trainer.evaluate(split).unwrap()).collect();
        Self {
            moments: trainer.moments().unwrap().iter().map(Model::to_bytes).collect(),
            model: model.to_bytes(),
            counts: counts.to_bytes(),
            evaluations: evaluations.iter().map(|evaluation| format!("{evaluation:?}")).collect(),
            replicas: (model, counts),
        }
    }

    /// Whether every bit is the same: NaN, which a replica may have come to, is not equal to itself.
    pub fn is(&self, other: &Self) -> bool {
        self.model == other.model
            && self.moments == other.moments
            && self.counts == other.counts
            && self.evaluations == other.evaluations
    }

    /// Whether some replicas of a whole came to the same.
    #[track_caller]
    fn assert_part_of(&self, whole: &Self, replicas: std::ops::Range<usize>, what: &str) {
        let (model, counts) = &whole.replicas;
        let all = model.replicas();
        assert!(self.model == model.slice(replicas.clone()).to_bytes(), "parameters {what}");
        assert!(self.counts == counts.slice(replicas.clone()).to_bytes(), "counts {what}");
        let of = |first: usize| whole.evaluations[first + replicas.start..first + replicas.end].to_vec();
        assert_eq!(self.evaluations, [of(0), of(all)].concat(), "evaluations {what}");
    }
}

pub fn trainings(quick: u64) -> u64 {
    std::env::var("ASGD_TRAININGS").map_or(quick, |count| count.parse().expect("ASGD_TRAININGS is a number"))
}

fn cut_anywhere(engines: &[Engine], count: u64, salt: u64) {
    for number in 0..count {
        let mut random = Random(number * 1000 + salt);
        let training = Training::any(&mut random);
        let what = format!("of training {number}: {}", training.describe());
        let whole = training.run(engines[0]);
        for &engine in engines {
            if engine != engines[0] {
                assert!(training.run(engine).is(&whole), "{engine:?} {what}");
            }
            assert!(training.run_in_pieces(engine, &mut random).is(&whole), "{engine:?} in pieces {what}");
            let replicas = training.settings.replicas.len();
            let cut = random.within(0, replicas - 1);
            for part in [0..cut, cut..replicas] {
                if !part.is_empty() {
                    training.part(part.clone()).run(engine).assert_part_of(&whole, part, &what);
                }
            }
        }
    }
}

#[test]
fn on_cpus() {
    cut_anywhere(&[Engine::Cpu(1), Engine::Cpu(2), Engine::Cpu(5)], trainings(20), 1);
}

#[test]
fn on_an_adapter() {
    cut_anywhere(&[Engine::Gpu], trainings(4), 2);
}
