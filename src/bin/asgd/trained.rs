//! Trained networks: the files that commands name, with samples for them, and what their outputs say.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use asgd::dataset::{Samples, Standing};
use asgd::{Dataset, Device, Error, Loss, Model};
use clap::Args;

use crate::console::Reporter;
use crate::data_source::{DataArgs, open_for_model};
use crate::device_args::DeviceArgs;

/// A trained network and samples for it.
#[derive(Debug, Args)]
pub struct ModelAndData {
    /// A model.safetensors.
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// circles, sine, spirals, mnist, fashion-mnist, kmnist, a folder of IDX files, a table (.csv, .tsv, .txt, .data, plain or .gz;
    /// .parquet, .arrow) or an .npz file.
    #[arg(value_name = "DATA")]
    pub dataset: String,
    #[command(flatten)]
    pub device: DeviceArgs,
    #[command(flatten)]
    pub data: DataArgs,
}

/// A trained network with samples for it.
pub struct Opened {
    pub model: Model,
    pub dataset: Dataset,
    pub device: Device,
    /// What a table is to the model.
    pub standing: Option<Standing>,
}

impl Opened {
    /// All samples, each once.
    pub fn all(&self) -> Samples {
        match self.standing {
            None | Some(Standing::Own | Standing::SetAside) => self.dataset.all(),
            // Both sets are the whole file.
            Some(_) => self.dataset.test.clone(),
        }
    }

    /// What its training samples are called: those of a file that the model was not trained on are just its rows.
    pub fn training_set(&self) -> String {
        match self.standing {
            Some(Standing::TestFile | Standing::Other(_)) => format!("all rows of {}", self.dataset.name),
            _ => format!("training set of {}", self.dataset.name),
        }
    }
}

/// Says on stderr what was decided about data, a line each.
pub fn say_notes(report: &Reporter, notes: &[String]) {
    for note in notes {
        report.line(&format!("data     {note}"));
    }
}

/// Opens model, data and device, in this order: a mistake is found before anything slow.
pub fn open(args: &ModelAndData) -> Result<Opened> {
    let model = Model::load(&args.model)?;
    let (prepared, standing) = open_for_model(&args.dataset, &args.data, &model)?;
    prepared.dataset.check_fits(model.spec()).with_context(|| args.model.display().to_string())?;
    let device = args.device.open()?;
    say_notes(&Reporter { quiet: false }, &prepared.notes);
    Ok(Opened { model, dataset: prepared.dataset, device, standing })
}

/// One network of a model.
pub fn choose(model: &Model, path: &Path, replica: Option<usize>) -> Result<Model> {
    let replicas = model.replicas();
    let refuse = |problem: String| Err(Error::Setting { setting: "--replica", problem }.into());
    match replica {
        Some(replica) if replica < replicas => Ok(model.slice(replica..replica + 1)),
        Some(replica) => refuse(format!("{replica}, but {} holds {replicas}, from 0", path.display())),
        None if replicas == 1 => Ok(model.clone()),
        None => refuse(format!("{} holds {replicas} networks; choose one, from 0", path.display())),
    }
}

/// What the targets of a regression are called.
pub fn target_names(model: &Model) -> Vec<String> {
    match (&model.data.table, model.spec().outputs()) {
        (Some(table), _) if table.is_regression() => table.target_names(),
        (_, 1) => vec!["target".into()],
        (_, outputs) => (1..=outputs).map(|number| format!("target_{number}")).collect(),
    }
}

/// A class as people know it.
pub fn class_name(names: &[String], class: usize) -> String {
    names.get(class).cloned().unwrap_or_else(|| class.to_string())
}

/// The class that the logits of a sample say, and its probability. Of equal logits the first counts.
pub fn classify(loss: Loss, logits: &[f32]) -> (usize, f64) {
    match loss {
        Loss::BinaryCrossEntropy => {
            let z = f64::from(logits[0]);
            let probability = 1.0 / (1.0 + (-z.abs()).exp());
            (usize::from(z > 0.0), probability)
        }
        // Nobody classifies the numbers of a regression.
        Loss::CrossEntropy | Loss::MeanSquaredError => {
            let mut class = 0;
            for (index, z) in logits.iter().enumerate() {
                if *z > logits[class] {
                    class = index;
                }
            }
            let total: f64 = logits.iter().map(|z| f64::from(z - logits[class]).exp()).sum();
            (class, 1.0 / total)
        }
    }
}
