//! `asgd predict`

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use asgd::dataset::{CsvReader, Inputs, LabelColumn, Samples};
use asgd::{Device, Error, Model, Predictor};
use clap::Args;

use crate::device_args::DeviceArgs;
use crate::trained::{choose, class_name, classify};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  asgd predict runs/iris-1/model.safetensors new.csv > classes.csv
  measure | asgd predict model.safetensors -
  asgd predict runs/iris-1/model.safetensors iris.csv --label species")]
pub struct PredictArgs {
    /// A model.safetensors.
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// A .csv file of inputs as the network saw them (pixels divided by 255), or - for stdin.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// A column to leave out, by its title or its number from 1.
    #[arg(long, value_name = "COLUMN")]
    pub label: Option<String>,
    /// Which network of a model with several, from 0.
    #[arg(long, value_name = "N")]
    pub replica: Option<usize>,
    #[command(flatten)]
    pub device: DeviceArgs,
}

/// Rows that go through the network at once.
const ROWS: usize = 4096;

pub fn run(args: &PredictArgs) -> Result<()> {
    let model = choose(&Model::load(&args.model)?, &args.model, args.replica)?;
    let label = args.label.clone().map_or(LabelColumn::None, LabelColumn::Named);
    let mut reader = CsvReader::open(&args.file, &label)?;
    let inputs = model.spec().inputs();
    if reader.features() != inputs {
        let hint =
            if reader.features() == inputs + 1 { "; if one is the label, leave it out with --label" } else { "" };
        let problem = format!("has {} columns, but the network has {inputs} inputs{hint}", reader.features());
        return Err(Error::Data { path: args.file.clone(), problem }.into());
    }
    let device = args.device.open()?;
    let mut output = csv::Writer::from_writer(std::io::stdout().lock());
    let refused = || "stdout cannot be written";
    output.write_record(["class", "probability"]).with_context(refused)?;
    let mut values = Vec::new();
    loop {
        let row = reader.next_row();
        let is_end = !matches!(row, Ok(Some(_)));
        if let Ok(Some(row)) = &row {
            values.extend_from_slice(&row.features);
        }
        // What comes before a mistake is answered before the mistake is reported.
        if !values.is_empty() && (is_end || values.len() == ROWS * inputs) {
            write_classes(&device, &model, std::mem::take(&mut values), &mut output).with_context(refused)?;
        }
        row?;
        if is_end {
            return output.flush().with_context(refused);
        }
    }
}

fn write_classes(device: &Device, model: &Model, values: Vec<f32>, output: &mut csv::Writer<impl Write>) -> Result<()> {
    let count = values.len() / model.spec().inputs();
    let samples = Samples::new(model.spec().inputs(), Inputs::F32(values), vec![0; count], 2)?;
    let logits = Predictor::new(device, model, &samples)?.logits()?;
    for logits in logits.chunks_exact(model.spec().outputs()) {
        let (class, probability) = classify(model.spec().loss(), logits);
        output.write_record([class_name(&model.class_names, class), probability.to_string()])?;
    }
    Ok(output.flush()?)
}
