//! Training.

use std::ops::ControlFlow;

use crate::dataset::Dataset;
use crate::device::Device;
use crate::engine::{KernelTime, TrainingEngine};
use crate::error::Result;
use crate::evaluation::{Evaluation, Split};
use crate::model::{AdaptiveBatchSizes, Model};
use crate::settings::TrainSettings;

/// Trains R replicas of a network side by side.
pub struct Trainer {
    engine: Box<dyn TrainingEngine>,
}

impl Trainer {
    /// Hands data and initial parameters (one network a replica) to the device's engine.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) for settings that make no sense, [`Error::Limit`](crate::Error::Limit) if
    /// R replicas do not fit the device (see [`Device::max_replicas`]), or what the driver reported.
    pub fn new(device: &Device, dataset: &Dataset, initial: &Model, settings: TrainSettings) -> Result<Self> {
        Ok(Self { engine: device.training_engine(dataset, initial, settings)? })
    }

    /// Steps of an epoch: the last batch may be short.
    pub fn steps_per_epoch(&self) -> u64 {
        self.engine.steps_per_epoch()
    }

    /// Steps done so far.
    pub fn step(&self) -> u64 {
        self.engine.step()
    }

    /// Continues as if `step` steps had been done, with the initial parameters as those after that step, and the moments of its
    /// rules (see [`Self::moments`]): what follows is, bit for bit, what an uninterrupted training would have done.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) if the rules keep more or fewer moments, or what the driver reported.
    pub fn resume_at(&mut self, step: u64, moments: &[Model]) -> Result<()> {
        self.engine.resume_at(step, moments)
    }

    /// What the rules keep of each parameter: as many models as the rule that keeps most of all replicas' has moments, in the
    /// order of its formulas; zero where a replica's rule keeps less.
    ///
    /// # Errors
    /// What the driver reported.
    pub fn moments(&self) -> Result<Vec<Model>> {
        self.engine.moments()
    }

    /// Other learning rates from the next step on, one a replica; the schedule's factors are on them as before. Whoever
    /// resumes the training gives them again, as those of its settings.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) for rates that make no sense, or what the driver reported.
    pub fn set_learning_rates(&mut self, rates: &[f32]) -> Result<()> {
        self.engine.set_learning_rates(rates)
    }

    /// Does `steps` steps of every replica.
    ///
    /// # Errors
    /// What the driver reported.
    pub fn train(&mut self, steps: u64) -> Result<()> {
        self.engine.train(steps)
    }

    /// Does `steps` steps of every replica; `submitted` hears now and then how many steps more are done, and may end the
    /// training there.
    ///
    /// # Errors
    /// What the driver reported.
    pub fn train_while(&mut self, steps: u64, mut submitted: impl FnMut(u64) -> ControlFlow<()>) -> Result<()> {
        self.engine.train_while(steps, &mut submitted)
    }

    /// Does `steps` steps of every replica, and tells how long each kernel of a GPU took, by the GPU's own clock; `None` on the CPU
    /// and where the adapter has no timestamps, and nothing is done. Dispatches are timed one by one, so together they take
    /// longer than the steps of [`Self::train`].
    ///
    /// # Errors
    /// What the driver reported.
    pub fn kernel_times(&mut self, steps: u64) -> Result<Option<Vec<KernelTime>>> {
        self.engine.kernel_times(steps)
    }

    /// Loss, score and dummies of every replica over a set of the data.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) if the data has no validation set, or what the driver reported.
    pub fn evaluate(&mut self, split: Split) -> Result<Vec<Evaluation>> {
        self.engine.evaluate(split)
    }

    /// The parameters of every replica now.
    ///
    /// # Errors
    /// What the driver reported.
    pub fn model(&self) -> Result<Model> {
        self.engine.model()
    }

    /// The gradient sum S and the adaptive batch size c of every parameter of every replica in the last step, or `None`
    /// before the first.
    ///
    /// # Errors
    /// [`Error::Limit`](crate::Error::Limit) or [`Error::OutOfMemory`](crate::Error::OutOfMemory) if there is no room for
    /// them, or what the driver reported.
    pub fn last_reduction(&self) -> Result<Option<(Model, AdaptiveBatchSizes)>> {
        self.engine.last_reduction()
    }

    /// Adaptive batch sizes of the last step, averaged over the parameters of each layer: (replicas, layers). `None` before
    /// the first step.
    ///
    /// # Errors
    /// What the driver reported.
    pub fn mean_adaptive_batch_sizes(&self) -> Result<Option<Vec<Vec<f64>>>> {
        self.engine.mean_adaptive_batch_sizes()
    }
}
