//! `asgd train`

mod args;
mod introduction;
mod job;
mod optimizer;
mod plan;
mod watch;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use asgd::dataset::{Prepared, Scales};
use asgd::{Dataset, Device, Error, Init, Model, memory};
use clap::Parser;
use serde_json::{Value, json};

pub use self::args::TrainArgs;
use self::introduction::{describe_course, describe_networks, introduce};
use self::job::Job;
use self::plan::{cells, lengths, rates, seeds};
use crate::console::{Reporter, announce};
use crate::data_source::{open_for_training, short_name};
use crate::device_args::DeviceArgs;
use crate::run::folder::{self, Folder, Opening};
use crate::run::health::Health;
use crate::run::identity::Identity;
use crate::run::memory::Demand;
use crate::run::pace::speed;
use crate::run::{interrupt, outcome, outputs, signals};
use crate::sweep::cells::Cell;
use crate::sweep::groups::{CellTrained, groups};
use crate::sweep::results::Sweep;
use crate::usage;

/// Warnings that the terminal hears; run.json has all.
const WARNINGS_SAID: usize = 20;

pub fn run(args: &TrainArgs) -> Result<()> {
    signals::install();
    match &args.resume {
        Some(path) => {
            let opening = Opening::Resume { any_device: args.force };
            let path = std::path::absolute(path)?;
            signals::set_last_words(&resume_with(&path));
            let mut earlier = arguments(&path)?;
            let extents = earlier.extended.len();
            if let Some(extent) = args.extent() {
                earlier.check_extensible(extent.option())?;
            }
            earlier.extended.extend(args.extent());
            let device = args.device.or(earlier.device);
            train(&TrainArgs { device, quiet: args.quiet, json: args.json, ..earlier }, path, opening, extents)
        }
        None => {
            let path = args.out.clone().unwrap_or_else(|| folder::free(&short_name(&args.dataset)));
            let path = folder::of_first(path)?;
            train(args, path, Opening::Replace, 0)
        }
    }
}

fn resume_with(path: &Path) -> String {
    format!("resume with: asgd train --resume {}", path.display())
}

/// Trains the run in a folder once more from its beginning, silently, into another folder.
///
/// # Errors
/// If there is none, or it cannot be trained here.
pub fn again(run: &Path, device: &DeviceArgs, out: PathBuf) -> Result<()> {
    signals::install();
    let earlier = arguments(run)?;
    let extents = earlier.extended.len();
    let device = device.or(earlier.device);
    let trained = train(&TrainArgs { device, quiet: true, json: false, ..earlier }, out, Opening::Replace, extents);
    match trained {
        Err(_) if interrupt::requested() => bail!("interrupted"),
        trained => trained,
    }
}

/// The arguments of the run in a folder; its relative paths are from where it was started.
///
/// # Errors
/// If there is none, or what it says makes no sense.
pub fn arguments(path: &Path) -> Result<TrainArgs> {
    let settings = folder::settings(path)?;
    let no_run = || format!("{}: holds no training that could be resumed", path.display());
    let words = settings["arguments"]["command"].as_array().with_context(no_run)?;
    let words: Vec<String> = words.iter().filter_map(Value::as_str).map(String::from).collect();
    // The words are `asgd train ...`; clap takes the first of those it gets for the program's name.
    if words.get(1).is_none_or(|command| command != "train") {
        bail!(no_run());
    }
    let parsed = usage::with_negative_values(words[1..].iter().map(OsString::from));
    let args = TrainArgs::try_parse_from(parsed).ok().with_context(no_run)?;
    let extended = match &settings["arguments"]["extended"] {
        Value::Null => Vec::new(),
        extended => serde_json::from_value(extended.clone()).ok().with_context(no_run)?,
    };
    if let Some(directory) = settings["arguments"]["directory"].as_str() {
        // Gone or moved: absolute paths do not need it, and others will be missed by name.
        let _ = std::env::set_current_dir(directory);
    }
    // Unless it is told otherwise, a run resumes on the device that it was started on.
    let of_run = DeviceArgs::of_run(&settings["device"]);
    let device = DeviceArgs { shares: of_run.shares.clone(), ..args.device.or(of_run) };
    let padded = settings["settings"]["padded"].as_bool();
    Ok(TrainArgs { words, extended, padded, device, ..args })
}

