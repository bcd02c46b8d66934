//! The folder that a run leaves behind.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use asgd::Evaluation;

/// One evaluation of one replica: a row of metrics.csv.
#[derive(Debug, Clone)]
pub struct Row {
    pub replica: usize,
    /// Passes over the training set so far.
    pub epoch: f64,
    pub step: u64,
    pub train: Evaluation,
    pub test: Evaluation,
    /// c, averaged over all parameters in the last step; `None` before the first.
    pub mean_adaptive_batch_size: Option<f64>,
}

const HEADER: [&str; 10] = [
    "replica",
    "epoch",
    "step",
    "train_loss",
    "train_accuracy",
    "test_loss",
    "test_accuracy",
    "mean_adaptive_batch_size",
    "true_dummies",
    "pseudo_dummies",
];

/// Metrics of a run that has not ended.
const PARTIAL_METRICS: &str = "metrics.partial.csv";

/// A run's folder, with its metrics growing in a partial file until [`RunFolder::finish_metrics`].
pub struct RunFolder {
    path: PathBuf,
    metrics: csv::Writer<File>,
}

/// Where a run goes: `out`, or the next free runs/NAME-NUMBER.
///
/// # Errors
/// If `out` is a file, or a folder that holds something else than a run.
pub fn choose(out: Option<&Path>, name: &str) -> Result<PathBuf> {
    let Some(out) = out else {
        let free = (1..).map(|number| Path::new("runs").join(format!("{name}-{number}"))).find(|path| !path.exists());
        return free.context("runs: no free folder name");
    };
    if out.exists() && !out.is_dir() {
        anyhow::bail!("{}: is a file; --out names a folder", out.display());
    }
    let holds_other_things = out.is_dir()
        && !out.join("run.json").exists()
        && !out.join(PARTIAL_METRICS).exists()
        && std::fs::read_dir(out).with_context(|| format!("{}: cannot be read", out.display()))?.next().is_some();
    if holds_other_things {
        anyhow::bail!("{}: is not empty and holds no run; choose another --out", out.display());
    }
    Ok(out.to_path_buf())
}

impl RunFolder {
    /// Makes the folder and begins its metrics.
    pub fn create(path: PathBuf) -> Result<Self> {
        std::fs::create_dir_all(&path).with_context(|| format!("{}: cannot be made", path.display()))?;
        let partial = path.join(PARTIAL_METRICS);
        let file = File::create(&partial).with_context(|| format!("{}: cannot be written", partial.display()))?;
        let mut metrics = csv::Writer::from_writer(file);
        metrics.write_record(HEADER)?;
        metrics.flush()?;
        Ok(Self { path, metrics })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds the rows of one evaluation.
    pub fn write_rows(&mut self, rows: &[Row]) -> Result<()> {
        for row in rows {
            let Row { replica, epoch, step, train, test, mean_adaptive_batch_size } = row;
            self.metrics.write_record([
                replica.to_string(),
                epoch.to_string(),
                step.to_string(),
                train.loss.to_string(),
                train.accuracy.to_string(),
                test.loss.to_string(),
                test.accuracy.to_string(),
                mean_adaptive_batch_size.map_or_else(String::new, |mean| mean.to_string()),
                train.true_dummies().to_string(),
                train.pseudo_dummies().to_string(),
            ])?;
        }
        self.metrics.flush().with_context(|| format!("{}: the metrics cannot be written", self.path.display()))
    }

    /// Takes away an earlier run's run.json before its files are replaced one by one: without it a folder is no
    /// finished run, whenever this program should be killed.
    pub fn begin_replacing(&self) -> Result<()> {
        match std::fs::remove_file(self.path.join("run.json")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("{}: cannot be replaced", self.path.join("run.json").display()))
            }
            _ => Ok(()),
        }
    }

    /// Gives the metrics their final name.
    pub fn finish_metrics(&mut self) -> Result<()> {
        let finish = || -> std::io::Result<()> {
            self.metrics.get_ref().sync_all()?;
            std::fs::rename(self.path.join(PARTIAL_METRICS), self.path.join("metrics.csv"))
        };
        finish().with_context(|| format!("{}: the metrics cannot be written", self.path.display()))
    }

    /// Writes a file of the folder, whole or not at all.
    pub fn write(&self, name: &str, contents: &str) -> Result<()> {
        Ok(asgd::files::write_atomically(&self.path.join(name), contents.as_bytes())?)
    }
}

/// Prints a line to stdout; a closed pipe is an error, not a panic.
pub fn print_line(line: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").context("stdout cannot be written")
}
