//! Where data sets come from: made up, or found in a folder or a file.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use asgd::dataset::{Circles, CsvOptions, LabelColumn, Spirals};
use asgd::{Dataset, Error};
use clap::Args;

use crate::values::{at_least_two, not_negative};

/// What turns the name of a data set into samples.
#[derive(Debug, Args)]
#[command(next_help_heading = "Data")]
pub struct DataArgs {
    /// Folder that holds data sets, each in a folder of its name.
    /// [default: $ASGD_DATA_DIR, else the user's data folder]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// .csv: the column of the labels, by its title or its number from 1. [default: the last]
    #[arg(long, value_name = "COLUMN")]
    pub label: Option<String>,
    /// .csv: a file of test samples. [default: some rows of the first file]
    #[arg(long, value_name = "FILE")]
    pub test: Option<PathBuf>,
    /// .csv: share of the rows that are set aside for testing.
    #[arg(long, value_name = "SHARE", default_value_t = 0.3)]
    pub test_fraction: f64,
    /// IDX and .npz: number of classes. [default: those of the model, else 10]
    #[arg(long, value_name = "N", value_parser = at_least_two)]
    pub classes: Option<usize>,
    /// circles, spirals: points, split 7:3 into training and test set.
    #[arg(long, value_name = "POINTS", default_value_t = 1000)]
    pub samples: usize,
    /// circles: radius of the inner ring; the outer one's is 1.
    #[arg(long, default_value_t = 0.5, value_parser = not_negative::<f64>)]
    pub factor: f64,
    /// circles: standard deviation of the noise; spirals: its width. [default: 0.1 for circles, 0.5 for spirals]
    #[arg(long, value_parser = not_negative::<f64>)]
    pub noise: Option<f64>,
    /// circles, spirals, .csv: seed of the points and of the split.
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub data_seed: u64,
}

/// Sets that are looked for by name.
const KNOWN: [&str; 3] = ["mnist", "fashion-mnist", "kmnist"];

/// Whether the name is that of a made-up set of points.
pub fn is_points(dataset: &str) -> bool {
    matches!(dataset, "circles" | "spirals")
}

/// Whether the samples are rows of measurements rather than images.
pub fn is_small(dataset: &str) -> bool {
    is_points(dataset) || has_extension(dataset, "csv")
}

/// What the run folder is called after.
pub fn short_name(dataset: &str) -> String {
    Path::new(dataset).file_stem().map_or_else(|| "run".into(), |name| name.to_string_lossy().into_owned())
}

fn has_extension(dataset: &str, wanted: &str) -> bool {
    Path::new(dataset).extension().is_some_and(|extension| extension.eq_ignore_ascii_case(wanted))
}

/// The data set of this name. `known_classes` are those of the network that it is for, if there is one already.
pub fn open_dataset(name: &str, args: &DataArgs, known_classes: Option<usize>) -> Result<Dataset> {
    let DataArgs { samples, factor, data_seed: seed, .. } = *args;
    let classes = args.classes.or(known_classes).unwrap_or(10);
    match name {
        "circles" => Ok(Circles { samples, factor, noise: args.noise.unwrap_or(0.1), seed }.dataset()?),
        "spirals" => Ok(Spirals { samples, noise: args.noise.unwrap_or(0.5), seed }.dataset()?),
        name if KNOWN.contains(&name) => open_known(name, args.data_dir.as_deref(), args.classes.unwrap_or(10)),
        file if has_extension(file, "csv") => {
            let label = args.label.clone().map_or(LabelColumn::Last, LabelColumn::Named);
            let options = CsvOptions { label, test: args.test.clone(), test_fraction: args.test_fraction, seed };
            Ok(Dataset::from_csv(Path::new(file), &options)?)
        }
        file if has_extension(file, "npz") => Ok(Dataset::from_npz(Path::new(file), classes)?),
        folder if Path::new(folder).is_dir() => Ok(Dataset::from_idx_folder(Path::new(folder), classes)?),
        other => {
            let problem = "no such folder; expected circles, spirals, mnist, fashion-mnist, kmnist, a folder of IDX \
                           files, a .csv or an .npz file";
            Err(Error::Data { path: other.into(), problem: problem.into() }.into())
        }
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
