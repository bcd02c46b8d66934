//! `asgd train`

use std::borrow::Cow;
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

use crate::console::{announce, Reporter};
use crate::data_source::{is_small, is_table, open_for_training, short_name, DataArgs};
use crate::device_args::DeviceArgs;
use crate::run::chunks::{Observer, SaveEvery, Training};
use crate::run::curve::learning_curve;
use crate::run::folder::{self, Folder, Opening};
use crate::run::health::Health;
use crate::run::identity::Identity;
use crate::run::metrics::{self, Point, Rows, Trajectories};
use crate::run::page::{self, Network, Run};
use crate::run::schedule::{Extent, Schedule};
use crate::run::{interrupt, outcome};
use crate::statistics::quartiles;
use crate::sweep::cells::{varied, Cell, Lists, COLUMNS, SHOWN};
use crate::sweep::figure::figure;
use crate::sweep::groups::{groups, CellTrained, Group};
use crate::sweep::results::Sweep;
use crate::values::{at_least_one, hidden, not_negative, positive, Hidden};

#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  asgd train                                          concentric circles, needs no file
  asgd train spirals --optimizer sgd --lr 0.3 --epochs 400
  asgd train mnist --hidden 30,20 --epochs 10 --replicas 8 --out runs/first
  asgd train mnist --init start.safetensors --order sequential --steps 5
  asgd train mnist --optimizer asgd,sgd --lr 0.003,0.01,0.03 --hidden 30,20 --hidden 60,40 --replicas 5      a sweep
  asgd train --resume runs/first                      after Ctrl-C, a crash, a power cut
  asgd train --resume runs/first --epochs 20          the same, longer")]
pub struct TrainArgs {
    /// circles, spirals, mnist, fashion-mnist, kmnist, a folder of IDX files, a table (.csv, .tsv, .txt, .data, plain or .gz;
    /// .parquet, .arrow) or an .npz file.
    #[arg(default_value = "circles")]
    pub dataset: String,

    /// Widths of the hidden layers, separated by commas; `none` for no hidden layer. Given several times: a sweep.
    /// [default: those of the --init file, else 30,20 for images and 10,10 for points]
    #[arg(long, value_name = "WIDTHS", value_parser = hidden)]
    pub hidden: Vec<Hidden>,
    /// asgd or sgd, or both for a sweep.
    #[arg(long, default_value = "asgd", value_delimiter = ',')]
    pub optimizer: Vec<Optimizer>,
    /// Learning rate; several, separated by commas, for a sweep. [default: 0.01 for asgd, 0.1 for sgd]
    #[arg(long, value_name = "RATE", value_delimiter = ',', value_parser = positive)]
    pub lr: Vec<f32>,
    /// epsilon in S / (c + epsilon) of aSGD; 1 is the paper's literal reading. Several for a sweep.
    #[arg(long, default_value = "1e-8", value_delimiter = ',', value_parser = not_negative::<f32>)]
    pub epsilon: Vec<f32>,
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

    /// Save a checkpoint every N epochs, besides the end, Ctrl-C and SIGTERM. [default: every 15 s]
    #[arg(long, value_name = "N", value_parser = at_least_one::<u64>)]
    pub checkpoint_every: Option<u64>,
    /// Resume the run in DIR from its last checkpoint, bit for bit, with the arguments that it was started with. More --epochs
    /// or --steps make it longer, also when it is finished.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["dataset", "hidden", "optimizer", "lr", "epsilon", "batch_size",
        "validation", "replicas", "seed", "init", "order", "eval_every", "checkpoint_every", "out", "data_dir",
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
    /// To what it was made longer since, one after the other.
    #[arg(skip)]
    pub extended: Vec<Extent>,
}

impl TrainArgs {
    /// The length that was asked for.
    fn extent(&self) -> Option<Extent> {
        self.epochs.map(Extent::Epochs).or(self.steps.map(Extent::Steps))
    }

    /// Whether settings are listed, so that they are compared.
    fn is_sweep(&self) -> bool {
        [self.hidden.len(), self.optimizer.len(), self.lr.len(), self.epsilon.len(), self.batch_size.len()]
            .iter()
            .any(|&count| count > 1)
    }

