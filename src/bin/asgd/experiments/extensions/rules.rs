//! Does the effective gradient still win once the rule adapts by itself?

use std::array::from_fn;

use anyhow::{Result, bail};
use asgd::{Gradient, Optimizer, ReplicaSettings, Rule, Schedule};
use maud::html;

use super::{Laboratory, Plan};
use crate::experiments::claims::{self, Verdict};
use crate::experiments::curves::{self, TEST_LOSS};
use crate::figures::{BLUE, Legend, LinePanel, VERMILION, lines};
use crate::report::Report;
use crate::run::metrics::{Point, Trajectories, has_diverged};
use crate::run::stopping::Criterion;
use crate::statistics::Summary;
use crate::table::{Cell, Table};
use crate::values::number;

/// Learning rates of the sweep, as multiples of the rule's usual one.
const MULTIPLES: [f64; 7] = [0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0];

/// The sweep of one optimizer.
pub struct Choice {
    optimizer: Optimizer,
    rates: [f32; MULTIPLES.len()],
    /// Mean validation losses of the rates; infinite where a training diverged.
    losses: [f64; MULTIPLES.len()],
}

impl Choice {
    /// The index of the best rate.
    fn best(&self) -> usize {
        (0..self.losses.len()).min_by(|&a, &b| self.losses[a].total_cmp(&self.losses[b])).unwrap_or(0)
    }

    fn learning_rate(&self) -> f32 {
        self.rates[self.best()]
    }

    fn name(&self) -> String {
        self.optimizer.to_string()
    }
}

/// Both gradients under every rule, the mean one first.
pub fn sweep(laboratory: &Laboratory<'_>) -> Result<Vec<Choice>> {
    let rates = |optimizer: Optimizer| {
        let usual = f64::from(optimizer.default_learning_rate());
        // Round numbers, as people write them.
        MULTIPLES.map(|multiple| format!("{:.0e}", usual * multiple).parse().unwrap_or(0.0))
    };
    let mut choices: Vec<Choice> = Optimizer::all()
        .map(|optimizer| Choice { optimizer, rates: rates(optimizer), losses: [f64::INFINITY; MULTIPLES.len()] })
        .collect();
    let rows = choices.iter().flat_map(|choice| choice.rates.map(|rate| settings(choice.optimizer, rate))).collect();
    let (args, seed) = (laboratory.args, laboratory.args.common.seed);
    let after = seed + args.replicas as u64;
    let trained = laboratory.train(Plan {
        name: "sweep",
        spec: laboratory.spec()?,
        rows,
        seeds: (after..after + args.sweep_replicas as u64).collect(),
        epochs: args.sweep_epochs,
        schedule: Schedule::default(),
        is_evaluated_every_epoch: false,
    })?;
    for (choice, of_rates) in choices.iter_mut().zip(trained.chunks(MULTIPLES.len())) {
        choice.losses = from_fn(|rate| mean_validation_loss(&of_rates[rate]));
        if choice.losses[choice.best()].is_infinite() {
            bail!(
                "{}: diverges at every learning rate from {} to {}",
                choice.name(),
                choice.rates[0],
                choice.rates[MULTIPLES.len() - 1]
            );
        }
    }
    Ok(choices)
}

fn settings(optimizer: Optimizer, learning_rate: f32) -> ReplicaSettings {
    ReplicaSettings { optimizer, learning_rate, ..Default::default() }
}

/// At the end; infinite if a training has diverged.
fn mean_validation_loss(trajectories: &Trajectories) -> f64 {
    let loss = |points: &Vec<Point>| {
        let point = points.last().filter(|point| !has_diverged(point))?;
        point.validation.as_ref().map(|validation| validation.loss)
    };
    Summary::of(trajectories.iter().map(|points| loss(points).unwrap_or(f64::INFINITY))).mean
}

/// The trainings of every optimizer at its best rate.
pub fn train(laboratory: &Laboratory<'_>, choices: &[Choice]) -> Result<Vec<Trajectories>> {
    laboratory.train(Plan {
        name: "rules",
        spec: laboratory.spec()?,
        rows: choices.iter().map(|choice| settings(choice.optimizer, choice.learning_rate())).collect(),
        seeds: laboratory.seeds(),
        epochs: laboratory.args.rule_epochs(),
        schedule: Schedule::default(),
        is_evaluated_every_epoch: true,
    })
}

