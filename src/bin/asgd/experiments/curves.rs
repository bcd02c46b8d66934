//! Learning curves: a number of many trainings over the epochs, as figures and tables show it.

use anyhow::Result;
use plotters::style::RGBColor;

use crate::figures::{Curve, Legend, LinePanel, range_of};
use crate::run::metrics::Point;
use crate::statistics::Summary;

/// A number of an evaluation.
pub type Column = fn(&Point) -> f64;

pub const TRAIN_ACCURACY: (&str, Column) = ("train accuracy", |point| point.train.score);
pub const TRAIN_LOSS: (&str, Column) = ("train loss", |point| point.train.loss);
pub const TEST_ACCURACY: (&str, Column) = ("test accuracy", |point| point.test.score);
pub const TEST_LOSS: (&str, Column) = ("test loss", |point| point.test.loss);

/// The mean of a number over trainings, with its 95 % interval, epoch after epoch. The networks before training say nothing and
/// would set the scale.
pub fn curve(name: String, color: RGBColor, trajectories: &[Vec<Point>], value: Column, steps_per_epoch: u64) -> Curve {
    let epochs = trajectories.iter().map(Vec::len).min().unwrap_or(0);
    let point = |index: usize| {
        let summary = Summary::of(trajectories.iter().map(|points| value(&points[index])));
        let [low, high] = if summary.count > 1 { summary.interval() } else { [summary.mean; 2] };
        (trajectories[0][index].step as f64 / steps_per_epoch as f64, [summary.mean, low, high])
    };
    Curve { name, color, points: (1..epochs).map(point).collect() }
}

/// Curves of one of the numbers above. The y axis is around their means, because a band of few repeats may be wider than the
/// figure; and without the first 3 % of the epochs, in which a loss falls so far that the rest would be a line.
pub fn panel(title: String, (quantity, _): (&str, Column), curves: Vec<Curve>) -> LinePanel {
    let last = curves.iter().flat_map(|curve| &curve.points).map(|(epoch, _)| *epoch).fold(0.0, f64::max);
    let settled = curves.iter().flat_map(|curve| &curve.points).filter(|(epoch, _)| *epoch >= 0.03 * last);
    let y_range = Some(range_of(settled.map(|(_, [mean, ..])| *mean)));
    let y = if quantity.ends_with("loss") { "cross-entropy (nats)" } else { "accuracy" };
    LinePanel { title, x: "epoch", y, curves, legend: Legend::Beside, y_range }
}

/// Every evaluation of every training: rows of these labels, in columns of these names, with the trainings' first seed.
pub fn csv(
    columns: &[&str],
    rows: &[(Vec<String>, &[Vec<Point>])],
    first_seed: u64,
    steps_per_epoch: u64,
) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let has_validation = rows.iter().flat_map(|(_, all)| all.iter().flatten()).any(|point| point.validation.is_some());
    let own = ["seed", "epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "true_dummies"];
    let validation = &["validation_loss", "validation_accuracy"][..if has_validation { 2 } else { 0 }];
    writer.write_record([columns, &own, validation].concat())?;
    for (labels, trajectories) in rows {
        for (repeat, points) in trajectories.iter().enumerate() {
            for Point { step, train, test, validation, .. } in points {
                let seed = first_seed + repeat as u64;
                let mut row = labels.clone();
                row.extend([seed.to_string(), (step / steps_per_epoch).to_string()]);
                row.extend([train.loss, train.score, test.loss, test.score].map(|value| value.to_string()));
                row.push(train.true_dummies().to_string());
                row.extend(
                    validation
                        .iter()
                        .flat_map(|validation| [validation.loss, validation.score])
                        .map(|value| value.to_string()),
                );
                writer.write_record(row)?;
            }
        }
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}
