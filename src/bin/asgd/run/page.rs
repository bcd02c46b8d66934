//! report.html: what a run came to, on one page.

use std::path::Path;

use anyhow::Result;
use asgd::{Activity, Dataset, Device, Model, NetworkSpec, Predictor};
use maud::html;
use serde_json::Value;

use super::chunks::Trained;
use super::curve::{learning_panels, mean_and_range};
use super::facts;
use super::folder::Folder;
use super::metrics::{by_layer, has_diverged, Point};
use crate::confusion::Confusion;
use crate::data_source::DataArgs;
use crate::figures::{lines, Curve, Legend, LinePanel, PALETTE};
use crate::report::Report;
use crate::statistics::Summary;
use crate::table::{Cell, Table};

/// A finished run.
pub struct Run<'a> {
    pub title: &'a str,
    /// run.json: settings and result.
    pub document: &'a Value,
    pub folder: &'a Folder,
    pub device: &'a Device,
    pub dataset: &'a Dataset,
    /// What the data set was called on the command line, and its options.
    pub source: (&'a str, &'a DataArgs),
    /// What was decided when the data was read.
    pub notes: &'a [String],
    pub trained: &'a Trained,
    pub steps_per_epoch: u64,
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
    let mut report = Report::new(run.title);
    outcome(&mut report, run);
    curves(&mut report, run)?;
    layers(&mut report, run)?;
    confusion(&mut report, run);
    settings(&mut report, run);
    commands(&mut report, run);
    run.folder.write("report.html", &report.html())
}

impl Run<'_> {
    fn spec(&self) -> &NetworkSpec {
        self.trained.model.spec()
    }

    /// The last evaluation of every replica that has not diverged, with the replica's number.
    fn sound(&self) -> Vec<(usize, &Point)> {
        let last = self.trained.trajectories.iter().enumerate();
        let last = last.filter_map(|(replica, points)| points.last().map(|point| (replica, point)));
        last.filter(|(_, point)| !has_diverged(point)).collect()
    }
}

/// A number of an evaluation.
type Column = fn(&Point) -> f64;

/// The result in a line, what is wrong with it, and the numbers of both sets.
fn outcome(report: &mut Report, run: &Run<'_>) {
    let (sound, replicas) = (run.sound(), run.trained.trajectories.len());
    let summary = |value: Column| Summary::of(sound.iter().map(|(_, point)| value(point)));
    let result = &run.document["result"];
    let seconds = result["seconds"].as_f64().map_or_else(String::new, |seconds| format!(", in {seconds:.1} s"));
    let accuracy = Cell::Spread(summary(|point| point.test.accuracy), 4).shown();
    let of = match sound.len() {
        0 => "every replica diverged".to_string(),
        1 => format!("test accuracy {accuracy}"),
        count => format!("test accuracy {accuracy} (mean ± standard deviation of {count} replicas)"),
    };
    report.text(html! { p.headline { (of) (seconds) } });
    let diverged = (0..replicas).filter(|replica| !sound.iter().any(|(other, _)| other == replica));
    let diverged: Vec<String> = diverged.map(|replica| replica.to_string()).collect();
    if !diverged.is_empty() {
        let more = if diverged.len() > REPLICAS_NAMED { ", ..." } else { "" };
        let named = diverged[..diverged.len().min(REPLICAS_NAMED)].join(", ");
        report.text(html! {
            p.warning { (diverged.len()) " of " (replicas) " replicas diverged and are left out: " (named) (more) }
        });
    }
    for warning in result["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        report.text(html! { p.warning { "Warning: " (warning) } });
    }
    let mut table = Table::new("result", "At the end.", &["set", "samples", "accuracy", "loss (nats)"]);
    let sets: [(&str, usize, Column, Column); 2] = [
        ("training", run.dataset.train.len(), |point| point.train.accuracy, |point| point.train.loss),
        ("test", run.dataset.test.len(), |point| point.test.accuracy, |point| point.test.loss),
    ];
    for (set, samples, accuracy, loss) in sets {
        let numbers = [accuracy, loss].map(|value| Cell::Spread(summary(value), 4));
        table.rows.push([set.into(), Cell::Number(samples as f64, 0)].into_iter().chain(numbers).collect());
    }
    report.table(table);
}

/// What the lines and the bands of a figure are.
fn of_replicas(run: &Run<'_>) -> String {
    match run.trained.trajectories.len() {
        1 => String::new(),
        replicas => format!(" Lines are means, bands span all {replicas} replicas."),
    }
}

fn curves(report: &mut Report, run: &Run<'_>) -> Result<()> {
    let panels = learning_panels(&run.trained.trajectories, run.steps_per_epoch);
    let svgs = ["loss", "accuracy"].into_iter().zip(panels).map(|(name, panel)| lines(name, &[panel], 1, PANEL));
    report.heading("Loss and accuracy");
    report.panels(format!("Over the epochs.{}", of_replicas(run)), svgs.collect::<Result<_>>()?);
    Ok(())
}

