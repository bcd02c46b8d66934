//! `asgd predict`

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use asgd::dataset::table::{Schema, TableReader};
use asgd::dataset::{images_to_classify, is_idx, Inputs, Samples, Scale};
use asgd::{Device, Model, Predictor};
use clap::Args;

use crate::data_source::TableArgs;
use crate::device_args::DeviceArgs;
use crate::trained::{choose, class_name, classify, say_notes};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  asgd predict runs/iris-1/model.safetensors new.csv > classes.csv
  asgd predict runs/mnist-1/model.safetensors t10k-images-idx3-ubyte.gz
  measure | asgd predict model.safetensors -")]
pub struct PredictArgs {
    /// A model.safetensors.
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// A table of inputs, with or without the label column, or - for stdin (of text): its columns are found by the
    /// titles of the training file and scaled as there. Or images: an .npz, an IDX file, or a folder of them.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Which network of a model with several, from 0.
    #[arg(long, value_name = "N")]
    pub replica: Option<usize>,
    #[command(flatten)]
    pub table: TableArgs,
    #[command(flatten)]
    pub device: DeviceArgs,
}

/// Rows that go through the network at once.
const ROWS: usize = 4096;

pub fn run(args: &PredictArgs) -> Result<()> {
    let model = choose(&Model::load(&args.model)?, &args.model, args.replica)?;
    let inputs = model.spec().inputs();
    if holds_images(&args.file) {
        args.table.refuse_for(&args.file.display().to_string())?;
        let samples = images_to_classify(&args.file, inputs, &model.data)?;
        let mut output = csv::Writer::from_writer(std::io::stdout().lock());
        let device = args.device.open()?;
        output.write_record(["class", "probability"]).with_context(refused)?;
        return write_classes(&device, &model, &samples, &mut output).with_context(refused);
    }
    let schema = model.data.table.clone().unwrap_or_else(|| Schema::without_titles(inputs));
    let mut reader = TableReader::open(&args.file, &schema, &args.table.options(), false)?;
    say_notes(reader.notes());
    let scaling = model.data.scaling_or_none();
    // A network of images takes what a table of pixels would not say.
    let mut may_be_pixels = model.data.table.is_none() && scaling.scale() == Scale::None && inputs >= 16;
    let device = args.device.open()?;
    let mut output = csv::Writer::from_writer(std::io::stdout().lock());
    output.write_record(["class", "probability"]).with_context(refused)?;
    let mut values = Vec::new();
    loop {
        let row = reader.next_row();
        let is_end = !matches!(row, Ok(Some(_)));
        if let Ok(Some(row)) = &row {
            if may_be_pixels && row.features.iter().any(|&x| x > 1.0) {
                say_notes(&["inputs reach beyond 1, and are taken as they are: images go in divided by 255".into()]);
                may_be_pixels = false;
            }
            scaling.apply(&row.features, &mut values);
        }
        // What comes before a mistake is answered before the mistake is reported.
        if !values.is_empty() && (is_end || values.len() == ROWS * inputs) {
            let count = values.len() / inputs;
            let values = std::mem::take(&mut values);
            let samples = Samples::new(inputs, Inputs::F32(values), vec![0; count], 2)?;
            write_classes(&device, &model, &samples, &mut output).with_context(refused)?;
        }
        row?;
        if is_end {
            say_notes(&reader.last_notes());
            return output.flush().with_context(refused);
        }
    }
}

fn refused() -> &'static str {
    "stdout cannot be written"
}

/// Whether a file is one of images rather than a table: a folder, an .npz or an IDX file.
fn holds_images(file: &Path) -> bool {
    let is_npz = file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npz"));
    is_npz || file.is_dir() || (file.is_file() && is_idx(file))
}

fn write_classes(
    device: &Device,
    model: &Model,
    samples: &Samples,
    output: &mut csv::Writer<impl Write>,
) -> Result<()> {
    let logits = Predictor::new(device, model, samples)?.logits()?;
    for logits in logits.chunks_exact(model.spec().outputs()) {
        let (class, probability) = classify(model.spec().loss(), logits);
        output.write_record([class_name(&model.class_names, class), probability.to_string()])?;
    }
    Ok(output.flush()?)
}
