//! report.html: what a run came to, on one page.

use std::path::Path;

use anyhow::Result;
use asgd::dataset::{DataRecord, Samples, Scale};
use asgd::{Activation, Activity, Dataset, Device, Evaluation, Model, NetworkSpec, Predictor, Task};
use maud::html;
use serde_json::Value;

use super::curve::{OfPoint, learning_panels, mean_and_range};
use super::facts;
use super::folder::Folder;
use super::metrics::{Point, by_layer};
use super::outcome;
use super::rates::Rates;
use crate::confusion::Confusion;
use crate::data_source::DataArgs;
use crate::figures::{Curve, Legend, LinePanel, PALETTE, lines};
use crate::report::Report;
use crate::residuals::Residuals;
use crate::statistics::Summary;
use crate::sweep::figure::panels;
use crate::sweep::groups::CellTrained;
use crate::sweep::results::Sweep;
use crate::table::{Cell, Table};
use crate::values::number;

/// A finished run.
pub struct Run<'a> {
    pub title: String,
    /// run.json: settings and result.
    pub document: &'a Value,
    pub folder: &'a Folder,
    pub device: &'a Device,
    pub dataset: &'a Dataset,
    /// What the data set was called on the command line, and its options.
    pub source: (&'a str, &'a DataArgs),
    /// What was decided when the data was read.
    pub notes: &'a [String],
    pub record: &'a DataRecord,
    /// The networks that are shown in detail: of a sweep those of the best cell, or of the first.
    pub network: Network<'a>,
    pub sweep: Option<&'a Sweep<'a>>,
}

/// Replicas under the same settings.
pub struct Network<'a> {
    /// Which cell of a sweep.
    pub name: Option<String>,
    /// Where a network of them is, in the run's folder.
    pub file: String,
    /// Whether that file holds one network.
    pub is_alone: bool,
    pub trained: &'a CellTrained,
    /// T of its counts.
    pub count_threshold: f32,
    pub rates: Rates,
    /// Its part of the result in run.json.
    pub result: &'a Value,
}

/// Pixels of a small figure.
const PANEL: (u32, u32) = (450, 330);

/// Diverged replicas that are named.
const REPLICAS_NAMED: usize = 20;

/// Draws and writes it.
///
/// # Errors
/// If a figure cannot be drawn or the file cannot be written.
pub fn write(run: &Run<'_>) -> Result<()> {
    let mut report = Report::new(run.title.as_str());
    if let Some(sweep) = run.sweep {
        cells(&mut report, sweep)?;
    }
    show_outcome(&mut report, run);
    warnings(&mut report, run);
    curves(&mut report, &run.network)?;
    layers(&mut report, &run.network)?;
    errors(&mut report, run);
    settings(&mut report, run);
    commands(&mut report, run);
    run.folder.write("report.html", &report.html())
}

impl Network<'_> {
    fn spec(&self) -> &NetworkSpec {
        self.trained.model.spec()
    }

    /// The evaluation of every network that has not diverged, with the replica's number.
    fn sound(&self) -> Vec<(usize, &Point)> {
        self.trained.sound().collect()
    }
}

/// Rows that are shown of a sweep's table.
const CELLS_SHOWN: usize = 200;

/// The cells of a sweep, from best to worst.
fn cells(report: &mut Report, sweep: &Sweep<'_>) -> Result<()> {
    let mut table = sweep.table();
    if table.rows.len() > CELLS_SHOWN {
        table.rows.truncate(CELLS_SHOWN);
        table.caption += &format!("; the first {CELLS_SHOWN} of {}, all are in sweep.csv", sweep.cells.len());
    }
    report.table(table);
    let loss = if sweep.has_validation { "validation" } else { "training" };
    let caption = format!("Mean {loss} loss of each cell over the epochs; bands span its replicas.");
    let svgs = panels(sweep).into_iter().map(|panel| {
        let title = panel.title.clone();
        lines(&title, &[LinePanel { title: String::new(), ..panel }], 1, PANEL)
    });
    report.panels(caption, svgs.collect::<Result<_>>()?);
    Ok(())
}

/// What is wrong with the networks.
fn warnings(report: &mut Report, run: &Run<'_>) {
    let warnings: Vec<&str> =
        run.document["result"]["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for warning in warnings.iter().take(REPLICAS_NAMED) {
        report.text(html! { p.warning { "Warning: " (warning) } });
    }
    if warnings.len() > REPLICAS_NAMED {
        report.text(html! { p.warning { "... and " (warnings.len() - REPLICAS_NAMED) " more in run.json" } });
    }
}

