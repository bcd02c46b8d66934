//! Where data sets come from: made up, or found in a folder or a file.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use asgd::dataset::table::{self, ColumnName, Header, TableOptions};
use asgd::dataset::{
    ArrayOptions, Circles, DataRecord, Expansion, HeldOut, Points, Prepared, Samples, Scales, Sine, Spirals, Standing,
    TableSplit, images_to_classify, what_is,
};
use asgd::{Dataset, Error, Model, Task};
use clap::Args;

use crate::values::{at_least_one, at_least_two, delimiter, not_negative, share};

/// What turns the name of a data set into samples.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Data")]
pub struct DataArgs {
    /// Folder that holds data sets, each in a folder of its name.
    /// [default: $ASGD_DATA_DIR, else the user's data folder]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub table: TableArgs,
    /// Tables: a file of test samples. [default: some rows of the first file]
    #[arg(long, value_name = "FILE")]
    pub test: Option<PathBuf>,
    /// Tables: share of the rows that are set aside for testing. [default: 0.3]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub test_fraction: Option<f64>,
    /// Number of classes; a table's must be as many. [default: those of the labels, of IDX files 10]
    #[arg(long, value_name = "N", value_parser = at_least_two)]
    pub classes: Option<usize>,
    /// What labels are: classification, or regression, which gives numbers. [default: regression where they cannot be classes:
    /// numbers with fractions, many different ones, several of a sample]
    #[arg(long, value_name = "TASK")]
    pub task: Option<Task>,
    /// The same as --task classification.
    #[arg(long, conflicts_with = "task")]
    pub force_classes: bool,
    /// circles, sine, spirals: samples, split 7:3 into training and test set. [default: 1000]
    #[arg(long, value_name = "POINTS")]
    pub samples: Option<usize>,
    /// circles: radius of the inner ring; the outer one's is 1. [default: 0.5]
    #[arg(long, value_parser = not_negative::<f64>)]
    pub factor: Option<f64>,
    /// circles, sine: standard deviation of the noise; spirals: its width. [default: 0.1, for spirals 0.5]
    #[arg(long, value_parser = not_negative::<f64>)]
    pub noise: Option<f64>,
    /// circles, sine, spirals, tables: seed of the samples and of the split. [default: 0]
    #[arg(long, value_name = "SEED")]
    pub data_seed: Option<u64>,
}

impl DataArgs {
    /// What labels are, if somebody says it.
    pub fn task(&self) -> Option<Task> {
        self.task.or(self.force_classes.then_some(Task::Classification))
    }
}

/// How a table is read, where it does not say so itself.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Data")]
pub struct TableArgs {
    /// Tables of text: whether the first row is a header: yes, no or auto.
    #[arg(long, value_name = "HEADER", default_value = "auto")]
    pub header: Header,
    /// Tables: the column of the labels, by its number from 1 or its title; several, separated by commas, for a regression with
    /// as many targets. [default: the last]
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub label: Vec<ColumnName>,
    /// Tables: columns to leave out, by their numbers from 1 or their titles, separated by commas.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub drop: Vec<ColumnName>,
    /// Tables of text: what separates the values: comma, semicolon, tab, bar, space or a character. [default: as the lines tell]
    #[arg(long, value_name = "DELIMITER", value_parser = delimiter)]
    pub delimiter: Option<u8>,
    /// Tables: keep a first column without title that counts the rows, or pandas' index.
    #[arg(long)]
    pub keep_index: bool,
    /// Tables: leave out rows with a missing value.
    #[arg(long)]
    pub drop_missing: bool,
    #[command(flatten)]
    pub unpacking: UnpackingArgs,
}

/// How far packed files are unpacked.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Data")]
pub struct UnpackingArgs {
    /// Refuse packed files (.gz, .npz, .parquet, .arrow) that unpack to more than so many times their size, beyond 16 MiB.
    /// [default: 200]
    #[arg(long, value_name = "TIMES", value_parser = at_least_one::<u64>)]
    pub max_expansion: Option<u64>,
}

impl UnpackingArgs {
    pub fn expansion(&self) -> Expansion {
        self.max_expansion.map_or_else(Expansion::default, Expansion)
    }
}

