//! `asgd predict`

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Result, anyhow};
use asgd::dataset::table::{Row, Schema, TableReader};
use asgd::dataset::{Inputs, Samples, Scale, Scaling, images_to_classify, is_idx};
use asgd::{Error, Model};
use clap::Args;

use crate::answers::Answers;
use crate::console::Reporter;
use crate::data_source::{TableArgs, did_you_mean, is_name, open_to_classify};
use crate::device_args::DeviceArgs;
use crate::trained::{choose, say_notes};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  asgd predict runs/iris-1/model.safetensors new.csv > classes.csv
  asgd predict runs/mnist-1/model.safetensors t10k-images-idx3-ubyte.gz
  asgd predict runs/mnist-1/model.safetensors mnist
  measure | asgd predict model.safetensors -")]
pub struct PredictArgs {
    /// A model.safetensors.
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// A table of inputs, with or without the label column, or - for stdin (of text): its columns are found by the
    /// titles of the training file and scaled as there. Or images: an .npz, an IDX file, or a folder of them. Or the test
    /// set of circles, sine, spirals, mnist, fashion-mnist or kmnist.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Which network of a model with several, from 0.
    #[arg(long, value_name = "N")]
    pub replica: Option<usize>,
    /// Print nothing but answers and errors.
    #[arg(long, short)]
    pub quiet: bool,
    /// Folder that holds data sets, each in a folder of its name.
    /// [default: $ASGD_DATA_DIR, else the user's data folder]
    #[arg(long, value_name = "DIR", help_heading = "Data")]
    pub data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub table: TableArgs,
    #[command(flatten)]
    pub device: DeviceArgs,
}

pub fn run(args: &PredictArgs) -> Result<()> {
    let report = Reporter { quiet: args.quiet };
    let model = choose(&Model::load(&args.model)?, &args.model, args.replica)?;
    let name = args.file.to_string_lossy();
    if is_name(&name) || holds_images(&args.file) {
        args.table.refuse_for(&name)?;
        let samples = if is_name(&name) {
            open_to_classify(&name, args.data_dir.as_deref(), &model)?
        } else {
            images_to_classify(&args.file, model.spec().inputs(), &model.data, args.table.unpacking.expansion())?
        };
        let device = args.device.open()?;
        if is_name(&name) {
            say_notes(&report, &[format!("{name}: the {} samples of its test set", samples.len())]);
        }
        let mut answers = Answers::begin(device, &model, &report)?;
        answers.answer(&samples)?;
        answers.end();
        return Ok(());
    }
    let table = open_table(args, &model)?;
    say_notes(&report, table.notes());
    answer_rows(table, Answers::begin(args.device.open()?, &model, &report)?, args, &model, &report)
}

/// Whether a file is one of images rather than a table: a folder, an .npz or an IDX file.
fn holds_images(file: &Path) -> bool {
    let is_npz = file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npz"));
    is_npz || file.is_dir() || (file.is_file() && is_idx(file))
}

fn open_table(args: &PredictArgs, model: &Model) -> Result<TableReader> {
    let path = &args.file;
    let hint = did_you_mean(&path.to_string_lossy());
    if path != Path::new("-") && !hint.is_empty() && !path.exists() {
        return Err(Error::Data { path: path.clone(), problem: format!("no such file{hint}") }.into());
    }
    let schema = model.data.table.clone().unwrap_or_else(|| Schema::without_titles(model.spec().inputs()));
    Ok(TableReader::open(path, &schema, &args.table.options(), false)?)
}

/// Answers rows as they come, and what comes before a mistake before the mistake is reported.
fn answer_rows(
    table: TableReader,
    mut answers: Answers<'_>,
    args: &PredictArgs,
    model: &Model,
    report: &Reporter,
) -> Result<()> {
    /// Rows that come within it are answered together, which is faster than one by one.
    const TOGETHER: Duration = Duration::from_millis(1);
    /// Rows and values that go through the network at once, at most.
    const MOST_ROWS: usize = 4096;
    const MOST_VALUES: usize = 1 << 20;

    let inputs = model.spec().inputs();
    let most = (MOST_VALUES / inputs).clamp(1, MOST_ROWS);
    let scaling = model.data.scaling_or_none();
    // A network of images takes what a table of pixels would not say.
    let mut may_be_pixels = model.data.table.is_none() && scaling.scale() == Scale::None && inputs >= 16;
    let (rows, reading) = read_rows(table, most);
    while let Ok(first) = rows.recv() {
        thread::sleep(TOGETHER);
        let mut values = Vec::new();
        let mut mistake = None;
        for row in std::iter::once(first).chain(rows.try_iter()).take(most) {
            match row.and_then(|row| scaled(&row, &scaling, &args.file, &mut values)) {
                Ok(()) => {}
                Err(error) => {
                    mistake = Some(error);
                    break;
                }
            }
        }
        if may_be_pixels && values.iter().any(|&x| x > 1.0) {
            say_notes(
                report,
                &["inputs reach beyond 1, and are taken as they are: images go in divided by 255".into()],
            );
            may_be_pixels = false;
        }
        if !values.is_empty() {
            let count = values.len() / inputs;
            answers.answer(&Samples::new(inputs, Inputs::F32(values), vec![0; count], 2)?)?;
        }
        if let Some(mistake) = mistake {
            return Err(mistake.into());
        }
    }
    let table = reading.join().map_err(|_| anyhow!("internal error while reading, please report it"))?;
    answers.end();
    say_notes(report, &table.last_notes());
    Ok(())
}

/// Reads in a thread of its own, so that rows are answered while a read waits for more. At most `room` rows wait.
fn read_rows(mut table: TableReader, room: usize) -> (Receiver<asgd::Result<Row>>, JoinHandle<TableReader>) {
    let (sender, rows) = sync_channel(room);
    let reading = thread::spawn(move || {
        while let Some(row) = table.next_row().transpose() {
            let is_last = row.is_err();
            // Nobody waits any more after another error: then nothing is left to do.
            if sender.send(row).is_err() || is_last {
                break;
            }
        }
        table
    });
    (rows, reading)
}

/// Appends a row as the network takes it.
fn scaled(row: &Row, scaling: &Scaling, path: &Path, values: &mut Vec<f32>) -> asgd::Result<()> {
    let start = values.len();
    scaling.apply(&row.features, values);
    let Some(index) = values[start..].iter().position(|value| !value.is_finite()) else { return Ok(()) };
    values.truncate(start);
    let problem = format!(
        "{}: feature {} is {:e}, which is too large for a network",
        row.position,
        index + 1,
        row.features[index]
    );
    let path = if path == Path::new("-") { Path::new("stdin") } else { path };
    Err(Error::Data { path: path.into(), problem })
}
