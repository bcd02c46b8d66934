//! What a sweep came to: a table for people, sweep.csv for programs.

use anyhow::Result;
use asgd::{Loss, Model};
use serde_json::{Value, json};

use super::cells::{self, COLUMNS};
use super::groups::CellTrained;
use super::ranking::{Standing, rank};
use crate::console::announce;
use crate::run::folder::Folder;
use crate::run::length::Length;
use crate::run::metrics::Point;
use crate::run::outcome;
use crate::run::stopping::Rules;
use crate::statistics::Summary;
use crate::table::{Cell, Table};

/// All cells with what became of them, in their order.
pub struct Sweep<'a> {
    pub cells: &'a [cells::Cell],
    pub lengths: &'a [Length],
    pub trained: &'a [CellTrained],
    standings: Vec<Standing>,
    /// From best to worst; `None` without a validation set.
    order: Option<Vec<usize>>,
    /// Whether samples were set aside to choose by.
    pub has_validation: bool,
    rules: Option<Rules>,
}

/// Rows of a table on the terminal.
const ROWS: usize = 40;

impl<'a> Sweep<'a> {
    pub fn new(
        cells: &'a [cells::Cell],
        lengths: &'a [Length],
        trained: &'a [CellTrained],
        rules: Option<Rules>,
    ) -> Self {
        let standings: Vec<Standing> = trained.iter().map(Standing::of).collect();
        let has_validation =
            trained.iter().flat_map(|cell| cell.trajectories.iter().flatten()).any(|point| point.validation.is_some());
        let order = rank(&standings);
        Self { cells, lengths, trained, standings, order, has_validation, rules }
    }

    /// That of all cells: they are trained on the same data.
    fn loss(&self) -> Loss {
        self.cells[0].spec.loss()
    }

    /// The best cell, from 0.
    pub fn best(&self) -> Option<usize> {
        self.order.as_ref().map(|order| order[0])
    }

    /// The cells from best to worst, or as they are.
    pub fn order(&self) -> Vec<usize> {
        self.order.clone().unwrap_or_else(|| (0..self.cells.len()).collect())
    }

    /// The best network of the best cell: that with the lowest validation loss at the end.
    pub fn best_network(&self) -> Option<Model> {
        let cell = self.best()?;
        let replica = self.standings[cell].best_replica?;
        Some(self.trained[cell].model.slice(replica..replica + 1))
    }

    /// The cells from best to worst; the best is marked.
    pub fn table(&self) -> Table {
        let varied = cells::varied(self.cells);
        let has_validation = self.has_validation;
        let mut header = vec!["", "cell"];
        header.extend(varied.iter().map(|&column| COLUMNS[column].shown));
        let of_validation: &[&str] = if has_validation { &["validation loss"] } else { &[] };
        header.extend(of_validation);
        let test_score = format!("test {}", self.loss().score_label());
        header.extend(["train loss", "test loss", &test_score]);
        header.extend(if has_validation { &["best epoch"][..] } else { &[] });
        header.push("diverged");
        let replicas = self.trained.first().map_or(0, |cell| cell.trajectories.len());
        let spread =
            if replicas > 1 { format!("; mean ± standard deviation of {replicas} replicas") } else { String::new() };
        let choice = match (has_validation, self.best()) {
            (true, Some(_)) => "From best to worst by validation loss at the end",
            (true, None) => "All networks diverged: none is best",
            (false, _) => "Without a validation set none is best",
        };
        let mut table = Table::new("sweep", format!("{choice}{spread}"), &header);
        for cell in self.order() {
            let standing = &self.standings[cell];
            let mark = if self.best() == Some(cell) { "*" } else { "" };
            let mut row: Vec<Cell> = vec![mark.into(), Cell::Number((cell + 1) as f64, 0)];
            let settings = self.cells[cell].settings();
            row.extend(varied.iter().map(|&column| Cell::Text(settings[column].clone())));
            row.extend(standing.validation_loss.map(|loss| Cell::Spread(loss, 4)));
            row.resize(2 + varied.len() + usize::from(has_validation), Cell::Number(f64::NAN, 4));
            let values: [fn(&Point) -> f64; 3] =
                [|point| point.train.loss, |point| point.test.loss, |point| point.test.score];
            row.extend(values.map(|value| Cell::Spread(self.summary(cell, value), 4)));
            if has_validation {
                row.push(Cell::Number(self.best_epoch(cell).unwrap_or(f64::NAN), 1));
            }
            let diverged = self.trained[cell].trajectories.len() - standing.sound;
            row.push(Cell::Number(diverged as f64, 0));
            table.rows.push(row);
        }
        table
    }

