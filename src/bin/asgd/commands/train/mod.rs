//! `asgd train`

mod introduction;
mod job;
mod optimizer;
mod plan;
mod watch;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use asgd::dataset::{Prepared, Scale, Scales};
use asgd::{Activation, Dataset, Device, Error, Init, Model, Order, memory};
use clap::Parser;
use serde_json::{Value, json};

use self::introduction::{describe_course, describe_networks, introduce};
use self::job::Job;
use self::optimizer::OptimizerArgs;
use self::plan::{cells, lengths, rates, seeds};
use crate::console::{Reporter, announce};
use crate::data_source::{DataArgs, open_for_training, short_name};
use crate::device_args::DeviceArgs;
use crate::run::folder::{self, Folder, Opening};
use crate::run::health::Health;
use crate::run::identity::Identity;
use crate::run::length::Extent;
use crate::run::memory::Demand;
use crate::run::pace::speed;
use crate::run::rates::{RateSchedule, Warmup};
use crate::run::shard::Shard;
use crate::run::stopping::{Criterion, Keep, Rules};
use crate::run::{interrupt, outcome, outputs, signals};
use crate::sweep::cells::Cell;
use crate::sweep::groups::{CellTrained, groups};
use crate::sweep::results::Sweep;
use crate::usage;
use crate::values::{Hidden, at_least_one, below_one, hidden, not_negative, positive};

#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  asgd train                                          concentric circles, needs no file
  asgd train houses.csv --label price                 a regression, because prices are no classes
  asgd train spirals --optimizer sgd --lr 0.3 --epochs 400
  asgd train mnist --hidden 30,20 --epochs 10 --replicas 8 --out runs/first
  asgd train mnist --init start.safetensors --order sequential --steps 5
  asgd train mnist --gradient mean,effective --rule adam --beta1 0.5,0.9 --lr 0.001          a sweep
  asgd train mnist --optimizer asgd,sgd --lr 0.003,0.01,0.03 --hidden 30,20 --hidden 60,40 --replicas 5      a sweep
  asgd train --resume runs/first                      after Ctrl-C, a crash, a power cut
  asgd train --resume runs/first --epochs 20          the same, longer")]
pub struct TrainArgs {
    /// circles, sine, spirals, mnist, fashion-mnist, kmnist, a folder of IDX files, a table (.csv, .tsv, .txt, .data, plain or .gz;
    /// .parquet, .arrow) or an .npz file.
    #[arg(default_value = "circles")]
    pub dataset: String,

