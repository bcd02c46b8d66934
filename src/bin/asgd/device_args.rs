//! Which device a command uses.

use anyhow::Result;
use asgd::Device;
use clap::Args;

use crate::values::at_least_one;

#[derive(Debug, Clone, Default, Args)]
pub struct DeviceArgs {
    /// `cpu`, `gpu` (the best one), or a part of a GPU's name. [default: a discrete GPU, else an integrated one, else the CPU]
    #[arg(long, visible_alias = "adapter", value_name = "NAME")]
    pub device: Option<String>,
    /// Threads of the CPU. Results do not depend on it. [default: all that the process may use]
    #[arg(long, value_name = "N", value_parser = at_least_one::<usize>)]
    pub threads: Option<usize>,
}

impl DeviceArgs {
    /// Opens it.
    ///
    /// # Errors
    /// If there is no such device, or it cannot be opened.
    pub fn open(&self) -> Result<Device> {
        Ok(Device::open_with_threads(self.device.as_deref(), self.threads)?)
    }
}