/// A curve for each of the first `layers` layers; every panel begins at 0.
fn layer_panel(
    run: &Run<'_>,
    title: &str,
    y: &'static str,
    layers: usize,
    value: impl Fn(&Point, usize) -> Option<f64>,
) -> Result<String> {
    let curve = |(layer, color)| Curve {
        name: format!("layer {}", layer + 1),
        color,
        points: mean_and_range(&run.trained.trajectories, run.steps_per_epoch, |point| {
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
fn layers(report: &mut Report, run: &Run<'_>) -> Result<()> {
    let (spec, sound) = (run.spec(), run.sound());
    let (hidden, layers) = (spec.hidden().len(), spec.layers().len());
    let dummies = |wanted| {
        move |point: &Point, layer| by_layer(spec, &point.train.nodes, wanted).nth(layer).map(|count| count as f64)
    };
    let (never, always) = (dummies(Activity::Never), dummies(Activity::Always));
    let mean = |point: &Point, layer: usize| point.mean_adaptive_batch_sizes.get(layer).copied();
    report.heading("Adaptive batch sizes and dummy nodes, layer by layer");
    let mut svgs = vec![layer_panel(run, "mean adaptive batch size", "samples", layers, mean)?];
    if hidden > 0 {
        svgs.push(layer_panel(run, "true dummies", "nodes", hidden, never)?);
        svgs.push(layer_panel(run, "pseudo dummies", "nodes", hidden, always)?);
    }
    let caption = format!(
        "The adaptive batch size of a parameter is the number of samples of a mini-batch whose gradient for it is not zero; \
         of the last step before each evaluation. True dummies are hidden nodes that no training sample activates, pseudo \
         dummies those that every one does.{}",
        of_replicas(run)
    );
    report.panels(caption, svgs);

    let header = ["layer", "nodes", "true dummies", "pseudo dummies", "mean adaptive batch size"];
    let mut table = Table::new("layers", "At the end; the last layer is the output.", &header);
    for (layer, (_, nodes)) in spec.layers().enumerate() {
        let summary = |value: &dyn Fn(&Point, usize) -> Option<f64>| {
            Cell::Spread(Summary::of(sound.iter().filter_map(|(_, point)| value(point, layer))), 2)
        };
        let number = |value: usize| Cell::Number(value as f64, 0);
        table.rows.push(vec![number(layer + 1), number(nodes), summary(&never), summary(&always), summary(&mean)]);
    }
    report.table(table);
    Ok(())
}

/// Multiplications that the confusion may cost: some tenths of a second of one core.
const CONFUSION_WORK: usize = 2_000_000_000;

/// Classes up to which the whole matrix is shown, and rows that are shown of what is longer.
const CLASSES_SHOWN: usize = 20;

fn confusion(report: &mut Report, run: &Run<'_>) {
    let (samples, model) = (&run.dataset.test, &run.trained.model);
    let sound = run.sound();
    let affordable = CONFUSION_WORK / (samples.len() * run.spec().parameter_count()).max(1);
    let chosen: Vec<usize> = sound.iter().map(|(replica, _)| *replica).take(affordable.max(1)).collect();
    if chosen.is_empty() {
        return;
    }
    let mut networks = Model::zeros(run.spec(), 0);
    networks.class_names.clone_from(&model.class_names);
    chosen.iter().for_each(|&replica| networks.append(&model.slice(replica..replica + 1)));
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

    let count = samples.len();
    let of = match (chosen.len(), sound.len()) {
        (1, 1) => format!("{count} test samples"),
        (some, all) if some == all => format!("{count} test samples, summed over {all} replicas"),
        (some, all) => {
            format!("{count} test samples, summed over the first {some} of {all} replicas, because all would take long")
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
    let Run { document, trained, .. } = run;
    report.heading("Settings");
    let mut table = Table::new("settings", "How the networks were trained.", &["setting", "value"]);
    for (key, value) in facts::in_order(&document["settings"]) {
        table.rows.push(vec![facts::label(key).into(), facts::text(key, value).into()]);
    }
    table.rows.push(vec!["parameters".into(), run.spec().parameter_count().to_string().into()]);
    report.table(table);

    let dataset = &document["dataset"];
    let mut table = Table::new("data", "What they were trained on.", &["data", "value"]);
    for key in ["name", "train_samples", "test_samples", "features", "classes", "scale", "sha256"] {
        table.rows.push(vec![facts::label(key).into(), facts::text(key, &dataset[key]).into()]);
    }
    report.table(table);
    let data = &trained.model.data;
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
    let Run { document, folder, trained, source: (source, data), .. } = run;
    let path = folder.path().display().to_string();
    let model = folder.path().join("model.safetensors").display().to_string();
    let words: Vec<&str> =
        document["arguments"]["command"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    // The program itself may have been called by any path.
    let made = facts::command(["asgd"].into_iter().chain(words.into_iter().skip(1)));

    let test = data.test.as_deref().map(Path::display).map(|test| test.to_string());
    let mut evaluate = vec!["asgd", "evaluate", &model, test.as_deref().unwrap_or(source)];
    let data_dir = data.data_dir.as_deref().map(Path::display).map(|path| path.to_string());
    evaluate.extend(data_dir.iter().flat_map(|path| ["--data-dir", path]));
    let is_rows = trained.model.data.table.is_some() || trained.model.data.points.is_some();
    let mut predict = vec!["asgd", "predict", &model, if is_rows { "NEW.csv" } else { "NEW.npz" }];
    predict.extend(if trained.model.replicas() > 1 { &["--replica", "0"][..] } else { &[] });
    let lines = [
        ("This run was made by", made),
        ("Interrupted, it resumes with", facts::command(["asgd", "train", "--resume", &path])),
        ("Its networks are scored on the test set with", facts::command(evaluate)),
        ("and classify new samples with", facts::command(predict)),
        ("Beside another run it is put by", facts::command(["asgd", "compare", &path, "OTHER"])),
    ];
    report.heading("Commands");
    if let Some(directory) = document["arguments"]["directory"].as_str() {
        report.text(html! {
            p { "In the folder " code { (directory) } ". The same command gives the same bits on the same kind of device." }
        });
    }
    report.text(html! { @for (what, command) in lines { p { (what) } pre { (command) } } });
}
