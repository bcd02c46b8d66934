//! Run folders, read.

use std::path::{Path, PathBuf};

use anyhow::Result;
use asgd::{Error, Gradient, Optimizer, Task};
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
    /// Of each replica, the step of the network that the run left, where that need not be its last.
    kept: Option<Vec<u64>>,
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
        kept: kept(result, history.cell.as_deref()),
        history,
    };
    Ok(history::read(&metrics)?.into_iter().map(run_of).collect())
}

/// The steps of the networks of a run, or of a cell of it.
fn kept(result: &Value, cell: Option<&str>) -> Option<Vec<u64>> {
    let of_cell = match cell {
        Some(cell) => result["cells"].as_array()?.get(cell.parse::<usize>().ok()?.checked_sub(1)?)?,
        None => result,
    };
    of_cell["kept_steps"].as_array()?.iter().map(Value::as_u64).collect()
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
    let device = Value::String(facts::devices(&document["device"]));
    let of_data = [("scale", &document["dataset"]["scale"]), ("device", &device)];
    found.extend(of_data.map(|(key, value)| (key.to_string(), facts::text(key, value))));
    // Only a regression has one.
    let of_targets = Some(&document["dataset"]["target_scale"]).filter(|scale| !scale.is_null());
    found.extend(of_targets.map(|scale| ("target_scale".to_string(), facts::text("target_scale", scale))));
    // The mean gradient has no epsilon.
    let is_mean = |name: &str| name.parse().is_ok_and(|optimizer: Optimizer| optimizer.gradient == Gradient::Mean);
    if found.iter().any(|(key, value)| key == "optimizer" && is_mean(value)) {
        found.retain(|(key, _)| key != "epsilon");
    }
    found
}

impl PastRun {
    /// Evaluations that are compared: those that all replicas have, because of an interrupted run some may be further than others;
    /// of a finished run all, because those that have fewer stopped there.
    fn evaluations(&self) -> usize {
        let lengths = self.history.replicas.iter().map(Vec::len);
        if self.is_finished { lengths.max() } else { lengths.min() }.unwrap_or(0)
    }

    /// The row that tells how good the network of a replica is.
    fn end_of(&self, replica: usize) -> Row {
        let rows = &self.history.replicas[replica];
        let kept = self.kept.as_ref().and_then(|kept| kept.get(replica));
        let kept = kept.and_then(|step| rows.iter().find(|row| row.step == *step));
        *kept.unwrap_or_else(|| at(rows, self.evaluations() - 1))
    }

    /// Says what the score of its evaluations is.
    pub fn task(&self) -> Task {
        self.history.task
    }

    pub fn replicas(&self) -> usize {
        self.history.replicas.len()
    }

    /// Replicas whose trainings have diverged, whatever networks of before were kept, in their order.
    pub fn diverged(&self) -> Vec<usize> {
        let last = |replica: usize| at(&self.history.replicas[replica], self.evaluations() - 1);
        (0..self.replicas()).filter(|&replica| last(replica).has_diverged).collect()
    }

    /// Evaluation after evaluation, what those replicas came to that do not diverge: (a row of them, a value of each).
    pub fn over_time(&self, value: fn(&Row) -> f64) -> Vec<(Row, Vec<f64>)> {
        let diverged = self.diverged();
        let sound = || {
            let replicas = self.history.replicas.iter().enumerate();
            replicas.filter(|(replica, _)| !diverged.contains(replica)).map(|(_, rows)| rows)
        };
        let longest = sound().max_by_key(|rows| rows.len());
        let row = |index: usize| longest.map(|rows| *at(rows, index));
        (0..self.evaluations())
            .filter_map(|index| Some((row(index)?, sound().map(|rows| value(at(rows, index))).collect())))
            .collect()
    }

    /// Over the networks that have not diverged.
    pub fn end(&self, value: fn(&Row) -> f64) -> Summary {
        let diverged = self.diverged();
        let sound = (0..self.replicas()).filter(|replica| !diverged.contains(replica));
        Summary::of(sound.map(|replica| value(&self.end_of(replica))))
    }

    /// How far it is.
    pub fn epoch(&self) -> f64 {
        let rows = self.history.replicas.iter().map(|rows| at(rows, self.evaluations() - 1).epoch);
        rows.fold(0.0, f64::max)
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

/// A row of a replica; the last one after it has stopped.
fn at(rows: &[Row], index: usize) -> &Row {
    &rows[index.min(rows.len() - 1)]
}
