//! metrics.csv: a row for every evaluation of every replica.

use anyhow::Result;
use asgd::{Activity, Evaluation, NetworkSpec};

/// One evaluation of one replica.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    pub step: u64,
    pub train: Evaluation,
    /// Without its nodes.
    pub test: Evaluation,
    /// c of the last step, averaged over the parameters of each layer; empty before the first step.
    pub mean_adaptive_batch_sizes: Vec<f64>,
}

/// The evaluations of every replica, in the order of their steps.
pub type Trajectories = Vec<Vec<Point>>;

/// Columns that every network has; those of its layers follow.
const HEADER: [&str; 11] = [
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
    "diverged",
];

/// The file's contents: replica after replica within each evaluation.
pub fn csv<'a>(
    spec: &NetworkSpec,
    steps_per_epoch: u64,
    trajectories: impl Iterator<Item = &'a Vec<Point>>,
) -> Result<String> {
    let layers = spec.layers().len();
    let mut header: Vec<String> = HEADER.map(String::from).into();
    header.extend((1..=layers).map(|layer| format!("mean_adaptive_batch_size_{layer}")));
    header.extend((1..layers).map(|layer| format!("true_dummies_{layer}")));
    header.extend((1..layers).map(|layer| format!("pseudo_dummies_{layer}")));
    let mut rows: Vec<(usize, &Point)> = trajectories
        .enumerate()
        .flat_map(|(replica, points)| points.iter().map(move |point| (replica, point)))
        .collect();
    rows.sort_by_key(|(replica, point)| (point.step, *replica));

    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header)?;
    for (replica, point) in rows {
        let Point { step, train, test, mean_adaptive_batch_sizes: means } = point;
        let mut row = vec![
            replica.to_string(),
            (*step as f64 / steps_per_epoch as f64).to_string(),
            step.to_string(),
            train.loss.to_string(),
            train.accuracy.to_string(),
            test.loss.to_string(),
            test.accuracy.to_string(),
            mean_adaptive_batch_size(spec, point).map_or_else(String::new, |mean| mean.to_string()),
            train.true_dummies().to_string(),
            train.pseudo_dummies().to_string(),
            u8::from(has_diverged(point)).to_string(),
        ];
        row.extend((0..layers).map(|layer| means.get(layer).map_or_else(String::new, f64::to_string)));
        for wanted in [Activity::Never, Activity::Always] {
            row.extend(by_layer(spec, &train.nodes, wanted).map(|count| count.to_string()));
        }
        writer.write_record(row)?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

/// c, averaged over all parameters; `None` before the first step.
pub fn mean_adaptive_batch_size(spec: &NetworkSpec, point: &Point) -> Option<f64> {
    let means = &point.mean_adaptive_batch_sizes;
    let total: f64 =
        spec.layers().zip(means).map(|((inputs, outputs), mean)| mean * ((inputs + 1) * outputs) as f64).sum();
    (!means.is_empty()).then(|| total / spec.parameter_count() as f64)
}

/// Whether the training has left the numbers.
pub fn has_diverged(point: &Point) -> bool {
    point.train.has_diverged || point.test.has_diverged
}

/// How many nodes of each hidden layer are `wanted`.
pub fn by_layer<'a>(
    spec: &'a NetworkSpec,
    nodes: &'a [Activity],
    wanted: Activity,
) -> impl Iterator<Item = usize> + 'a {
    let hidden = spec.hidden();
    let mut rest = nodes;
    hidden.iter().map(move |&width| {
        let (layer, others) = rest.split_at(width.min(rest.len()));
        rest = others;
        layer.iter().filter(|&&node| node == wanted).count()
    })
}
