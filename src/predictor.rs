//! Trained networks at work: what they make of samples.

use wgpu::BufferUsages;

use crate::batches::DeviceSamples;
use crate::dataset::Samples;
use crate::evaluator::{Evaluation, Evaluator};
use crate::gpu::Gpu;
use crate::kernels::Variant;
use crate::model::Model;
use crate::network::{InputFormat, Network, ReplicaColumns};
use crate::{Error, Result};

/// Runs samples through the networks of a model.
///
/// ```
/// use asgd::dataset::{Inputs, Samples};
/// use asgd::{Gpu, Init, NetworkSpec, Predictor};
///
/// # fn main() -> asgd::Result<()> {
/// let model = Init::Glorot.model(&NetworkSpec::new(&[3, 4, 2])?, &[0])?;
/// let samples = Samples::new(3, Inputs::F32(vec![0.5, 0.0, 1.0, 0.0, 0.25, 0.75]), vec![0, 1], 2)?;
/// let logits = Predictor::new(&Gpu::new(None)?, &model, &samples)?.logits()?;
/// assert_eq!(logits.len(), 2 * 2); // (replicas, samples, output units)
/// # Ok(())
/// # }
/// ```
pub struct Predictor {
    gpu: Gpu,
    network: Network,
    evaluator: Evaluator,
}

impl Predictor {
    /// Uploads the networks and the samples.
    ///
    /// # Errors
    /// [`Error::Setting`] if the samples have other features than the networks have inputs, [`Error::Limit`] if they do
    /// not fit the adapter, or what the driver reported.
    pub fn new(gpu: &Gpu, model: &Model, samples: &Samples) -> Result<Self> {
        let spec = model.spec();
        if spec.inputs() != samples.features() {
            let problem = format!(
                "the network has {} inputs, but the samples have {} features",
                spec.inputs(),
                samples.features()
            );
            return Err(Error::setting("dataset", problem));
        }
        let format = InputFormat::from(samples.inputs());
        let network = Network::new(spec, model.replicas(), format);
        let variant = Variant::choose(gpu, format, spec);
        let uniform =
            gpu.buffer("the network", size_of::<Network>() as u64, BufferUsages::UNIFORM | BufferUsages::COPY_DST)?;
        gpu.write(&uniform, &[network])?;
        let parameters = gpu.storage_from("the parameters", &model.to_arena(&network))?;
        // Samples stay in their order, so that no seed matters.
        let columns: Vec<ReplicaColumns> = vec![bytemuck::Zeroable::zeroed(); model.replicas()];
        let replicas = gpu.storage_from("the replicas' settings", &columns)?;
        let samples = DeviceSamples::new(gpu, "given", samples)?;
        let evaluator = Evaluator::new(gpu, &network, &uniform, variant, &parameters, &replicas, &[&samples])?;
        gpu.check()?;
        Ok(Self { gpu: gpu.clone(), network, evaluator })
    }

    /// Loss, accuracy and dummies of every replica over the samples.
    ///
    /// # Errors
    /// What the driver reported.
    pub fn evaluate(&mut self) -> Result<Vec<Evaluation>> {
        self.evaluator.evaluate(&self.gpu, &self.network, 0)
    }

    /// Outputs of layer `layer`, from 0, for every sample: (replicas, samples, units). Those of the last layer are the
    /// logits, before sigmoid or softmax.
    ///
    /// # Errors
    /// [`Error::Setting`] if there is no such layer, or what the driver reported.
    pub fn outputs(&self, layer: usize) -> Result<Vec<f32>> {
        if layer >= self.network.layers().len() {
            return Err(Error::setting("layer", format!("the network has {} layers", self.network.layers().len())));
        }
        self.evaluator.outputs(&self.gpu, &self.network, 0, layer)
    }

    /// Logits of every sample: (replicas, samples, output units).
    ///
    /// # Errors
    /// What the driver reported.
    pub fn logits(&self) -> Result<Vec<f32>> {
        self.outputs(self.network.layers().len() - 1)
    }
}
