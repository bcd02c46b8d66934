//! Learning curves of several runs in one figure.

use super::history::Row;
use super::runs::PastRun;
use crate::figures::{Curve, Legend, LinePanel, PALETTE, legend_width, range_of};
use crate::run::curve::{band, thinned};

/// What the curves run over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Axis {
    Epoch,
    Step,
}

/// Test loss and test score of runs of these names, and the size that their legend needs.
pub fn panels(runs: &[PastRun], names: &[String], by: Axis) -> ([LinePanel; 2], (u32, u32)) {
    let panel = |title: &str, y, value: fn(&Row) -> f64, y_range: fn(&[Curve]) -> Option<(f64, f64)>| {
        let curve = |((run, name), color): ((&PastRun, &String), _)| {
            let at = |row: &Row| match by {
                Axis::Epoch => row.epoch,
                Axis::Step => row.step as f64,
            };
            let points = run.over_time(value).into_iter();
            let points = points.filter_map(|(row, values)| Some((at(&row), band(values.into_iter())?)));
            Curve { name: name.clone(), color, points: thinned(points.collect()) }
        };
        // Runs beyond the colours repeat them with other dashes.
        let curves: Vec<Curve> = runs.iter().zip(names).zip(PALETTE.into_iter().cycle()).map(curve).collect();
        let x = match by {
            Axis::Epoch => "epoch",
            Axis::Step => "step",
        };
        let y_range = y_range(&curves);
        LinePanel { title: title.into(), x, y, curves, legend: Legend::Beside, y_range }
    };
    let task = runs.first().map_or_else(asgd::Task::default, PastRun::task);
    let panels = [
        panel("test loss", task.loss_label(), |row| row.test_loss, legible),
        panel(&format!("test {}", task.score_label()), task.score_label(), |row| row.test_score, |_| None),
    ];
    let height = (80 + 16 * runs.len() as u32).max(380);
    (panels, (400 + legend_width(names.iter().map(String::as_str)), height))
}

/// The range of losses in which most runs can be told apart: one that all but diverged would make lines of the others.
fn legible(curves: &[Curve]) -> Option<(f64, f64)> {
    const TIMES_THE_MEDIAN: f64 = 4.0;
    let highest = |curve: &Curve| curve.points.iter().map(|(_, [_, _, high])| *high).fold(f64::NEG_INFINITY, f64::max);
    let mut tops: Vec<f64> = curves.iter().filter(|curve| !curve.points.is_empty()).map(highest).collect();
    tops.sort_by(f64::total_cmp);
    let limit = TIMES_THE_MEDIAN * tops.get((tops.len().max(1) - 1) / 2)?;
    let values = curves.iter().flat_map(|curve| &curve.points).flat_map(|(_, values)| *values);
    Some(range_of(values.map(|value| value.min(limit))))
}
