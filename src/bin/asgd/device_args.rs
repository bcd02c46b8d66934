//! Which devices a command uses.

use anyhow::{Result, bail};
use asgd::{Device, Error};
use clap::Args;
use serde_json::{Value, json};

use crate::ranks;
use crate::values::at_least_one;

#[derive(Debug, Clone, Default, Args)]
pub struct DeviceArgs {
    /// `cpu`, `gpu` (the best one), or a part of a GPU's name. Trainings take several, given one by one, or `all` for every GPU.
    /// [default: a discrete GPU, else an integrated one, else the CPU]
    #[arg(long, visible_alias = "adapter", value_name = "NAME")]
    pub device: Vec<String>,
    /// Threads of the CPU. Results do not depend on it. [default: all that the process may use]
    #[arg(long, value_name = "N", value_parser = at_least_one::<usize>)]
    pub threads: Option<usize>,
    /// Of several devices of more than one kind, the shares of the replicas that a run was begun with.
    #[arg(skip)]
    pub shares: Option<Vec<f64>>,
}

/// Every GPU.
const ALL: &str = "all";
const GPU: &str = "gpu";
const CPU: &str = "cpu";

impl DeviceArgs {
    /// Opens the one.
    ///
    /// # Errors
    /// If several are named, there is no such device, or it cannot be opened.
    pub fn open(&self) -> Result<Device> {
        match &self.device[..] {
            [] => Ok(Device::open_with_threads(None, self.threads)?),
            [name] if name != ALL => Ok(Device::open_with_threads(Some(name), self.threads)?),
            _ => {
                let problem = "several devices are for train and experiment 2, 3 and 4; name one";
                Err(Error::Setting { setting: "--device", problem: problem.into() }.into())
            }
        }
    }

    /// Opens all that are named. Of several processes each has one: on a machine with several GPUs, each process its own; where they
    /// share batches, each its CPU.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_all(&self, shares_batches: bool) -> Result<Devices> {
        if shares_batches {
            let name = match &self.device[..] {
                [] => CPU,
                [name] => name,
                _ => {
                    let problem = "processes share batches on their CPUs; name no other device";
                    return Err(Error::Setting { setting: "--device", problem: problem.into() }.into());
                }
            };
            let threads = if name.eq_ignore_ascii_case(CPU) { self.own_threads()? } else { self.threads };
            return Ok(Devices::one(ranks::share_batches(Device::open_with_threads(Some(name), threads)?)?));
        }
        let is_one = |wanted: &str| matches!(&self.device[..], [name] if name.eq_ignore_ascii_case(wanted));
        let cpu = || anyhow::Ok(Device::open_with_threads(Some(CPU), self.own_threads()?)?);
        if ranks::count() > 1 && (self.device.is_empty() || is_one(GPU) || is_one(ALL)) {
            let mut gpus = gpus()?;
            return Ok(Devices::one(match gpus.len() {
                0 if is_one(GPU) => self.open()?,
                0 => cpu()?,
                count => gpus.swap_remove(ranks::before_on_this_machine() % count),
            }));
        }
        let mut all = Vec::new();
        for name in &self.device {
            match name {
                name if name.eq_ignore_ascii_case(ALL) => all.extend(gpus()?),
                name if name.eq_ignore_ascii_case(CPU) => all.push(cpu()?),
                // Threads are for the CPU, whatever the others are.
                name if self.device.len() > 1 => all.push(Device::open(Some(name))?),
                name => all.push(Device::open_with_threads(Some(name), self.threads)?),
            }
        }
        if all.is_empty() {
            let is_any = self.device.is_empty();
            all.push(if is_any { Device::open_with_threads(None, self.threads)? } else { cpu()? });
        }
        if ranks::count() > 1 && all.len() > 1 {
            let problem = "each of several processes has one device; name one";
            return Err(Error::Setting { setting: "--device", problem: problem.into() }.into());
        }
        Ok(Devices { all, shares: self.shares.clone() })
    }

    /// Threads of this process: what it may use is divided among those that may use the same cores.
    fn own_threads(&self) -> Result<Option<usize>> {
        if self.threads.is_some() || ranks::count() == 1 {
            return Ok(self.threads);
        }
        Ok(Some((std::thread::available_parallelism()?.get() / ranks::sharing_cores()).max(1)))
    }

    /// These, or what a run was begun with.
    pub fn or(&self, earlier: Self) -> Self {
        match self.device.is_empty() {
            true => Self { threads: self.threads, ..earlier },
            // Of the same devices, the shares stay; where they are others, a run is not resumed but by force.
            false => Self { shares: self.shares.clone().or(earlier.shares), ..self.clone() },
        }
    }

    /// What settings.json says of the devices that a run was begun on.
    pub fn of_run(device: &Value) -> Self {
        let name = |device: &Value| device["name"].as_str().map(String::from);
        let one = |device: &Value| name(device).into_iter().collect();
        let (names, shares) = match device {
            Value::Array(devices) => (
                devices.iter().filter_map(name).collect(),
                devices.iter().map(|device| device["share"].as_f64()).collect::<Option<Vec<f64>>>(),
            ),
            device => (one(device), None),
        };
        Self { device: names, threads: None, shares }
    }
}

