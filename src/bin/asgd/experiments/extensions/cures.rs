//! Is the late rise of aSGD's test loss cured, and by what?

use anyhow::Result;
use asgd::{Decay, Optimizer, ReplicaSettings, Schedule};
use maud::html;

use super::{Laboratory, Plan};
use crate::experiments::claims::{self, Verdict};
use crate::experiments::curves::{self, Column, TEST_ACCURACY, TEST_LOSS, TRAIN_LOSS};
use crate::figures::{PALETTE, lines};
use crate::report::Report;
use crate::run::metrics::{Point, Trajectories};
use crate::run::stopping::{Criterion, Keep, Rules};
use crate::statistics::Summary;
use crate::table::{Cell, Table};

const LEARNING_RATE: f32 = 0.01;
const DROPOUT: f32 = 0.1;

/// Epochs in a row without a lower validation loss, after which early stopping stops.
const PATIENCE: u64 = 10;

/// What aSGD is used with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cure {
    Nothing,
    Cosine,
    Dropout,
    BatchNorm,
    EarlyStopping,
}

impl Cure {
    const ALL: [Self; 5] = [Self::Nothing, Self::Cosine, Self::Dropout, Self::BatchNorm, Self::EarlyStopping];

    fn name(self) -> &'static str {
        match self {
            Self::Nothing => "aSGD alone",
            Self::Cosine => "cosine schedule",
            Self::Dropout => "dropout 0.1",
            Self::BatchNorm => "batch normalization",
            Self::EarlyStopping => "early stopping",
        }
    }
}

/// The trainings of one row.
pub struct Row {
    cure: Cure,
    /// (repeats, evaluations)
    trajectories: Trajectories,
    /// Of each training, the index of the evaluation of the network that it ends with.
    ends: Vec<usize>,
}

impl Row {
    fn ends(&self) -> impl Iterator<Item = &Point> {
        self.trajectories.iter().zip(&self.ends).map(|(points, &end)| &points[end])
    }

    /// The evaluation at which the mean validation loss is lowest: one for all trainings.
    fn best(&self) -> usize {
        let evaluations = self.trajectories.iter().map(Vec::len).min().unwrap_or(0);
        let loss = |index: &usize| {
            let losses = self.trajectories.iter().filter_map(|points| points[*index].validation.as_ref());
            let mean = Summary::of(losses.map(|validation| validation.loss)).mean;
            if mean.is_nan() { f64::INFINITY } else { mean }
        };
        (0..evaluations).min_by(|a, b| loss(a).total_cmp(&loss(b))).unwrap_or(0)
    }

    /// Of each training, how far the test loss is at its end above that at the best epoch.
    fn rises(&self) -> Vec<f64> {
        let best = self.best();
        self.ends().zip(&self.trajectories).map(|(end, points)| end.test.loss - points[best].test.loss).collect()
    }

    /// Of each training, how far the test loss swings from epoch to epoch in the last tenth of its epochs: the standard deviation.
    fn swings(&self) -> Summary {
        let swing = |(points, &end): (&Vec<Point>, &usize)| {
            let first = end - end / 10;
            Summary::of(points[first..=end].iter().map(|point| point.test.loss)).deviation
        };
        Summary::of(self.trajectories.iter().zip(&self.ends).map(swing))
    }

    fn at_end(&self, (_, value): (&str, Column)) -> Summary {
        Summary::of(self.ends().map(value))
    }
}

pub fn train(laboratory: &Laboratory<'_>) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = Vec::new();
    for cure in Cure::ALL {
        let asgd = ReplicaSettings { optimizer: Optimizer::ASGD, learning_rate: LEARNING_RATE, ..Default::default() };
        let plan = Plan {
            name: "alone",
            spec: laboratory.spec()?,
            rows: vec![asgd],
            seeds: laboratory.seeds(),
            epochs: laboratory.args.epochs,
            schedule: Schedule::default(),
            is_evaluated_every_epoch: true,
        };
        let plan = match cure {
            Cure::Nothing => plan,
            Cure::Cosine => Plan {
                name: "cosine",
                schedule: Schedule { decay: Decay::Cosine { minimum: 0.0 }, ..Schedule::default() },
                ..plan
            },
            Cure::Dropout => Plan { name: "dropout", rows: vec![ReplicaSettings { dropout: DROPOUT, ..asgd }], ..plan },
            Cure::BatchNorm => Plan { name: "batch-norm", spec: plan.spec.clone().with_batch_norm(true), ..plan },
            // Those of aSGD alone: stopping changes no step before.
            Cure::EarlyStopping => {
                let trajectories = rows[0].trajectories.clone();
                let ends = trajectories.iter().map(|points| kept_by_early_stopping(points)).collect();
                rows.push(Row { cure, trajectories, ends });
                continue;
            }
        };
        let trajectories = laboratory.train(plan)?.remove(0);
        let ends = trajectories.iter().map(|points| points.len() - 1).collect();
        rows.push(Row { cure, trajectories, ends });
    }
    Ok(rows)
}

