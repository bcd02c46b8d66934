//! What trains: the only file that knows every engine.

use serde::Serialize;

use crate::dataset::{Dataset, Samples};
use crate::engine::{EvaluationEngine, TrainingEngine};
use crate::error::Result;
use crate::gpu::{self, Gpu};
use crate::model::Model;
use crate::settings::TrainSettings;
use crate::spec::NetworkSpec;

/// A device that trains and evaluates networks. Cheap to clone.
#[derive(Clone)]
pub struct Device {
    engine: Engine,
}

#[derive(Clone)]
enum Engine {
    Gpu(Gpu),
}

/// What a run's files say of the device that it ran on: results are the same, bit for bit, where all of it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeviceInfo {
    /// Its name, as the driver has it.
    pub name: String,
    /// Discrete GPU, integrated GPU and so on.
    pub kind: String,
    /// How it is reached: Vulkan, Metal, DirectX.
    pub backend: String,
    /// The driver.
    pub driver: String,
    /// The driver's version.
    pub driver_info: String,
}

/// What a GPU allows at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DeviceLimits {
    /// Bytes of an array that a kernel reads or writes.
    pub max_storage_buffer_binding_size: u64,
    /// Bytes of a buffer.
    pub max_buffer_size: u64,
    /// Fewest and most lanes of a subgroup.
    pub subgroup_sizes: [u32; 2],
}

impl Device {
    /// Opens the device whose name contains `name` (in any case), or without a name the best: a discrete GPU before an
    /// integrated one before software.
    ///
    /// # Errors
    /// [`Error::NoAdapter`](crate::Error::NoAdapter), [`Error::UnknownDevice`](crate::Error::UnknownDevice), or what the
    /// driver says.
    pub fn open(name: Option<&str>) -> Result<Self> {
        Ok(Self { engine: Engine::Gpu(Gpu::new(name)?) })
    }

    /// All devices with their limits, if they have any, the one that [`Self::open`] would choose first.
    pub fn list() -> Vec<(DeviceInfo, Option<DeviceLimits>)> {
        let adapters = gpu::adapters();
        adapters.iter().map(|adapter| (info(&adapter.info), Some(limits(&adapter.info, &adapter.limits)))).collect()
    }

    /// One line: which device, and why this one.
    pub fn describe(&self) -> String {
        match &self.engine {
            Engine::Gpu(gpu) => gpu.describe(),
        }
    }

    /// What a run's files say of it.
    pub fn info(&self) -> DeviceInfo {
        match &self.engine {
            Engine::Gpu(gpu) => info(gpu.info()),
        }
    }

    /// Whether the CPU does the work, so that the time of a step grows with the number of replicas from the first on.
    pub fn runs_on_cpu(&self) -> bool {
        match &self.engine {
            Engine::Gpu(gpu) => gpu.is_software(),
        }
    }

    /// How many replicas of `spec` fit the device's limits at once.
    pub fn max_replicas(&self, dataset: &Dataset, spec: &NetworkSpec, batch_size: usize) -> usize {
        match &self.engine {
            Engine::Gpu(gpu) => gpu::Trainer::max_replicas(gpu, dataset, spec, batch_size),
        }
    }

    /// The engine of a [`Trainer`](crate::Trainer).
    pub(crate) fn training_engine(
        &self,
        dataset: &Dataset,
        initial: &Model,
        settings: TrainSettings,
    ) -> Result<Box<dyn TrainingEngine>> {
        Ok(match &self.engine {
            Engine::Gpu(gpu) => Box::new(gpu::Trainer::new(gpu, dataset, initial, settings)?),
        })
    }

    /// The engine of a [`Predictor`](crate::Predictor).
    pub(crate) fn evaluation_engine(&self, model: &Model, samples: &Samples) -> Result<Box<dyn EvaluationEngine>> {
        Ok(match &self.engine {
            Engine::Gpu(gpu) => Box::new(gpu::Predictor::new(gpu, model, samples)?),
        })
    }
}

fn info(info: &wgpu::AdapterInfo) -> DeviceInfo {
    DeviceInfo {
        name: info.name.clone(),
        kind: gpu::kind(info).into(),
        backend: format!("{:?}", info.backend),
        driver: info.driver.clone(),
        driver_info: info.driver_info.clone(),
    }
}

fn limits(info: &wgpu::AdapterInfo, limits: &wgpu::Limits) -> DeviceLimits {
    DeviceLimits {
        max_storage_buffer_binding_size: limits.max_storage_buffer_binding_size,
        max_buffer_size: limits.max_buffer_size,
        subgroup_sizes: [info.subgroup_min_size, info.subgroup_max_size],
    }
}
