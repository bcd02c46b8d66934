//! `asgd evaluate`

use anyhow::Result;
use asgd::dataset::{Samples, Scale, Seen, Standing};
use asgd::{Error, Predictor, Task};
use clap::Args;
use serde_json::json;

use crate::confusion::Confusion;
use crate::console::print_line;
use crate::residuals::Residuals;
use crate::statistics::Summary;
use crate::trained::{ModelAndData, Opened, open};

/// Which samples of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Split {
    Train,
    Test,
    Validation,
    All,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  asgd evaluate runs/mnist-1/model.safetensors mnist
  asgd evaluate runs/iris-1/model.safetensors iris.csv --split all --json")]
pub struct EvaluateArgs {
    /// Which samples. [default: those that the model was not trained on, as far as it knows: the test set, the rows of a
    /// table that were set aside, or all rows of another table]
    #[arg(long, value_enum)]
    pub split: Option<Split>,
    /// Print one line of JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub input: ModelAndData,
}

pub fn run(args: &EvaluateArgs) -> Result<()> {
    let opened = open(&args.input)?;
    let (samples, which) = choose(&opened, args.split)?;
    let trained_on = trained_on(&opened, args.split, &samples);
    let Opened { model, dataset, device, .. } = opened;
    let mut predictor = Predictor::new(&device, &model, &samples)?;
    let evaluations = predictor.evaluate()?;
    let of_task = match model.spec().loss().task() {
        Task::Classification => OfTask::Classification(Confusion::of(&predictor, &model, &samples)?),
        Task::Regression => OfTask::Regression(Residuals::of(&predictor, &model, &samples)?),
    };
    let loss = Summary::of(evaluations.iter().map(|evaluation| evaluation.loss));
    let score = Summary::of(evaluations.iter().map(|evaluation| evaluation.score));

    if args.json {
        let name = model.spec().loss().score();
        let mut document = json!({
            "samples": samples.len(), "trained_on": trained_on.count, "which": which, "replicas": model.replicas(),
            "loss": loss.mean, "loss_std": loss.deviation,
            name: score.mean, format!("{name}_std"): score.deviation,
        });
        match &of_task {
            OfTask::Classification(confusion) => {
                let of_class = |(class, name)| json!({ "class": name, "precision": confusion.precision(class), "recall": confusion.recall(class) });
                document["classes"] = confusion.names().iter().enumerate().map(of_class).collect();
                document["confusion"] = json!(confusion.counts());
            }
            OfTask::Regression(residuals) => document["targets"] = residuals.json(),
        }
        return print_line(&document.to_string());
    }
    let shown = |summary: Summary| match summary.count {
        1 => format!("{:.4}", summary.mean),
        _ => format!("{:.4} ± {:.4}", summary.mean, summary.deviation),
    };
    let replicas = if model.replicas() > 1 { format!(", {} replicas", model.replicas()) } else { String::new() };
    print_line(&format!("{}, {which}: {} samples{replicas}", dataset.name, samples.len()))?;
    if trained_on.count > 0 {
        let about = if trained_on.is_exact { "" } else { "about " };
        let count =
            if trained_on.count == samples.len() { "all".into() } else { format!("{about}{}", trained_on.count) };
        print_line(&format!(
            "the model was trained on {count} of these samples: what follows is no measure of how it does on new ones"
        ))?;
    }
    let of_loss = model.spec().loss();
    let is_scaled = model.data.target_scaling.as_ref().is_some_and(|scaling| scaling.scale() != Scale::None);
    let of = if is_scaled { " of the scaled targets" } else { "" };
    print_line(&format!("{} {}, loss {}{of}\n", of_loss.score_label(), shown(score), shown(loss)))?;
    match of_task {
        OfTask::Classification(confusion) => {
            print_line(&confusion.classes_table("", 0..confusion.names().len()).text())?;
            print_line(&format!("\n{}", confusion.matrix_table().text()))
        }
        OfTask::Regression(residuals) => print_line(&residuals.table("").text()),
    }
}

/// What is said beside score and loss.
enum OfTask {
    Classification(Confusion),
    Regression(Residuals),
}

/// The samples to score, and what they are.
fn choose(opened: &Opened, split: Option<Split>) -> Result<(Samples, String)> {
    let Opened { dataset, standing, .. } = opened;
    let refuse = |what: &str| {
        let problem = format!("{what}; leave the option out, or say --split all");
        Err(Error::Setting { setting: "--split", problem }.into())
    };
    match (standing, split) {
        (_, Some(Split::Validation)) => match &dataset.validation {
            Some(samples) => Ok((samples.clone(), "validation set".into())),
            None => refuse("validation, but the model was trained without a validation set, or on other data"),
        },
        (None | Some(Standing::Own | Standing::SetAside), Some(Split::Train)) => {
            Ok((dataset.train.clone(), "training set".into()))
        }
        (None | Some(Standing::Own | Standing::SetAside), Some(Split::All)) => {
            Ok((dataset.all(), "all samples".into()))
        }
        (None | Some(Standing::Own), _) => Ok((dataset.test.clone(), "test set".into())),
        (Some(Standing::SetAside), _) => {
            let all = dataset.all().len();
            Ok((dataset.test.clone(), format!("test set, as it was set aside in training from {all} rows")))
        }
        (Some(Standing::TrainedOn), Some(Split::Test)) => match &dataset.validation {
            None => refuse("test, but the model was trained on all rows of this file"),
            Some(_) => refuse("test, but the test set of the training was another file"),
        },
        // The other sets are the whole file, or the rows that were not trained on.
        (Some(Standing::TrainedOn), Some(Split::All)) => Ok((dataset.test.clone(), "all rows".into())),
        (Some(Standing::TrainedOn), Some(Split::Train)) => Ok((dataset.train.clone(), "training set".into())),
        (Some(Standing::TrainedOn), _) => Ok(match &dataset.validation {
            Some(samples) => (samples.clone(), "validation set, which was set aside in training".into()),
            None => (dataset.train.clone(), "training set".into()),
        }),
        (Some(_), Some(Split::Train)) => refuse("train, but the model was not trained on this file"),
        (Some(Standing::TestFile), _) => Ok((dataset.test.clone(), "the test set of the training".into())),
        (Some(Standing::Other(_)), _) => Ok((dataset.test.clone(), "all rows".into())),
    }
}

/// How many of the samples to score the model was trained on.
fn trained_on(opened: &Opened, split: Option<Split>, samples: &Samples) -> Seen {
    let exactly = |count| Seen { count, is_exact: true };
    match (opened.standing, split) {
        (_, Some(Split::Validation)) => exactly(0),
        (Some(Standing::Other(seen)), _) => seen,
        (Some(Standing::TrainedOn), Some(Split::All)) => exactly(opened.dataset.train.len()),
        (Some(Standing::TrainedOn), None) if opened.dataset.validation.is_some() => exactly(0),
        (Some(Standing::TrainedOn), _) | (Some(Standing::Own | Standing::SetAside), Some(Split::Train)) => {
            exactly(samples.len())
        }
        (Some(Standing::Own | Standing::SetAside), Some(Split::All)) => exactly(opened.dataset.train.len()),
        (Some(Standing::Own | Standing::SetAside | Standing::TestFile), _) => exactly(0),
        // Nothing is known of the training.
        (None, _) => exactly(0),
    }
}