    /// The share of the training samples that is set aside.
    fn validation_share(&self) -> Option<f64> {
        const SHARE_OF_A_SWEEP: f64 = 0.1;
        self.validation.or(self.is_sweep().then_some(SHARE_OF_A_SWEEP)).filter(|&share| share > 0.0)
    }
}

pub fn run(args: &TrainArgs) -> Result<()> {
    interrupt::install();
    match &args.resume {
        Some(path) => {
            let opening = Opening::Resume { any_device: args.force };
            let path = std::path::absolute(path)?;
            let mut earlier = arguments(&path)?;
            let extents = earlier.extended.len();
            earlier.extended.extend(args.extent());
            let device = DeviceArgs { device: args.device.device.clone().or(earlier.device.device), ..args.device };
            train(&TrainArgs { device, quiet: args.quiet, json: args.json, ..earlier }, path, opening, extents)
        }
        None => {
            let path = args.out.clone().unwrap_or_else(|| folder::free(&short_name(&args.dataset)));
            train(args, path, Opening::Replace, 0)
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
    let extended = match &settings["arguments"]["extended"] {
        Value::Null => Vec::new(),
        extended => serde_json::from_value(extended.clone()).ok().with_context(no_run)?,
    };
    if let Some(directory) = settings["arguments"]["directory"].as_str() {
        // Gone or moved: absolute paths do not need it, and others will be missed by name.
        let _ = std::env::set_current_dir(directory);
    }
    // Unless it is told otherwise, a run resumes on the device that it was started on.
    let name = args.device.device.or_else(|| settings["device"]["name"].as_str().map(String::from));
    Ok(TrainArgs { words, extended, device: DeviceArgs { device: name, ..args.device }, ..args })
}

/// The first `extents` of the extents are those that the run had before.
fn train(args: &TrainArgs, path: PathBuf, opening: Opening, extents: usize) -> Result<()> {
    let start = Instant::now();
    // Settings first, then data, then the device: nothing is written before all three are sound.
    folder::check(&path)?;
    let from_file = match &args.init {
        Init::File(path) => Some(Model::load(path)?),
        _ => None,
    };
    let Prepared { dataset, record, notes } =
        open_for_training(&args.dataset, &args.data, args.scale, args.validation_share(), from_file.as_ref())?;
    let cells = cells(args, &dataset, from_file.as_ref().map(Model::spec))?;
    let earlier_schedules = schedules(args, &dataset, &cells, &args.extended[..extents])?;
    let schedules = schedules(args, &dataset, &cells, &args.extended)?;
    check_memory(args, &cells, &schedules)?;
    let seeds = seeds(args)?;
    let initial = |cell: &Cell| {
        let mut initial = args.init.model(&cell.spec, &seeds)?;
        initial.class_names = dataset.class_names.clone();
        initial.data = record.clone();
        Ok(initial)
    };
    let initials: Vec<Model> = cells.iter().map(initial).collect::<Result<_>>()?;
    let device = args.device.open()?;
    let groups = groups(&cells, device.prefers_padding());

    let report = Reporter { quiet: args.quiet };
    introduce(args, &report, &device, &dataset, &initials[0], &notes);
    describe_networks(args, &report, &cells, &groups);

    let identity = Identity {
        device: &device,
        dataset: &dataset,
        cells: &cells,
        initials: &initials,
        replicas: args.replicas,
        seed: args.seed,
        init: args.init.to_string(),
        order: args.order.to_string(),
        arguments: json!({
            "directory": std::env::current_dir().ok(), "command": args.words, "extended": args.extended,
        }),
    };
    let settings = identity.json(&schedules);
    let folder = Folder::open(path, &identity.json(&earlier_schedules), opening)?;
    if schedules != earlier_schedules {
        folder.change_settings(&settings)?;
    }
    let job = Job {
        args,
        dataset: &dataset,
        device: &device,
        folder: &folder,
        report: &report,
        cells: &cells,
        schedules: &schedules,
    };
    let trained = match job.train(&groups, &initials, &seeds) {
        Ok(trained) => trained,
        Err(error) if interrupt::requested() => {
            bail!("{error:#}; resume with: asgd train --resume {}", folder.path().display())
        }
        Err(error) => {
            folder.discard_if_empty();
            return Err(error);
        }
    };
    drop(initials);
    let sweep = (cells.len() > 1).then(|| Sweep::new(&cells, &schedules, &trained));
    let mut result = match &sweep {
        None => outcome::of(&cells[0].spec, &trained[0].trajectories, schedules[0].steps_per_epoch),
        Some(sweep) => sweep.json(),
    };
    result["dataset"] = json!(args.dataset);
    if sweep.is_none() {
        result["steps"] = json!(schedules[0].steps);
        result["epochs"] = json!(schedules[0].epoch(schedules[0].steps));
    }
    result["seconds"] = json!(start.elapsed().as_secs_f64());
    let warnings = warnings(&device, &dataset, &cells, &trained, &mut result)?;
    let mut document = settings;
    document["finished_unix_seconds"] =
        json!(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()));
    document["result"] = result.clone();
    job.write_results(&trained, sweep.as_ref(), &document, &notes)?;
    for warning in &warnings {
        report.line(&format!("warning  {warning}"));
    }
    match (args.json, args.quiet, &sweep) {
        (true, ..) => {
            result["out"] = json!(folder.path());
            announce(&result.to_string());
        }
        (false, true, _) => {}
        (false, false, None) => outcome::say(&result, &folder),
        (false, false, Some(sweep)) => outcome::say_sweep(sweep, &result, &folder),
    }
    Ok(())
}

/// What is trained, on what, and where it goes.
struct Job<'a> {
    args: &'a TrainArgs,
    dataset: &'a Dataset,
    device: &'a Device,
    folder: &'a Folder,
    report: &'a Reporter,
    cells: &'a [Cell],
    schedules: &'a [Schedule],
}

