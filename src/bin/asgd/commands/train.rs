//! `asgd train`

use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{bail, Context, Result};
use asgd::dataset::{Prepared, Scale};
use asgd::{
    memory, Dataset, Device, Error, Init, Model, NetworkSpec, Optimizer, Order, ReplicaSettings, TrainSettings,
};
use clap::Parser;
use indicatif::ProgressBar;
use serde_json::{json, Value};
use sha2::{Digest, Sha256};

use crate::console::{print_line, Reporter};
use crate::data_source::{is_small, is_table, open_for_training, short_name, DataArgs};
use crate::device_args::DeviceArgs;
use crate::run::chunks::{Observer, SaveEvery, Trained, Training};
use crate::run::curve::learning_curve;
use crate::run::folder::{self, Folder, Opening};
use crate::run::health::Health;
use crate::run::metrics::{Point, Trajectories};
use crate::run::{interrupt, metrics, outcome};
use crate::values::{at_least_one, hidden, not_negative, positive, Hidden};

#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  asgd train                                          concentric circles, needs no file
  asgd train spirals --optimizer sgd --lr 0.3 --epochs 400
  asgd train mnist --hidden 30,20 --epochs 10 --replicas 8 --out runs/first
  asgd train mnist --init start.safetensors --order sequential --steps 5
  asgd train --resume runs/first                      after Ctrl-C, a crash, a power cut")]
pub struct TrainArgs {
    /// circles, spirals, mnist, fashion-mnist, kmnist, a folder of IDX files, a table (.csv, .tsv, .txt, .data, plain or .gz;
    /// .parquet, .arrow) or an .npz file.
    #[arg(default_value = "circles")]
    pub dataset: String,

    /// Widths of the hidden layers, separated by commas; `none` for no hidden layer.
    /// [default: those of the --init file, else 30,20 for images and 10,10 for points]
    #[arg(long, value_name = "WIDTHS", value_parser = hidden)]
    pub hidden: Option<Hidden>,
    /// asgd or sgd.
    #[arg(long, default_value = "asgd")]
    pub optimizer: Optimizer,
    /// Learning rate. [default: 0.01 for asgd, 0.1 for sgd]
    #[arg(long, value_name = "RATE", value_parser = positive)]
    pub lr: Option<f32>,
    /// epsilon in S / (c + epsilon) of aSGD; 1 is the paper's literal reading.
    #[arg(long, default_value = "1e-8", value_parser = not_negative::<f32>)]
    pub epsilon: f32,
    /// Samples of a mini-batch. [default: 64, or all of a smaller training set]
    #[arg(long, value_name = "SAMPLES", value_parser = at_least_one::<usize>)]
    pub batch_size: Option<usize>,
    /// What is done to the inputs; stays with the model: none, standard, maxabs or pixels (divided by 255).
    /// [default: that of the --init file, else what suits a table, and none for images and points]
    #[arg(long, value_name = "SCALE")]
    pub scale: Option<Scale>,
    /// Passes over the training set. [default: 10 for images, 200 for points and tables, of small tables as many as make
    /// 2,000 steps]
    #[arg(long, value_name = "N", value_parser = at_least_one::<u64>, conflicts_with = "steps")]
    pub epochs: Option<u64>,
    /// Steps, instead of epochs.
    #[arg(long, value_name = "N", value_parser = at_least_one::<u64>)]
    pub steps: Option<u64>,
    /// Networks to train side by side.
    #[arg(long, value_name = "R", default_value_t = 1, value_parser = at_least_one::<usize>)]
    pub replicas: usize,
    /// Seed of the first replica; replica r has seed SEED + r.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Initial weights: kaiming, glorot, pytorch, normal:STD or a FILE.safetensors.
    #[arg(long, value_name = "INIT", default_value = "kaiming")]
    pub init: Init,
    /// Order of the samples: shuffled anew every epoch, or sequential.
    #[arg(long, default_value = "shuffled")]
    pub order: Order,
    /// Evaluate every N epochs, besides the start and the end. [default: about 50 times in all]
    #[arg(long, value_name = "N", value_parser = at_least_one::<u64>)]
    pub eval_every: Option<u64>,

