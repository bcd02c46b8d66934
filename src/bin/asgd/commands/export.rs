//! `asgd export`

use std::path::PathBuf;

use anyhow::Result;
use asgd::{Model, Task};
use clap::Args;

use crate::console::announce;
use crate::onnx;
use crate::trained::choose;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  asgd export runs/mnist-1/model.safetensors -o mnist.onnx --replica 3")]
pub struct ExportArgs {
    /// A model.safetensors.
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// Where the ONNX model goes.
    #[arg(long, short, value_name = "FILE.onnx")]
    pub output: PathBuf,
    /// Which network of a model with several, from 0.
    #[arg(long, value_name = "N")]
    pub replica: Option<usize>,
}

pub fn run(args: &ExportArgs) -> Result<()> {
    let model = choose(&Model::load(&args.model)?, &args.model, args.replica)?;
    asgd::files::write_atomically(&args.output, &onnx::encode(&model))?;
    let spec = model.spec();
    let outputs = match spec.loss().task() {
        Task::Classification => {
            format!("logits (batch, {}), probabilities (batch, {}), label", spec.outputs(), spec.classes())
        }
        Task::Regression => format!("values (batch, {}) in the units of the data", spec.outputs()),
    };
    announce(&format!("{}: input (batch, {}), {outputs}", args.output.display(), spec.inputs()));
    Ok(())
}