    /// The table as a terminal shows it: the best of many.
    pub fn text(&self) -> String {
        let mut table = self.table();
        let hidden = table.rows.len().saturating_sub(ROWS);
        table.rows.truncate(ROWS);
        match hidden {
            0 => table.text(),
            _ => format!("{}\n... and {hidden} more in sweep.csv", table.text()),
        }
    }

    /// Says it on stdout.
    pub fn say(&self, result: &Value, folder: &Folder) {
        announce(&self.text());
        let seconds = result["seconds"].as_f64().unwrap_or(f64::NAN);
        let best = match self.best() {
            Some(cell) => format!("best by validation loss: cell {} (best.safetensors); ", cell + 1),
            None if self.has_validation => "all networks diverged, so none is best: try lower rates in --lr; ".into(),
            None => "without a validation set none is best (--validation); ".into(),
        };
        announce(&format!("{best}{} cells in {seconds:.1} s", self.cells.len()));
        announce(&format!(
            "{}: sweep.csv, sweep.svg, models, counts, metrics.csv, learning_curve.svg, report.html, run.json",
            folder.path().display()
        ));
    }

    /// Of each cell, what run.json keeps.
    pub fn json(&self) -> Value {
        let cell = |(index, trained): (usize, &CellTrained)| {
            let cell = &self.cells[index];
            let mut value = outcome::of(&cell.spec, trained, &self.lengths[index], self.rules);
            value["cell"] = json!(index + 1);
            if let (Some(value), Value::Object(settings)) = (value.as_object_mut(), cell.json()) {
                value.extend(settings);
            }
            value["steps"] = json!(self.lengths[index].steps);
            value["epochs"] = json!(self.lengths[index].epoch(self.lengths[index].steps));
            value["best_epoch"] = json!(self.best_epoch(index));
            value["best_validation_loss"] = json!(self.standings[index].best_evaluation.map(|(_, loss)| loss));
            value["best_replica"] = json!(self.standings[index].best_replica);
            value
        };
        json!({
            "cells": self.trained.iter().enumerate().map(cell).collect::<Vec<_>>(),
            "best_cell": self.best().map(|cell| cell + 1),
            "best_replica": self.best().and_then(|cell| self.standings[cell].best_replica),
            "order": self.order.as_ref().map(|order| order.iter().map(|cell| cell + 1).collect::<Vec<_>>()),
        })
    }

    /// sweep.csv: a row a cell, of what [`Self::json`] says.
    pub fn csv(&self, result: &Value) -> Result<String> {
        let of_set = |set: &str| [format!("{set}_loss"), format!("{set}_{}", self.loss().score())];
        let others = ["mean_adaptive_batch_size", "true_dummies", "pseudo_dummies"].map(String::from);
        let measured = ["train", "validation", "test"].into_iter().flat_map(of_set).chain(others);
        let measured: Vec<String> = measured.flat_map(|name| [name.clone(), format!("{name}_std")]).collect();
        let best = ["best_epoch", "best_validation_loss", "best_replica"];
        let mut writer = csv::Writer::from_writer(Vec::new());
        let mut header = vec!["cell"];
        header.extend(COLUMNS.iter().map(|column| column.name));
        header.extend(["epochs", "rank", "replicas", "diverged_replicas"]);
        header.extend(measured.iter().map(String::as_str).chain(best));
        writer.write_record(&header)?;
        for (index, cell) in self.cells.iter().enumerate() {
            let outcome = &result["cells"][index];
            let number = |name: &str| match &outcome[name] {
                Value::Null => String::new(),
                number => number.to_string(),
            };
            let rank = self.order.as_ref().and_then(|order| order.iter().position(|&other| other == index));
            let mut row = vec![number("cell")];
            row.extend(cell.settings());
            row.push(number("epochs"));
            row.push(rank.map_or_else(String::new, |rank| (rank + 1).to_string()));
            row.push(number("replicas"));
            row.push(outcome["diverged_replicas"].as_array().map_or(0, Vec::len).to_string());
            row.extend(measured.iter().map(String::as_str).chain(best).map(number));
            writer.write_record(row)?;
        }
        Ok(String::from_utf8(writer.into_inner()?)?)
    }

    /// Over the sound replicas of a cell at the end.
    fn summary(&self, cell: usize, value: fn(&Point) -> f64) -> Summary {
        Summary::of(self.trained[cell].sound().map(|(_, point)| value(point)))
    }

    /// Where the mean validation loss of a cell was lowest.
    fn best_epoch(&self, cell: usize) -> Option<f64> {
        let (index, _) = self.standings[cell].best_evaluation?;
        let step = self.trained[cell].trajectories.iter().find_map(|points| points.get(index))?.step;
        Some(self.lengths[cell].epoch(step))
    }
}