    /// Save a checkpoint every N epochs, besides the end, Ctrl-C and SIGTERM. [default: every 15 s]
    #[arg(long, value_name = "N", value_parser = at_least_one::<u64>)]
    pub checkpoint_every: Option<u64>,
    /// Resume the run in DIR from its last checkpoint, bit for bit, with the arguments that it was started with.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["dataset", "hidden", "optimizer", "lr", "epsilon", "batch_size",
        "epochs", "steps", "replicas", "seed", "init", "order", "eval_every", "checkpoint_every", "out", "data_dir",
        "label", "test", "test_fraction", "classes", "samples", "factor", "noise", "data_seed", "header", "drop", "delimiter",
        "keep_index", "drop_missing", "force_classes", "scale"])]
    pub resume: Option<PathBuf>,
    /// Resume on another device or driver than the run was started on; the last bits may then differ.
    #[arg(long, requires = "resume")]
    pub force: bool,

    /// Run folder. An earlier run there is replaced. [default: runs/DATASET-NUMBER, the next free one]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    #[command(flatten)]
    pub device: DeviceArgs,
    /// Print nothing but errors (and the line of --json).
    #[arg(long, short)]
    pub quiet: bool,
    /// Print the result as one line of JSON on stdout.
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub data: DataArgs,

    /// The command line as it was given.
    #[arg(skip = std::env::args().collect::<Vec<_>>())]
    pub words: Vec<String>,
}

pub fn run(args: &TrainArgs) -> Result<()> {
    interrupt::install();
    match &args.resume {
        Some(path) => {
            let opening = Opening::Resume { any_device: args.force };
            let path = std::path::absolute(path)?;
            let earlier = arguments(&path)?;
            let device = DeviceArgs { device: args.device.device.clone().or(earlier.device.device), ..args.device };
            train(&TrainArgs { device, quiet: args.quiet, json: args.json, ..earlier }, path, opening)
        }
        None => {
            let path = args.out.clone().unwrap_or_else(|| folder::free(&short_name(&args.dataset)));
            train(args, path, Opening::Replace)
        }
    }
}

/// The arguments of the run in a folder; its relative paths are from where it was started.
fn arguments(path: &Path) -> Result<TrainArgs> {
    let settings = folder::settings(path)?;
    let no_run = || format!("{}: holds no training that could be resumed", path.display());
    let words = settings["arguments"]["command"].as_array().with_context(no_run)?;
    let words: Vec<String> = words.iter().filter_map(Value::as_str).map(String::from).collect();
    // The words are `asgd train ...`; clap takes the first of those it gets for the program's name.
    if words.get(1).is_none_or(|command| command != "train") {
        bail!(no_run());
    }
    let args = TrainArgs::try_parse_from(&words[1..]).ok().with_context(no_run)?;
    if let Some(directory) = settings["arguments"]["directory"].as_str() {
        // Gone or moved: absolute paths do not need it, and others will be missed by name.
        let _ = std::env::set_current_dir(directory);
    }
    // Unless it is told otherwise, a run resumes on the device that it was started on.
    let name = args.device.device.or_else(|| settings["device"]["name"].as_str().map(String::from));
    Ok(TrainArgs { words, device: DeviceArgs { device: name, ..args.device }, ..args })
}