    /// Widths of the hidden layers, separated by commas; `none` for no hidden layer. Given several times: a sweep.
    /// [default: those of the --init file, else 30,20 for images and 10,10 for points]
    #[arg(long, value_name = "WIDTHS", value_parser = hidden)]
    pub hidden: Vec<Hidden>,
    /// What hidden nodes do: relu, leaky-relu:SLOPE, elu, gelu, silu, tanh or sigmoid, as in torch.nn.
    /// [default: that of the --init file, else relu]
    #[arg(long, value_name = "ACTIVATION")]
    pub activation: Option<Activation>,
    /// Normalize the sums of every hidden node over the mini-batch before its activation, as torch.nn.BatchNorm1d does; evaluations use
    /// running statistics. [default: as in the --init file]
    #[arg(long)]
    pub batch_norm: bool,
    #[command(flatten)]
    pub optimizer: OptimizerArgs,
    /// Learning rate; several, separated by commas, for a sweep. [default: 0.01 for asgd, 0.1 for sgd, torch.optim's for most others]
    #[arg(long, value_name = "RATE", value_delimiter = ',', value_parser = positive)]
    pub lr: Vec<f32>,
    /// epsilon in the effective gradient, S / (c + epsilon); 1 is the paper's literal reading. --eps is that of a rule. Several for
    /// a sweep.
    #[arg(long, default_value = "1e-8", value_delimiter = ',', value_parser = not_negative::<f32>)]
    pub epsilon: Vec<f32>,
    /// Dropout of the hidden layers: the probability that a node is silent for a sample of a step. The others are multiplied by
    /// 1 / (1 - P), and evaluations silence none, as in torch.nn.Dropout. Several for a sweep.
    #[arg(long, value_name = "P", default_value = "0", value_delimiter = ',', value_parser = below_one)]
    pub dropout: Vec<f32>,
    /// The same of the inputs. Several for a sweep.
    #[arg(long, value_name = "P", default_value = "0", value_delimiter = ',', value_parser = below_one)]
    pub input_dropout: Vec<f32>,
    /// A sample counts where |a| > T and |delta| > T times the largest |delta| of its node in the mini-batch; 0: where they are not
    /// zero. For activations that are never exactly zero. Several for a sweep.
    #[arg(long, value_name = "T", default_value = "0", value_delimiter = ',', value_parser = below_one)]
    pub count_threshold: Vec<f32>,
    /// Samples of a mini-batch; several for a sweep. [default: 64, or all of a smaller training set]
    #[arg(long, value_name = "SAMPLES", value_delimiter = ',', value_parser = at_least_one::<usize>)]
    pub batch_size: Vec<usize>,
    /// Share of the training samples that is set aside to choose between settings by; 0 for none.
    /// [default: 0.1 in a sweep, else 0]
    #[arg(long, value_name = "SHARE", value_parser = not_negative::<f64>)]
    pub validation: Option<f64>,
    /// What is done to the inputs; stays with the model: none, standard, maxabs or pixels (divided by 255).
    /// [default: that of the --init file, else what suits a table, and none for images and points]
    #[arg(long, value_name = "SCALE")]
    pub scale: Option<Scale>,
    /// What is done to the targets of a regression; stays with the model, and is undone to its answers: none, standard, maxabs or
    /// pixels. [default: that of the --init file, else standard, and none for sine]
    #[arg(long, value_name = "SCALE")]
    pub target_scale: Option<Scale>,
    /// Passes over the training set. [default: 10 for images, 200 for points and tables, of small tables as many as make
    /// 2,000 steps]
    #[arg(long, value_name = "N", value_parser = at_least_one::<u64>, conflicts_with = "steps")]
    pub epochs: Option<u64>,
    /// Steps, instead of epochs.
    #[arg(long, value_name = "N", value_parser = at_least_one::<u64>)]
    pub steps: Option<u64>,
    /// Networks to train side by side; in a sweep, of each combination of settings.
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

    /// How the learning rate falls, as in torch.optim.lr_scheduler: constant, step:EVERY:GAMMA and exponential:GAMMA (epochs),
    /// cosine or cosine:MINIMUM (a factor; down to the last step), or, for each replica by itself, plateau:PATIENCE:FACTOR
    /// (evaluations of the validation samples).
    #[arg(long, value_name = "SCHEDULE", default_value = "constant")]
    pub schedule: RateSchedule,
    /// Let the learning rate rise linearly before that, for so many epochs (2, 0.5) or steps (100steps).
    #[arg(long, value_name = "EPOCHS")]
    pub warmup: Option<Warmup>,
    /// Stop each replica after N evaluations in a row without improvement on the validation samples.
    #[arg(long, value_name = "N", value_parser = at_least_one::<u64>)]
    pub patience: Option<u64>,
    /// Which network of each replica the run leaves: best (on the validation samples) or last. [default: best with --patience,
    /// else last]
    #[arg(long, value_name = "WHICH")]
    pub keep: Option<Keep>,
    /// What is best on the validation samples, and what improves: loss or accuracy, of a regression r2. [default: loss]
    #[arg(long, value_name = "WHAT")]
    pub keep_by: Option<Criterion>,