/// The result in a line, and the numbers of all sets.
fn show_outcome(report: &mut Report, run: &Run<'_>) {
    let network = &run.network;
    let (sound, replicas) = (network.sound(), network.trained.trajectories.len());
    let loss = network.spec().loss();
    let score = Summary::of(sound.iter().map(|(_, point)| point.test.score));
    let result = &run.document["result"];
    let seconds = result["seconds"].as_f64().map_or_else(String::new, |seconds| format!(", in {seconds:.1} s"));
    let score = format!("test {} {}", loss.score_label(), Cell::Spread(score, 4).shown());
    let of = match sound.len() {
        0 => "every replica diverged".to_string(),
        1 => score,
        count => format!("{score} (mean ± standard deviation of {count} replicas)"),
    };
    if let Some(name) = &network.name {
        report.heading(name.as_str());
    }
    let at = match sound.len() {
        1.. if outcome::keeps_best(network.result) => format!(" {}", outcome::at_best(network.result)),
        _ => String::new(),
    };
    report.text(html! { p.headline { (of) (at) (seconds) } });
    report.text(html! { @for line in outcome::decisions(loss, network.result) { p { (line) } } });
    let diverged = (0..replicas).filter(|replica| !sound.iter().any(|(other, _)| other == replica));
    let diverged: Vec<String> = diverged.map(|replica| replica.to_string()).collect();
    if !diverged.is_empty() {
        let more = if diverged.len() > REPLICAS_NAMED { ", ..." } else { "" };
        let named = diverged[..diverged.len().min(REPLICAS_NAMED)].join(", ");
        report.text(html! {
            p.warning { (diverged.len()) " of " (replicas) " replicas diverged and are left out: " (named) (more) }
        });
    }
    let when = match at.is_empty() {
        true => "At the end.",
        false => "Of the networks that are kept.",
    };
    let is_scaled = run.record.target_scaling.as_ref().is_some_and(|scaling| scaling.scale() != Scale::None);
    let of = if is_scaled { " The loss is that of the scaled targets." } else { "" };
    let mut table =
        Table::new("result", format!("{when}{of}"), &["set", "samples", loss.score_label(), loss.task().loss_label()]);
    let sets: [(&str, Option<&Samples>, OfPoint); 3] = [
        ("training", Some(&run.dataset.train), |point| Some(&point.train)),
        ("validation", run.dataset.validation.as_ref(), |point| point.validation.as_ref()),
        ("test", Some(&run.dataset.test), |point| Some(&point.test)),
    ];
    for (set, samples, of) in sets {
        let Some(samples) = samples else { continue };
        let numbers: [fn(&Evaluation) -> f64; 2] = [|evaluation| evaluation.score, |evaluation| evaluation.loss];
        let numbers = numbers
            .map(|value| Cell::Spread(Summary::of(sound.iter().filter_map(|(_, point)| of(point)).map(value)), 4));
        table.rows.push([set.into(), Cell::Number(samples.len() as f64, 0)].into_iter().chain(numbers).collect());
    }
    report.table(table);
}

/// What the lines and the bands of a figure are.
fn of_replicas(network: &Network<'_>) -> String {
    match network.trained.trajectories.len() {
        1 => String::new(),
        replicas => format!(" Lines are means, bands span all {replicas} replicas."),
    }
}

fn curves(report: &mut Report, network: &Network<'_>) -> Result<()> {
    let trajectories = &network.trained.trajectories;
    let loss = network.spec().loss();
    let panels = learning_panels(trajectories, network.rates.steps_per_epoch, loss);
    let panels = panels.into_iter().chain(network.rates.panel(trajectories));
    let svgs = ["loss", loss.score_label(), "learning rate"]
        .into_iter()
        .zip(panels)
        .map(|(name, panel)| lines(name, &[panel], 1, PANEL));
    report.heading(format!("Loss and {}", loss.score_label()));
    report.panels(format!("Over the epochs.{}", of_replicas(network)), svgs.collect::<Result<_>>()?);
    Ok(())
}

/// A curve for each of the first `layers` layers; every panel begins at 0.
fn layer_panel(
    network: &Network<'_>,
    title: &str,
    y: &'static str,
    layers: usize,
    value: impl Fn(&Point, usize) -> Option<f64>,
) -> Result<String> {
    let curve = |(layer, color)| Curve {
        name: format!("layer {}", layer + 1),
        color,
        points: mean_and_range(&network.trained.trajectories, network.rates.steps_per_epoch, |point| {
            value(point, layer).unwrap_or(f64::NAN)
        }),
    };
    let curves: Vec<Curve> = (0..layers).zip(PALETTE.into_iter().cycle()).map(curve).collect();
    let top = curves.iter().flat_map(|curve| &curve.points).map(|(_, [_, _, high])| *high).fold(1.0, f64::max);
    let y_range = Some((0.0, 1.05 * top));
    let panel = LinePanel { title: String::new(), x: "epoch", y, curves, legend: Legend::Beside, y_range };
    lines(title, &[panel], 1, PANEL)
}

