//! What trains: the only file that knows both engines.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::cpu::{self, Cpu};
use crate::dataset::{Dataset, Samples};
use crate::engine::{EvaluationEngine, TrainingEngine};
use crate::error::{Error, Result};
use crate::exchange::Exchange;
use crate::gpu::{self, Gpu};
use crate::model::Model;
use crate::names::did_you_mean;
use crate::settings::TrainSettings;
use crate::spec::NetworkSpec;

/// A device that trains and evaluates networks: a GPU, or this machine's CPU. Cheap to clone.
#[derive(Clone)]
pub struct Device {
    engine: Engine,
    /// Why this one.
    reason: String,
}

#[derive(Clone)]
enum Engine {
    Gpu(Box<Gpu>),
    Cpu(Cpu),
}

/// The name of the CPU engine.
const CPU: &str = "cpu";

/// The name of the best GPU, whatever it is.
const GPU: &str = "gpu";

/// What programs call the ways to a GPU.
const BACKENDS: [&str; 14] = [
    "vulkan", "vk", "metal", "mtl", "mps", "dx12", "d3d12", "directx", "opengl", "gl", "webgpu", "cuda", "rocm", "hip",
];

/// What other programs on wgpu choose their adapter by.
const VARIABLES: [&str; 3] = ["WGPU_ADAPTER_NAME", "WGPU_BACKEND", "WGPU_POWER_PREF"];

/// What a run's files say of the device that it ran on: results are the same, bit for bit, where all of it is. It says the
/// same of every CPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeviceInfo {
    /// Its name, as the driver has it; `cpu` for the CPU engine.
    pub name: String,
    /// Discrete GPU, integrated GPU, CPU and so on.
    pub kind: String,
    /// How it is reached: Vulkan, Metal, DirectX; native for the CPU engine.
    pub backend: String,
    /// The driver.
    pub driver: String,
    /// The driver's version.
    pub driver_info: String,
}

/// What [`Device::list`] says of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceDescription {
    /// Which it is.
    pub info: DeviceInfo,
    /// What it has, by name: threads and instruction set, or limits in bytes and lanes.
    pub properties: Vec<(&'static str, String)>,
}

impl fmt::Display for DeviceInfo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.driver.as_str() {
            "" => write!(formatter, "the {} engine", self.kind),
            driver => write!(formatter, "{}, driver {driver} {}", self.name, self.driver_info),
        }
    }
}

impl Device {
    /// Opens a device by name: `cpu`, `gpu` for the best GPU, or a part of a GPU's name, in any case. Without a name, it is a
    /// discrete GPU if there is one, else an integrated one, else the CPU. Software Vulkan, which tests shaders, is opened
    /// only by name.
    ///
    /// # Errors
    /// [`Error::UnknownDevice`], or what the driver says.
    pub fn open(name: Option<&str>) -> Result<Self> {
        Self::open_with_threads(name, None)
    }

    /// The same, with a number of threads for the CPU engine instead of all that the process may use. Results do not depend
    /// on it.
    ///
    /// # Errors
    /// As [`Self::open`]; [`Error::Setting`] for threads where the device is a GPU, or for 0 of them.
    pub fn open_with_threads(name: Option<&str>, threads: Option<usize>) -> Result<Self> {
        let cpu = |reason: &str| Ok(Self { engine: Engine::Cpu(Cpu::new(threads)?), reason: reason.into() });
        if name.is_some_and(|name| name.eq_ignore_ascii_case(CPU)) {
            return cpu("as asked for");
        }
        let adapters = gpu::adapters();
        let found = match name {
            Some(name) => Some(named(&adapters, name).ok_or_else(|| unknown(&adapters, name))?),
            None => adapters.iter().find(|adapter| adapter.is_hardware()),
        };
        let Some(found) = found else {
            let reason = match adapters.is_empty() {
                true => "there is no GPU",
                false => "there is no GPU, and software Vulkan is slower",
            };
            return cpu(&format!("{reason}{}", unused_variables()));
        };
        if threads.is_some() {
            let problem = format!("threads are for the CPU, but the device is {}; add --device cpu", found.info.name);
            return Err(Error::setting("--threads", problem));
        }
        let reason = match name {
            Some(name) if name.eq_ignore_ascii_case(GPU) => "the first GPU, as asked for".into(),
            Some(name) => format!("its name contains '{name}'"),
            None => format!("discrete GPUs come first, then integrated ones, then the CPU{}", unused_variables()),
        };
        match found.open() {
            Ok(gpu) => Ok(Self { engine: Engine::Gpu(Box::new(gpu)), reason }),
            Err(error) if name.is_none() => cpu(&format!("{} cannot be opened ({error})", found.info.name)),
            Err(error) => Err(error),
        }
    }

