//! What a training came to, as run.json keeps it and the terminal shows it.

use anyhow::Result;
use asgd::{Loss, NetworkSpec};
use serde_json::{Value, json};

use super::folder::Folder;
use super::length::Length;
use super::metrics::{self, Point};
use super::stopping::{Criterion, Keep, Rules};
use crate::console::announce;
use crate::statistics::Summary;
use crate::sweep::groups::CellTrained;

/// A number of an evaluation; NaN where there is none.
type Column = fn(&NetworkSpec, &Point) -> f64;

/// Means and standard deviations over the networks of the result, without those that diverged; and where the validation set would
/// have chosen others, over these.
pub fn of(spec: &NetworkSpec, trained: &CellTrained, length: &Length, rules: Option<Rules>) -> Value {
    let steps_per_epoch = length.steps_per_epoch;
    let trajectories = &trained.trajectories;
    let last: Vec<&Point> = trained.ends().collect();
    let first_diverged = |points: &Vec<Point>| {
        let first = points.iter().find(|point| metrics::has_diverged(point));
        first.map(|point| point.step as f64 / steps_per_epoch as f64)
    };
    let diverged: Vec<usize> = (0..trajectories.len()).filter(|&replica| trained.has_diverged(replica)).collect();
    let mut result = json!({
        "replicas": trajectories.len(),
        "diverged_replicas": diverged,
        "diverged_at_epochs": diverged.iter().map(|&replica| first_diverged(&trajectories[replica])).collect::<Vec<_>>(),
    });
    let score = spec.loss().score();
    let [train_score, validation_score, test_score] =
        ["train", "validation", "test"].map(|set| format!("{set}_{score}"));
    let values: [(&str, Column); 9] = [
        ("train_loss", |_, point| point.train.loss),
        (&train_score, |_, point| point.train.score),
        ("validation_loss", |_, point| point.validation.as_ref().map_or(f64::NAN, |validation| validation.loss)),
        (&validation_score, |_, point| point.validation.as_ref().map_or(f64::NAN, |validation| validation.score)),
        ("test_loss", |_, point| point.test.loss),
        (&test_score, |_, point| point.test.score),
        ("mean_adaptive_batch_size", |spec, point| metrics::mean_adaptive_batch_size(spec, point).unwrap_or(f64::NAN)),
        ("true_dummies", |_, point| f64::from(point.train.true_dummies())),
        ("pseudo_dummies", |_, point| f64::from(point.train.pseudo_dummies())),
    ];
    let has_validation = last.iter().any(|point| point.validation.is_some());
    let summarise = |result: &mut Value, points: &[&Point]| {
        for (name, value) in values {
            if name.starts_with("validation") && !has_validation {
                continue;
            }
            // An initial network has no adaptive batch sizes.
            let summary = Summary::of(points.iter().map(|point| value(spec, point)).filter(|value| !value.is_nan()));
            result[name] = json!(summary.mean);
            result[format!("{name}_std")] = json!(summary.deviation);
        }
    };
    summarise(&mut result, &trained.sound().map(|(_, point)| point).collect::<Vec<_>>());
    if let Some(rules) = rules {
        let stopped = trajectories.iter().map(|points| points.last().filter(|last| last.step < length.steps));
        result["stopped_steps"] = json!(stopped.map(|last| last.map(|last| last.step)).collect::<Vec<_>>());
        result["kept"] = json!(rules.keep.to_string());
        result["kept_steps"] = json!(last.iter().map(|point| point.step).collect::<Vec<_>>());
    }
    if has_validation {
        let criterion = rules.map_or(Criterion::default(), |rules| rules.criterion);
        let best_of = |(replica, points): (usize, &'_ Vec<Point>)| {
            let best = criterion.best(points).filter(|_| !trained.has_diverged(replica))?;
            Some(points[best].clone())
        };
        let best: Vec<Option<Point>> = trajectories.iter().enumerate().map(best_of).collect();
        let found: Vec<&Point> = best.iter().flatten().collect();
        let mut of_best = json!({
            "by": criterion.to_string(),
            "replicas": found.len(),
            "steps": best.iter().map(|point| point.as_ref().map(|point| point.step)).collect::<Vec<_>>(),
        });
        summarise(&mut of_best, &found);
        result["at_best_validation"] = of_best;
    }
    result
}