fn train(args: &TrainArgs, path: PathBuf, opening: Opening) -> Result<()> {
    let start = Instant::now();
    // Settings first, then data, then the device: nothing is written before all three are sound.
    folder::check(&path)?;
    let from_file = match &args.init {
        Init::File(path) => Some(Model::load(path)?),
        _ => None,
    };
    let Prepared { dataset, record, notes } =
        open_for_training(&args.dataset, &args.data, args.scale, from_file.as_ref())?;
    let from_file = from_file.as_ref().map(Model::spec);
    let spec = network(args, &dataset, from_file)?;
    let batch_size = batch_size(args, &dataset)?;
    let schedule = Schedule::new(args, &dataset, batch_size)?;
    check_memory(args, &spec, &schedule)?;
    let replicas = replica_settings(args)?;
    let seeds: Vec<u64> = replicas.iter().map(|replica| replica.seed).collect();
    let mut initial = args.init.model(&spec, &seeds)?;
    initial.class_names = dataset.class_names.clone();
    initial.data = record;
    let device = args.device.open()?;

    let report = Reporter { quiet: args.quiet };
    report.line(&format!("device   {}", device.describe()));
    report.line(&format!(
        "data     {}: {} training and {} test samples, {} features, {} classes",
        dataset.name,
        dataset.train.len(),
        dataset.test.len(),
        dataset.features(),
        dataset.classes
    ));
    if let Some(table) = &initial.data.table {
        report.line(&format!("data     {}: {}", args.dataset, table.describe()));
    }
    for note in &notes {
        report.line(&format!("data     {note}"));
    }
    report.line(&format!(
        "network  {}, {} parameters, {} replica{}, {}, lr {}",
        spec.widths().iter().map(usize::to_string).collect::<Vec<_>>().join("-"),
        spec.parameter_count(),
        args.replicas,
        if args.replicas == 1 { "" } else { "s" },
        args.optimizer,
        replicas[0].learning_rate
    ));

    let settings = identity(args, &device, &dataset, &initial, &replicas, &schedule, batch_size)?;
    let folder = Folder::open(path, &settings, opening)?;
    let training = Training {
        name: "replicas",
        dataset: &dataset,
        initial,
        settings: TrainSettings { batch_size, order: args.order, replicas },
        steps: schedule.steps,
        evaluate_every: schedule.evaluate_every,
        save: match args.checkpoint_every {
            Some(epochs) => SaveEvery::Steps(epochs.saturating_mul(schedule.steps_per_epoch)),
            None => SaveEvery::Time(std::time::Duration::from_secs(15)),
        },
    };
    let mut observer =
        Watch { report: &report, folder: &folder, spec: &spec, steps_per_epoch: schedule.steps_per_epoch };
    let trained = match training.run(&device, &folder, &report, &mut observer) {
        Ok(trained) => trained,
        Err(error) if interrupt::requested() => {
            bail!("{error:#}; resume with: asgd train --resume {}", folder.path().display())
        }
        Err(error) => {
            folder.discard_if_empty();
            return Err(error);
        }
    };
    let seconds = start.elapsed().as_secs_f64();
    let mut result = outcome::of(&spec, &trained.trajectories);
    result["dataset"] = json!(args.dataset);
    result["steps"] = json!(schedule.steps);
    result["epochs"] = json!(schedule.steps as f64 / schedule.steps_per_epoch as f64);
    result["seconds"] = json!(seconds);
    let health = Health::of(&device, &dataset, &trained.model, &trained.trajectories)?;
    let warnings = health.lines(&trained.model);
    result["dead_replicas"] = json!(health.dead.iter().map(|(replica, _)| replica).collect::<Vec<_>>());
    result["constant_replicas"] = json!(health.constant.iter().map(|(replica, _)| replica).collect::<Vec<_>>());
    result["warnings"] = json!(warnings);
    write_results(&folder, &training, &trained, &schedule, &title(args, &dataset, &spec, batch_size))?;
    let mut document = settings;
    document["finished_unix_seconds"] =
        json!(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()));
    document["result"] = result.clone();
    folder.write("run.json", &(serde_json::to_string_pretty(&document)? + "\n"))?;
    for warning in &warnings {
        report.line(&format!("warning  {warning}"));
    }
    match (args.json, args.quiet) {
        (true, _) => {
            result["out"] = json!(folder.path());
            print_line(&result.to_string())
        }
        (false, true) => Ok(()),
        (false, false) => outcome::say(&result, &folder),
    }
}

/// The one that was asked for, which must fit; else 64, or all of a smaller training set.
fn batch_size(args: &TrainArgs, dataset: &Dataset) -> Result<usize> {
    let samples = dataset.train.len();
    match args.batch_size {
        Some(size) if size > samples => {
            let problem = format!("{size} samples, but the training set of {} has {samples}", dataset.name);
            Err(Error::Setting { setting: "--batch-size", problem }.into())
        }
        Some(size) => Ok(size),
        None => Ok(samples.min(64)),
    }
}

