//! Run folders, read.

use std::path::{Path, PathBuf};

use anyhow::Result;
use asgd::{Error, Gradient, Optimizer};
use serde_json::Value;

use super::history::{self, History, Row};
use crate::run::facts;
use crate::statistics::Summary;

/// A run, or a cell of one, as its folder tells it.
#[derive(Debug, Clone)]
pub struct PastRun {
    pub folder: PathBuf,
    /// Of a sweep.
    pub cell: Option<String>,
    /// Keys, as in run.json, and values, in words.
    pub settings: Vec<(String, String)>,
    /// `dataset` of run.json.
    pub data: Value,
    pub is_finished: bool,
    /// Of the whole folder.
    pub seconds: Option<f64>,
    history: History,
}

/// The lowest mean test loss of a run, and where it was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lowest {
    pub epoch: f64,
    pub step: u64,
    pub test_loss: f64,
}

/// The run in a folder, or its cells.
///
/// # Errors
/// [`Error::Data`] if there is none, or a file is damaged.
pub fn read(folder: &Path) -> Result<Vec<PastRun>> {
    let document = document(folder)?;
    let no_run = |what: &str| Error::Data { path: folder.into(), problem: format!("holds {what}, no training") };
    if document["experiment"].is_number() {
        return Err(no_run("an experiment").into());
    }
    if !document["settings"].is_object() {
        return Err(no_run("other settings").into());
    }
    let metrics = folder.join("metrics.csv");
    if !metrics.exists() {
        let problem = "has not saved any evaluation yet: there is no metrics.csv".into();
        return Err(Error::Data { path: folder.into(), problem }.into());
    }
    let result = &document["result"];
    let run_of = |history: History| PastRun {
        folder: folder.into(),
        settings: settings(&document, history.cell.as_deref()),
        cell: history.cell.clone(),
        data: document["dataset"].clone(),
        is_finished: result.is_object(),
        seconds: result["seconds"].as_f64(),
        history,
    };
    Ok(history::read(&metrics)?.into_iter().map(run_of).collect())
}

/// run.json; of a run that is not finished, settings.json.
fn document(folder: &Path) -> Result<Value> {
    let refuse = |path: &Path, problem: String| Err(Error::Data { path: path.into(), problem }.into());
    if !folder.is_dir() {
        let what = if folder.exists() { "is a file; name the folder of a run" } else { "no such folder" };
        return refuse(folder, what.into());
    }
    for name in ["run.json", "settings.json"] {
        let path = folder.join(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => match serde_json::from_str(&text) {
                Ok(document) => return Ok(document),
                Err(error) => return refuse(&path, format!("is damaged: {error}")),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return refuse(&path, format!("cannot be read: {error}")),
        }
    }
    refuse(folder, "holds no run".into())
}

/// What may tell runs apart. What follows from the rest is left out; what a cell says stands beside what the sweep says.
fn settings(document: &Value, cell: Option<&str>) -> Vec<(String, String)> {
    let mut all = document["settings"].clone();
    let number = cell.and_then(|cell| cell.parse::<usize>().ok()).and_then(|number| number.checked_sub(1));
    if let (Some(cells), Some(all)) = (all["cells"].as_array().cloned(), all.as_object_mut()) {
        all.remove("cells");
        let of_cell = number.and_then(|index| cells.get(index)?.as_object().cloned());
        all.extend(of_cell.into_iter().flatten());
    }
    let mut found = vec![("dataset".to_string(), facts::text("name", &document["dataset"]["name"]))];
    let epochs = all["steps"].as_f64().zip(all["steps_per_epoch"].as_f64()).map(|(steps, each)| steps / each);
    for (key, value) in facts::in_order(&all) {
        if matches!(key, "initial_sha256" | "evaluate_every_steps" | "steps_per_epoch" | "padded") {
            continue;
        }
        let (key, text) = match (key, epochs) {
            ("steps", Some(epochs)) => ("epochs", facts::float((epochs * 100.0).round() / 100.0)),
            _ => (key, facts::text(key, value)),
        };
        found.push((key.to_string(), text));
    }
    let share = &document["dataset"]["validation"]["fraction"];
    found.push(("validation".into(), facts::text("validation", share)));
    let of_data = [("scale", &document["dataset"]["scale"]), ("device", &document["device"]["name"])];
    found.extend(of_data.map(|(key, value)| (key.to_string(), facts::text(key, value))));
    // The mean gradient has no epsilon.
    let is_mean = |name: &str| name.parse().is_ok_and(|optimizer: Optimizer| optimizer.gradient == Gradient::Mean);
    if found.iter().any(|(key, value)| key == "optimizer" && is_mean(value)) {
        found.retain(|(key, _)| key != "epsilon");
    }
    found
}

impl PastRun {
    /// Evaluations that all replicas have: of an interrupted run, some may be further than others.
    fn evaluations(&self) -> usize {
        self.history.replicas.iter().map(Vec::len).min().unwrap_or(0)
    }

    pub fn replicas(&self) -> usize {
        self.history.replicas.len()
    }

    /// Replicas that have diverged by the last of these evaluations, in their order.
    pub fn diverged(&self) -> Vec<usize> {
        let end = self.evaluations();
        let last = self.history.replicas.iter().map(|rows| rows[end - 1]);
        last.enumerate().filter(|(_, row)| row.has_diverged).map(|(replica, _)| replica).collect()
    }

    /// Evaluation after evaluation, what those replicas came to that do not diverge: (a row of them, a value of each).
    pub fn over_time(&self, value: fn(&Row) -> f64) -> Vec<(Row, Vec<f64>)> {
        let diverged = self.diverged();
        let sound = || {
            let replicas = self.history.replicas.iter().enumerate();
            replicas.filter(|(replica, _)| !diverged.contains(replica)).map(|(_, rows)| rows)
        };
        let first = |index: usize| sound().next().map(|rows| rows[index]);
        (0..self.evaluations())
            .filter_map(|index| Some((first(index)?, sound().map(|rows| value(&rows[index])).collect())))
            .collect()
    }

    /// Over the replicas that do not diverge, at the last evaluation.
    pub fn end(&self, value: fn(&Row) -> f64) -> Summary {
        Summary::of(self.over_time(value).pop().map_or_else(Vec::new, |(_, values)| values))
    }

    /// How far it is.
    pub fn epoch(&self) -> f64 {
        self.history.replicas.first().map_or(0.0, |rows| rows[self.evaluations() - 1].epoch)
    }

    /// Where the mean test loss was lowest; a choice by the test set, so its loss is lower than that of new samples.
    pub fn lowest(&self) -> Option<Lowest> {
        let means = self.over_time(|row| row.test_loss).into_iter().map(|(row, losses)| Lowest {
            epoch: row.epoch,
            step: row.step,
            test_loss: Summary::of(losses).mean,
        });
        means.filter(|lowest| lowest.test_loss.is_finite()).min_by(|a, b| a.test_loss.total_cmp(&b.test_loss))
    }

    /// Whether both come of the same samples with the same test set. Another scale, or another share set aside for
    /// validation, is another setting, not other data.
    pub fn has_data_of(&self, other: &Self) -> bool {
        let [own, others] = [&self.data, &other.data];
        let source = |data: &Value| [data["source_sha256"].clone(), data["split"].clone()];
        own["sha256"] == others["sha256"] || own["source_sha256"].is_string() && source(own) == source(others)
    }
}
