//! metrics.csv: a row for every evaluation of every replica.

use std::borrow::Cow;

use anyhow::Result;
use asgd::{Activity, Evaluation, NetworkSpec};

use super::stopping::Rules;

/// One evaluation of one replica.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    pub step: u64,
    pub train: Evaluation,
    /// Without its nodes.
    pub test: Evaluation,
    /// Without its nodes; only where samples were set aside for it.
    pub validation: Option<Evaluation>,
    /// c of the last step, averaged over the parameters of each layer; empty before the first step.
    pub mean_adaptive_batch_sizes: Vec<f64>,
}

/// The evaluations of every replica, in the order of their steps.
pub type Trajectories = Vec<Vec<Point>>;

/// Columns that every network has; those of its validation set, whether it stops there, its cell and its layers follow.
/// The score is called what the loss calls it.
fn header(score: &str) -> [String; 11] {
    [
        "replica",
        "epoch",
        "step",
        "train_loss",
        &format!("train_{score}"),
        "test_loss",
        &format!("test_{score}"),
        "mean_adaptive_batch_size",
        "true_dummies",
        "pseudo_dummies",
        "diverged",
    ]
    .map(String::from)
}

/// Replicas of one network under the same settings.
pub struct Rows<'a> {
    /// What tells them from the others, in the columns that [`csv`] is told.
    pub labels: Vec<String>,
    pub spec: &'a NetworkSpec,
    pub steps_per_epoch: u64,
    /// What decides when a replica stops, and the step at which all do.
    pub stops: Option<(Rules, u64)>,
    pub trajectories: Cow<'a, Trajectories>,
}

impl Rows<'_> {
    /// Whether replicas may stop early.
    fn may_stop(&self) -> bool {
        self.stops.is_some_and(|(rules, _)| rules.patience.is_some())
    }

    /// The step at which a replica stopped early.
    fn stopped(&self, points: &[Point]) -> Option<u64> {
        let (rules, end) = self.stops?;
        let last = points.last().filter(|last| last.step < end && rules.progress(points).has_stopped())?;
        Some(last.step)
    }
}

/// The file's contents: one after the other of `all`, and replica after replica within each evaluation. `columns` are those
/// of the labels.
pub fn csv(columns: &[&str], all: &[Rows<'_>]) -> Result<String> {
    let layers = all.iter().map(|rows| rows.spec.layers().len()).max().unwrap_or(0);
    let has_validation =
        all.iter().flat_map(|rows| rows.trajectories.iter().flatten()).any(|point| point.validation.is_some());
    // All are trained on the same data, and so for the same kind of loss.
    let score = all.first().map_or("accuracy", |rows| rows.spec.loss().score());
    let validation = ["validation_loss".to_string(), format!("validation_{score}")];
    let validation = &validation[..if has_validation { validation.len() } else { 0 }];
    let mut header: Vec<String> = header(score).into_iter().chain(validation.iter().cloned()).collect();
    let may_stop = all.iter().any(Rows::may_stop);
    header.extend(may_stop.then(|| "stopped".to_string()));
    header.extend(columns.iter().map(|column| column.to_string()));
    header.extend((1..=layers).map(|layer| format!("mean_adaptive_batch_size_{layer}")));
    header.extend((1..layers).map(|layer| format!("true_dummies_{layer}")));
    header.extend((1..layers).map(|layer| format!("pseudo_dummies_{layer}")));
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header)?;
    for of_cell @ Rows { labels, spec, steps_per_epoch, trajectories, .. } in all {
        let stopped: Vec<Option<u64>> = trajectories.iter().map(|points| of_cell.stopped(points)).collect();
        let points = trajectories.iter().enumerate();
        let mut rows: Vec<(usize, &Point)> =
            points.flat_map(|(replica, points)| points.iter().map(move |point| (replica, point))).collect();
        rows.sort_by_key(|(replica, point)| (point.step, *replica));
        for (replica, point) in rows {
            let Point { step, train, test, validation: of_validation, mean_adaptive_batch_sizes: means } = point;
            let mut row = vec![
                replica.to_string(),
                (*step as f64 / *steps_per_epoch as f64).to_string(),
                step.to_string(),
                train.loss.to_string(),
                train.score.to_string(),
                test.loss.to_string(),
                test.score.to_string(),
                mean_adaptive_batch_size(spec, point).map_or_else(String::new, |mean| mean.to_string()),
                train.true_dummies().to_string(),
                train.pseudo_dummies().to_string(),
                u8::from(has_diverged(point)).to_string(),
            ];
            row.extend(validation.iter().zip([|of: &Evaluation| of.loss, |of: &Evaluation| of.score]).map(
                |(_, value)| {
                    of_validation.as_ref().map_or_else(String::new, |validation| value(validation).to_string())
                },
            ));
            row.extend(may_stop.then(|| u8::from(stopped[replica] == Some(*step)).to_string()));
            row.extend(labels.iter().cloned());
            row.extend((0..layers).map(|layer| means.get(layer).map_or_else(String::new, f64::to_string)));
            for wanted in [Activity::Never, Activity::Always] {
                let mut counts = by_layer(spec, &train.nodes, wanted);
                row.extend((1..layers).map(|_| counts.next().map_or_else(String::new, |count| count.to_string())));
            }
            writer.write_record(row)?;
        }
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

/// A point of a network that was padded to a wider one, as the narrow one alone would have it.
pub fn narrowed(point: &Point, wide: &NetworkSpec, narrow: &NetworkSpec) -> Point {
    if wide == narrow {
        return point.clone();
    }
    let mut point = point.clone();
    let mut rest = &point.train.nodes[..];
    let mut nodes = Vec::new();
    for (&wide, &narrow) in wide.hidden().iter().zip(narrow.hidden()) {
        let (layer, others) = rest.split_at(wide.min(rest.len()));
        nodes.extend_from_slice(&layer[..narrow.min(layer.len())]);
        rest = others;
    }
    point.train.nodes = nodes;
    // Padding is never counted: the sums of the counts, which are whole numbers, are the same.
    let parameters = wide.layer_parameters().zip(narrow.layer_parameters());
    for (mean, (wide, narrow)) in point.mean_adaptive_batch_sizes.iter_mut().zip(parameters) {
        *mean = (*mean * wide as f64).round() / narrow as f64;
    }
    point
}

/// c, averaged over all parameters; `None` before the first step.
pub fn mean_adaptive_batch_size(spec: &NetworkSpec, point: &Point) -> Option<f64> {
    let means = &point.mean_adaptive_batch_sizes;
    let total: f64 = spec.layer_parameters().zip(means).map(|(parameters, mean)| mean * parameters as f64).sum();
    (!means.is_empty()).then(|| total / spec.parameter_count() as f64)
}

/// A training loss of so many times the initial one tells of a network that has gone for good, though it is a number still.
const HOPELESS: f64 = 1000.0;

/// Appends an evaluation; it says so where the training has left all bounds.
pub fn push(points: &mut Vec<Point>, mut point: Point) {
    let initial = points.first().unwrap_or(&point).train.loss;
    point.train.has_diverged |= point.train.loss > HOPELESS * initial.max(1.0);
    points.push(point);
}

/// Whether the training has left the numbers, or all bounds.
pub fn has_diverged(point: &Point) -> bool {
    let sets = [&point.train, &point.test].into_iter().chain(&point.validation);
    sets.into_iter().any(|evaluation| evaluation.has_diverged)
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