impl Job<'_> {
    /// Trains group after group what is not trained yet; what became of each cell.
    fn train(&self, groups: &[Group], initials: &[Model], seeds: &[u64]) -> Result<Vec<CellTrained>> {
        let Self { args, dataset, device, folder, report, cells, schedules } = *self;
        let mut trained: Vec<Option<CellTrained>> = cells.iter().map(|_| None).collect();
        for (number, group) in (1..).zip(groups) {
            let schedule = schedules[group.cells[0]];
            if groups.len() > 1 {
                report.line(&format!(
                    "group    {number} of {}: {}, batches of {}, {} networks",
                    groups.len(),
                    widths(&group.spec),
                    group.batch_size,
                    group.cells.len() * args.replicas
                ));
            }
            let training = Training {
                name: if cells.len() == 1 { "replicas".into() } else { format!("group-{number}") },
                dataset,
                initial: group.initial(initials),
                settings: TrainSettings {
                    batch_size: group.batch_size,
                    order: args.order,
                    replicas: group.cells.iter().flat_map(|&cell| replica_settings(&cells[cell], seeds)).collect(),
                },
                steps: schedule.steps,
                evaluate_every: schedule.evaluate_every,
                save: match args.checkpoint_every {
                    Some(epochs) => SaveEvery::Steps(epochs.saturating_mul(schedule.steps_per_epoch)),
                    None => SaveEvery::Time(std::time::Duration::from_secs(15)),
                },
            };
            let mut observer =
                Watch { report, folder, cells, schedules, replicas: args.replicas, group, trained: &trained };
            let of_group = training.run(device, folder, report, &mut observer)?;
            for (cell, of_cell) in group.split(cells, args.replicas, of_group) {
                trained[cell] = Some(of_cell);
            }
        }
        Ok(trained.into_iter().flatten().collect())
    }

    /// The files of a finished run, and at last run.json, which says that all are there.
    fn write_results(
        &self,
        trained: &[CellTrained],
        sweep: Option<&Sweep<'_>>,
        document: &Value,
        notes: &[String],
    ) -> Result<()> {
        let Self { args, dataset, device, folder, cells, schedules, .. } = *self;
        let metrics = metrics::csv(&label_columns(cells), &rows_of_all(cells, schedules, trained))?;
        folder.write("metrics.csv", &metrics)?;
        match sweep {
            None => {
                trained[0].model.save(&folder.path().join("model.safetensors"))?;
                trained[0].counts.save(&folder.path().join("counts.safetensors"))?;
            }
            Some(sweep) => {
                let (models, counts) = (folder.subfolder("models")?, folder.subfolder("counts")?);
                for (number, cell) in (1..).zip(trained) {
                    let name = format!("cell-{number}.safetensors");
                    cell.model.save(&models.join(&name))?;
                    cell.counts.save(&counts.join(&name))?;
                }
                if let Some(model) = sweep.best_network() {
                    model.save(&folder.path().join("best.safetensors"))?;
                }
                folder.write("sweep.csv", &sweep.csv()?)?;
                let title = format!("{}, {} cells", dataset.name, cells.len());
                folder.write("sweep.svg", &figure(&title, sweep)?)?;
            }
        }
        let shown = sweep.map_or(Some(0), Sweep::best);
        let title = |cell: &Cell| {
            format!("{} {}, {}, batch size {}", dataset.name, widths(&cell.spec), cell.optimizer, cell.batch_size)
        };
        if let Some(cell) = shown {
            let title = title(&cells[cell]);
            let curve = learning_curve(&title, &trained[cell].trajectories, schedules[cell].steps_per_epoch)?;
            folder.write("learning_curve.svg", &curve)?;
        }
        page::write(&Run {
            title: match sweep {
                None => title(&cells[0]),
                Some(_) => format!("{}, a sweep of {} cells", dataset.name, cells.len()),
            },
            document,
            folder,
            device,
            dataset,
            source: (&args.dataset, &args.data),
            notes,
            record: &trained[0].model.data,
            network: shown.map(|cell| Network {
                name: sweep.map(|_| format!("cell {}: {}", cell + 1, cells[cell].name(&varied(cells)))),
                file: if sweep.is_some() { "best.safetensors" } else { "model.safetensors" },
                trained: &trained[cell],
                steps_per_epoch: schedules[cell].steps_per_epoch,
            }),
            sweep,
        })?;
        folder.write("run.json", &(serde_json::to_string_pretty(document)? + "\n"))
    }
}