/// The index of the evaluation whose network early stopping ends with.
fn kept_by_early_stopping(points: &[Point]) -> usize {
    let rules = Rules { criterion: Criterion::Loss, patience: Some(PATIENCE), keep: Keep::Best, plateau: None };
    let stops = (1..=points.len()).find(|&count| rules.progress(&points[..count]).has_stopped());
    rules.kept(&points[..stops.unwrap_or(points.len())])
}

pub fn labelled(rows: &[Row]) -> impl Iterator<Item = (Vec<String>, &[Vec<Point>])> {
    let labels = |row: &Row| vec![row.cure.name().to_string(), LEARNING_RATE.to_string()];
    let trained = rows.iter().filter(|row| row.cure != Cure::EarlyStopping);
    trained.map(move |row| (labels(row), &row.trajectories[..]))
}

pub fn report(report: &mut Report, rows: &[Row], steps_per_epoch: u64) -> Result<()> {
    report.heading("Is the late rise of the test loss cured, and by what?");
    report.text(html! {
        p { "aSGD at " (LEARNING_RATE) " alone; with a learning rate that falls to 0 by a cosine over all epochs; with dropout of " (DROPOUT) " on both hidden "
            "layers; with batch normalization before each ReLU; and with early stopping: of the trainings of aSGD alone, the network of the epoch "
            "of the lowest validation loss, once " (PATIENCE) " epochs in a row have not brought a lower one." }
    });
    report.table(table(rows, steps_per_epoch));
    let curve = |value| {
        let shown = rows.iter().filter(|row| row.cure != Cure::EarlyStopping).zip(PALETTE);
        let one = |(row, color): (&Row, _)| {
            curves::curve(row.cure.name().into(), color, &row.trajectories, value, steps_per_epoch)
        };
        shown.map(one).collect::<Vec<_>>()
    };
    let panel = |column: (&'static str, Column)| curves::panel(column.0.into(), column, curve(column.1));
    let panels = [TRAIN_LOSS, TEST_LOSS, TEST_ACCURACY].map(panel);
    let caption = "Learning curves. Lines are means over the trainings, bands the 95 % confidence interval of the mean. Early stopping follows aSGD alone.";
    report.figure("cures", caption, lines("aSGD at 0.01 with other methods", &panels, 2, (520, 380))?);
    report.table(findings(rows));
    Ok(())
}

fn table(rows: &[Row], steps_per_epoch: u64) -> Table {
    let caption = "aSGD at 0.01 with other methods: mean ± standard deviation of the trainings at their end. Best epoch: that of the lowest mean validation \
                   loss. Rise: test loss at the end less that at the best epoch. Swing: standard deviation of a training's test loss over its last tenth of \
                   epochs.";
    let header = [
        "aSGD with",
        "epoch of the end",
        "train loss",
        "test accuracy",
        "test loss",
        "best epoch",
        "test loss there",
        "rise",
        "swing",
    ];
    let mut table = Table::new("cures", caption, &header);
    for row in rows {
        let epoch = |point: &Point| point.step as f64 / steps_per_epoch as f64;
        let best = row.best();
        let there = row.trajectories.iter().map(|points| points[best].test.loss);
        table.rows.push(vec![
            row.cure.name().into(),
            Cell::Spread(Summary::of(row.ends().map(epoch)), 1),
            Cell::Spread(row.at_end(TRAIN_LOSS), 4),
            Cell::Spread(row.at_end(TEST_ACCURACY), 4),
            Cell::Spread(row.at_end(TEST_LOSS), 4),
            Cell::Number(epoch(&row.trajectories[0][best]), 0),
            Cell::Spread(Summary::of(there), 4),
            Cell::Spread(Summary::of(row.rises()), 4),
            Cell::Spread(row.swings(), 4),
        ]);
    }
    table
}

fn findings(rows: &[Row]) -> Table {
    let caption = "Whether it helps. A statement holds, or does not, where the 95 % confidence interval of the mean difference lies wholly above, or below, 0. \
                   Differences are taken pair by pair: trainings from the same network on the same batches.";
    let mut table = claims::table("cures-findings", caption);
    let mut add = |claim: String, differences: Vec<f64>| {
        let difference = Summary::of(differences);
        claims::add(&mut table, claim, &difference, 4, Verdict::of_more(&difference));
    };
    let alone = &rows[0];
    let best = alone.best();
    add("aSGD alone: the test loss at the end is above that of the best epoch".into(), alone.rises());
    for row in &rows[1..] {
        let pairs = || alone.ends().zip(row.ends());
        let name = row.cure.name();
        let rises = alone.rises().into_iter().zip(row.rises()).map(|(alone, own)| alone - own).collect();
        add(format!("{name}: the test loss rises less than alone"), rises);
        let losses = pairs().map(|(alone, own)| alone.test.loss - own.test.loss).collect();
        add(format!("{name}: the test loss at the end is lower than alone"), losses);
        let accuracies = pairs().map(|(alone, own)| own.test.score - alone.test.score).collect();
        add(format!("{name}: the test accuracy at the end is higher than alone"), accuracies);
        let there =
            alone.trajectories.iter().zip(row.ends()).map(|(points, own)| points[best].test.loss - own.test.loss);
        add(format!("{name}: the test loss at the end is lower than alone at the best epoch"), there.collect());
    }
    table
}