/// All that there are; software Vulkan is opened by name only.
fn gpus() -> Result<Vec<Device>> {
    let mut gpus = Vec::new();
    for (info, opened) in Device::open_all(Some(1)) {
        match opened {
            Ok(device) if !device.runs_on_cpu() => gpus.push(device),
            Err(error) if !info.kind.contains("CPU") => bail!("{}: cannot be opened: {error}", info.name),
            _ => {}
        }
    }
    Ok(gpus)
}

/// What trains the replicas of a run, each a share of them.
pub struct Devices {
    /// One at least.
    all: Vec<Device>,
    /// Where they are of several kinds: which share of the replicas each trains, once that is known.
    shares: Option<Vec<f64>>,
}

impl Devices {
    /// One that trains all.
    pub fn one(device: Device) -> Self {
        Self { all: vec![device], shares: None }
    }

    /// The one that does what a single one does.
    pub fn first(&self) -> &Device {
        &self.all[0]
    }

    pub fn iter(&self) -> impl Iterator<Item = &Device> {
        self.all.iter()
    }

    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// In which ratio they share replicas.
    pub fn weights(&self) -> Vec<f64> {
        self.shares.clone().unwrap_or_else(|| vec![1.0; self.count()])
    }

    /// Whether it matters for the results which of them trains what.
    pub fn are_of_several_kinds(&self) -> bool {
        self.all.iter().any(|device| device.info() != self.first().info())
    }

    /// Lets each have a share as it is fast, measured by `speed`, where they are of several kinds and no run was begun with others.
    ///
    /// # Errors
    /// What `speed` says.
    pub fn measure(&mut self, speed: impl Fn(&Device) -> Result<f64> + Sync) -> Result<()> {
        if !self.are_of_several_kinds() || self.shares.as_ref().is_some_and(|shares| shares.len() == self.count()) {
            return Ok(());
        }
        let speeds: Vec<Result<f64>> = std::thread::scope(|scope| {
            let measured: Vec<_> = self.all.iter().map(|device| scope.spawn(|| speed(device))).collect();
            measured.into_iter().map(|speed| speed.join().unwrap_or_else(|_| bail!("a thread panicked"))).collect()
        });
        let speeds = speeds.into_iter().collect::<Result<Vec<f64>>>()?;
        let total: f64 = speeds.iter().sum();
        // Rounded, so that they are the same wherever they are written and read.
        self.shares = Some(speeds.iter().map(|speed| (speed / total * 1000.0).round() / 1000.0).collect());
        Ok(())
    }

    /// What a run's files say of them: of one kind, what they say of one.
    pub fn info(&self) -> Value {
        if !self.are_of_several_kinds() {
            return json!(self.first().info());
        }
        let of_each = self.all.iter().zip(self.weights()).map(|(device, share)| {
            let mut info = json!(device.info());
            info["share"] = json!(share);
            info
        });
        of_each.collect()
    }

    /// A line for each: which device, and why this one.
    pub fn describe(&self) -> Vec<String> {
        let describe = |(device, share): (&Device, f64)| match self.are_of_several_kinds() {
            true => format!("{}, {:.0} % of the networks", device.describe_hardware(), 100.0 * share),
            false if self.count() > 1 => device.describe_hardware(),
            false => device.describe(),
        };
        self.all.iter().zip(self.weights()).map(describe).collect()
    }
}
