//! `asgd evaluate`

use anyhow::Result;
use asgd::Predictor;
use clap::Args;
use serde_json::json;

use crate::console::print_line;
use crate::statistics::Summary;
use crate::table::{Cell, Table};
use crate::trained::{class_name, classify, open, ModelAndData};

/// Which samples of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Samples {
    Train,
    Test,
    All,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  asgd evaluate runs/mnist-1/model.safetensors mnist
  asgd evaluate runs/iris-1/model.safetensors iris.csv --split all --json")]
pub struct EvaluateArgs {
    /// Which samples.
    #[arg(long, value_enum, default_value = "test")]
    pub split: Samples,
    /// Print one line of JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub input: ModelAndData,
}

pub fn run(args: &EvaluateArgs) -> Result<()> {
    let (model, dataset, device) = open(&args.input)?;
    let (samples, which) = match args.split {
        Samples::Train => (dataset.train.clone(), "training set"),
        Samples::Test => (dataset.test.clone(), "test set"),
        Samples::All => (dataset.all(), "training and test set"),
    };
    let mut predictor = Predictor::new(&device, &model, &samples)?;
    let evaluations = predictor.evaluate()?;
    let units = model.spec().outputs();
    let classes = model.spec().classes();
    let mut confusion = vec![vec![0u64; classes]; classes];
    for (index, logits) in predictor.logits()?.chunks_exact(units).enumerate() {
        let truth = samples.labels()[index % samples.len()] as usize;
        confusion[truth][classify(model.spec().loss(), logits).0] += 1;
    }
    let name = |class| class_name(&model.class_names, class);
    let loss = Summary::of(evaluations.iter().map(|evaluation| evaluation.loss));
    let accuracy = Summary::of(evaluations.iter().map(|evaluation| evaluation.accuracy));
    let precision =
        |class: usize| confusion[class][class] as f64 / confusion.iter().map(|row| row[class]).sum::<u64>() as f64;
    let recall = |class: usize| confusion[class][class] as f64 / confusion[class].iter().sum::<u64>() as f64;

    if args.json {
        let per_class: Vec<_> = (0..classes)
            .map(|class| json!({ "class": name(class), "precision": precision(class), "recall": recall(class) }))
            .collect();
        let document = json!({
            "samples": samples.len(), "replicas": model.replicas(),
            "loss": loss.mean, "loss_std": loss.deviation,
            "accuracy": accuracy.mean, "accuracy_std": accuracy.deviation,
            "classes": per_class, "confusion": confusion,
        });
        return print_line(&document.to_string());
    }
    let shown = |summary: Summary| match summary.count {
        1 => format!("{:.4}", summary.mean),
        _ => format!("{:.4} ± {:.4}", summary.mean, summary.deviation),
    };
    let replicas = if model.replicas() > 1 { format!(", {} replicas", model.replicas()) } else { String::new() };
    print_line(&format!("{}, {which}: {} samples{replicas}", dataset.name, samples.len()))?;
    print_line(&format!("accuracy {}, loss {}\n", shown(accuracy), shown(loss)))?;
    let mut table = Table::new("classes", "", &["class", "precision", "recall", "samples"]);
    for (class, counts) in confusion.iter().enumerate() {
        let count = counts.iter().sum::<u64>() as f64 / model.replicas() as f64;
        let cells = [Cell::Number(precision(class), 4), Cell::Number(recall(class), 4), Cell::Number(count, 0)];
        table.rows.push([Cell::Text(name(class))].into_iter().chain(cells).collect());
    }
    print_line(&table.text())?;
    let names: Vec<String> = (0..classes).map(name).collect();
    let header: Vec<&str> = ["true \\ predicted"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let mut table = Table::new("confusion", "", &header);
    for (class, counts) in confusion.iter().enumerate() {
        let cells = counts.iter().map(|&count| Cell::Number(count as f64, 0));
        table.rows.push([Cell::Text(name(class))].into_iter().chain(cells).collect());
    }
    print_line(&format!("\n{}", table.text()))
}
