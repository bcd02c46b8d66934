//! `asgd inspect`

use std::path::PathBuf;

use anyhow::Result;
use asgd::dataset::{Scale, Scaling};
use asgd::{
    Activation, Activity, Evaluation, Model, NetworkSpec, Order, Predictor, ReplicaSettings, TrainSettings, Trainer,
};
use clap::Args;
use serde_json::{Value, json};

use crate::console::print_line;
use crate::figures::{BLUE, BoxPanel, boxes};
use crate::run::metrics::by_layer;
use crate::statistics::{Summary, quartiles};
use crate::table::{Cell, Table};
use crate::trained::{ModelAndData, Opened, open, target_names};
use crate::values::{at_least_one, below_one, number};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  asgd inspect runs/mnist-1/model.safetensors mnist
  asgd inspect runs/mnist-1/model.safetensors mnist --figure adaptive-batch-sizes.svg")]
pub struct InspectArgs {
    /// Samples of a mini-batch, for the adaptive batch sizes.
    #[arg(long, value_name = "SAMPLES", default_value_t = 64, value_parser = at_least_one::<usize>)]
    pub batch_size: usize,
    /// Mini-batches to look at, in the order of the training set; all of them if there are fewer.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = at_least_one::<u64>)]
    pub batches: u64,
    /// What counts, as in `asgd train`: where |a| > T and |delta| > T times the largest |delta| of its node in the mini-batch.
    #[arg(long, value_name = "T", default_value_t = 0.0, value_parser = below_one)]
    pub count_threshold: f32,
    /// Draw the distribution of the adaptive batch sizes.
    #[arg(long, value_name = "FILE.svg")]
    pub figure: Option<PathBuf>,
    /// Print one line of JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub input: ModelAndData,
}

pub fn run(args: &InspectArgs) -> Result<()> {
    let opened = open(&args.input)?;
    let training_set = opened.training_set();
    let Opened { model, dataset, device, .. } = opened;
    let spec = model.spec().clone();
    let mut predictor = Predictor::new(&device, &model, &dataset.train)?;
    let evaluations = predictor.evaluate()?;
    let activations =
        (0..spec.layers().len()).map(|layer| predictor.outputs(layer)).collect::<asgd::Result<Vec<_>>>()?;

    // Steps that move nothing, for their counts.
    let batch_size = args.batch_size.min(dataset.train.len());
    let count_threshold = args.count_threshold;
    let replica = ReplicaSettings { learning_rate: 0.0, count_threshold, ..Default::default() };
    let replicas = vec![replica; model.replicas()];
    let settings = TrainSettings { batch_size, order: Order::Sequential, replicas, ..Default::default() };
    let mut trainer = Trainer::new(&device, &dataset, &model, settings)?;
    let batches = args.batches.min((dataset.train.len() / batch_size) as u64);
    let mut counts: Vec<Vec<f64>> = vec![Vec::new(); spec.layers().len()];
    for _ in 0..batches {
        trainer.train(1)?;
        if let Some((_, batch)) = trainer.last_reduction()? {
            for (layer, counts) in counts.iter_mut().enumerate() {
                for replica in 0..model.replicas() {
                    counts.extend(batch.parameters(layer, replica).map(|&count| f64::from(count)));
                }
            }
        }
    }

    if let Some(path) = &args.figure {
        let panels: Vec<BoxPanel> = counts
            .iter()
            .enumerate()
            .map(|(layer, counts)| BoxPanel {
                title: format!("layer {}", layer + 1),
                y: "adaptive batch size",
                boxes: vec![(
                    "all parameters".into(),
                    BLUE,
                    quartiles(counts),
                    Summary::of(counts.iter().copied()).mean,
                )],
            })
            .collect();
        let title = format!("{}: adaptive batch sizes of {batches} mini-batches of {batch_size}", dataset.name);
        let svg = boxes(&title, &panels, 4, (250, 280))?;
        asgd::files::write_atomically(path, svg.as_bytes())?;
    }
    if args.json {
        return print_line(&document(&model, &evaluations, &counts).to_string());
    }
    let widths: Vec<String> = spec.widths().iter().map(usize::to_string).collect();
    let replicas = if model.replicas() > 1 { format!(", {} replicas", model.replicas()) } else { String::new() };
    print_line(&format!(
        "{}{}{}, {} parameters{replicas}; {training_set}, {} samples",
        widths.join("-"),
        if spec.activation() == Activation::Relu { String::new() } else { format!(", {}", spec.activation()) },
        if spec.batch_norm() { ", batch normalization" } else { "" },
        spec.parameter_count(),
        dataset.train.len()
    ))?;
    if let Some(table) = &model.data.table {
        print_line(&format!("trained on a table: {}", table.describe()))?;
    }
    if let Some(scaling) = model.data.scaling.as_ref().filter(|scaling| scaling.scale() != Scale::None) {
        print_line(&format!("\nScale of the inputs: {}, (x - shift) / divisor", scaling.scale()))?;
        let names = model.data.table.as_ref().map(asgd::dataset::table::Schema::feature_names);
        print_line(&scale_table("feature", names, scaling).text())?;
    }
    if let Some(scaling) = model.data.target_scaling.as_ref().filter(|scaling| scaling.scale() != Scale::None) {
        print_line(&format!("\nScale of the targets: {}, (t - shift) / divisor", scaling.scale()))?;
        print_line(&scale_table("target", Some(target_names(&model)), scaling).text())?;
    }
    print_line(&format!("\nHidden nodes{}", if model.replicas() > 1 { ", mean of the replicas" } else { "" }))?;
    print_line(&nodes_table(&spec, &evaluations).text())?;
    if !spec.activation().silences() {
        print_line(&format!(
            "{} silences no node: true dummies are those that are 0 for every sample",
            spec.activation()
        ))?;
    }
    let above = if count_threshold > 0.0 { format!(", threshold {}", number(count_threshold)) } else { String::new() };
    print_line(&format!("\nAdaptive batch sizes of {batches} mini-batches of {batch_size}{above}"))?;
    print_line(&counts_table(&counts).text())?;
    print_line("\nWeights and biases")?;
    print_line(&values_table(&["layer", "of"], parameters(&model)).text())?;
    print_line("\nActivations (hidden layers) and logits (the last)")?;
    let outputs = activations.iter().enumerate().map(|(layer, values)| (vec![(layer + 1).to_string()], values.clone()));
    print_line(&values_table(&["layer"], outputs.collect()).text())?;
    if let Some(path) = &args.figure {
        print_line(&format!("\n{}", path.display()))?;
    }
    Ok(())
}