    /// Save a checkpoint every N epochs, besides the end, Ctrl-C and SIGTERM. [default: every 15 s]
    #[arg(long, value_name = "N", value_parser = at_least_one::<u64>)]
    pub checkpoint_every: Option<u64>,
    /// Train only the K-th of N parts of all networks, as a job of its own; `asgd merge` makes one run of all parts.
    #[arg(long, value_name = "K/N")]
    pub shard: Option<Shard>,
    /// Train each network by all processes that mpirun has started, which share every batch, and not each network by one of them:
    /// for few networks that are large. The bits are the same. On CPUs.
    #[arg(long)]
    pub data_parallel: bool,
    /// Resume the run in DIR from its last checkpoint, bit for bit, with the arguments that it was started with. More --epochs
    /// or --steps make it longer, also when it is finished.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["dataset", "hidden", "activation", "batch_norm", "optimizer", "gradient",
        "rule", "momentum", "beta1", "beta2", "alpha", "rho", "eps", "weight_decay", "clip_value", "clip_norm", "lr", "epsilon", "dropout",
        "input_dropout", "count_threshold", "batch_size", "validation", "replicas", "seed", "init", "order", "eval_every", "schedule", "warmup", "patience", "keep", "keep_by",
        "checkpoint_every", "shard", "data_parallel", "out", "data_dir",
        "label", "test", "test_fraction", "classes", "samples", "factor", "noise", "data_seed", "header", "drop", "delimiter",
        "keep_index", "drop_missing", "max_expansion", "force_classes", "task", "scale", "target_scale"])]
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
    #[arg(skip = usage::words())]
    pub words: Vec<String>,
    /// To what it was made longer since, one after the other.
    #[arg(skip)]
    pub extended: Vec<Extent>,
    /// Whether the run was begun with cells of several widths side by side.
    #[arg(skip)]
    pub padded: Option<bool>,
}

/// Warnings that the terminal hears; run.json has all.
const WARNINGS_SAID: usize = 20;

impl TrainArgs {
    /// The length that was asked for.
    fn extent(&self) -> Option<Extent> {
        self.epochs.map(Extent::Epochs).or(self.steps.map(Extent::Steps))
    }

    /// Whether settings are listed, so that they are compared.
    fn is_sweep(&self) -> bool {
        let counts = [&self.lr, &self.epsilon, &self.dropout, &self.input_dropout, &self.count_threshold].map(Vec::len);
        let counts = [&counts[..], &[self.hidden.len(), self.batch_size.len()]].concat();
        self.optimizer.is_sweep() || counts.iter().any(|&count| count > 1)
    }

    /// What evaluations decide, if anything.
    ///
    /// # Errors
    /// [`Error::Setting`] if there are no validation samples to decide by.
    fn rules(&self) -> Result<Option<Rules>> {
        let (patience, plateau) = (self.patience, self.schedule.plateau());
        let keep = self.keep.unwrap_or(if patience.is_some() { Keep::Best } else { Keep::Last });
        let asked = [
            ("--patience", patience.is_some()),
            ("--keep best", keep == Keep::Best),
            ("--schedule plateau", plateau.is_some()),
        ];
        let Some((setting, _)) = asked.into_iter().find(|(_, is_asked)| *is_asked) else {
            if self.keep_by.is_some() {
                let problem = "decides nothing without --patience, --keep best or --schedule plateau".into();
                return Err(Error::Setting { setting: "--keep-by", problem }.into());
            }
            return Ok(None);
        };
        if self.validation_share().is_none() {
            let problem = "needs samples to decide by that are neither trained on nor tested on: add --validation 0.1";
            return Err(Error::Setting { setting, problem: problem.into() }.into());
        }
        Ok(Some(Rules { criterion: self.keep_by.unwrap_or_default(), patience, keep, plateau }))
    }

    /// Refuses to make a run longer whose steps so far would have been others in a longer run.
    fn check_extensible(&self, option: &'static str) -> Result<()> {
        let why = match (self.schedule.decay(), self.rules()?) {
            (asgd::Decay::Cosine { .. }, _) => "its cosine ends where it ends",
            (_, Some(_)) => "its stops, best networks or rates depend on its evaluations",
            _ => return Ok(()),
        };
        let problem = format!("the run cannot be made longer, because {why}; train a longer one anew");
        Err(Error::Setting { setting: option, problem }.into())
    }

    /// The share of the training samples that is set aside.
    fn validation_share(&self) -> Option<f64> {
        const SHARE_OF_A_SWEEP: f64 = 0.1;
        self.validation.or(self.is_sweep().then_some(SHARE_OF_A_SWEEP)).filter(|&share| share > 0.0)
    }
}

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
