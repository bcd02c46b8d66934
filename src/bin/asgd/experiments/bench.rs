//! What the experiments share: their options, their folder, their words.

use std::path::PathBuf;

use anyhow::Result;
use asgd::{Dataset, Device, Error, Gradient, Optimizer};
use clap::Args;
use maud::{Markup, html};
use serde_json::{Value, json};

use crate::console::{Reporter, announce};
use crate::device_args::{DeviceArgs, Devices};
use crate::figures::{BLUE, VERMILION};
use crate::report::Report;
use crate::run::folder::{self, Folder, Opening};
use crate::run::shard::Shard;
use crate::run::signals;
use crate::usage;

/// Options of every experiment.
#[derive(Debug, Args)]
pub struct CommonArgs {
    /// Seed of the first repeat; repeat r has seed SEED + r.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Folder of the experiment; what is trained there already is not trained again. [default: runs/experiment-NUMBER]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Print nothing but errors.
    #[arg(long, short)]
    pub quiet: bool,
}

/// Both optimizers, in the order of every table and figure.
pub const OPTIMIZERS: [Optimizer; 2] = [Optimizer::ASGD, Optimizer::SGD];

/// As the paper writes them.
pub fn shown(optimizer: Optimizer) -> &'static str {
    match optimizer.gradient {
        Gradient::Effective => "aSGD",
        Gradient::Mean => "SGD",
    }
}

pub fn color(optimizer: Optimizer) -> plotters::style::RGBColor {
    match optimizer.gradient {
        Gradient::Effective => BLUE,
        Gradient::Mean => VERMILION,
    }
}

/// What an experiment works with.
pub struct Bench {
    pub devices: Devices,
    pub folder: Folder,
    pub report: Reporter,
}

impl Bench {
    /// Opens device and folder, that of a part where it is one. Whatever decides the results is in the settings.
    pub fn open(number: u32, common: &CommonArgs, shard: Option<Shard>, data: &[&Dataset], own: Value) -> Result<Self> {
        let devices = common.device.open_all(false)?;
        if devices.are_of_several_kinds() {
            let problem = "experiments are for devices of one kind, which all give the same bits";
            return Err(Error::Setting { setting: "--device", problem: problem.into() }.into());
        }
        let settings = json!({
            "experiment": number,
            "asgd_version": env!("CARGO_PKG_VERSION"),
            "device": devices.info(),
            "machine": devices.describe().join("; "),
            "data": data.iter().map(|data| json!({ "name": data.name, "sha256": data.sha256() })).collect::<Vec<_>>(),
            "settings": own,
            "arguments": { "directory": std::env::current_dir().ok(), "command": usage::words() },
        });
        let path = common.out.clone().unwrap_or_else(|| PathBuf::from(format!("runs/experiment-{number}")));
        let folder = Folder::open(folder::of_first(path)?, &settings, Opening::Continue)?.of_shard(shard)?;
        signals::set_last_words("the same command resumes it");
        let report = Reporter { quiet: common.quiet };
        for device in devices.describe() {
            report.line(&format!("device   {device}"));
        }
        for data in data {
            report.line(&format!(
                "data     {}: {} training and {} test samples",
                data.name,
                data.train.len(),
                data.test.len()
            ));
        }
        report.line(&format!(
            "folder   {}; after an interruption the same command resumes there",
            folder.path().display()
        ));
        Ok(Self { devices, folder, report })
    }

    /// The one that does what a single one does.
    pub fn device(&self) -> &Device {
        self.devices.first()
    }

    /// The end of an experiment: where to look.
    pub fn finish(&self, report: &Report) -> Result<()> {
        report.save(&self.folder)?;
        if !self.report.quiet {
            announce(&format!(
                "{}: its figures and tables are beside it",
                self.folder.path().join("report.html").display()
            ));
        }
        Ok(())
    }

    /// The command for the paper's size and what it would take here.
    pub fn announce(&self, command: &str, replica_steps: f64, seconds_per_replica_step: f64) {
        if self.report.quiet {
            return;
        }
        announce(&format!(
            "the paper's size: {command}; about {} on this device ({:.1} us a step of a replica, as measured, with evaluations)",
            duration(replica_steps * seconds_per_replica_step),
            seconds_per_replica_step * 1e6
        ));
    }
}

/// The device, for a report.
pub fn device_line(device: &Device) -> Markup {
    html! { p { "Trained on " (device.info()) ", by asgd " (env!("CARGO_PKG_VERSION")) "." } }
}

/// Refuses seeds that leave no room for the replicas.
pub fn check_seed(seed: u64, replicas: usize) -> Result<()> {
    if seed.checked_add(replicas as u64).is_none() {
        let problem = format!("{seed} leaves no room for {replicas} replicas");
        return Err(Error::Setting { setting: "--seed", problem }.into());
    }
    Ok(())
}

/// ε as the options take it: 1e-8, 1.
pub fn scientific(epsilon: f32) -> String {
    if epsilon > 0.0 && epsilon < 1e-3 { format!("{epsilon:e}") } else { epsilon.to_string() }
}

/// Seconds as people say them.
fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} seconds"),
        s if s < 2.0 * 3600.0 => format!("{:.0} minutes", s / 60.0),
        s if s < 2.0 * 86_400.0 => format!("{:.1} hours", s / 3600.0),
        s => format!("{:.1} days", s / 86_400.0),
    }
}