/// Features that are shown one by one.
const FEATURES_SHOWN: usize = 40;

fn scale_table(what: &str, names: Option<Vec<String>>, scaling: &Scaling) -> Table {
    let mut table = Table::new("scale", "", &[what, "shift", "divisor"]);
    for (feature, (shift, divisor)) in scaling.shift().iter().zip(scaling.divisor()).enumerate() {
        if feature == FEATURES_SHOWN {
            table.rows.push(vec![
                format!("... and {} more", scaling.shift().len() - feature).into(),
                "".into(),
                "".into(),
            ]);
            break;
        }
        let name = names.as_ref().map_or_else(|| (feature + 1).to_string(), |names| names[feature].clone());
        table.rows.push(vec![name.into(), Cell::Number(*shift, 6), Cell::Number(*divisor, 6)]);
    }
    table
}

/// Dummies of each hidden layer, a mean over the replicas.
fn dummies(spec: &NetworkSpec, evaluations: &[Evaluation], wanted: Activity) -> Vec<f64> {
    let mut sums = vec![0.0; spec.layers().len() - 1];
    for evaluation in evaluations {
        for (sum, count) in sums.iter_mut().zip(by_layer(spec, &evaluation.nodes, wanted)) {
            *sum += count as f64 / evaluations.len() as f64;
        }
    }
    sums
}

fn nodes_table(spec: &NetworkSpec, evaluations: &[Evaluation]) -> Table {
    let mut table = Table::new("nodes", "", &["layer", "nodes", "true dummies", "pseudo dummies"]);
    let (never, always) = (dummies(spec, evaluations, Activity::Never), dummies(spec, evaluations, Activity::Always));
    let digits = if evaluations.len() > 1 { 2 } else { 0 };
    for (layer, (never, always)) in never.into_iter().zip(always).enumerate() {
        let nodes = spec.widths()[layer + 1] as f64;
        table.rows.push(vec![
            Cell::Number(layer as f64 + 1.0, 0),
            Cell::Number(nodes, 0),
            Cell::Number(never, digits),
            Cell::Number(always, digits),
        ]);
    }
    table
}