impl TableArgs {
    /// Refuses options of tables for what is none.
    pub fn refuse_for(&self, name: &str) -> Result<()> {
        let Self { header, label, drop, delimiter, keep_index, drop_missing, unpacking: _ } = self;
        let given = [
            ("--header", *header != Header::Auto),
            ("--label", !label.is_empty()),
            ("--drop", !drop.is_empty()),
            ("--delimiter", delimiter.is_some()),
            ("--keep-index", *keep_index),
            ("--drop-missing", *drop_missing),
        ];
        match given.iter().find(|(_, is_given)| *is_given) {
            Some((setting, _)) => Err(Error::Setting { setting, problem: format!("{name} is no table") }.into()),
            None => Ok(()),
        }
    }

    pub fn options(&self) -> TableOptions {
        TableOptions {
            header: self.header,
            label: self.label.clone(),
            drop: self.drop.clone(),
            delimiter: self.delimiter,
            keep_index: self.keep_index,
            drop_missing: self.drop_missing,
            expansion: self.unpacking.expansion(),
            ..TableOptions::default()
        }
    }
}

/// Sets that are looked for by name.
const KNOWN: [&str; 3] = ["mnist", "fashion-mnist", "kmnist"];

/// Sets of points that are made up.
const MADE_UP: [&str; 3] = ["circles", "sine", "spirals"];

/// Whether it is the name of a set rather than of a file.
pub fn is_name(dataset: &str) -> bool {
    MADE_UP.contains(&dataset) || KNOWN.contains(&dataset)
}

/// To be put behind a message about what is neither a set nor a file: "; did you mean 'mnist'?", or nothing.
pub fn did_you_mean(dataset: &str) -> String {
    asgd::names::did_you_mean(dataset, MADE_UP.into_iter().chain(KNOWN))
}

/// Whether the samples are rows of measurements rather than images.
pub fn is_small(dataset: &str) -> bool {
    MADE_UP.contains(&dataset) || is_table(dataset)
}

/// Whether it is a file of rows.
pub fn is_table(dataset: &str) -> bool {
    table::is_table(Path::new(dataset))
}

/// What the run folder is called after.
pub fn short_name(dataset: &str) -> String {
    match table::short_name(Path::new(dataset)) {
        name if name.is_empty() => "run".into(),
        name => name,
    }
}

fn has_extension(dataset: &str, wanted: &str) -> bool {
    Path::new(dataset).extension().is_some_and(|extension| extension.eq_ignore_ascii_case(wanted))
}

/// The data set of this name, for training; from `start` if there is a network already.
/// `validation` is the share of its training samples that is set aside.
pub fn open_for_training(
    name: &str,
    args: &DataArgs,
    scales: Scales,
    validation: Option<f64>,
    start: Option<&Model>,
) -> Result<Prepared> {
    if let (Some(classes), Some(Task::Regression)) = (args.classes, args.task) {
        let problem = format!("{classes}, but a regression has no classes; leave one of the two options out");
        return Err(Error::Setting { setting: "--classes", problem }.into());
    }
    let record = start.map(|start| &start.data);
    let prepared = if is_table(name) {
        let options = TableOptions { classes: args.classes, task: args.task(), ..args.table.options() };
        Prepared::table(Path::new(name), &options, &TableSplit { validation, ..split(args, record) }, scales, record)?
    } else {
        open_other(name, args, scales, validation, start)?
    };
    let found = prepared.dataset.loss().task();
    if let Some(task) = args.task().filter(|task| *task != found) {
        let problem = format!("{task}, but {} is a {found}", prepared.dataset.name);
        return Err(Error::Setting { setting: "--task", problem }.into());
    }
    let class_names = start.map_or(&[][..], |start| &start.class_names);
    let dataset = prepared.dataset.relabelled(class_names)?;
    let mut record = prepared.record;
    if let Some(table) = &mut record.table {
        table.classes.clone_from(&dataset.class_names);
    }
    Ok(Prepared { dataset, record, notes: prepared.notes })
}