/// Says what is trained on what.
fn introduce(
    args: &TrainArgs,
    report: &Reporter,
    device: &Device,
    dataset: &Dataset,
    initial: &Model,
    notes: &[String],
) {
    report.line(&format!("device   {}", device.describe()));
    let validation =
        dataset.validation.as_ref().map_or_else(String::new, |samples| format!(", {} validation", samples.len()));
    report.line(&format!(
        "data     {}: {} training{validation} and {} test samples, {} features, {} classes",
        dataset.name,
        dataset.train.len(),
        dataset.test.len(),
        dataset.features(),
        dataset.classes
    ));
    if let Some(table) = &initial.data.table {
        report.line(&format!("data     {}: {}", args.dataset, table.describe()));
    }
    for note in notes {
        report.line(&format!("data     {note}"));
    }
}

fn describe_networks(args: &TrainArgs, report: &Reporter, cells: &[Cell], groups: &[Group]) {
    let replicas = format!("{} replica{}", args.replicas, if args.replicas == 1 { "" } else { "s" });
    if let [cell] = cells {
        report.line(&format!(
            "network  {}, {} parameters, {replicas}, {}, lr {}",
            widths(&cell.spec),
            cell.spec.parameter_count(),
            cell.optimizer,
            cell.learning_rate
        ));
        return;
    }
    let varied: Vec<&str> = varied(cells).into_iter().map(|column| SHOWN[column]).collect();
    report.line(&format!(
        "sweep    {} cells, which differ in {}; {replicas} each, {} networks in {} group{}",
        cells.len(),
        varied.join(", "),
        cells.len() * args.replicas,
        groups.len(),
        if groups.len() == 1 { "" } else { "s" }
    ));
}

fn widths(spec: &NetworkSpec) -> String {
    spec.widths().iter().map(usize::to_string).collect::<Vec<_>>().join("-")
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
        let health = Health::of(device, dataset, &cell.model, &cell.trajectories)?;
        let result = match cells.len() {
            1 => &mut *result,
            _ => &mut result["cells"][index],
        };
        result["dead_replicas"] = json!(health.dead.iter().map(|(replica, _)| replica).collect::<Vec<_>>());
        result["constant_replicas"] = json!(health.constant.iter().map(|(replica, _)| replica).collect::<Vec<_>>());
        let lines = health.lines(&cell.model);
        match cells.len() {
            1 => warnings.extend(lines),
            _ => warnings.extend(lines.into_iter().map(|line| format!("cell {}: {line}", index + 1))),
        }
    }
    result["warnings"] = json!(warnings);
    Ok(warnings)
}