/// What is found out before anything is trained, on data that stand for others.
#[cfg(test)]
pub fn planned(args: &TrainArgs, device: &Device, dataset: &Dataset) -> Result<()> {
    let rules = args.rules()?;
    let cells = cells(args, dataset, None)?;
    let lengths = lengths(args, dataset, &cells, &args.extended)?;
    rates(args, &cells, &lengths, rules)?;
    let (groups, replicas, has_rules) = (groups(&cells, false), args.replicas, rules.is_some());
    Demand {
        devices: &crate::device_args::Devices::one(device.clone()),
        dataset,
        cells: &cells,
        groups: &groups,
        lengths: &lengths,
        replicas,
        shard: args.shard,
        has_rules,
    }
    .check()?;
    Ok(())
}

/// The first `extents` of the extents are those that the run had before.
fn train(args: &TrainArgs, path: PathBuf, opening: Opening, extents: usize) -> Result<()> {
    let start = Instant::now();
    // Settings first, then data, then the device: nothing is written before all three are sound.
    folder::check(&path)?;
    let rules = args.rules()?;
    let from_file = match &args.init {
        Init::File(path) => Some(Model::load(path)?),
        _ => None,
    };
    let scales = Scales { inputs: args.scale, targets: args.target_scale };
    let Prepared { dataset, record, notes } =
        open_for_training(&args.dataset, &args.data, scales, args.validation_share(), from_file.as_ref())?;
    if let Some(rules) = rules {
        rules.criterion.check(dataset.loss())?;
    }
    let cells = cells(args, &dataset, from_file.as_ref().map(Model::spec))?;
    let earlier_lengths = lengths(args, &dataset, &cells, &args.extended[..extents])?;
    let lengths = lengths(args, &dataset, &cells, &args.extended)?;
    let rates = rates(args, &cells, &lengths, rules)?;
    let mut devices = args.device.open_all(args.data_parallel)?;
    let device = devices.first().clone();
    // Checkpoints belong to groups: a run that was begun keeps its own, on whatever device.
    let padded = args.padded.unwrap_or(device.prefers_padding());
    let groups = groups(&cells, padded);
    let demand = Demand {
        devices: &devices,
        dataset: &dataset,
        cells: &cells,
        groups: &groups,
        lengths: &lengths,
        replicas: args.replicas,
        shard: args.shard,
        has_rules: rules.is_some(),
    };
    let predicted_bytes = demand.check()?;
    let seeds = seeds(args)?;
    let initial = |cell: &Cell| {
        let mut initial = args.init.model(&cell.spec, &seeds)?;
        initial.class_names = dataset.class_names.clone();
        initial.data = record.clone();
        Ok(initial)
    };
    let initials: Vec<Model> = cells.iter().map(initial).collect::<Result<_>>()?;

    let mut first = groups[0].training_settings(&cells, args.order, &rates, &seeds);
    // All measure at once, and should together take no more memory than the training.
    first.replicas.truncate(first.replicas.len().div_ceil(devices.count()));
    devices.measure(|device| speed(device, &dataset, &groups[0].initial(&initials), &first))?;
    if args.shard.is_some() && devices.are_of_several_kinds() {
        let problem = "devices of several kinds give other bits in a part than in the whole; name devices of one kind";
        return Err(Error::Setting { setting: "--shard", problem: problem.into() }.into());
    }
    let report = Reporter { quiet: args.quiet };
    introduce(args, &report, &devices, &dataset, &initials[0], &notes);
    describe_networks(args, &report, &cells, &groups);
    describe_course(args, &report, &rates, rules);

    let identity = Identity {
        devices: &devices,
        dataset: &dataset,
        cells: &cells,
        rates: &rates,
        initials: &initials,
        replicas: args.replicas,
        seed: args.seed,
        init: args.init.to_string(),
        order: args.order.to_string(),
        schedule: args.schedule.to_string(),
        rules,
        padded,
        arguments: json!({
            "directory": std::env::current_dir().ok(), "command": args.words, "extended": args.extended,
        }),
    };
    let settings = identity.json(&lengths);
    let folder = if lengths == earlier_lengths {
        Folder::open(path, &settings, opening)?
    } else {
        let folder = Folder::open(path, &identity.json(&earlier_lengths), opening)?;
        folder.change_settings(&settings)?;
        folder
    };
    let folder = folder.of_shard(args.shard)?;
    let job = Job {
        args,
        dataset: &dataset,
        devices: &devices,
        folder: &folder,
        report: &report,
        cells: &cells,
        lengths: &lengths,
        rates: &rates,
        rules,
    };
    signals::set_last_words(&resume_with(folder.path()));
    let trained = match job.train(&groups, &initials, &seeds) {
        Ok(trained) => trained,
        Err(error) if interrupt::requested() => {
            bail!("{error:#}; {}", resume_with(folder.path()))
        }
        Err(error) => {
            folder.discard_if_empty();
            return Err(error);
        }
    };
    drop(initials);
    let Some(trained) = trained else { return outcome::finish_shard(&folder, args.quiet, args.json) };
    let sweep = (cells.len() > 1).then(|| Sweep::new(&cells, &lengths, &trained, rules));
    let mut result = match &sweep {
        None => outcome::of(&cells[0].spec, &trained[0], &lengths[0], rules),
        Some(sweep) => sweep.json(),
    };
    result["dataset"] = json!(args.dataset);
    if sweep.is_none() {
        result["steps"] = json!(lengths[0].steps);
        result["epochs"] = json!(lengths[0].epoch(lengths[0].steps));
    }
    result["seconds"] = json!(start.elapsed().as_secs_f64());
    let warnings = warnings(&device, &dataset, &cells, &trained, &mut result)?;
    job.write_networks(&trained)?;
    let sha256 = outputs::sha256(folder.path(), cells.len())?;
    result["sha256"] = json!(sha256);
    let mut document = settings;
    document["finished_unix_seconds"] =
        json!(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()));
    document["memory"] = json!({ "predicted_bytes": predicted_bytes, "peak_bytes": memory::peak() });
    document["result"] = result.clone();
    job.write_results(&trained, sweep.as_ref(), &document, &notes)?;
    for warning in warnings.iter().take(WARNINGS_SAID) {
        report.line(&format!("warning  {warning}"));
    }
    if warnings.len() > WARNINGS_SAID {
        report.line(&format!("warning  ... and {} more in run.json", warnings.len() - WARNINGS_SAID));
    }
    match (args.json, args.quiet, &sweep) {
        (true, ..) => {
            result["out"] = json!(folder.path());
            announce(&result.to_string());
        }
        (false, true, _) => {}
        (false, false, None) => outcome::say(dataset.loss(), &result, &folder),
        (false, false, Some(sweep)) => sweep.say(&result, &folder),
    }
    if !args.json && !args.quiet {
        announce(&format!("sha256 {sha256} of {}", outputs::files(cells.len())));
    }
    Ok(())
}

