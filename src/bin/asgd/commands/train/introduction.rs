//! What a training says before it begins: the device, the data, the networks, how rates go and what ends it.

use asgd::{Dataset, Model, NetworkSpec};

use super::TrainArgs;
use crate::console::Reporter;
use crate::device_args::Devices;
use crate::ranks;
use crate::run::rates::Rates;
use crate::run::stopping::Rules;
use crate::sweep::cells::{COLUMNS, Cell, varied};
use crate::sweep::groups::Group;
use crate::values::number;

/// Says what is trained on what.
pub fn introduce(
    args: &TrainArgs,
    report: &Reporter,
    devices: &Devices,
    dataset: &Dataset,
    initial: &Model,
    notes: &[String],
) {
    for device in devices.describe() {
        report.line(&format!("device   {device}"));
    }
    if ranks::shares_batches() {
        report.line(&format!("ranks    {} processes, which share every batch", ranks::count()));
    } else if ranks::count() > 1 {
        let count = ranks::count();
        report.line(&format!(
            "ranks    {count} processes, each with its part of the networks; below are the first one's"
        ));
    } else if devices.count() > 1 {
        report.line("devices  each has its part of the networks; below are the first one's");
    }
    let validation =
        dataset.validation.as_ref().map_or_else(String::new, |samples| format!(", {} validation", samples.len()));
    report.line(&format!(
        "data     {}: {} training{validation} and {} test samples, {} features, {}",
        dataset.name,
        dataset.train.len(),
        dataset.test.len(),
        dataset.features(),
        dataset.describe_targets()
    ));
    if let Some(table) = &initial.data.table {
        report.line(&format!("data     {}: {}", args.dataset, table.describe()));
    }
    for note in notes {
        report.line(&format!("data     {note}"));
    }
}

/// Says which networks are trained: the one, or how many of which kinds.
pub fn describe_networks(args: &TrainArgs, report: &Reporter, cells: &[Cell], groups: &[Group]) {
    let replicas = format!("{} replica{}", args.replicas, if args.replicas == 1 { "" } else { "s" });
    if let [cell] = cells {
        report.line(&format!(
            "network  {}{}{}, {} parameters, {replicas}, {}, lr {}{}{}{}",
            widths(&cell.spec),
            if cell.activation().is_some() { format!(", {}", cell.spec.activation()) } else { String::new() },
            if cell.spec.batch_norm() { ", batch normalization" } else { "" },
            cell.spec.parameter_count(),
            cell.optimizer_with_numbers(),
            number(cell.learning_rate),
            if cell.dropout > 0.0 { format!(", dropout {}", number(cell.dropout)) } else { String::new() },
            match cell.input_dropout {
                0.0 => String::new(),
                dropout => format!(", input dropout {}", number(dropout)),
            },
            match cell.count_threshold {
                0.0 => String::new(),
                threshold => format!(", count threshold {}", number(threshold)),
            }
        ));
        return;
    }
    let varied: Vec<&str> = varied(cells).into_iter().map(|column| COLUMNS[column].shown).collect();
    report.line(&format!(
        "sweep    {} cells, which differ in {}; {replicas} each, {} networks in {} group{}",
        cells.len(),
        varied.join(", "),
        cells.len() * args.replicas,
        groups.len(),
        if groups.len() == 1 { "" } else { "s" }
    ));
}

/// Says how the learning rate goes, and what evaluations decide, where that was asked for.
pub fn describe_course(args: &TrainArgs, report: &Reporter, rates: &[Rates], rules: Option<Rules>) {
    let schedule = args.schedule.to_string();
    let warmup =
        args.warmup.and_then(|_| rates.iter().map(|rates| rates.schedule.warmup).max()).filter(|&steps| steps > 0);
    if schedule != "constant" || warmup.is_some() {
        let warmup = warmup.map_or_else(String::new, |steps| format!(" after a warm-up of {steps} steps"));
        report.line(&format!("rate     {schedule}{warmup}"));
    }
    let Some(Rules { criterion, patience, keep, .. }) = rules else { return };
    let patience = match patience {
        Some(1) => "after 1 evaluation without improvement".to_string(),
        Some(patience) => format!("after {patience} evaluations without improvement"),
        None => "at the end".to_string(),
    };
    report.line(&format!("stop     {patience} by validation {criterion}; each replica keeps its {keep} network"));
}

/// Widths as people write them: 784-30-20-10.
pub fn widths(spec: &NetworkSpec) -> String {
    spec.widths().iter().map(usize::to_string).collect::<Vec<_>>().join("-")
}