/// The files of a finished run but run.json, which says that all are there.
fn write_results(
    folder: &Folder,
    training: &Training<'_>,
    trained: &Trained,
    schedule: &Schedule,
    title: &str,
) -> Result<()> {
    let Trained { trajectories, model, counts, .. } = trained;
    model.save(&folder.path().join("model.safetensors"))?;
    counts.save(&folder.path().join("counts.safetensors"))?;
    folder.write("learning_curve.svg", &learning_curve(title, trajectories, schedule.steps_per_epoch)?)?;
    let metrics = metrics::csv(training.initial.spec(), schedule.steps_per_epoch, trajectories.iter())?;
    folder.write("metrics.csv", &metrics)
}

/// Tells the terminal, and keeps metrics.csv up with the checkpoints.
struct Watch<'a> {
    report: &'a Reporter,
    folder: &'a Folder,
    spec: &'a NetworkSpec,
    steps_per_epoch: u64,
}

impl Observer for Watch<'_> {
    fn evaluated(&mut self, progress: &ProgressBar, chunk: &Trajectories) {
        let last: Vec<&Point> = chunk.iter().filter_map(|points| points.last()).collect();
        let Some(first) = last.first() else { return };
        let mean = |value: fn(&Point) -> f64| last.iter().map(|point| value(point)).sum::<f64>() / last.len() as f64;
        let line = format!(
            "epoch {:>5}  train loss {:.4} accuracy {:.4}  test loss {:.4} accuracy {:.4}",
            (first.step as f64 / self.steps_per_epoch as f64 * 100.0).round() / 100.0,
            mean(|point| point.train.loss),
            mean(|point| point.train.accuracy),
            mean(|point| point.test.loss),
            mean(|point| point.test.accuracy)
        );
        self.report.above(progress, &line);
    }

    fn saved(&mut self, finished: &Trajectories, chunk: &Trajectories) -> Result<()> {
        let metrics = metrics::csv(self.spec, self.steps_per_epoch, finished.iter().chain(chunk))?;
        self.folder.write("metrics.csv", &metrics)
    }
}

/// When to stop and when to evaluate, in steps.
struct Schedule {
    steps: u64,
    steps_per_epoch: u64,
    evaluate_every: u64,
}

impl Schedule {
    fn new(args: &TrainArgs, dataset: &Dataset, batch_size: usize) -> Result<Self> {
        let steps_per_epoch = dataset.train.len().div_ceil(batch_size) as u64;
        let epochs = args.epochs.unwrap_or_else(|| default_epochs(&args.dataset, steps_per_epoch));
        let too_many = || Error::Setting { setting: "--epochs", problem: "more steps than can be counted".into() };
        let steps = match args.steps {
            Some(steps) => steps,
            None => epochs.checked_mul(steps_per_epoch).ok_or_else(too_many)?,
        };
        // The epoch keys the permutation as a 32-bit number.
        if steps / steps_per_epoch > u64::from(u32::MAX) {
            return Err(too_many().into());
        }
        let every = args.eval_every.unwrap_or_else(|| (steps / steps_per_epoch / 50).max(1));
        Ok(Self { steps, steps_per_epoch, evaluate_every: every.saturating_mul(steps_per_epoch) })
    }
}

/// Images have many samples, of which a few passes make a network; tables and points few.
fn default_epochs(dataset: &str, steps_per_epoch: u64) -> u64 {
    const STEPS_OF_A_TABLE: u64 = 2000;
    match (is_small(dataset), is_table(dataset)) {
        (true, true) => STEPS_OF_A_TABLE.div_ceil(steps_per_epoch).max(200),
        (true, false) => 200,
        (false, _) => 10,
    }
}