/// Dummy nodes and adaptive batch sizes, layer by layer.
fn layers(report: &mut Report, network: &Network<'_>) -> Result<()> {
    let (spec, sound) = (network.spec(), network.sound());
    let (hidden, layers) = (spec.hidden().len(), spec.layers().len());
    let dummies = |wanted| {
        move |point: &Point, layer| by_layer(spec, &point.train.nodes, wanted).nth(layer).map(|count| count as f64)
    };
    let (never, always) = (dummies(Activity::Never), dummies(Activity::Always));
    let mean = |point: &Point, layer: usize| point.mean_adaptive_batch_sizes.get(layer).copied();
    report.heading("Adaptive batch sizes and dummy nodes, layer by layer");
    let mut svgs = vec![layer_panel(network, "mean adaptive batch size", "samples", layers, mean)?];
    if hidden > 0 {
        svgs.push(layer_panel(network, "true dummies", "nodes", hidden, never)?);
        svgs.push(layer_panel(network, "pseudo dummies", "nodes", hidden, always)?);
    }
    let caption = format!(
        "The adaptive batch size of a parameter is the number of samples of a mini-batch whose gradient for it {}; \
         of the last step before each evaluation. {}{}",
        match network.count_threshold {
            0.0 => "is not zero".to_string(),
            threshold => format!("counts (threshold {})", number(threshold)),
        },
        match spec.activation() {
            Activation::Relu =>
                "True dummies are hidden nodes that no training sample activates, pseudo dummies those that every one \
                does."
                    .to_string(),
            activation => format!(
                "True dummies are hidden nodes that are 0 for every training sample, pseudo dummies those that are 0 for none, as \
                 is usual for {activation}."
            ),
        },
        of_replicas(network)
    );
    report.panels(caption, svgs);

    let header = ["layer", "nodes", "true dummies", "pseudo dummies", "mean adaptive batch size"];
    let mut table = Table::new("layers", "At the end; the last layer is the output.", &header);
    for (layer, (_, nodes)) in spec.layers().enumerate() {
        let summary = |value: &dyn Fn(&Point, usize) -> Option<f64>| {
            Cell::Spread(Summary::of(sound.iter().filter_map(|(_, point)| value(point, layer))), 2)
        };
        let whole = |value: usize| Cell::Number(value as f64, 0);
        table.rows.push(vec![whole(layer + 1), whole(nodes), summary(&never), summary(&always), summary(&mean)]);
    }
    report.table(table);
    Ok(())
}

/// Multiplications that the confusion may cost: some tenths of a second of one core.
const CONFUSION_WORK: usize = 2_000_000_000;

/// Classes up to which the whole matrix is shown, and rows that are shown of what is longer.
const CLASSES_SHOWN: usize = 20;

/// Which samples the networks take for what, or how far from their targets they are.
fn errors(report: &mut Report, run: &Run<'_>) {
    let network = &run.network;
    let (samples, model) = (&run.dataset.test, &network.trained.model);
    let sound = network.sound();
    let affordable = CONFUSION_WORK / (samples.len() * network.spec().parameter_count()).max(1);
    let chosen: Vec<usize> = sound.iter().map(|(replica, _)| *replica).take(affordable.max(1)).collect();
    if chosen.is_empty() {
        return;
    }
    let mut networks = Model::zeros(network.spec(), 0);
    networks.class_names.clone_from(&model.class_names);
    chosen.iter().for_each(|&replica| networks.append(&model.slice(replica..replica + 1)));
    let count = samples.len();
    let of = match (chosen.len(), sound.len()) {
        (1, 1) => format!("{count} test samples"),
        (some, all) if some == all => format!("{count} test samples, over {all} replicas"),
        (some, all) => {
            format!("{count} test samples, over the first {some} of {all} replicas, because all would take long")
        }
    };
    if network.spec().loss().is_regression() {
        report.heading("Errors");
        networks.data.clone_from(&model.data);
        let found = Predictor::new(run.device, &networks, samples)
            .map_err(anyhow::Error::from)
            .and_then(|predictor| Residuals::of(&predictor, &networks, samples));
        match found {
            Ok(residuals) => report.table(residuals.table(&format!("In the units of the data; {of}."))),
            // The networks are trained and saved: no reason to fail.
            Err(error) => report.text(html! { p.warning { "The errors are missing: " (format!("{error:#}")) } }),
        }
        return;
    }
    report.heading("Confusion");
    let counted = Predictor::new(run.device, &networks, samples)
        .map_err(anyhow::Error::from)
        .and_then(|predictor| Confusion::of(&predictor, &networks, samples));
    let confusion = match counted {
        Ok(confusion) => confusion,
        // The networks are trained and saved: no reason to fail.
        Err(error) => {
            report.text(html! { p.warning { "The confusion matrix is missing: " (format!("{error:#}")) } });
            return;
        }
    };

    let (classes, shown) = (confusion.names().len(), CLASSES_SHOWN);
    if classes <= shown {
        report.text(html! { p { (of) ". A row is a true class, a column a predicted one." } });
        report.text(confusion.matrix_html());
        report.table(confusion.classes_table("Precision and recall.", 0..classes));
    } else {
        let caption = format!("The {shown} commonest errors; {of}. `asgd evaluate` prints all {classes} classes.");
        report.table(confusion.pairs_table(&caption, shown));
        let caption = format!("The {shown} classes with the lowest recall.");
        report.table(confusion.classes_table(&caption, confusion.hardest(shown)));
    }
}

