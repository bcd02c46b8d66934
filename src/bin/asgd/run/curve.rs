//! learning_curve.svg.

use anyhow::Result;
use plotters::prelude::SeriesLabelPosition;

use super::metrics::{Point, Trajectories};
use crate::figures::{lines, Curve, Legend, LinePanel, BLUE, VERMILION};

/// Loss and accuracy over the epochs of a run: lines are means, bands span all replicas.
pub fn learning_curve(title: &str, trajectories: &Trajectories, steps_per_epoch: u64) -> Result<String> {
    let replicas = trajectories.len();
    let band = if replicas > 1 { format!("; mean and range of {replicas} replicas") } else { String::new() };
    let panel = |y, values: [fn(&Point) -> f64; 2], legend| LinePanel {
        title: String::new(),
        x: "epoch",
        y,
        curves: [("training set", BLUE, values[0]), ("test set", VERMILION, values[1])]
            .map(|(name, color, value)| Curve {
                name: name.to_string(),
                color,
                points: mean_and_range(trajectories, steps_per_epoch, value),
            })
            .into(),
        legend: Legend::Inside(legend),
        y_range: None,
    };
    let panels = [
        panel(
            "cross-entropy (nats)",
            [|point| point.train.loss, |point| point.test.loss],
            SeriesLabelPosition::UpperRight,
        ),
        panel("accuracy", [|point| point.train.accuracy, |point| point.test.accuracy], SeriesLabelPosition::LowerRight),
    ];
    lines(&format!("{title}{band}"), &panels, 2, (450, 390))
}

/// Over the replicas that have a number, evaluation by evaluation.
pub fn mean_and_range(
    trajectories: &Trajectories,
    steps_per_epoch: u64,
    value: fn(&Point) -> f64,
) -> Vec<(f64, [f64; 3])> {
    let evaluations = trajectories.iter().map(Vec::len).min().unwrap_or(0);
    let point = |index: usize| {
        let values = trajectories.iter().map(|points| value(&points[index])).filter(|value| value.is_finite());
        let values: Vec<f64> = values.collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let range = values.iter().fold([mean, mean], |[low, high], &value| [low.min(value), high.max(value)]);
        let epoch = trajectories[0][index].step as f64 / steps_per_epoch as f64;
        (!values.is_empty()).then_some((epoch, [mean, range[0], range[1]]))
    };
    (0..evaluations).filter_map(point).collect()
}
