//! Both engines, and data for them.

use std::sync::OnceLock;

use asgd::check::training;
use asgd::cpu::{self, Cpu};
use asgd::dataset::{Circles, Inputs, Samples};
use asgd::engine::{EvaluationEngine, TrainingEngine};
use asgd::gpu::{self, Gpu};
use asgd::{Dataset, Init, Model, NetworkSpec, Optimizer, ReplicaSettings, Result, TrainSettings};

/// An engine, and how it works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// On the best adapter that there is, software included.
    Gpu,
    /// With so many threads.
    Cpu(usize),
}

/// All that the same tests hold for.
pub const ENGINES: [Engine; 3] = [Engine::Gpu, Engine::Cpu(1), Engine::Cpu(3)];

/// Hidden layers for which a GPU takes other dispatches than for small networks: all layers forward and back in one, and a
/// dispatch a layer.
pub const FORMS: [(Engine, [usize; 2]); 2] = [(Engine::Gpu, [100, 6]), (Engine::Gpu, [129, 6])];

/// The adapter of all tests. Without one the tests fail: they never pass by skipping.
pub fn gpu() -> &'static Gpu {
    static GPU: OnceLock<Gpu> = OnceLock::new();
    GPU.get_or_init(|| Gpu::new(None).expect("the tests need an adapter"))
}

/// Ready to train in shuffled order.
pub fn trainer(
    dataset: &Dataset,
    model: &Model,
    batch_size: usize,
    replicas: Vec<ReplicaSettings>,
    engine: Engine,
) -> Box<dyn TrainingEngine> {
    engine.trainer(dataset, model, TrainSettings { batch_size, replicas, ..Default::default() }).unwrap()
}

impl Engine {
    /// Ready to train.
    pub fn trainer(
        self,
        dataset: &Dataset,
        initial: &Model,
        settings: TrainSettings,
    ) -> Result<Box<dyn TrainingEngine>> {
        Ok(match self {
            Self::Gpu => Box::new(gpu::Trainer::new(gpu(), dataset, initial, settings)?),
            Self::Cpu(threads) => Box::new(cpu::Trainer::new(&Cpu::new(Some(threads))?, dataset, initial, settings)?),
        })
    }

    /// Ready to evaluate.
    pub fn predictor(self, model: &Model, samples: &Samples) -> Result<Box<dyn EvaluationEngine>> {
        Ok(match self {
            Self::Gpu => Box::new(gpu::Predictor::new(gpu(), model, samples)?),
            Self::Cpu(threads) => Box::new(cpu::Predictor::new(&Cpu::new(Some(threads))?, model, samples)?),
        })
    }
}

impl training::Engine for Engine {
    fn trainer(&self, dataset: &Dataset, initial: &Model, settings: TrainSettings) -> Result<Box<dyn TrainingEngine>> {
        Self::trainer(*self, dataset, initial, settings)
    }

    fn predictor(&self, model: &Model, samples: &Samples) -> Result<Box<dyn EvaluationEngine>> {
        Self::predictor(*self, model, samples)
    }
}

/// A replica with a learning rate that suits small networks.
pub fn replica(seed: u64, optimizer: Optimizer) -> ReplicaSettings {
    let learning_rate = if optimizer == Optimizer::ASGD { 0.02 } else { 0.2 };
    ReplicaSettings { seed, optimizer, learning_rate, ..Default::default() }
}

/// Replicas of these seeds, both optimizers in turn.
pub fn replicas(seeds: std::ops::Range<u64>) -> Vec<ReplicaSettings> {
    seeds.map(|seed| replica(seed, if seed % 2 == 0 { Optimizer::ASGD } else { Optimizer::SGD })).collect()
}

/// 8-bit images of 5 x 5 with three classes that can be told apart.
pub fn images() -> Dataset {
    let samples = |count: usize, salt: usize| {
        let mut pixels = Vec::new();
        let mut labels = Vec::new();
        for index in 0..count {
            let label = index % 3;
            for pixel in 0..25 {
                let noise = (index * 7919 + pixel * 104_729 + salt) % 97;
                let bright = pixel / 9 == label && noise > 20;
                pixels.push(if bright {
                    255 - noise as u8
                } else if noise > 80 {
                    noise as u8
                } else {
                    0
                });
            }
            labels.push(label as u32);
        }
        Samples::new(25, Inputs::U8(pixels), labels, 3).unwrap()
    };
    Dataset {
        name: "images".into(),
        classes: 3,
        class_names: Vec::new(),
        train: samples(300, 0),
        test: samples(90, 5),
        validation: Some(samples(70, 9)),
    }
}

/// Points in the plane: floats, few of them 0.
pub fn circles() -> Dataset {
    Circles::default().dataset().unwrap()
}

/// `count` samples of 8-bit pixels, of which `zeros` in ten are 0; half as many to test with.
pub fn pixels(count: usize, features: usize, classes: usize, zeros: usize) -> Dataset {
    let samples = |count: usize, salt: usize| {
        let pixel = |index: usize| {
            let hash = (index + salt).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24;
            if hash % 10 < zeros { 0 } else { (hash >> 8) as u8 }
        };
        let labels = (0..count).map(|index| (index * 7 % classes) as u32).collect();
        Samples::new(features, Inputs::U8((0..count * features).map(pixel).collect()), labels, classes).unwrap()
    };
    let (train, test) = (samples(count, 0), samples(count.div_ceil(2), count * features));
    Dataset { name: "pixels".into(), classes, class_names: Vec::new(), train, test, validation: None }
}

/// A network with these hidden layers for each seed.
pub fn model(dataset: &Dataset, hidden: &[usize], seeds: &[u64]) -> Model {
    let spec = NetworkSpec::new(&[&[dataset.features()], hidden, &[dataset.output_units()]].concat()).unwrap();
    Init::Kaiming.model(&spec, seeds).unwrap()
}