/// Columns of metrics.csv that tell the cells of a sweep apart.
fn label_columns(cells: &[Cell]) -> Vec<&'static str> {
    match cells.len() {
        1 => Vec::new(),
        _ => ["cell"].into_iter().chain(COLUMNS).collect(),
    }
}

fn rows<'a>(cells: &'a [Cell], schedules: &[Schedule], cell: usize, trajectories: Cow<'a, Trajectories>) -> Rows<'a> {
    let labels = match cells.len() {
        1 => Vec::new(),
        _ => [(cell + 1).to_string()].into_iter().chain(cells[cell].settings()).collect(),
    };
    Rows { labels, spec: &cells[cell].spec, steps_per_epoch: schedules[cell].steps_per_epoch, trajectories }
}

fn rows_of_all<'a>(cells: &'a [Cell], schedules: &[Schedule], trained: &'a [CellTrained]) -> Vec<Rows<'a>> {
    let trajectories = trained.iter().map(|cell| Cow::Borrowed(&cell.trajectories)).enumerate();
    trajectories.map(|(cell, trajectories)| rows(cells, schedules, cell, trajectories)).collect()
}

/// Tells the terminal, and keeps metrics.csv up with the checkpoints.
struct Watch<'a> {
    report: &'a Reporter,
    folder: &'a Folder,
    cells: &'a [Cell],
    schedules: &'a [Schedule],
    /// Of each cell.
    replicas: usize,
    /// That trains now.
    group: &'a Group,
    /// Those of the groups before.
    trained: &'a [Option<CellTrained>],
}

impl Observer for Watch<'_> {
    fn evaluated(&mut self, progress: &ProgressBar, chunk: &Trajectories) {
        let last: Vec<&Point> = chunk.iter().filter_map(|points| points.last()).collect();
        let Some(first) = last.first() else { return };
        let epoch = self.schedules[self.group.cells[0]].epoch(first.step);
        let epoch = format!("epoch {:>5}", (epoch * 100.0).round() / 100.0);
        let line = if self.cells.len() == 1 {
            let mean =
                |value: fn(&Point) -> f64| last.iter().map(|point| value(point)).sum::<f64>() / last.len() as f64;
            format!(
                "{epoch}  train loss {:.4} accuracy {:.4}  test loss {:.4} accuracy {:.4}",
                mean(|point| point.train.loss),
                mean(|point| point.train.accuracy),
                mean(|point| point.test.loss),
                mean(|point| point.test.accuracy)
            )
        } else {
            // A mean over cells would say nothing of any.
            let of = |point: &&Point| point.validation.as_ref().map_or(point.train.loss, |validation| validation.loss);
            let name = if first.validation.is_some() { "validation" } else { "train" };
            let losses: Vec<f64> = last.iter().map(of).filter(|loss| loss.is_finite()).collect();
            match losses.is_empty() {
                true => format!("{epoch}  no {name} loss is a number"),
                false => {
                    let [lowest, _, median, _, highest] = quartiles(&losses);
                    format!("{epoch}  {name} loss lowest {lowest:.4} median {median:.4} highest {highest:.4}")
                }
            }
        };
        self.report.above(progress, &line);
    }

    fn saved(&mut self, finished: &Trajectories, chunk: &Trajectories) -> Result<()> {
        let so_far: Trajectories = finished.iter().chain(chunk).cloned().collect();
        let done = self.trained.iter().enumerate();
        let done = done.filter_map(|(cell, trained)| Some((cell, Cow::Borrowed(&trained.as_ref()?.trajectories))));
        let now = self.group.trajectories(self.cells, self.replicas, &so_far);
        let mut all: Vec<(usize, Cow<'_, Trajectories>)> =
            done.chain(now.map(|(cell, trajectories)| (cell, Cow::Owned(trajectories)))).collect();
        all.sort_by_key(|(cell, _)| *cell);
        let rows: Vec<Rows<'_>> =
            all.into_iter().map(|(cell, trajectories)| rows(self.cells, self.schedules, cell, trajectories)).collect();
        self.folder.write("metrics.csv", &metrics::csv(&label_columns(self.cells), &rows)?)
    }
}

