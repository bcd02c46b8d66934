//! What the terminal and metrics.csv hear of a training on its way.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use anyhow::Result;
use asgd::Evaluation;
use indicatif::ProgressBar;

use crate::console::Reporter;
use crate::run::chunks::Observer;
use crate::run::curve::OfPoint;
use crate::run::folder::Folder;
use crate::run::length::Length;
use crate::run::metrics::{self, Point, Rows, Trajectories};
use crate::run::stopping::Rules;
use crate::statistics::quartiles;
use crate::sweep::cells::{COLUMNS, Cell};
use crate::sweep::groups::{CellTrained, Group};

/// Tells the terminal, and keeps metrics.csv up with the checkpoints.
pub struct Watch<'a> {
    pub report: &'a Reporter,
    pub folder: &'a Folder,
    pub cells: &'a [Cell],
    pub lengths: &'a [Length],
    pub rules: Option<Rules>,
    /// Of each cell.
    pub replicas: usize,
    /// That trains now.
    pub group: &'a Group,
    /// Those of the groups before.
    pub trained: &'a [Option<CellTrained>],
    pub throttle: &'a mut Throttle,
}

/// metrics.csv is written whole: where that takes long, and checkpoints are frequent, some of them go without.
#[derive(Debug, Default)]
pub struct Throttle {
    /// When it was written last, and how long that took.
    last: Option<(Instant, Duration)>,
}

impl Throttle {
    /// Between two times it is written, so many times as long as the last one took.
    const REST: u32 = 20;

    fn is_due(&self) -> bool {
        self.last.is_none_or(|(end, took)| end.elapsed() >= Self::REST * took)
    }
}

impl Observer for Watch<'_> {
    fn evaluated(&mut self, progress: &ProgressBar, chunk: &Trajectories) {
        let last: Vec<&Point> = chunk.iter().filter_map(|points| points.last()).collect();
        // Replicas that have stopped have no newer one.
        let Some(newest) = last.iter().max_by_key(|point| point.step) else { return };
        let epoch = self.lengths[self.group.cells[0]].epoch(newest.step);
        let epoch = format!("epoch {:>5}", (epoch * 100.0).round() / 100.0);
        let line = if self.cells.len() == 1 {
            let sets: [(&str, OfPoint); 3] = [
                ("train", |point| Some(&point.train)),
                ("validation", |point| point.validation.as_ref()),
                ("test", |point| Some(&point.test)),
            ];
            let mut line = epoch;
            for (name, of) in sets {
                let found: Vec<&Evaluation> = last.iter().filter_map(|point| of(point)).collect();
                let mean = |value: fn(&Evaluation) -> f64| {
                    found.iter().map(|evaluation| value(evaluation)).sum::<f64>() / found.len() as f64
                };
                if !found.is_empty() {
                    let (loss, score) = (mean(|of| of.loss), mean(|of| of.score));
                    line += &format!("  {name} loss {loss:.4} {} {score:.4}", self.cells[0].spec.loss().score_label());
                }
            }
            let stopped = last.iter().filter(|point| point.step < newest.step).count();
            if stopped > 0 {
                line += &format!("  {stopped} of {} stopped", last.len());
            }
            line
        } else {
            // A mean over cells would say nothing of any.
            let of = |point: &&Point| point.validation.as_ref().map_or(point.train.loss, |validation| validation.loss);
            let name = if newest.validation.is_some() { "validation" } else { "train" };
            let losses: Vec<f64> = last.iter().map(of).filter(|loss| loss.is_finite()).collect();
            match losses.is_empty() {
                true => format!("{epoch}  no {name} loss is a number"),
                false => {
                    let [lowest, _, median, _, highest] = quartiles(&losses);
                    format!("{epoch}  {name} loss lowest {lowest:.4} median {median:.4} highest {highest:.4}")
                }
            }
        };
        self.report.above(progress, &line);
    }

    fn saved(&mut self, finished: &Trajectories, chunk: &Trajectories) -> Result<()> {
        // A shard's are written when it is merged with the others.
        if self.folder.shard().is_some() || !self.throttle.is_due() {
            return Ok(());
        }
        let begin = Instant::now();
        let so_far: Trajectories = finished.iter().chain(chunk).cloned().collect();
        let done = self.trained.iter().enumerate();
        let done = done.filter_map(|(cell, trained)| Some((cell, Cow::Borrowed(&trained.as_ref()?.trajectories))));
        let now = self.group.trajectories(self.cells, self.replicas, &so_far);
        let mut all: Vec<(usize, Cow<'_, Trajectories>)> =
            done.chain(now.map(|(cell, trajectories)| (cell, Cow::Owned(trajectories)))).collect();
        all.sort_by_key(|(cell, _)| *cell);
        let rows = |(cell, trajectories)| rows(self.cells, self.lengths, self.rules, cell, trajectories);
        let rows: Vec<Rows<'_>> = all.into_iter().map(rows).collect();
        self.folder.write("metrics.csv", &metrics::csv(&label_columns(self.cells), &rows)?)?;
        self.throttle.last = Some((Instant::now(), begin.elapsed()));
        Ok(())
    }
}

/// Columns of metrics.csv that tell the cells of a sweep apart.
pub fn label_columns(cells: &[Cell]) -> Vec<&'static str> {
    match cells.len() {
        1 => Vec::new(),
        _ => ["cell"].into_iter().chain(COLUMNS.iter().map(|column| column.name)).collect(),
    }
}

fn rows<'a>(
    cells: &'a [Cell],
    lengths: &[Length],
    rules: Option<Rules>,
    cell: usize,
    trajectories: Cow<'a, Trajectories>,
) -> Rows<'a> {
    let labels = match cells.len() {
        1 => Vec::new(),
        _ => [(cell + 1).to_string()].into_iter().chain(cells[cell].settings()).collect(),
    };
    let Length { steps, steps_per_epoch, .. } = lengths[cell];
    Rows { labels, spec: &cells[cell].spec, steps_per_epoch, stops: rules.map(|rules| (rules, steps)), trajectories }
}

pub fn rows_of_all<'a>(
    cells: &'a [Cell],
    lengths: &[Length],
    rules: Option<Rules>,
    trained: &'a [CellTrained],
) -> Vec<Rows<'a>> {
    let trajectories = trained.iter().map(|cell| Cow::Borrowed(&cell.trajectories)).enumerate();
    trajectories.map(|(cell, trajectories)| rows(cells, lengths, rules, cell, trajectories)).collect()
}
