//! `asgd bench`

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use asgd::files::write_atomically;
use asgd::{Dataset, Device, Error, Optimizer};
use clap::Args;
use serde_json::json;

use crate::bench::measurement::Measurement;
use crate::bench::show::{self, Peaks};
use crate::bench::workload::{STANDARD, Workload, circles, images};
use crate::console::{Reporter, print_line};
use crate::data_source::folder_of;
use crate::device_args::DeviceArgs;
use crate::run::folder;
use crate::table::Table;
use crate::values::{at_least_one, positive};

#[derive(Debug, Args)]
#[command(after_help = "\
Steps of aSGD (or another optimizer) and of SGD are timed in turn; figures are medians of the rounds. GFLOP/s count zeros that are skipped as work done;
GB/s count what a step moves where nothing stays on the chip between kernels.

Examples:
  asgd bench
  asgd bench --device gpu --peak-tflops 67 --peak-gbs 3350
  asgd bench mnist-R1 mnist-R2 --rounds 9 --json")]
pub struct BenchArgs {
    /// What to time: FAMILY-RN for N replicas of mnist (784-30-20-10, batch 64), circles (2-10-10-10-10-10-1, batch 128), wide
    /// (784-512-512-10, batch 256) or wide-4096 (784-4096-4096-10, batch 1024). [default: eight of them]
    #[arg(value_name = "WORKLOAD")]
    pub workloads: Vec<Workload>,
    /// What is timed beside SGD; its learning rate is a usual one.
    #[arg(long, value_name = "NAME", default_value = "asgd")]
    pub optimizer: Optimizer,
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Pairs of measurements of each workload.
    #[arg(long, default_value_t = 5, value_parser = at_least_one::<usize>)]
    pub rounds: usize,
    /// Seconds of a measurement, 3600 at most.
    #[arg(long, default_value_t = 0.5, value_parser = seconds_of_a_measurement)]
    pub seconds: f64,
    /// What the device does at best, in TFLOP/s of 32-bit floats: adds the share of it.
    #[arg(long, value_name = "N", value_parser = positive)]
    pub peak_tflops: Option<f32>,
    /// What its memory does at best, in GB/s: adds the share of it.
    #[arg(long, value_name = "N", value_parser = positive)]
    pub peak_gbs: Option<f32>,
    /// Folder with mnist/. [default: $ASGD_DATA_DIR, else the user's data folder; without MNIST, images are made up]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Folder for bench.csv, kernels.csv, bench.md and bench.svg. [default: the next free runs/bench-N; none with --json]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print one line of JSON.
    #[arg(long)]
    pub json: bool,
}

fn seconds_of_a_measurement(text: &str) -> Result<f64, String> {
    match positive(text)? {
        seconds if seconds <= 3600.0 => Ok(seconds.into()),
        _ => Err("a measurement takes an hour at most".into()),
    }
}

/// A workload that nobody asked for is left out where a step of it would take longer than this many seconds.
const PATIENCE_SECS: f64 = 10.0;

pub fn run(args: &BenchArgs) -> Result<()> {
    let out = match (&args.out, args.json) {
        (None, true) => None,
        (None, false) => Some(folder::free("bench")),
        (Some(path), _) => Some(path.clone()),
    };
    // Before anything is measured.
    if let Some(out) = &out {
        if out.exists() && !out.is_dir() {
            let problem = format!("{} is a file; name a folder", out.display());
            return Err(Error::Setting { setting: "--out", problem }.into());
        }
        // A folder can be made there; it stays only with something in it.
        make_folder(out)?;
        let _ = std::fs::remove_dir(out);
    }
    let (device, measurements) = measure(args)?;
    let description = device.describe_hardware();
    let peaks = Peaks { tflops: args.peak_tflops.map(f64::from), gigabytes_per_second: args.peak_gbs.map(f64::from) };
    let (version, rounds, seconds) = (env!("CARGO_PKG_VERSION"), args.rounds, args.seconds);
    let caption = format!("asgd {version} on {description}: medians of {rounds} rounds of {seconds} s.");
    let table = show::table(&caption, args.optimizer, &measurements, peaks);
    let kernels = show::kernels(args.optimizer, &measurements);
    // Files first: nobody may be reading what is printed.
    let written = match &out {
        Some(out) => write(out, &table, kernels.as_ref(), show::figure(&description, args.optimizer, &measurements)?)?,
        None => String::new(),
    };
    if args.json {
        let document = json!({
            "version": version,
            "device": device.info(),
            "description": description,
            "optimizer": args.optimizer.to_string(),
            "rounds": rounds,
            "seconds": seconds,
            "peak_tflops": args.peak_tflops,
            "peak_gbs": args.peak_gbs,
            "workloads": measurements.iter().map(Measurement::json).collect::<Vec<_>>(),
        });
        return print_line(&document.to_string());
    }
    for table in [Some(&table.without(&show::WIDE)), kernels.as_ref()].into_iter().flatten() {
        print_line(&format!("\n{}", table.text()))?;
    }
    print_line(&format!("\n{written}"))
}