    /// This CPU, as one of the processes that train one network together: a batch is shared among all threads of all processes, and
    /// the bits are those of one process.
    ///
    /// Every process has the whole data set and all parameters, and makes the same calls in the same order with the same arguments:
    /// this one, [`Trainer::new`](crate::Trainer::new), its `train`, `train_while`, and `evaluate`. (Other calls are of each process
    /// alone; so is a [`Predictor`](crate::Predictor).) A training ends where `submitted` breaks in any of them. Replicas are
    /// trained one after the other, each by all. Networks with batch normalization are refused. With an exchange of one rank,
    /// nothing changes.
    ///
    /// # Errors
    /// [`Error::Setting`] if the device is a GPU, or if the exchange contradicts itself.
    pub fn together(self, exchange: Arc<dyn Exchange>) -> Result<Self> {
        match self.engine {
            Engine::Cpu(cpu) => Ok(Self { engine: Engine::Cpu(cpu.together(exchange)?), ..self }),
            Engine::Gpu(gpu) => {
                let name = &gpu.info().name;
                let problem = format!("{name} cannot share a network with other processes; add --device cpu");
                Err(Error::setting("--device", problem))
            }
        }
    }

    /// All devices, the one that [`Self::open`] would choose first.
    pub fn list() -> Vec<DeviceDescription> {
        let (hardware, software): (Vec<_>, Vec<_>) = gpu::adapters().into_iter().partition(gpu::Adapter::is_hardware);
        let of_adapter = |adapter: &gpu::Adapter| DeviceDescription {
            info: gpu_info(&adapter.info),
            properties: vec![
                ("largest binding", format!("{} MiB", adapter.limits.max_storage_buffer_binding_size >> 20)),
                ("largest buffer", format!("{} MiB", adapter.limits.max_buffer_size >> 20)),
                (
                    "subgroups",
                    format!("{} to {} lanes", adapter.info.subgroup_min_size, adapter.info.subgroup_max_size),
                ),
            ],
        };
        let cpu = DeviceDescription {
            info: cpu_info(),
            properties: vec![
                ("threads", cpu::available_threads().to_string()),
                ("instructions", cpu::instruction_set()),
                ("processor", cpu::processor()),
            ],
        };
        let hardware = hardware.iter().map(of_adapter);
        hardware.chain([cpu]).chain(software.iter().map(of_adapter)).collect()
    }

    /// Every device of this machine in the order of [`Self::list`], opened, or why it cannot be.
    pub fn open_all(threads: Option<usize>) -> Vec<(DeviceInfo, Result<Self>)> {
        let (hardware, software): (Vec<_>, Vec<_>) = gpu::adapters().into_iter().partition(gpu::Adapter::is_hardware);
        let reason = || "one of all".to_string();
        let of_adapter = |adapter: &gpu::Adapter| {
            let opened = adapter.open().map(|gpu| Self { engine: Engine::Gpu(Box::new(gpu)), reason: reason() });
            (gpu_info(&adapter.info), opened)
        };
        let cpu = Cpu::new(threads).map(|cpu| Self { engine: Engine::Cpu(cpu), reason: reason() });
        let hardware = hardware.iter().map(of_adapter);
        hardware.chain([(cpu_info(), cpu)]).chain(software.iter().map(of_adapter)).collect()
    }

    /// One line: which device, and why this one.
    pub fn describe(&self) -> String {
        format!("{}: {}", self.describe_hardware(), self.reason)
    }

    /// Which device, with its driver or its threads.
    pub fn describe_hardware(&self) -> String {
        match &self.engine {
            Engine::Gpu(gpu) => gpu.describe(),
            Engine::Cpu(cpu) => {
                let threads = cpu.threads();
                let s = if threads == 1 { "" } else { "s" };
                format!("CPU ({}, {threads} thread{s}, {})", cpu::processor(), cpu::instruction_set())
            }
        }
    }

    /// The GPU, where it is one.
    pub(crate) fn gpu(&self) -> Option<&Gpu> {
        match &self.engine {
            Engine::Gpu(gpu) => Some(gpu),
            Engine::Cpu(_) => None,
        }
    }

    /// What a run's files say of it.
    pub fn info(&self) -> DeviceInfo {
        match &self.engine {
            Engine::Gpu(gpu) => gpu_info(gpu.info()),
            Engine::Cpu(_) => cpu_info(),
        }
    }

    /// Whether the CPU does the work, so that the time of a step grows with the number of replicas from the first on.
    pub fn runs_on_cpu(&self) -> bool {
        match &self.engine {
            Engine::Gpu(gpu) => gpu.is_software(),
            Engine::Cpu(_) => true,
        }
    }

    /// Whether a driver compiles kernels before the first step, which can take seconds.
    pub fn compiles_kernels(&self) -> bool {
        matches!(self.engine, Engine::Gpu(_))
    }

    /// Whether networks of several widths are better trained side by side, padded to one shape, than one shape after the
    /// other. A dispatch of a GPU takes as long for few nodes as for many; a CPU's work grows with every node.
    pub fn prefers_padding(&self) -> bool {
        matches!(self.engine, Engine::Gpu(_))
    }

