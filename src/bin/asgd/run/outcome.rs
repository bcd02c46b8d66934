//! What a training came to, as run.json keeps it and the terminal shows it.

use asgd::NetworkSpec;
use serde_json::{Value, json};

use super::folder::Folder;
use super::metrics::{self, Point, Trajectories};
use crate::console::announce;
use crate::statistics::Summary;

/// A number of a replica's last evaluation; NaN where there is none.
type Column = fn(&NetworkSpec, &Point) -> f64;

/// Means and standard deviations over the replicas at the end, without those that diverged.
pub fn of(spec: &NetworkSpec, trajectories: &Trajectories, steps_per_epoch: u64) -> Value {
    let last: Vec<&Point> = trajectories.iter().filter_map(|points| points.last()).collect();
    let first_diverged = |points: &Vec<Point>| {
        let first = points.iter().find(|point| metrics::has_diverged(point));
        first.map(|point| point.step as f64 / steps_per_epoch as f64)
    };
    let (diverged, sound): (Vec<_>, Vec<_>) =
        last.iter().enumerate().partition(|(_, point)| metrics::has_diverged(point));
    let mut result = json!({
        "replicas": trajectories.len(),
        "diverged_replicas": diverged.iter().map(|(replica, _)| replica).collect::<Vec<_>>(),
        "diverged_at_epochs": diverged.iter().map(|(replica, _)| first_diverged(&trajectories[*replica])).collect::<Vec<_>>(),
    });
    let values: [(&str, Column); 9] = [
        ("train_loss", |_, point| point.train.loss),
        ("train_accuracy", |_, point| point.train.accuracy),
        ("validation_loss", |_, point| point.validation.as_ref().map_or(f64::NAN, |validation| validation.loss)),
        ("validation_accuracy", |_, point| {
            point.validation.as_ref().map_or(f64::NAN, |validation| validation.accuracy)
        }),
        ("test_loss", |_, point| point.test.loss),
        ("test_accuracy", |_, point| point.test.accuracy),
        ("mean_adaptive_batch_size", |spec, point| metrics::mean_adaptive_batch_size(spec, point).unwrap_or(f64::NAN)),
        ("true_dummies", |_, point| f64::from(point.train.true_dummies())),
        ("pseudo_dummies", |_, point| f64::from(point.train.pseudo_dummies())),
    ];
    for (name, value) in values {
        let has_validation = last.iter().any(|point| point.validation.is_some());
        if name.starts_with("validation") && !has_validation {
            continue;
        }
        let summary = Summary::of(sound.iter().map(|(_, point)| value(spec, point)));
        result[name] = json!(summary.mean);
        result[format!("{name}_std")] = json!(summary.deviation);
    }
    result
}

/// Says it on stdout.
pub fn say(result: &Value, folder: &Folder) {
    let replicas = result["replicas"].as_u64().unwrap_or(0) as usize;
    let seconds = result["seconds"].as_f64().unwrap_or(f64::NAN);
    let diverged = result["diverged_replicas"].as_array().map_or(0, Vec::len);
    let counted = replicas.saturating_sub(diverged);
    let spread = |key: &str| {
        let number = |key: &str| result[key].as_f64().unwrap_or(f64::NAN);
        match counted {
            0 | 1 => format!("{:.4}", number(key)),
            _ => format!("{:.4} ± {:.4}", number(key), number(&format!("{key}_std"))),
        }
    };
    let of = if counted > 1 { format!(" (mean ± standard deviation of {counted} replicas)") } else { String::new() };
    if counted > 0 {
        let (accuracy, loss) = (spread("test_accuracy"), spread("test_loss"));
        announce(&format!("test accuracy {accuracy}, test loss {loss}{of}, in {seconds:.1} s"));
    }
    if diverged > 0 {
        let which = diverged_at(result);
        announce(&format!(
            "{diverged} of {replicas} replicas diverged and are left out above ({which}): try a lower --lr"
        ));
    }
    announce(&format!(
        "{}: model.safetensors, counts.safetensors, metrics.csv, learning_curve.svg, report.html, run.json",
        folder.path().display()
    ));
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
