//! What an engine is: the traits that the GPU's and the CPU's implement. Callers use [`Trainer`](crate::Trainer) and
//! [`Predictor`](crate::Predictor); tests and benchmarks may drive an engine directly.
//!
//! Every engine promises: replica r of a run with seed s is, bit for bit, the run with seed s + r alone on the same device,
//! however many replicas there are, however steps are grouped, however often it is evaluated, and wherever it resumes.

use std::ops::ControlFlow;

use crate::dataset::Samples;
use crate::error::{Error, Result};
use crate::evaluation::{Evaluation, Split};
use crate::model::{AdaptiveBatchSizes, Model};
use crate::settings::{TrainSettings, check_learning_rate};
use crate::spec::NetworkSpec;

/// R replicas in training. Errors are what the driver or the system reported.
pub trait TrainingEngine: Send {
    /// Steps of an epoch: the last batch may be short.
    fn steps_per_epoch(&self) -> u64;

    /// Steps done so far.
    fn step(&self) -> u64;

    /// Continues as if `step` steps had been done, with the parameters given as the initial ones and these moments of the rules
    /// (see [`Self::moments`]): what follows is, bit for bit, what an uninterrupted training would have done.
    ///
    /// # Errors
    /// [`check_moments`], or what the driver reported.
    fn resume_at(&mut self, step: u64, moments: &[Model]) -> Result<()>;

    /// What the rules keep of each parameter, as many as the one that keeps most; zero where a replica's rule keeps less.
    ///
    /// # Errors
    /// What the driver reported.
    fn moments(&self) -> Result<Vec<Model>>;

    /// Other learning rates from the next step on, one a replica; the schedule's factors are on them as before.
    ///
    /// # Errors
    /// [`check_learning_rates`], or what the driver reported.
    fn set_learning_rates(&mut self, rates: &[f32]) -> Result<()>;

    /// Does `steps` steps of every replica; `submitted` hears now and then how many steps more are done, and may end the
    /// training there.
    ///
    /// # Errors
    /// What the driver reported.
    fn train_while(&mut self, steps: u64, submitted: &mut dyn FnMut(u64) -> ControlFlow<()>) -> Result<()>;

    /// Does `steps` steps of every replica.
    ///
    /// # Errors
    /// As [`Self::train_while`].
    fn train(&mut self, steps: u64) -> Result<()> {
        self.train_while(steps, &mut |_| ControlFlow::Continue(()))
    }

    /// Does `steps` steps of every replica, and tells how long each kernel took, by the device's own clock; `None` where there
    /// are no kernels, or no such clock, and nothing is done.
    ///
    /// # Errors
    /// As [`Self::train_while`].
    fn kernel_times(&mut self, _steps: u64) -> Result<Option<Vec<KernelTime>>> {
        Ok(None)
    }

    /// Loss, score and dummies of every replica over a set of the data.
    ///
    /// # Errors
    /// [`no_validation_set`], or what the driver reported.
    fn evaluate(&mut self, split: Split) -> Result<Vec<Evaluation>>;

    /// The parameters of every replica now.
    ///
    /// # Errors
    /// What the driver reported.
    fn model(&self) -> Result<Model>;

    /// The gradient sum S and the adaptive batch size c of every parameter of every replica in the last step, or `None`
    /// before the first.
    ///
    /// # Errors
    /// If there is no room for them, or what the driver reported.
    fn last_reduction(&self) -> Result<Option<(Model, AdaptiveBatchSizes)>>;

    /// Adaptive batch sizes of the last step, averaged over the parameters of each layer: (replicas, layers). `None` before
    /// the first step.
    ///
    /// # Errors
    /// What the driver reported.
    fn mean_adaptive_batch_sizes(&self) -> Result<Option<Vec<Vec<f64>>>>;
}

/// How long a kernel took in some steps.
#[derive(Debug, Clone, PartialEq)]
pub struct KernelTime {
    /// Its file in `shaders/`, without the ending.
    pub kernel: &'static str,
    /// How often it was dispatched.
    pub dispatches: u64,
    /// All its dispatches together.
    pub seconds: f64,
}

impl KernelTime {
    /// Adds it to those of the same kernel.
    pub(crate) fn add_to(self, times: &mut Vec<Self>) {
        match times.iter_mut().find(|time| time.kernel == self.kernel) {
            Some(time) => {
                time.dispatches += self.dispatches;
                time.seconds += self.seconds;
            }
            None => times.push(self),
        }
    }
}

/// Refuses moments that are not those of such a training.
///
/// # Errors
/// [`Error::Setting`].
pub(crate) fn check_moments(spec: &NetworkSpec, settings: &TrainSettings, moments: &[Model]) -> Result<()> {
    let fits = |moment: &Model| moment.spec() == spec && moment.replicas() == settings.replicas.len();
    if moments.len() != settings.moments() || !moments.iter().all(fits) {
        let (given, kept) = (moments.len(), settings.moments());
        let problem = format!("{given} given, but the optimizers keep {kept}, of every parameter of these networks");
        return Err(Error::setting("moments", problem));
    }
    Ok(())
}

/// Refuses learning rates that are not those of such a training.
///
/// # Errors
/// [`Error::Setting`].
pub(crate) fn check_learning_rates(replicas: usize, rates: &[f32]) -> Result<()> {
    if rates.len() != replicas {
        return Err(Error::setting("learning rates", format!("{} given for {replicas} replicas", rates.len())));
    }
    rates.iter().try_for_each(|&rate| check_learning_rate(rate))
}

/// What an engine says where a data set has no validation set to evaluate.
pub fn no_validation_set() -> Error {
    Error::setting("--validation", "the data set has no validation set")
}

/// R networks and samples for them.
pub trait EvaluationEngine: Send {
    /// Takes other samples. What was made for the first ones is kept where they fit.
    ///
    /// # Errors
    /// If the samples have other features than the networks have inputs, or do not fit the device.
    fn replace_samples(&mut self, samples: &Samples) -> Result<()>;

    /// Loss, score and dummies of every replica over the samples.
    ///
    /// # Errors
    /// What the driver reported.
    fn evaluate(&mut self) -> Result<Vec<Evaluation>>;

    /// Outputs of layer `layer`, from 0, for every sample: (replicas, samples, units). Those of the last layer are the
    /// logits. There is such a layer.
    ///
    /// # Errors
    /// What the driver reported.
    fn outputs(&self, layer: usize) -> Result<Vec<f32>>;
}