fn make_folder(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).with_context(|| format!("{}: cannot be made", path.display()))
}

/// Writes all files, and says which.
fn write(out: &Path, table: &Table, kernels: Option<&Table>, figure: String) -> Result<String> {
    make_folder(out)?;
    let markdown: Vec<String> = [Some(table), kernels].into_iter().flatten().map(Table::markdown).collect();
    let mut files = vec![("bench.csv", table.csv()?), ("bench.md", markdown.join("\n")), ("bench.svg", figure)];
    match kernels {
        Some(kernels) => files.push(("kernels.csv", kernels.csv()?)),
        // Of an earlier run on another device.
        None => remove_if_there(&out.join("kernels.csv"))?,
    }
    for (name, text) in &files {
        write_atomically(&out.join(name), text.as_bytes())?;
    }
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    Ok(format!("{}: {}", out.display(), names.join(", ")))
}

fn remove_if_there(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error).with_context(|| path.display().to_string()),
        _ => Ok(()),
    }
}

/// All workloads, each once, one after the other; those that are left out are named.
fn measure(args: &BenchArgs) -> Result<(Device, Vec<Measurement>)> {
    let device = args.device.open()?;
    let report = Reporter { quiet: args.json };
    report.line(&format!("device   {}", device.describe_hardware()));
    let all_asked_for = !args.workloads.is_empty();
    let named: Vec<Workload> = match all_asked_for {
        true => args.workloads.clone(),
        false => STANDARD.iter().map(|name| name.parse()).collect::<Result<_, _>>().map_err(anyhow::Error::msg)?,
    };
    let mut workloads: Vec<Workload> = Vec::new();
    for workload in named {
        if !workloads.contains(&workload) {
            workloads.push(workload);
        }
    }
    let images = match workloads.iter().any(Workload::is_of_images) {
        true => Some(find_images(args.data_dir.as_deref(), &report)?),
        false => None,
    };
    let circles = circles()?;
    let mut measurements: Vec<Measurement> = Vec::new();
    for (index, workload) in workloads.iter().enumerate() {
        // No faster than at its best yet.
        let best = measurements.iter().map(Measurement::gflops).fold(0.0, f64::max);
        let expected_secs = workload.operations_per_step() / best / 1e9;
        if !all_asked_for && best > 0.0 && expected_secs > PATIENCE_SECS {
            report.line(&format!("{} is left out: a step takes some {expected_secs:.0} s here", workload.name));
            continue;
        }
        report.line(&format!("{} ({} of {})", workload.name, index + 1, workloads.len()));
        let data = images.as_ref().filter(|_| workload.is_of_images()).unwrap_or(&circles);
        match Measurement::of(workload, args.optimizer, &device, data, args.rounds, args.seconds) {
            Ok(measured) => measurements.push(measured),
            Err(error @ (Error::Limit { .. } | Error::OutOfMemory(_) | Error::Memory { .. })) if !all_asked_for => {
                report.line(&format!("{} is left out: {error}", workload.name));
            }
            Err(error) => return Err(error).context(workload.name.clone()),
        }
    }
    if device.compiles_kernels() && measurements.iter().all(|measured| measured.kernels.is_empty()) {
        report.line("kernels  not timed: the device has no timestamps");
    }
    Ok((device, measurements))
}

/// MNIST, or images that number as many zeros.
fn find_images(data_dir: Option<&Path>, report: &Reporter) -> Result<Dataset> {
    let folder = match folder_of("mnist", data_dir) {
        Err(error) if data_dir.is_some() => return Err(error),
        found => found.ok(),
    };
    match &folder {
        Some(folder) => report.line(&format!("data     {}", folder.display())),
        None => {
            report.line("data     made up, for there is no MNIST (asgd data fetch mnist): its share of zeros, anywhere")
        }
    }
    Ok(images(folder.as_deref())?)
}
