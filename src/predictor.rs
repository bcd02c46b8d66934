//! Trained networks at work: what they make of samples.

use crate::dataset::Samples;
use crate::device::Device;
use crate::engine::EvaluationEngine;
use crate::error::{Error, Result};
use crate::evaluation::Evaluation;
use crate::model::Model;
use crate::spec::NetworkSpec;

/// Runs samples through the networks of a model.
///
/// ```
/// use asgd::dataset::{Inputs, Samples};
/// use asgd::{Device, Init, NetworkSpec, Predictor};
///
/// # fn main() -> asgd::Result<()> {
/// let model = Init::Glorot.model(&NetworkSpec::new(&[3, 4, 2])?, &[0])?;
/// let samples = Samples::new(3, Inputs::F32(vec![0.5, 0.0, 1.0, 0.0, 0.25, 0.75]), vec![0, 1], 2)?;
/// let logits = Predictor::new(&Device::open(None)?, &model, &samples)?.logits()?;
/// assert_eq!(logits.len(), 2 * 2); // (replicas, samples, output units)
/// # Ok(())
/// # }
/// ```
pub struct Predictor {
    engine: Box<dyn EvaluationEngine>,
    spec: NetworkSpec,
    /// Whether the samples have targets of the network's kind: others can be answered, and not scored.
    has_targets: bool,
}

impl Predictor {
    /// Hands the networks and the samples to the device's engine.
    ///
    /// # Errors
    /// [`Error::Setting`] if the samples have other features than the networks have inputs, [`Error::Limit`] if they do
    /// not fit the device, or what the driver reported.
    pub fn new(device: &Device, model: &Model, samples: &Samples) -> Result<Self> {
        let (spec, has_targets) = (model.spec().clone(), samples.targets().fit(model.spec()));
        Ok(Self { engine: device.evaluation_engine(model, samples)?, spec, has_targets })
    }

    /// Takes other samples, for a stream of them: the networks stay on the device, and what is compiled and allocated is
    /// kept as long as the samples are no more than before.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn replace_samples(&mut self, samples: &Samples) -> Result<()> {
        self.has_targets = samples.targets().fit(&self.spec);
        self.engine.replace_samples(samples)
    }

    /// Loss, score and dummies of every replica over the samples.
    ///
    /// # Errors
    /// [`Error::Setting`] if the samples have classes and the networks give numbers, or the other way round; or what the driver
    /// reported.
    pub fn evaluate(&mut self) -> Result<Vec<Evaluation>> {
        if !self.has_targets {
            let problem = format!("its targets are not those of the network, whose loss is {}", self.spec.loss());
            return Err(Error::setting("dataset", problem));
        }
        self.engine.evaluate()
    }

    /// Outputs of layer `layer`, from 0, for every sample: (replicas, samples, units). Those of the last layer are the
    /// logits, before sigmoid or softmax.
    ///
    /// # Errors
    /// [`Error::Setting`] if there is no such layer, or what the driver reported.
    pub fn outputs(&self, layer: usize) -> Result<Vec<f32>> {
        let layers = self.spec.layers().len();
        if layer >= layers {
            return Err(Error::setting("layer", format!("the network has {layers} layers")));
        }
        self.engine.outputs(layer)
    }

    /// Logits of every sample: (replicas, samples, output units).
    ///
    /// # Errors
    /// What the driver reported.
    pub fn logits(&self) -> Result<Vec<f32>> {
        self.outputs(self.spec.layers().len() - 1)
    }
}