/// What is wrong with the networks, a line each; `result` gets the replicas.
fn warnings(
    device: &Device,
    dataset: &Dataset,
    cells: &[Cell],
    trained: &[CellTrained],
    result: &mut Value,
) -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    for (index, cell) in trained.iter().enumerate() {
        let health = Health::of(device, dataset, cell)?;
        let result = match cells.len() {
            1 => &mut *result,
            _ => &mut result["cells"][index],
        };
        result["dead_replicas"] = json!(health.dead.iter().map(|(replica, _)| replica).collect::<Vec<_>>());
        result["constant_replicas"] = json!(health.constant.iter().map(|(replica, _)| replica).collect::<Vec<_>>());
        let mut lines = health.lines(&cell.model);
        let diverged = result["diverged_replicas"].as_array().map_or(0, Vec::len);
        // A run that is no sweep says it with its result.
        if cells.len() > 1 && diverged > 0 {
            let of = cell.trajectories.len();
            lines.insert(
                0,
                format!("{diverged} of {of} replicas diverged ({}); try a lower --lr", outcome::diverged_at(result)),
            );
        }
        match cells.len() {
            1 => warnings.extend(lines),
            _ => warnings.extend(lines.into_iter().map(|line| format!("cell {}: {line}", index + 1))),
        }
    }
    result["warnings"] = json!(warnings);
    Ok(warnings)
}
