//! sweep.svg: the loss of every cell over the epochs.

use anyhow::Result;

use super::cells::{COLUMNS, Cell, varied};
use super::results::Sweep;
use crate::figures::{Curve, Legend, LinePanel, PALETTE, lines, range_of};
use crate::run::curve::mean_and_range;
use crate::run::metrics::Point;

/// Panels that a figure can hold legibly.
const MAX_PANELS: usize = 12;

/// All panels in a grid.
pub fn figure(title: &str, sweep: &Sweep<'_>) -> Result<String> {
    let panels = panels(sweep);
    lines(title, &panels, 3.min(panels.len()), (440, 320))
}

/// A panel for each combination of the settings that vary, but for the one that varies most, which tells the curves of a
/// panel apart. Where that makes too many panels or curves, one panel has the best cells.
pub fn panels(sweep: &Sweep<'_>) -> Vec<LinePanel> {
    let varied = varied(sweep.cells);
    let values = |column: usize| distinct(sweep.cells.iter().map(|cell| cell.settings()[column].clone()));
    let by_curve = varied.iter().copied().max_by_key(|&column| (values(column).len(), COLUMNS.len() - column));
    let others: Vec<usize> = varied.iter().copied().filter(|column| Some(*column) != by_curve).collect();
    let panels = distinct(sweep.cells.iter().map(|cell| cell.name(&others)));
    let in_panel = |panel: &String| -> Vec<usize> {
        (0..sweep.cells.len()).filter(|&cell| sweep.cells[cell].name(&others) == *panel).collect()
    };
    let fits = panels.len() <= MAX_PANELS && panels.iter().all(|panel| in_panel(panel).len() <= PALETTE.len());
    let own: Vec<usize> = by_curve.into_iter().collect();
    let drawn: Vec<(String, Vec<usize>, &[usize])> = if fits {
        panels.iter().map(|panel| (panel.clone(), in_panel(panel), &own[..])).collect()
    } else {
        let best = sweep.order().into_iter().take(PALETTE.len()).collect();
        vec![(format!("the best {} of {} cells", PALETTE.len(), sweep.cells.len()), best, &varied[..])]
    };
    let has_validation = sweep.has_validation;
    let value: fn(&Point) -> f64 = match has_validation {
        true => |point| point.validation.as_ref().map_or(f64::NAN, |validation| validation.loss),
        false => |point| point.train.loss,
    };
    let curve = |cell: usize, color, names: &[usize]| Curve {
        name: sweep.cells[cell].name(names),
        color,
        points: mean_and_range(&sweep.trained[cell].trajectories, sweep.lengths[cell].steps_per_epoch, value),
    };
    // Colours go with values, the same in every panel.
    let color = |cell: &Cell, index: usize| match by_curve.filter(|_| fits) {
        Some(column) => values(column).iter().position(|value| *value == cell.settings()[column]).unwrap_or(index),
        None => index,
    };
    let mut panels: Vec<LinePanel> = drawn
        .into_iter()
        .map(|(title, members, names)| LinePanel {
            title,
            x: "epoch",
            y: match (has_validation, sweep.cells[0].spec.loss().is_regression()) {
                (true, false) => "validation loss (nats)",
                (false, false) => "training loss (nats)",
                (true, true) => "validation mean squared error",
                (false, true) => "training mean squared error",
            },
            curves: (members.iter().enumerate())
                .map(|(index, &cell)| curve(cell, PALETTE[color(&sweep.cells[cell], index) % PALETTE.len()], names))
                .collect(),
            legend: Legend::Beside,
            y_range: None,
        })
        .collect();
    let shared = shared_range(&panels);
    panels.iter_mut().for_each(|panel| panel.y_range = Some(shared));
    panels
}

/// One scale for all panels, up to where trainings start: those that get worse than that leave the figure at its top.
fn shared_range(panels: &[LinePanel]) -> (f64, f64) {
    let curves = || panels.iter().flat_map(|panel| &panel.curves);
    let starts = curves().filter_map(|curve| curve.points.first()).map(|(_, [mean, ..])| *mean);
    let highest = starts.fold(f64::NEG_INFINITY, f64::max);
    let means = curves().flat_map(|curve| &curve.points).map(|(_, [mean, ..])| *mean);
    range_of(means.filter(|mean| *mean <= highest).chain([highest]))
}

/// Each value once, in the order of their first.
fn distinct(values: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = Vec::new();
    for value in values {
        if !seen.contains(&value) {
            seen.push(value);
        }
    }
    seen
}
