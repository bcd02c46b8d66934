//! What a training came to, as run.json keeps it and the terminal shows it.

use anyhow::Result;
use asgd::NetworkSpec;
use serde_json::{json, Value};

use super::folder::Folder;
use super::metrics::{self, Point, Trajectories};
use crate::console::print_line;
use crate::statistics::Summary;

/// A number of a replica's last evaluation.
type Column = fn(&NetworkSpec, &Point) -> f64;

/// Means and standard deviations over the replicas at the end, without those that diverged.
pub fn of(spec: &NetworkSpec, trajectories: &Trajectories) -> Value {
    let last: Vec<&Point> = trajectories.iter().filter_map(|points| points.last()).collect();
    let (diverged, sound): (Vec<_>, Vec<_>) =
        last.iter().enumerate().partition(|(_, point)| metrics::has_diverged(point));
    let mut result = json!({
        "replicas": trajectories.len(),
        "diverged_replicas": diverged.iter().map(|(replica, _)| replica).collect::<Vec<_>>(),
    });
    let values: [(&str, Column); 7] = [
        ("train_loss", |_, point| point.train.loss),
        ("train_accuracy", |_, point| point.train.accuracy),
        ("test_loss", |_, point| point.test.loss),
        ("test_accuracy", |_, point| point.test.accuracy),
        ("mean_adaptive_batch_size", |spec, point| metrics::mean_adaptive_batch_size(spec, point).unwrap_or(f64::NAN)),
        ("true_dummies", |_, point| f64::from(point.train.true_dummies())),
        ("pseudo_dummies", |_, point| f64::from(point.train.pseudo_dummies())),
    ];
    for (name, value) in values {
        let summary = Summary::of(sound.iter().map(|(_, point)| value(spec, point)));
        result[name] = json!(summary.mean);
        result[format!("{name}_std")] = json!(summary.deviation);
    }
    result
}

/// Says it on stdout.
///
/// # Errors
/// If stdout cannot be written.
pub fn say(result: &Value, folder: &Folder) -> Result<()> {
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
        print_line(&format!("test accuracy {accuracy}, test loss {loss}{of}, in {seconds:.1} s"))?;
    }
    if diverged > 0 {
        let which: Vec<String> =
            result["diverged_replicas"].as_array().into_iter().flatten().map(Value::to_string).collect();
        let which = if which.len() > 20 { format!("{}, ...", which[..20].join(", ")) } else { which.join(", ") };
        print_line(&format!(
            "{diverged} of {replicas} replicas diverged and are left out above (replica {which}): try a lower --lr"
        ))?;
    }
    print_line(&format!(
        "{}: model.safetensors, counts.safetensors, metrics.csv, learning_curve.svg, report.html, run.json",
        folder.path().display()
    ))
}