fn settings(report: &mut Report, run: &Run<'_>) {
    let document = run.document;
    report.heading("Settings");
    let mut table = Table::new("settings", "How the networks were trained.", &["setting", "value"]);
    // The cells of a sweep have a table of their own.
    for (key, value) in facts::in_order(&document["settings"]).into_iter().filter(|(key, _)| *key != "cells") {
        table.rows.push(vec![facts::label(key).into(), facts::text(key, value).into()]);
    }
    if run.sweep.is_none() {
        table.rows.push(vec!["parameters".into(), run.network.spec().parameter_count().to_string().into()]);
    }
    report.table(table);

    let dataset = &document["dataset"];
    let mut table = Table::new("data", "What they were trained on.", &["data", "value"]);
    let of_targets = match run.dataset.loss().is_regression() {
        true => &["targets", "target_scale"][..],
        false => &["classes"],
    };
    let keys = ["name", "train_samples", "validation_samples", "test_samples", "features"];
    for key in keys.iter().chain(of_targets).chain(&["scale", "sha256"]).copied() {
        table.rows.push(vec![facts::label(key).into(), facts::text(key, &dataset[key]).into()]);
    }
    report.table(table);
    let data = run.record;
    let read = data.table.as_ref().map(|table| format!("{}: {}", run.source.0, table.describe()));
    let split = data.split.as_ref().map(|split| facts::split(&split.held_out));
    let decided: Vec<String> = read.into_iter().chain(run.notes.iter().cloned()).chain(split).collect();
    if !decided.is_empty() {
        report.text(html! {
            p { "How it was read:" }
            ul { @for line in decided { li { (line) } } }
        });
    }
    let device = document["machine"].as_str().unwrap_or_default();
    report.text(html! { p { "Trained on " (device) ", by asgd " (env!("CARGO_PKG_VERSION")) "." } });
}

/// What made the run, and what can be done with it.
fn commands(report: &mut Report, run: &Run<'_>) {
    let Run { document, folder, record, network, source: (source, data), .. } = run;
    let path = folder.path().display().to_string();
    let words: Vec<&str> =
        document["arguments"]["command"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    // The program itself may have been called by any path.
    let made = facts::command(["asgd"].into_iter().chain(words.into_iter().skip(1)));
    let mut lines = vec![
        ("This run was made by", made),
        ("Interrupted, it resumes with", facts::command(["asgd", "train", "--resume", &path])),
    ];
    for extent in document["arguments"]["extended"].as_array().into_iter().flatten().filter_map(Value::as_object) {
        for (unit, count) in extent {
            let (option, count) = (format!("--{unit}"), count.to_string());
            lines.push(("and made longer by", facts::command(["asgd", "train", "--resume", &path, &option, &count])));
        }
    }
    let model = folder.path().join(&network.file).display().to_string();
    let test = data.test.as_deref().map(Path::display).map(|test| test.to_string());
    let mut evaluate = vec!["asgd", "evaluate", &model, test.as_deref().unwrap_or(source)];
    let data_dir = data.data_dir.as_deref().map(Path::display).map(|path| path.to_string());
    evaluate.extend(data_dir.iter().flat_map(|path| ["--data-dir", path]));
    let is_rows = record.table.is_some() || record.points.is_some();
    let mut predict = vec!["asgd", "predict", &model, if is_rows { "NEW.csv" } else { "NEW.npz" }];
    predict.extend(if network.is_alone { &[][..] } else { &["--replica", "0"] });
    lines.push(("Its networks are scored on the test set with", facts::command(evaluate)));
    let what = match run.dataset.loss().task() {
        Task::Classification => "and classify new samples with",
        Task::Regression => "and predict new samples with",
    };
    lines.push((what, facts::command(predict)));
    lines.push(("Beside another run it is put by", facts::command(["asgd", "compare", &path, "OTHER"])));
    report.heading("Commands");
    if let Some(directory) = document["arguments"]["directory"].as_str() {
        report.text(html! {
            p { "In the folder " code { (directory) } ". The same command gives the same bits on the same kind of device." }
        });
    }
    report.text(html! { @for (what, command) in lines { p { (what) } pre { (command) } } });
}
