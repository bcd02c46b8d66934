//! Trained networks: the files that commands name, with samples for them, and what their outputs say.

use std::path::{Path, PathBuf};

use anyhow::Result;
use asgd::{Dataset, Error, Gpu, Model};
use clap::Args;

use crate::data_source::{open_dataset, DataArgs};

/// A trained network and samples for it.
#[derive(Debug, Args)]
pub struct ModelAndData {
    /// A model.safetensors.
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// circles, spirals, mnist, fashion-mnist, kmnist, a folder of IDX files, a .csv or an .npz file.
    #[arg(value_name = "DATA")]
    pub dataset: String,
    #[command(flatten)]
    pub data: DataArgs,
    /// Use the adapter whose name contains NAME.
    #[arg(long, value_name = "NAME")]
    pub adapter: Option<String>,
}

/// Opens model, data and adapter, in this order: a mistake is found before anything slow.
pub fn open(args: &ModelAndData) -> Result<(Model, Dataset, Gpu)> {
    let model = Model::load(&args.model)?;
    let spec = model.spec();
    let dataset = open_dataset(&args.dataset, &args.data, Some(spec.outputs()))?.relabelled(&model.class_names)?;
    if spec.inputs() != dataset.features() || spec.outputs() != dataset.output_units() {
        let problem = format!(
            "{} has {} inputs and {} outputs, but {} has {} features and {} classes ({} outputs)",
            args.model.display(),
            spec.inputs(),
            spec.outputs(),
            dataset.name,
            dataset.features(),
            dataset.classes,
            dataset.output_units()
        );
        return Err(Error::Setting { setting: "MODEL and DATA", problem }.into());
    }
    Ok((model, dataset, Gpu::new(args.adapter.as_deref())?))
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

/// A class as people know it.
pub fn class_name(names: &[String], class: usize) -> String {
    names.get(class).cloned().unwrap_or_else(|| class.to_string())
}

/// The class of the highest logit, the first of equal ones, and its probability. One logit is a sigmoid's.
pub fn classify(logits: &[f32]) -> (usize, f64) {
    if let [z] = logits {
        let z = f64::from(*z);
        let probability = 1.0 / (1.0 + (-z.abs()).exp());
        return (usize::from(z > 0.0), probability);
    }
    let mut class = 0;
    for (index, z) in logits.iter().enumerate() {
        if *z > logits[class] {
            class = index;
        }
    }
    let total: f64 = logits.iter().map(|z| f64::from(z - logits[class]).exp()).sum();
    (class, 1.0 / total)
}
