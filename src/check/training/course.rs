//! Trainings to be followed: data, networks, settings.

use crate::dataset::{Circles, Dataset, Inputs, Samples, Sine};
use crate::error::Result;
use crate::init::Init;
use crate::model::Model;
use crate::optimizer::Optimizer;
use crate::random::Random;
use crate::reference::permute::permute;
use crate::settings::{ReplicaSettings, TrainSettings};
use crate::spec::{Activation, NetworkSpec};

/// A training of R networks.
#[derive(Debug, Clone)]
pub struct Course {
    /// Samples.
    pub dataset: Dataset,
    /// Networks before the first step.
    pub initial: Model,
    /// How they are trained, in shuffled order.
    pub settings: TrainSettings,
}

impl Course {
    /// Networks with these hidden layers, and replicas of these optimizers with the seeds `seed`, `seed` + 1 and so on.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) for widths that make no network.
    pub fn new(
        dataset: Dataset,
        hidden: &[usize],
        batch_size: usize,
        seed: u64,
        optimizers: &[Optimizer],
    ) -> Result<Self> {
        let widths = [&[dataset.features()], hidden, &[dataset.output_units()]].concat();
        let spec = NetworkSpec::with(&widths, Activation::Relu, dataset.loss())?;
        let replica = |(seed, &optimizer): (u64, &Optimizer)| {
            let learning_rate = match optimizer {
                Optimizer::ASGD => 0.02,
                Optimizer::SGD => 0.2,
                _ => optimizer.default_learning_rate(),
            };
            ReplicaSettings { seed, optimizer, learning_rate, ..Default::default() }
        };
        let replicas: Vec<ReplicaSettings> = (seed..).zip(optimizers).map(replica).collect();
        let initial = Init::Kaiming.model(&spec, &replicas.iter().map(|replica| replica.seed).collect::<Vec<_>>())?;
        Ok(Self { dataset, initial, settings: TrainSettings { batch_size, replicas, ..Default::default() } })
    }

    /// The same with batch normalization.
    ///
    /// # Errors
    /// None that a user could cause.
    pub fn normalized(self) -> Result<Self> {
        let seeds: Vec<u64> = self.settings.replicas.iter().map(|replica| replica.seed).collect();
        let initial = Init::Kaiming.model(&self.initial.spec().clone().with_batch_norm(true), &seeds)?;
        Ok(Self { initial, ..self })
    }

    /// The network of MNIST on images made by code, circles in five hidden layers, one on floats with a short last batch, so wide
    /// that a GPU takes a dispatch a layer, a normalized one, and a regression; both optimizers each.
    ///
    /// Seeds are such that no hidden node comes so near its kink in 50 steps that rounding could carry it across, and that no
    /// layer is dead from the start.
    ///
    /// # Errors
    /// None that a user could cause.
    pub fn standard() -> Result<Vec<Self>> {
        let both = [Optimizer::ASGD, Optimizer::SGD];
        Ok(vec![
            Self::new(images()?, &[30, 20], 32, 1, &both)?,
            Self::new(Circles::default().dataset()?, &[10; 5], 40, 850, &both)?,
            Self::new(clusters()?, &[130, 40], 20, 247, &both)?,
            Self::new(Circles::default().dataset()?, &[8], 64, 1, &both)?.normalized()?,
            Self::new(Sine::default().dataset()?, &[10, 10], 40, 850, &both)?,
        ])
    }

    /// Widths, and what the inputs are.
    pub fn name(&self) -> String {
        let widths: Vec<String> = self.initial.spec().widths().iter().map(usize::to_string).collect();
        let format = match self.dataset.train.inputs() {
            Inputs::U8(_) => "u8",
            Inputs::F32(_) => "f32",
        };
        let normalized = if self.initial.spec().batch_norm() { ", normalized" } else { "" };
        format!("{} {format}{normalized}", widths.join("-"))
    }

    /// The samples of a step of the replica with this seed, by the reference's permutation.
    pub fn batch(&self, seed: u64, step: u64) -> Vec<u32> {
        let (count, batch_size) = (self.dataset.train.len() as u64, self.settings.batch_size as u64);
        let steps_per_epoch = count.div_ceil(batch_size);
        let first = step % steps_per_epoch * batch_size;
        let sample = |position: u64| permute(position as u32, count as u32, seed, (step / steps_per_epoch) as u32);
        (first..(first + batch_size).min(count)).map(sample).collect()
    }
}

/// Images of 28 x 28 pixels, four fifths of them 0, with ten classes that can be told apart.
fn images() -> Result<Dataset> {
    const FEATURES: usize = 784;
    const CLASSES: usize = 10;
    let mut random = Random::new(28, 0);
    let strokes: Vec<bool> = (0..CLASSES * FEATURES).map(|_| random.uniform() < 0.2).collect();
    let mut samples = |count: usize| {
        let labels: Vec<u32> = (0..count).map(|index| (index % CLASSES) as u32).collect();
        let mut pixel = |is_stroke: bool| match random.uniform() < if is_stroke { 0.8 } else { 0.04 } {
            true => 1 + (random.uniform() * 255.0) as u8,
            false => 0,
        };
        let of_sample = |&label: &u32| strokes[label as usize * FEATURES..][..FEATURES].iter();
        let pixels = labels.iter().flat_map(of_sample).map(|&is_stroke| pixel(is_stroke)).collect();
        Samples::new(FEATURES, Inputs::U8(pixels), labels, CLASSES)
    };
    let (train, test) = (samples(300)?, samples(100)?);
    let name = "images".into();
    Ok(Dataset { name, classes: CLASSES, class_names: Vec::new(), train, test, validation: None })
}

/// Normal clouds around three points of 40 dimensions.
fn clusters() -> Result<Dataset> {
    const FEATURES: usize = 40;
    const CLASSES: usize = 3;
    let mut random = Random::new(40, 0);
    let centres: Vec<f64> = (0..CLASSES * FEATURES).map(|_| 0.4 * random.normal()).collect();
    let mut samples = |count: usize| {
        let labels: Vec<u32> = (0..count).map(|index| (index % CLASSES) as u32).collect();
        let of_sample = |&label: &u32| centres[label as usize * FEATURES..][..FEATURES].iter();
        let values = labels.iter().flat_map(of_sample).map(|centre| (centre + random.normal()) as f32).collect();
        Samples::new(FEATURES, Inputs::F32(values), labels, CLASSES)
    };
    let (train, test) = (samples(250)?, samples(100)?);
    let name = "clusters".into();
    Ok(Dataset { name, classes: CLASSES, class_names: Vec::new(), train, test, validation: None })
}
