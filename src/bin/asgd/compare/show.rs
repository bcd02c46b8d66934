//! A comparison as a table, as JSON and as a page.

use anyhow::Result;
use asgd::Task;
use maud::html;
use serde_json::{Map, Value, json};

use super::differences::{Differences, value};
use super::figure::{Axis, panels};
use super::runs::PastRun;
use crate::figures::lines;
use crate::report::Report;
use crate::run::facts;
use crate::table::{Cell, Table};

/// The run with the highest mean test score at its end, and of equal ones the lowest test loss. None where all replicas
/// of all runs diverged, or where runs have different data, whose scores say nothing of each other.
fn best(runs: &[PastRun]) -> Option<usize> {
    if !runs.iter().all(|run| run.has_data_of(&runs[0])) {
        return None;
    }
    let ends: Vec<(f64, f64)> =
        runs.iter().map(|run| (run.end(|row| row.test_score).mean, -run.end(|row| row.test_loss).mean)).collect();
    // Of equal runs the first counts: max_by() would take the last.
    (0..runs.len())
        .rev()
        .filter(|&run| ends[run].0.is_finite())
        .max_by(|&a, &b| ends[a].0.total_cmp(&ends[b].0).then(ends[a].1.total_cmp(&ends[b].1)))
}

/// That of all runs.
fn task(runs: &[PastRun]) -> Task {
    runs.first().map_or_else(Task::default, PastRun::task)
}

/// A row a run. Columns of what only some comparisons have are there when it is: settings that differ, diverged replicas,
/// runs that are not finished.
pub fn table(runs: &[PastRun], differences: &Differences) -> Table {
    let are_finished = runs.iter().all(|run| run.is_finished);
    let have_diverged = runs.iter().any(|run| !run.diverged().is_empty());
    let labels: Vec<String> = differences.keys.iter().map(|key| facts::label(key)).collect();
    let mut header = vec!["run"];
    header.extend(labels.iter().map(String::as_str));
    header.extend((!are_finished).then_some("state"));
    let test_score = format!("test {}", task(runs).score_label());
    header.extend([&test_score, "test loss"]);
    header.extend(have_diverged.then_some("diverged"));
    header.extend(["lowest test loss", "at epoch", "seconds"]);
    let mut table = Table::new("runs", "", &header);
    let best = best(runs);
    for (index, run) in runs.iter().enumerate() {
        let mark = if best == Some(index) { " *" } else { "" };
        let mut row = vec![Cell::from(format!("{}{mark}", differences.names[index]))];
        row.extend(differences.keys.iter().map(|key| Cell::from(value(run, key))));
        if !are_finished {
            row.push(state(run).into());
        }
        row.push(Cell::Spread(run.end(|row| row.test_score), 4));
        row.push(Cell::Spread(run.end(|row| row.test_loss), 4));
        if have_diverged {
            row.push(format!("{} of {}", run.diverged().len(), run.replicas()).into());
        }
        let lowest = run.lowest();
        row.push(Cell::Number(lowest.map_or(f64::NAN, |lowest| lowest.test_loss), 4));
        row.push(Cell::Number(lowest.map_or(f64::NAN, |lowest| lowest.epoch), 1));
        row.push(Cell::Number(run.seconds.unwrap_or(f64::NAN), 1));
        table.rows.push(row);
    }
    table
}

/// What the table needs to be understood, a line each.
pub fn notes(runs: &[PastRun]) -> Vec<String> {
    let mut notes = Vec::new();
    let several = runs.iter().any(|run| run.replicas() > 1);
    let of = if several { "mean ± standard deviation of the replicas that did not diverge; " } else { "" };
    match best(runs) {
        Some(_) => notes.push(format!(
            "{of}* the highest test {} at the end (of equals, the lowest test loss)",
            task(runs).score_label()
        )),
        None if runs.iter().all(|run| run.has_data_of(&runs[0])) => {
            notes.push("every replica of every run diverged".into())
        }
        None => notes.push(format!("{of}no run is marked as the best, because their data differ")),
    }
    notes.push("the lowest test loss is chosen by the test set itself, so it is optimistic".into());
    notes
}

fn state(run: &PastRun) -> String {
    match run.is_finished {
        true => "finished".into(),
        false => format!("unfinished, epoch {}", (run.epoch() * 100.0).round() / 100.0),
    }
}

/// What all runs share.
pub fn common(differences: &Differences) -> String {
    let words: Vec<String> =
        differences.common.iter().map(|(key, value)| format!("{} {value}", facts::label(key))).collect();
    format!("all: {}", words.join(", "))
}

/// Everything, for programs.
pub fn json(runs: &[PastRun], differences: &Differences) -> Value {
    let (best, name) = (best(runs), format!("test_{}", task(runs).score()));
    let run_of = |(index, run): (usize, &PastRun)| {
        let (score, loss) = (run.end(|row| row.test_score), run.end(|row| row.test_loss));
        let settings: Map<String, Value> =
            run.settings.iter().map(|(key, value)| (key.clone(), number_or_text(value))).collect();
        json!({
            "run": differences.names[index], "folder": run.folder, "cell": run.cell, "settings": settings,
            "finished": run.is_finished, "best": best == Some(index),
            "replicas": run.replicas(), "diverged_replicas": run.diverged(), "epoch": run.epoch(),
            name.as_str(): score.mean, format!("{name}_std"): score.deviation,
            "test_loss": loss.mean, "test_loss_std": loss.deviation,
            "lowest_test_loss": run.lowest().map(|lowest| {
                json!({ "test_loss": lowest.test_loss, "epoch": lowest.epoch, "step": lowest.step })
            }),
            "seconds": run.seconds,
        })
    };
    json!({ "runs": runs.iter().enumerate().map(run_of).collect::<Vec<_>>(), "differences": differences.keys })
}

fn number_or_text(text: &str) -> Value {
    text.parse().map_or_else(|_| json!(text), |number: f64| json!(number))
}

/// Table and figures. The table says what the names in the figures stand for.
pub fn page(runs: &[PastRun], differences: &Differences, by: Axis) -> Result<Report> {
    let mut report = Report::new(format!("{} runs compared", runs.len()));
    report.text(html! { p { (common(differences)) } });
    report.table(table(runs, differences));
    report.text(html! { @for note in notes(runs) { p { (note) } } });
    report.heading("Learning curves");
    let (panels, size) = panels(runs, &differences.names, by);
    let svgs = panels.into_iter().map(|panel| lines("", &[panel], 1, size)).collect::<Result<_>>()?;
    report.panels("Lines are means of the replicas that did not diverge, bands span all of them.", svgs);
    Ok(report)
}