/// Every combination of what was listed, or the one that was asked for.
fn cells(args: &TrainArgs, dataset: &Dataset, from_file: Option<&NetworkSpec>) -> Result<Vec<Cell>> {
    let specs = match args.hidden.len() {
        0 => vec![network(args, None, dataset, from_file)?],
        _ => args.hidden.iter().map(|hidden| network(args, Some(hidden), dataset, from_file)).collect::<Result<_>>()?,
    };
    let samples = dataset.train.len();
    if let Some(size) = args.batch_size.iter().find(|&&size| size > samples) {
        let problem = format!("{size} samples, but the training set of {} has {samples}", dataset.name);
        return Err(Error::Setting { setting: "--batch-size", problem }.into());
    }
    let lists = Lists {
        specs,
        batch_sizes: if args.batch_size.is_empty() { vec![samples.min(64)] } else { args.batch_size.clone() },
        optimizers: args.optimizer.clone(),
        learning_rates: args.lr.clone(),
        epsilons: args.epsilon.clone(),
    };
    Ok(lists.cells()?)
}

/// Of each cell, after it was made longer.
fn schedules(args: &TrainArgs, dataset: &Dataset, cells: &[Cell], extended: &[Extent]) -> Result<Vec<Schedule>> {
    let schedule = |cell: &Cell| -> Result<Schedule> {
        let steps_per_epoch = dataset.train.len().div_ceil(cell.batch_size) as u64;
        let default = || Extent::Epochs(default_epochs(&args.dataset, steps_per_epoch));
        let first = Schedule::new(args.extent().unwrap_or_else(default), steps_per_epoch, args.eval_every)?;
        let longer = |schedule: Schedule, extent: &Extent| schedule.extended(*extent, args.eval_every);
        Ok(extended.iter().try_fold(first, longer)?)
    };
    cells.iter().map(schedule).collect()
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
fn check_memory(args: &TrainArgs, cells: &[Cell], schedules: &[Schedule]) -> Result<()> {
    let bytes = |(cell, schedule): (&Cell, &Schedule)| {
        // Five values for each parameter: the initial twice, those in training, the final, the counts.
        let parameters = 5 * 4 * cell.spec.arena_stride() as u128;
        let evaluations = u128::from(schedule.steps / schedule.evaluate_every) + 2;
        let of_evaluation =
            size_of::<Point>() + cell.spec.hidden().iter().sum::<usize>() + 8 * cell.spec.layers().len();
        // At least one replica at a time has as many on the device.
        (parameters + evaluations * of_evaluation as u128) * args.replicas as u128 + parameters
    };
    let what = match (args.replicas, cells.len()) {
        (1, 1) => "training 1 network".to_string(),
        (replicas, 1) => format!("training {replicas} replicas"),
        (replicas, cells) => format!("training {} networks", replicas as u128 * cells as u128),
    };
    let bytes = cells.iter().zip(schedules).map(bytes).sum();
    Ok(memory::require(&what, bytes, "use fewer --replicas or a smaller network")?)
}

fn network(
    args: &TrainArgs,
    hidden: Option<&Hidden>,
    dataset: &Dataset,
    from_file: Option<&NetworkSpec>,
) -> Result<NetworkSpec> {
    let hidden = match (hidden, from_file) {
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

/// Of the replicas of each cell.
fn seeds(args: &TrainArgs) -> Result<Vec<u64>> {
    let last = args.seed.checked_add(args.replicas as u64 - 1);
    let Some(last) = last else {
        let problem = format!("{} leaves no room for {} replicas", args.seed, args.replicas);
        return Err(Error::Setting { setting: "--seed", problem }.into());
    };
    Ok((args.seed..=last).collect())
}

fn replica_settings<'a>(cell: &'a Cell, seeds: &'a [u64]) -> impl Iterator<Item = ReplicaSettings> + 'a {
    let Cell { optimizer, learning_rate, epsilon, .. } = *cell;
    seeds.iter().map(move |&seed| ReplicaSettings { seed, optimizer, learning_rate, epsilon })
}
