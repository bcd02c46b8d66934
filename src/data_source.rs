//! Where data sets come from: made up, or found in a folder.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use asgd::dataset::{Circles, Spirals};
use asgd::{Dataset, Error, NetworkSpec};

use crate::cli::TrainArgs;

/// Whether the name is that of a made-up set of points.
pub fn is_points(dataset: &str) -> bool {
    matches!(dataset, "circles" | "spirals")
}

/// What the run folder is called after.
pub fn short_name(dataset: &str) -> String {
    Path::new(dataset).file_name().map_or_else(|| "run".into(), |name| name.to_string_lossy().into_owned())
}

/// The data set that the arguments name. `from_file` is the network that training starts from, if it has a file.
pub fn open_dataset(args: &TrainArgs, from_file: Option<&NetworkSpec>) -> Result<Dataset> {
    let TrainArgs { samples, factor, data_seed, .. } = *args;
    match args.dataset.as_str() {
        "circles" => Ok(Circles { samples, factor, noise: args.noise.unwrap_or(0.1), seed: data_seed }.dataset()?),
        "spirals" => Ok(Spirals { samples, noise: args.noise.unwrap_or(0.5), seed: data_seed }.dataset()?),
        name => {
            let known = matches!(name, "mnist" | "fashion-mnist");
            let folder = if known { find_data_folder(args.data_dir.as_deref(), name)? } else { PathBuf::from(name) };
            if !folder.is_dir() {
                let problem =
                    "no such folder; expected circles, spirals, mnist, fashion-mnist or a folder of IDX files";
                return Err(Error::Data { path: folder, problem: problem.into() }.into());
            }
            let classes_of_file = from_file.map(|spec| spec.outputs().max(2));
            let classes = args.classes.or(classes_of_file.filter(|_| !known)).unwrap_or(10);
            let dataset = Dataset::from_idx_folder(&folder, classes)?;
            Ok(if known { Dataset { name: name.into(), ..dataset } } else { dataset })
        }
    }
}

/// MNIST from where `--data-dir` or its stand-ins point.
pub fn open_mnist(data_dir: Option<&Path>) -> Result<Dataset> {
    let dataset = Dataset::from_idx_folder(&find_data_folder(data_dir, "mnist")?, 10)?;
    Ok(Dataset { name: "mnist".into(), ..dataset })
}

/// `--data-dir`, else `$ASGD_DATA_DIR`, else the user's data folder; the set stands in a folder of its name, or
/// in the folder itself.
fn find_data_folder(data_dir: Option<&Path>, name: &str) -> Result<PathBuf> {
    let from_environment = || std::env::var_os("ASGD_DATA_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let of_user = || directories::ProjectDirs::from("", "", "asgd").map(|dirs| dirs.data_dir().to_path_buf());
    let root = data_dir.map(Path::to_path_buf).or_else(from_environment).or_else(of_user);
    let root = root.context("no data folder: name one with --data-dir or ASGD_DATA_DIR")?;
    let own = root.join(name);
    if own.is_dir() {
        return Ok(own);
    }
    let holds_files = std::fs::read_dir(&root).is_ok_and(|mut entries| {
        entries.any(|entry| entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("train-images")))
    });
    if holds_files {
        return Ok(root);
    }
    let problem = format!(
        "no such folder; {name} is looked for in --data-dir, else in $ASGD_DATA_DIR, else in the user's data folder"
    );
    Err(Error::Data { path: own, problem }.into())
}