/// Refuses more replicas than memory can hold, before anything is allocated for them.
fn check_memory(args: &TrainArgs, spec: &NetworkSpec, schedule: &Schedule) -> Result<()> {
    // Four values for each parameter: the initial, those in training, the final, the counts. And at least one replica at a
    // time has as many on the device.
    let parameters = 4 * 4 * spec.arena_stride() as u128;
    let evaluations = u128::from(schedule.steps / schedule.evaluate_every) + 2;
    let of_evaluation = size_of::<Point>() + spec.hidden().iter().sum::<usize>() + 8 * spec.layers().len();
    let bytes = (parameters + evaluations * of_evaluation as u128) * args.replicas as u128 + parameters;
    let what = format!("training {} replicas", args.replicas);
    Ok(memory::require(&what, bytes, "use fewer --replicas or a smaller network")?)
}

fn network(args: &TrainArgs, dataset: &Dataset, from_file: Option<&NetworkSpec>) -> Result<NetworkSpec> {
    let hidden = match (&args.hidden, from_file) {
        (Some(Hidden(widths)), _) => widths.clone(),
        (None, Some(spec)) => spec.hidden().to_vec(),
        (None, None) if is_small(&args.dataset) => vec![10, 10],
        (None, None) => vec![30, 20],
    };
    // A file may have a softmax for two classes, where a new network gets one sigmoid unit.
    let outputs = match from_file {
        Some(spec) if spec.classes() == dataset.classes => spec.outputs(),
        _ => dataset.output_units(),
    };
    let widths = [&[dataset.features()], &hidden[..], &[outputs]].concat();
    Ok(NetworkSpec::new(&widths)?)
}

fn replica_settings(args: &TrainArgs) -> Result<Vec<ReplicaSettings>> {
    let learning_rate = args.lr.unwrap_or(args.optimizer.default_learning_rate());
    let last = args.seed.checked_add(args.replicas as u64 - 1);
    if last.is_none() {
        let problem = format!("{} leaves no room for {} replicas", args.seed, args.replicas);
        return Err(Error::Setting { setting: "--seed", problem }.into());
    }
    let settings = |replica| ReplicaSettings {
        seed: args.seed + replica,
        optimizer: args.optimizer,
        learning_rate,
        epsilon: args.epsilon,
    };
    Ok((0..args.replicas as u64).map(settings).collect())
}

fn title(args: &TrainArgs, dataset: &Dataset, spec: &NetworkSpec, batch_size: usize) -> String {
    let widths = spec.widths().iter().map(usize::to_string).collect::<Vec<_>>().join("-");
    format!("{} {widths}, {}, batch size {batch_size}", dataset.name, args.optimizer)
}

/// What decides the results, bit for bit; and the arguments, for --resume.
fn identity(
    args: &TrainArgs,
    device: &Device,
    dataset: &Dataset,
    initial: &Model,
    replicas: &[ReplicaSettings],
    schedule: &Schedule,
    batch_size: usize,
) -> Result<Value> {
    let initial_sha256: String = Sha256::digest(initial.to_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(json!({
        "asgd_version": env!("CARGO_PKG_VERSION"),
        "arguments": { "directory": std::env::current_dir().ok(), "command": args.words },
        "settings": {
            "widths": initial.spec().widths(),
            "optimizer": args.optimizer.to_string(),
            "learning_rate": replicas[0].learning_rate,
            "epsilon": args.epsilon,
            "batch_size": batch_size,
            "steps": schedule.steps,
            "steps_per_epoch": schedule.steps_per_epoch,
            "evaluate_every_steps": schedule.evaluate_every,
            "replicas": args.replicas,
            "seed": args.seed,
            "init": args.init.to_string(),
            "initial_sha256": initial_sha256,
            "order": args.order.to_string(),
        },
        "dataset": {
            "name": dataset.name,
            "train_samples": dataset.train.len(),
            "test_samples": dataset.test.len(),
            "features": dataset.features(),
            "classes": dataset.classes,
            "sha256": dataset.sha256(),
            "table": initial.data.table,
            "scale": initial.data.scaling.as_ref().map(|scaling| scaling.scale()),
            "split": initial.data.split.as_ref().map(|split| &split.held_out),
        },
        "device": device.info(),
        "machine": device.describe(),
    }))
}