pub fn labelled<'a>(
    choices: &'a [Choice],
    rows: &'a [Trajectories],
) -> impl Iterator<Item = (Vec<String>, &'a [Vec<Point>])> {
    let labels = |choice: &Choice| vec![choice.name(), number(choice.learning_rate())];
    choices.iter().zip(rows).map(move |(choice, row)| (labels(choice), &row[..]))
}

/// Three evaluations of a training: after a tenth of its epochs, at its lowest validation loss, at its end.
#[derive(Clone, Copy)]
struct Moments<'a> {
    early: &'a Point,
    kept: &'a Point,
    end: &'a Point,
}

fn moments(points: &[Point]) -> Moments<'_> {
    let last = points.len() - 1;
    let kept = Criterion::Loss.best(points).unwrap_or(last);
    Moments { early: &points[last.div_ceil(10)], kept: &points[kept], end: &points[last] }
}

pub fn report(report: &mut Report, choices: &[Choice], rows: &[Trajectories], steps_per_epoch: u64) -> Result<()> {
    report.heading("Does the effective gradient still win once the rule adapts by itself?");
    report.text(html! {
        p { "The mean gradient S / m and the effective one S / (c + ε) under every rule, with the numbers of torch.optim. An \"a\" before the name of a rule says "
            "that it gets the effective gradient. Each of them trains at the best of " (MULTIPLES.len()) " learning rates, found by the lowest validation loss at "
            "the end of a short sweep." }
    });
    report.table(rates_table(choices));
    report.table(results_table(choices, rows, steps_per_epoch));
    let panels: Vec<LinePanel> = pairs(choices, rows).map(|(rule, both)| panel(rule, both, steps_per_epoch)).collect();
    let caption = "Test loss of both gradients under every rule, each at its best rate. Lines are means over the trainings, bands the 95 % confidence interval of \
                   the mean.";
    report.figure("rules", caption, lines("Test loss under every rule", &panels, 3, (400, 300))?);
    let (table, text) = findings(choices, rows);
    report.table(table);
    report.text(html! { @for line in text { p { (line) } } });
    Ok(())
}

/// A rule, and its choices and trainings with the mean and the effective gradient.
fn pairs<'a>(
    choices: &'a [Choice],
    rows: &'a [Trajectories],
) -> impl Iterator<Item = (Rule, [(&'a Choice, &'a Trajectories); 2])> {
    let of_rule = move |rule: Rule| {
        let of_gradient = |gradient| {
            let wanted = Optimizer::new(gradient, rule);
            choices.iter().zip(rows).find(|(choice, _)| choice.optimizer == wanted)
        };
        Some((rule, [of_gradient(Gradient::Mean)?, of_gradient(Gradient::Effective)?]))
    };
    Rule::all().filter_map(of_rule)
}

fn panel(rule: Rule, both: [(&Choice, &Trajectories); 2], steps_per_epoch: u64) -> LinePanel {
    let curve = |((choice, row), color): ((&Choice, &Trajectories), _)| {
        let name = format!("{} {}", choice.name(), number(choice.learning_rate()));
        curves::curve(name, color, row, TEST_LOSS.1, steps_per_epoch)
    };
    let curves = both.into_iter().zip([VERMILION, BLUE]).map(curve).collect();
    let legend = Legend::Inside(plotters::chart::SeriesLabelPosition::UpperRight);
    LinePanel { legend, ..curves::panel(rule.name().into(), TEST_LOSS, curves) }
}

fn rates_table(choices: &[Choice]) -> Table {
    let caption = "The sweep: mean validation loss at its end, by learning rate as a multiple of the rule's usual one; – where a training diverged. A best rate at \
                   the end of the list may not be the best there is.";
    let multiples = MULTIPLES.map(|multiple| format!("× {multiple}"));
    let mut header = vec!["optimizer"];
    header.extend(multiples.iter().map(String::as_str));
    header.extend(["best rate", "at the end of the list"]);
    let mut table = Table::new("rates", caption, &header);
    for choice in choices {
        let mut row: Vec<Cell> = vec![choice.name().into()];
        row.extend(choice.losses.map(|loss| Cell::Number(loss, 4)));
        let is_at_end = [0, MULTIPLES.len() - 1].contains(&choice.best());
        row.extend([number(choice.learning_rate()).into(), if is_at_end { "yes" } else { "no" }.into()]);
        table.rows.push(row);
    }
    table
}