/// The data set of this name, for a trained network: read and scaled as the network's own was. Also says what a table is
/// to it.
pub fn open_for_model(name: &str, args: &DataArgs, model: &Model) -> Result<(Prepared, Option<Standing>)> {
    let (record, path) = (&model.data, Path::new(name));
    let of_model = model.spec().loss().task();
    if let Some(task) = args.task().filter(|task| *task != of_model) {
        let problem = format!("{task}, but the model's is {of_model} (its loss is {})", model.spec().loss());
        return Err(Error::Setting { setting: "--task", problem }.into());
    }
    if let (Some(test), Some(_)) = (&args.test, &record.table) {
        let problem = format!("the model is trained already; name {} itself instead of {name}", test.display());
        return Err(Error::Setting { setting: "--test", problem }.into());
    }
    let (prepared, standing) = match &record.table {
        Some(schema) if is_table(name) => {
            refuse_another_split(args, record)?;
            let (prepared, standing) = Prepared::table_as(path, &args.table.options(), record, schema)?;
            (prepared, Some(standing))
        }
        // A file of PyTorch says nothing of its data: the table says what it can.
        None if is_table(name) => {
            let options = TableOptions { task: Some(of_model), ..args.table.options() };
            (Prepared::table(path, &options, &split(args, Some(record)), Scales::default(), Some(record))?, None)
        }
        _ => {
            let validation = record.split.as_ref().and_then(|split| split.validation);
            let fraction = validation.map(|share| share.fraction);
            let prepared = open_other(name, args, Scales::default(), fraction, Some(model))?;
            let standing = prepared.standing(record);
            (prepared, standing)
        }
    };
    Ok((Prepared { dataset: prepared.dataset.relabelled(&model.class_names)?, ..prepared }, standing))
}

/// The test samples of a set that has a name, for a trained network to answer: points as it knows them, or images.
pub fn open_to_classify(name: &str, data_dir: Option<&Path>, model: &Model) -> Result<Samples> {
    let record = &model.data;
    Ok(match points(name, &DataArgs::default(), record.points.as_ref()) {
        Some(points) => Prepared::points(&points, Scales::default(), None, Some(record))?.dataset.test,
        None => images_to_classify(&folder_of(name, data_dir)?, model.spec().inputs(), record, Expansion::default())?,
    })
}

/// As the options say, else as the model that a training starts from was split.
fn split(args: &DataArgs, start: Option<&DataRecord>) -> TableSplit {
    let default = match start.and_then(|start| start.split.as_ref()).map(|split| &split.held_out) {
        Some(HeldOut::Share { fraction, seed }) => {
            TableSplit { fraction: *fraction, seed: *seed, ..TableSplit::default() }
        }
        _ => TableSplit::default(),
    };
    TableSplit {
        test: args.test.clone(),
        fraction: args.test_fraction.unwrap_or(default.fraction),
        seed: args.data_seed.unwrap_or(default.seed),
        validation: None,
    }
}

/// Another split than the model's would score rows that it was trained on.
fn refuse_another_split(args: &DataArgs, record: &DataRecord) -> Result<()> {
    let held_out = record.split.as_ref().map(|split| &split.held_out);
    let Some(HeldOut::Share { fraction, seed }) = held_out else { return Ok(()) };
    let refuse = |setting: &'static str, given: String, kept: String| {
        let problem = format!("{given}, but the model was trained with {kept} and remembers it: leave the option out");
        Err(Error::Setting { setting, problem }.into())
    };
    match (args.data_seed, args.test_fraction) {
        (Some(given), _) if given != *seed => refuse("--data-seed", given.to_string(), seed.to_string()),
        (_, Some(given)) if given != *fraction => refuse("--test-fraction", given.to_string(), fraction.to_string()),
        _ => Ok(()),
    }
}

/// The made-up points of this name: as `known` has them, but for what the options say.
fn points(name: &str, args: &DataArgs, known: Option<&Points>) -> Option<Points> {
    match name {
        "circles" => {
            let mut circles = match known {
                Some(Points::Circles(circles)) => circles.clone(),
                _ => Circles::default(),
            };
            circles.samples = args.samples.unwrap_or(circles.samples);
            circles.factor = args.factor.unwrap_or(circles.factor);
            circles.noise = args.noise.unwrap_or(circles.noise);
            circles.seed = args.data_seed.unwrap_or(circles.seed);
            Some(Points::Circles(circles))
        }
        "sine" => {
            let mut sine = match known {
                Some(Points::Sine(sine)) => sine.clone(),
                _ => Sine::default(),
            };
            sine.samples = args.samples.unwrap_or(sine.samples);
            sine.noise = args.noise.unwrap_or(sine.noise);
            sine.seed = args.data_seed.unwrap_or(sine.seed);
            Some(Points::Sine(sine))
        }
        "spirals" => {
            let mut spirals = match known {
                Some(Points::Spirals(spirals)) => spirals.clone(),
                _ => Spirals::default(),
            };
            spirals.samples = args.samples.unwrap_or(spirals.samples);
            spirals.noise = args.noise.unwrap_or(spirals.noise);
            spirals.seed = args.data_seed.unwrap_or(spirals.seed);
            Some(Points::Spirals(spirals))
        }
        _ => None,
    }
}

