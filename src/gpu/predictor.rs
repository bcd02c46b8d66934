//! Trained networks and samples on the GPU.

use super::adapter::Gpu;
use super::buffers::{DeviceSamples, UNIFORM};
use super::evaluator::Evaluator;
use super::layout::{InputFormat, Network, ReplicaColumns};
use crate::dataset::Samples;
use crate::engine::EvaluationEngine;
use crate::error::Result;
use crate::evaluation::Evaluation;
use crate::model::Model;

/// The GPU's engine of a [`Predictor`](crate::Predictor).
pub struct Predictor {
    gpu: Gpu,
    model: Model,
    network: Network,
    samples: DeviceSamples,
    evaluator: Evaluator,
}

impl Predictor {
    /// Uploads the networks and the samples.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) if the samples have other features than the networks have inputs,
    /// [`Error::Limit`](crate::Error::Limit) if they do not fit the adapter, or what the driver reported.
    pub fn new(gpu: &Gpu, model: &Model, samples: &Samples) -> Result<Self> {
        Self::with_room(gpu, model, samples, samples.len())
    }

    /// The same, with room for `room` samples.
    fn with_room(gpu: &Gpu, model: &Model, samples: &Samples, room: usize) -> Result<Self> {
        let model = &*model.folded();
        let spec = model.spec();
        samples.check_fits(spec)?;
        let format = InputFormat::from(samples.inputs());
        let network = Network::new(spec, model.replicas());
        let uniform = gpu.buffer("the network", size_of::<Network>() as u64, UNIFORM)?;
        gpu.write(&uniform, &[network])?;
        let parameters = gpu.storage_from("the parameters", &model.to_arena())?;
        // Samples stay in their order, so that no seed matters.
        let columns: Vec<ReplicaColumns> = vec![bytemuck::Zeroable::zeroed(); model.replicas()];
        let replicas = gpu.storage_from("the replicas' settings", &columns)?;
        let samples = DeviceSamples::with_room(gpu, "given", samples, spec, room)?;
        let set = std::iter::once(&samples);
        let evaluator = Evaluator::new(gpu, spec, &network, &uniform, format, &parameters, &replicas, set)?;
        gpu.check()?;
        Ok(Self { gpu: gpu.clone(), model: model.clone(), network, samples, evaluator })
    }
}

impl EvaluationEngine for Predictor {
    fn replace_samples(&mut self, samples: &Samples) -> Result<()> {
        samples.check_fits(self.model.spec())?;
        if self.samples.replace(&self.gpu, samples)? {
            self.evaluator.set_samples(0, &self.samples);
        } else {
            // Twice the room, so that sets that grow little by little rarely come here.
            let with_room = |room| Self::with_room(&self.gpu, &self.model, samples, room);
            let larger = with_room(2 * samples.len()).or_else(|_| with_room(samples.len()))?;
            *self = larger;
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<Vec<Evaluation>> {
        self.evaluator.evaluate(&self.gpu, &self.network, 0)
    }

    fn outputs(&self, layer: usize) -> Result<Vec<f32>> {
        self.evaluator.outputs(&self.gpu, &self.network, 0, layer)
    }
}