fn results_table(choices: &[Choice], rows: &[Trajectories], steps_per_epoch: u64) -> Table {
    let caption = "Both gradients under every rule, each at its best rate: mean ± standard deviation of the trainings, after a tenth of the epochs, each at the epoch \
                   of its lowest validation loss, and at the end.";
    let header = [
        "optimizer",
        "learning rate",
        "test loss, a tenth",
        "best epoch",
        "test accuracy, best",
        "test loss, best",
        "test accuracy, end",
        "test loss, end",
    ];
    let mut table = Table::new("rules", caption, &header);
    for (choice, row) in choices.iter().zip(rows) {
        let summary = |value: &dyn Fn(Moments<'_>) -> f64| Summary::of(row.iter().map(|points| value(moments(points))));
        table.rows.push(vec![
            choice.name().into(),
            number(choice.learning_rate()).into(),
            Cell::Spread(summary(&|at| at.early.test.loss), 4),
            Cell::Spread(summary(&|at| at.kept.step as f64 / steps_per_epoch as f64), 1),
            Cell::Spread(summary(&|at| at.kept.test.score), 4),
            Cell::Spread(summary(&|at| at.kept.test.loss), 4),
            Cell::Spread(summary(&|at| at.end.test.score), 4),
            Cell::Spread(summary(&|at| at.end.test.loss), 4),
        ]);
    }
    table
}

/// What is compared, and by how much the effective gradient is better in it.
struct Question {
    words: &'static str,
    advantage: fn(effective: Moments<'_>, mean: Moments<'_>) -> f64,
}

const QUESTIONS: [Question; 4] = [
    Question {
        words: "a lower test loss after a tenth of the epochs",
        advantage: |effective, mean| mean.early.test.loss - effective.early.test.loss,
    },
    Question {
        words: "a lower test loss at the lowest validation loss",
        advantage: |effective, mean| mean.kept.test.loss - effective.kept.test.loss,
    },
    Question {
        words: "a higher test accuracy at the lowest validation loss",
        advantage: |effective, mean| effective.kept.test.score - mean.kept.test.score,
    },
    Question {
        words: "a lower test loss at the end",
        advantage: |effective, mean| mean.end.test.loss - effective.end.test.loss,
    },
];

/// And in one line for each question, under how many rules the effective gradient is better.
fn findings(choices: &[Choice], rows: &[Trajectories]) -> (Table, Vec<String>) {
    let caption = "Where the effective gradient helps. A statement holds, or does not, where the 95 % confidence interval of the mean difference lies wholly above, or \
                   below, 0: then the mean gradient is better. Differences are taken pair by pair: trainings from the same network on the same batches.";
    let mut table = claims::table("rules-findings", caption);
    let mut lines = Vec::new();
    for Question { words, advantage } in QUESTIONS {
        let mut verdicts = Vec::new();
        for (rule, [(_, mean), (_, effective)]) in pairs(choices, rows) {
            let both = effective.iter().zip(mean.iter());
            let difference = Summary::of(both.map(|(effective, mean)| advantage(moments(effective), moments(mean))));
            let verdict = Verdict::of_more(&difference);
            claims::add(
                &mut table,
                format!("{}: the effective gradient has {words}", rule.name()),
                &difference,
                4,
                verdict,
            );
            verdicts.push((rule.name(), verdict));
        }
        let names = |wanted: Verdict| {
            let names: Vec<&str> =
                verdicts.iter().filter(|(_, verdict)| *verdict == wanted).map(|(name, _)| *name).collect();
            if names.is_empty() { "none".to_string() } else { names.join(", ") }
        };
        lines.push(format!(
            "The effective gradient has {words} under: {}. The mean gradient has it under: {}. Not decided: {}.",
            names(Verdict::Holds),
            names(Verdict::Fails),
            names(Verdict::Undecided)
        ));
    }
    (table, lines)
}