/// Points and images. Their classes are those of `model`, if there is one.
fn open_other(
    name: &str,
    args: &DataArgs,
    scales: Scales,
    validation: Option<f64>,
    model: Option<&Model>,
) -> Result<Prepared> {
    args.table.refuse_for(name)?;
    if args.test.is_some() {
        let problem = format!("{name} is no table, and has a test set of its own");
        return Err(Error::Setting { setting: "--test", problem }.into());
    }
    let record = model.map(|model| &model.data);
    if let Some(points) = points(name, args, record.and_then(|record| record.points.as_ref())) {
        return Ok(Prepared::points(&points, scales, validation, record)?);
    }
    let path = Path::new(name);
    let of_model = model.map(|model| model.spec().classes());
    let task = model.map(|model| model.spec().loss().task()).or(args.task());
    // Classes that somebody counts are classes.
    let task = task.or(args.classes.map(|_| Task::Classification));
    let class_names = model.map_or(&[][..], |model| &model.class_names);
    // Sets of images have ten, unless somebody knows better; the labels of an .npz tell.
    let images = |path: &Path, otherwise| {
        let classes = args.classes.or(of_model).or(otherwise);
        let options = ArrayOptions { task, classes, class_names, expansion: args.table.unpacking.expansion() };
        Prepared::images(path, options, scales, validation, record)
    };
    match name {
        name if KNOWN.contains(&name) => {
            let prepared = images(&folder_of(name, args.data_dir.as_deref())?, Some(10))?;
            Ok(Prepared { dataset: Dataset { name: name.into(), ..prepared.dataset }, ..prepared })
        }
        file if has_extension(file, "npz") => Ok(images(path, None)?),
        _ if path.is_dir() => Ok(images(path, Some(10))?),
        _ => Err(Error::Data { path: path.into(), problem: what_else(path) }.into()),
    }
}

/// What something is that is no data set.
fn what_else(path: &Path) -> String {
    let expected = "expected circles, sine, spirals, mnist, fashion-mnist, kmnist, a folder of IDX files, a table (.csv, .tsv, \
                    .txt, .data, plain or .gz; .parquet, .arrow) or an .npz file";
    match what_is(path) {
        Ok(Some(what)) => format!("is {what}"),
        Ok(None) => format!("is a file of unknown kind; {expected}"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let name = path.to_string_lossy();
            // As what follows the comma in `--lr 0.1, 0.2`.
            let list = if name.parse::<f64>().is_ok() { "; lists have commas and no spaces" } else { "" };
            format!("no such file or folder; {expected}{}{list}", did_you_mean(&name))
        }
        Err(error) => format!("cannot be read: {error}"),
    }
}

/// One of the known sets from where `--data-dir` or its stand-ins point.
pub fn open_known(name: &str, data_dir: Option<&Path>, classes: usize) -> Result<Dataset> {
    let root = data_root(data_dir)?;
    let dataset = Dataset::from_idx_folder(&find_in(&root, name)?, classes)?;
    Ok(Dataset { name: name.into(), ..dataset })
}

/// `--data-dir`, else `$ASGD_DATA_DIR`, else the user's data folder.
pub fn data_root(data_dir: Option<&Path>) -> Result<PathBuf> {
    let from_environment = || std::env::var_os("ASGD_DATA_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let of_user = || directories::ProjectDirs::from("", "", "asgd").map(|dirs| dirs.data_dir().to_path_buf());
    let root = data_dir.map(Path::to_path_buf).or_else(from_environment).or_else(of_user);
    root.context("no data folder: name one with --data-dir or ASGD_DATA_DIR")
}

/// Where one of the known sets is.
pub fn folder_of(name: &str, data_dir: Option<&Path>) -> Result<PathBuf> {
    find_in(&data_root(data_dir)?, name)
}

/// The set is in a folder of its name, or in the folder itself.
fn find_in(root: &Path, name: &str) -> Result<PathBuf> {
    let own = root.join(name);
    if own.is_dir() {
        return Ok(own);
    }
    let holds_files = std::fs::read_dir(root).is_ok_and(|mut entries| {
        entries.any(|entry| entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("train-images")))
    });
    if holds_files {
        return Ok(root.to_path_buf());
    }
    let problem = format!(
        "no such folder; {name} is looked for in --data-dir, else in $ASGD_DATA_DIR, else in the user's data folder; \
         `asgd data fetch {name}` downloads it there"
    );
    Err(Error::Data { path: own, problem }.into())
}