fn counts_table(counts: &[Vec<f64>]) -> Table {
    let header = ["layer", "lowest", "quarter", "median", "three quarters", "highest", "mean", "zero"];
    let mut table = Table::new("adaptive-batch-sizes", "", &header);
    for (layer, counts) in counts.iter().enumerate() {
        let zeros = counts.iter().filter(|&&count| count == 0.0).count() as f64 / counts.len() as f64;
        let mut row = vec![Cell::Number(layer as f64 + 1.0, 0)];
        row.extend(quartiles(counts).map(|value| Cell::Number(value, 0)));
        row.push(Cell::Number(Summary::of(counts.iter().copied()).mean, 2));
        row.push(format!("{:.1} %", zeros * 100.0).into());
        table.rows.push(row);
    }
    table
}

/// All weights and all biases of each layer, and of a normalized one gammas and running statistics; beta is its bias.
fn parameters(model: &Model) -> Vec<(Vec<String>, Vec<f32>)> {
    let of_layer = |layer: usize| {
        let all = |values: &dyn Fn(usize) -> Vec<f32>| (0..model.replicas()).flat_map(values).collect::<Vec<f32>>();
        let kinds: [(&str, Vec<f32>); 5] = [
            ("weights", all(&|replica| model.weight(layer, replica).to_vec())),
            ("biases", all(&|replica| model.bias(layer, replica).to_vec())),
            ("gammas", all(&|replica| model.gamma(layer, replica).to_vec())),
            ("running means", all(&|replica| model.running_mean(layer, replica).to_vec())),
            ("running variances", all(&|replica| model.running_variance(layer, replica).to_vec())),
        ];
        let kinds = kinds.into_iter().filter(|(_, values)| !values.is_empty());
        kinds.map(move |(kind, values)| (vec![(layer + 1).to_string(), kind.to_string()], values))
    };
    (0..model.spec().layers().len()).flat_map(of_layer).collect()
}

fn values_table(keys: &[&str], rows: Vec<(Vec<String>, Vec<f32>)>) -> Table {
    let header = [keys, &["mean", "standard deviation", "lowest", "highest", "zero"]].concat();
    let mut table = Table::new("values", "", &header);
    for (keys, values) in rows {
        let summary = Summary::of(values.iter().map(|&value| f64::from(value)));
        let low = values.iter().copied().fold(f32::INFINITY, f32::min);
        let high = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let zeros = values.iter().filter(|&&value| value == 0.0).count() as f64 / values.len() as f64;
        let mut row: Vec<Cell> = keys.into_iter().map(Cell::from).collect();
        row.extend(
            [summary.mean, summary.deviation, f64::from(low), f64::from(high)].map(|value| Cell::Number(value, 4)),
        );
        row.push(format!("{:.1} %", zeros * 100.0).into());
        table.rows.push(row);
    }
    table
}

fn document(model: &Model, evaluations: &[Evaluation], counts: &[Vec<f64>]) -> Value {
    let spec = model.spec();
    let scale =
        |scaling: &Scaling| json!({ "kind": scaling.scale(), "shift": scaling.shift(), "divisor": scaling.divisor() });
    json!({
        "widths": spec.widths(),
        "activation": spec.activation().to_string(),
        "batch_norm": spec.batch_norm(),
        "replicas": model.replicas(),
        "table": model.data.table,
        "scale": model.data.scaling.as_ref().map(scale),
        "target_scale": model.data.target_scaling.as_ref().map(scale),
        "true_dummies": dummies(spec, evaluations, Activity::Never),
        "pseudo_dummies": dummies(spec, evaluations, Activity::Always),
        "adaptive_batch_size_quartiles": counts.iter().map(|counts| quartiles(counts)).collect::<Vec<_>>(),
        "mean_adaptive_batch_size": counts.iter().map(|counts| Summary::of(counts.iter().copied()).mean).collect::<Vec<_>>(),
    })
}