    /// How many replicas of `spec` with these settings fit the device's limits at once.
    pub fn max_replicas(&self, dataset: &Dataset, spec: &NetworkSpec, settings: &TrainSettings) -> usize {
        match &self.engine {
            Engine::Gpu(gpu) => gpu::Trainer::max_replicas(gpu, dataset, spec, settings),
            Engine::Cpu(cpu) => cpu::Trainer::max_replicas(cpu, spec, settings),
        }
    }

    /// Bytes that a [`Trainer`](crate::Trainer) of `replicas` networks with such settings takes of the device's memory, which is the
    /// machine's where the device is its CPU.
    pub fn training_bytes(
        &self,
        dataset: &Dataset,
        spec: &NetworkSpec,
        settings: &TrainSettings,
        replicas: usize,
    ) -> u128 {
        match &self.engine {
            Engine::Gpu(gpu) => gpu::Trainer::bytes(gpu, dataset, spec, settings, replicas).into(),
            Engine::Cpu(cpu) => cpu::Trainer::bytes(cpu, dataset, spec, settings, replicas),
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
            Engine::Cpu(cpu) => Box::new(cpu::Trainer::new(cpu, dataset, initial, settings)?),
        })
    }

    /// The engine of a [`Predictor`](crate::Predictor).
    pub(crate) fn evaluation_engine(&self, model: &Model, samples: &Samples) -> Result<Box<dyn EvaluationEngine>> {
        Ok(match &self.engine {
            Engine::Gpu(gpu) => Box::new(gpu::Predictor::new(gpu, model, samples)?),
            Engine::Cpu(cpu) => Box::new(cpu::Predictor::new(cpu, model, samples)?),
        })
    }
}

/// The adapter that a name means.
fn named<'a>(adapters: &'a [gpu::Adapter], name: &str) -> Option<&'a gpu::Adapter> {
    if name.eq_ignore_ascii_case(GPU) {
        return adapters.iter().find(|adapter| adapter.is_hardware());
    }
    // A 0 that happens to be in a name was meant as a number.
    let is_number = name.len() <= 2 && name.bytes().all(|byte| byte.is_ascii_digit());
    adapters.iter().find(|adapter| !is_number && adapter.has_name(name))
}

/// A name that means no device, and why.
fn unknown(adapters: &[gpu::Adapter], wanted: &str) -> Error {
    let lower = wanted.to_lowercase();
    // cuda:0, vulkan1
    let stem = lower.trim_end_matches(|c: char| c.is_ascii_digit() || c == ':');
    let is_index = !wanted.is_empty() && wanted.bytes().all(|byte| byte.is_ascii_digit());
    let names = || adapters.iter().flat_map(|adapter| adapter.info.name.split([' ', '(', ')', ',']));
    let hint = match stem {
        _ if is_index => "; devices have names, not numbers".into(),
        "gpu" => "; there is no GPU with a driver that can be used".into(),
        "auto" | "default" | "any" | "best" => "; without --device, the best one is taken".into(),
        _ if BACKENDS.contains(&stem) => "; that is a way to reach a device, not a device".into(),
        _ => did_you_mean(wanted, [CPU, GPU].into_iter().chain(names())),
    };
    let available: Vec<&str> = [CPU].into_iter().chain(adapters.iter().map(|adapter| &adapter.info.name[..])).collect();
    Error::UnknownDevice {
        wanted: wanted.into(),
        hint: format!("{hint}{}", unused_variables()),
        available: available.join(", "),
    }
}

/// Says which variables of the environment are set and mean nothing here, if any.
fn unused_variables() -> String {
    let is_set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let set: Vec<&str> = VARIABLES.into_iter().filter(is_set).collect();
    match set.len() {
        0 => String::new(),
        1 => format!("; {} is set but not used, --device chooses", set[0]),
        _ => format!("; {} are set but not used, --device chooses", set.join(" and ")),
    }
}

fn gpu_info(info: &wgpu::AdapterInfo) -> DeviceInfo {
    DeviceInfo {
        name: info.name.clone(),
        kind: gpu::kind(info).into(),
        backend: format!("{:?}", info.backend),
        driver: info.driver.clone(),
        driver_info: info.driver_info.clone(),
    }
}

fn cpu_info() -> DeviceInfo {
    let [name, kind, backend, driver, driver_info] = [CPU, "CPU", "native", "", ""].map(String::from);
    DeviceInfo { name, kind, backend, driver, driver_info }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_always_there() {
        let device = Device::open_with_threads(Some("CPU"), Some(3)).unwrap();
        assert!(device.describe().contains("3 threads"), "{}", device.describe());
        assert!(Device::list().iter().any(|device| device.info == cpu_info()));
        assert!(Device::open_with_threads(Some("cpu"), Some(0)).is_err());
        let error = Device::open(Some("abacus")).err().unwrap().to_string();
        assert!(error.contains("abacus") && error.contains("cpu"), "{error}");
    }
}