/// Score and loss on the test set, and of how many replicas; `None` where all diverged.
fn on_test_set(loss: Loss, result: &Value, replicas: usize) -> Option<String> {
    let spread = |key: &str| {
        let number = |key: &str| result[key].as_f64().unwrap_or(f64::NAN);
        match replicas {
            1 => format!("{:.4}", number(key)),
            _ => format!("{:.4} ± {:.4}", number(key), number(&format!("{key}_std"))),
        }
    };
    let of = if replicas > 1 { format!(" (mean ± standard deviation of {replicas} replicas)") } else { String::new() };
    let (label, score) = (loss.score_label(), spread(&format!("test_{}", loss.score())));
    (replicas > 0).then(|| format!("test {label} {score}, test loss {}{of}", spread("test_loss")))
}

/// Whether its networks are those of the best evaluations.
pub fn keeps_best(result: &Value) -> bool {
    result["kept"] == json!(Keep::Best.to_string())
}

/// "at the best validation loss"
pub fn at_best(result: &Value) -> String {
    format!("at the best validation {}", result["at_best_validation"]["by"].as_str().unwrap_or("loss"))
}

/// What evaluations of the validation set decided, or would have chosen, a line each.
pub fn decisions(loss: Loss, result: &Value) -> Vec<String> {
    let best = &result["at_best_validation"];
    let found = best["replicas"].as_u64().unwrap_or(0) as usize;
    let is_result = keeps_best(result) || best["test_loss"] == result["test_loss"];
    let figures = on_test_set(loss, best, found).filter(|_| !is_result);
    let figures = figures.map(|figures| format!("{}: {figures}", at_best(result)));
    figures.into_iter().chain(stopped(result)).collect()
}

/// How many replicas stopped before the end, and when.
fn stopped(result: &Value) -> Option<String> {
    let all = result["stopped_steps"].as_array()?;
    let steps: Vec<u64> = all.iter().filter_map(Value::as_u64).collect();
    let (first, last) = (steps.iter().min()?, steps.iter().max()?);
    let when = if first == last { format!("step {first}") } else { format!("steps {first} to {last}") };
    Some(format!("{} of {} replicas stopped early, at {when}", steps.len(), all.len()))
}

/// Says it on stdout.
pub fn say(loss: Loss, result: &Value, folder: &Folder) {
    let replicas = result["replicas"].as_u64().unwrap_or(0) as usize;
    let seconds = result["seconds"].as_f64().unwrap_or(f64::NAN);
    let diverged = result["diverged_replicas"].as_array().map_or(0, Vec::len);
    let counted = replicas.saturating_sub(diverged);
    if let Some(figures) = on_test_set(loss, result, counted) {
        let at = if keeps_best(result) { format!(" {}", at_best(result)) } else { String::new() };
        announce(&format!("{figures}{at}, in {seconds:.1} s"));
    }
    decisions(loss, result).iter().for_each(|line| announce(line));
    if diverged > 0 {
        let which = diverged_at(result);
        // A rate cannot be to blame for what was so before the first step.
        let mut epochs = result["diverged_at_epochs"].as_array().into_iter().flatten();
        let mend = match epochs.any(|epoch| epoch.as_f64() != Some(0.0)) {
            true => "try a lower --lr",
            false => {
                "before the first step, numbers of the data or of --init are too large for f32; try --scale standard"
            }
        };
        announce(&format!("{diverged} of {replicas} replicas diverged and are left out above ({which}): {mend}"));
    }
    announce(&format!(
        "{}: model.safetensors, counts.safetensors, metrics.csv, learning_curve.svg, report.html, run.json",
        folder.path().display()
    ));
}

/// The end of a part of a run, which is kept for `asgd merge`.
///
/// # Errors
/// If that cannot be written.
pub fn finish_shard(folder: &Folder, is_quiet: bool, is_json: bool) -> Result<()> {
    let Some(shard) = folder.shard() else { return Ok(()) };
    folder.finish_shard(shard)?;
    match (is_json, is_quiet) {
        (true, _) => announce(&json!({ "shard": shard.to_string(), "out": folder.path() }).to_string()),
        (false, true) => {}
        (false, false) => announce(&format!(
            "{}: part {shard} is trained; when all {} are: asgd merge DIR... --out DIR",
            folder.path().display(),
            shard.count
        )),
    }
    Ok(())
}

/// Which replicas diverged and when: "replica 3 by epoch 2, 5 by epoch 1".
pub fn diverged_at(result: &Value) -> String {
    const NAMED: usize = 10;
    let list = |key: &str| result[key].as_array().into_iter().flatten();
    let all: Vec<String> = list("diverged_replicas")
        .zip(list("diverged_at_epochs"))
        .map(|(replica, epoch)| {
            format!("{replica} by epoch {}", (epoch.as_f64().unwrap_or(0.0) * 100.0).round() / 100.0)
        })
        .collect();
    let more = if all.len() > NAMED { ", ..." } else { "" };
    format!("replica {}{more}", all[..all.len().min(NAMED)].join(", "))
}
