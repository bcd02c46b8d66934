//! The command line.

mod experiments;

use std::path::PathBuf;
use std::time::Duration;

use asgd::{Init, Optimizer, Order};
use clap::{Args, Parser, Subcommand};

pub use experiments::{CommonArgs, DummiesArgs, Experiment, LearningRatesArgs, PathsArgs, StopRule};

/// Trains many small ReLU networks side by side on any GPU, with SGD and with aSGD: SGD with an adaptive batch
/// size for every parameter.
#[derive(Debug, Parser)]
#[command(name = "asgd", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train R networks of one shape on a data set.
    Train(Box<TrainArgs>),
    /// Rerun an experiment of the paper, beside the paper's own numbers.
    #[command(
        subcommand,
        subcommand_value_name = "NUMBER",
        subcommand_help_heading = "Experiments",
        disable_help_subcommand = true
    )]
    Experiment(Experiment),
    /// Loss, accuracy, confusion matrix, precision and recall of a trained model.
    Evaluate(EvaluateArgs),
    /// The class of every row of a CSV file, and its probability, as CSV on stdout.
    Predict(PredictArgs),
    /// Dummy nodes, adaptive batch sizes, weights and activations, layer by layer.
    Inspect(InspectArgs),
    /// Cut true dummy nodes out of a network, and prove that its outputs stay the same.
    Prune(PruneArgs),
    /// Write a network as ONNX.
    Export(ExportArgs),
    /// Data sets.
    #[command(subcommand)]
    Data(DataCommand),
    /// Print completions for a shell.
    Completions {
        /// bash, zsh, fish, elvish or powershell.
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a folder.
    Man {
        /// Where they go.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// List the adapters, their limits, and which one would be used.
    Devices(DevicesArgs),
}

#[derive(Debug, Args)]
pub struct DevicesArgs {
    /// Use the adapter whose name contains NAME.
    #[arg(long, value_name = "NAME")]
    pub adapter: Option<String>,
    /// Print one line of JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  asgd train                                          concentric circles, needs no file
  asgd train spirals --optimizer sgd --lr 0.3 --epochs 400
  asgd train mnist --hidden 30,20 --epochs 10 --replicas 8 --out runs/first
  asgd train mnist --init start.safetensors --order sequential --steps 5
  asgd train --resume runs/first                      after Ctrl-C, a crash, a power cut")]
pub struct TrainArgs {
    /// circles, spirals, mnist, fashion-mnist, kmnist, a folder of IDX files, a .csv or an .npz file.
    #[arg(default_value = "circles")]
    pub dataset: String,

    /// Widths of the hidden layers, separated by commas; `none` for no hidden layer.
    /// [default: those of the --init file, else 30,20 for images and 10,10 for points]
    #[arg(long, value_name = "WIDTHS", value_parser = hidden)]
    pub hidden: Option<Hidden>,
    /// asgd or sgd.
    #[arg(long, default_value = "asgd")]
    pub optimizer: Optimizer,
    /// Learning rate. [default: 0.01 for asgd, 0.1 for sgd]
    #[arg(long, value_name = "RATE", value_parser = positive)]
    pub lr: Option<f32>,
    /// epsilon in S / (c + epsilon) of aSGD; 1 is the paper's literal reading.
    #[arg(long, default_value = "1e-8", value_parser = not_negative::<f32>)]
    pub epsilon: f32,
    /// Samples of a mini-batch.
    #[arg(long, value_name = "SAMPLES", default_value_t = 64, value_parser = at_least_one::<usize>)]
    pub batch_size: usize,
    /// Passes over the training set. [default: 10 for images, 200 for points]
    #[arg(long, value_name = "N", value_parser = at_least_one::<u64>, conflicts_with = "steps")]
    pub epochs: Option<u64>,
    /// Steps, instead of epochs.
    #[arg(long, value_name = "N", value_parser = at_least_one::<u64>)]
    pub steps: Option<u64>,
    /// Networks to train side by side.
    #[arg(long, value_name = "R", default_value_t = 1, value_parser = at_least_one::<usize>)]
    pub replicas: usize,
    /// Seed of the first replica; replica r has seed SEED + r.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Initial weights: kaiming, glorot, pytorch, normal:STD or a FILE.safetensors.
    #[arg(long, value_name = "INIT", default_value = "kaiming")]
    pub init: Init,
    /// Order of the samples: shuffled anew every epoch, or sequential.
    #[arg(long, default_value = "shuffled")]
    pub order: Order,
    /// Evaluate every N epochs, besides the start and the end. [default: about 50 times in all]
    #[arg(long, value_name = "N", value_parser = at_least_one::<u64>)]
    pub eval_every: Option<u64>,

    /// Save a checkpoint every N epochs, besides the end, Ctrl-C and SIGTERM. [default: every 15 s]
    #[arg(long, value_name = "N", value_parser = at_least_one::<u64>)]
    pub checkpoint_every: Option<u64>,
    /// Go on with the run in DIR from its last checkpoint, bit for bit, with the arguments that it was started with.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["dataset", "hidden", "optimizer", "lr", "epsilon", "batch_size",
        "epochs", "steps", "replicas", "seed", "init", "order", "eval_every", "checkpoint_every", "out", "data_dir",
        "label", "test", "test_fraction", "classes", "samples", "factor", "noise", "data_seed"])]
    pub resume: Option<PathBuf>,
    /// Resume on another adapter or driver than the run was started on; the last bits may then differ.
    #[arg(long, requires = "resume")]
    pub force: bool,

    /// Run folder. An earlier run there is replaced. [default: runs/DATASET-NUMBER, the next free one]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub data: DataArgs,

    /// Use the adapter whose name contains NAME.
    #[arg(long, value_name = "NAME")]
    pub adapter: Option<String>,
    /// Print nothing but errors (and the line of --json).
    #[arg(long, short)]
    pub quiet: bool,
    /// Print the result as one line of JSON on stdout.
    #[arg(long)]
    pub json: bool,

    /// The command line as it was given.
    #[arg(skip = std::env::args().collect::<Vec<_>>())]
    pub words: Vec<String>,
}

/// What turns the name of a data set into samples.
#[derive(Debug, Args)]
#[command(next_help_heading = "Data")]
pub struct DataArgs {
    /// Folder that holds data sets, each in a folder of its name.
    /// [default: $ASGD_DATA_DIR, else the user's data folder]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// .csv: the column of the labels, by its title or its number from 1. [default: the last]
    #[arg(long, value_name = "COLUMN")]
    pub label: Option<String>,
    /// .csv: a file of test samples. [default: some rows of the first file]
    #[arg(long, value_name = "FILE")]
    pub test: Option<PathBuf>,
    /// .csv: share of the rows that are set aside for testing.
    #[arg(long, value_name = "SHARE", default_value_t = 0.3)]
    pub test_fraction: f64,
    /// IDX and .npz: number of classes. [default: those of the model, else 10]
    #[arg(long, value_name = "N", value_parser = at_least_two)]
    pub classes: Option<usize>,
    /// circles, spirals: points, split 7:3 into training and test set.
    #[arg(long, value_name = "POINTS", default_value_t = 1000)]
    pub samples: usize,
    /// circles: radius of the inner ring; the outer one's is 1.
    #[arg(long, default_value_t = 0.5, value_parser = not_negative::<f64>)]
    pub factor: f64,
    /// circles: standard deviation of the noise; spirals: its width. [default: 0.1 for circles, 0.5 for spirals]
    #[arg(long, value_parser = not_negative::<f64>)]
    pub noise: Option<f64>,
    /// circles, spirals, .csv: seed of the points and of the split.
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub data_seed: u64,
}

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

/// Part of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
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
    #[command(flatten)]
    pub input: ModelAndData,
    /// Which samples.
    #[arg(long, value_enum, default_value = "test")]
    pub split: Part,
    /// Print one line of JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  asgd inspect runs/mnist-1/model.safetensors mnist
  asgd inspect runs/mnist-1/model.safetensors mnist --figure adaptive-batch-sizes.svg")]
pub struct InspectArgs {
    #[command(flatten)]
    pub input: ModelAndData,
    /// Samples of a mini-batch, for the adaptive batch sizes.
    #[arg(long, value_name = "SAMPLES", default_value_t = 64, value_parser = at_least_one::<usize>)]
    pub batch_size: usize,
    /// Mini-batches to look at, in the order of the training set; all of them if there are fewer.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = at_least_one::<u64>)]
    pub batches: u64,
    /// Draw the distribution of the adaptive batch sizes.
    #[arg(long, value_name = "FILE.svg")]
    pub figure: Option<PathBuf>,
    /// Print one line of JSON.
    #[arg(long)]
    pub json: bool,
}

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
    /// Use the adapter whose name contains NAME.
    #[arg(long, value_name = "NAME")]
    pub adapter: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  asgd prune runs/mnist-1/model.safetensors mnist -o small.safetensors
  asgd train mnist --init small.safetensors                               the pruned network trains on")]
pub struct PruneArgs {
    #[command(flatten)]
    pub input: ModelAndData,
    /// Where the smaller network goes.
    #[arg(long, short, value_name = "FILE.safetensors")]
    pub output: PathBuf,
    /// Which network of a model with several, from 0.
    #[arg(long, value_name = "N")]
    pub replica: Option<usize>,
    /// Print one line of JSON.
    #[arg(long)]
    pub json: bool,
}

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

#[derive(Debug, Args)]
pub struct FetchArgs {
    /// Which data set.
    #[arg(value_enum)]
    pub dataset: Fetchable,
    /// Take the files from this folder of the web, instead of the known mirrors.
    #[arg(long, value_name = "URL")]
    pub mirror: Option<String>,
    /// Folder that holds data sets; the files go to a folder of the set's name in it.
    /// [default: $ASGD_DATA_DIR, else the user's data folder]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Give up on a server that sends nothing for so many seconds.
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub timeout: Duration,
    /// Print nothing but errors.
    #[arg(long, short)]
    pub quiet: bool,
}

/// Data sets that can be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Fetchable {
    Mnist,
    FashionMnist,
    Kmnist,
}

#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Download a data set, once.
    #[command(after_help = "\
Examples:
  asgd data fetch mnist
  asgd data fetch fashion-mnist --data-dir ~/data
  asgd data fetch kmnist --mirror https://example.org/kmnist")]
    Fetch(FetchArgs),
}

/// Widths of the hidden layers.
#[derive(Debug, Clone, PartialEq)]
pub struct Hidden(pub Vec<usize>);

fn hidden(text: &str) -> Result<Hidden, String> {
    if text == "none" {
        return Ok(Hidden(Vec::new()));
    }
    let width = |part: &str| match part.trim().parse::<usize>() {
        Ok(width) if width > 0 => Ok(width),
        Ok(_) => Err("a layer has at least 1 unit".to_string()),
        Err(_) => Err(format!("'{part}' is no width; write for example 30,20")),
    };
    text.split(',').map(width).collect::<Result<_, _>>().map(Hidden)
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().map_err(|_| "expected a number of seconds")?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn positive(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(value) if value.is_finite() && value > 0.0 => Ok(value),
        _ => Err("expected a finite number above 0".into()),
    }
}

fn not_negative<T: std::str::FromStr + Into<f64> + Copy>(text: &str) -> Result<T, String> {
    match text.parse::<T>() {
        Ok(value) if value.into().is_finite() && value.into() >= 0.0 => Ok(value),
        _ => Err("expected a finite number of at least 0".into()),
    }
}

fn at_least_one<T: std::str::FromStr + From<u8> + PartialOrd>(text: &str) -> Result<T, String> {
    match text.parse::<T>() {
        Ok(value) if value >= T::from(1) => Ok(value),
        _ => Err("expected a whole number of at least 1".into()),
    }
}

fn at_least_two(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(value) if value >= 2 => Ok(value),
        _ => Err("expected a whole number of at least 2".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn hidden_widths() {
        assert_eq!(hidden("30,20"), Ok(Hidden(vec![30, 20])));
        assert_eq!(hidden("none"), Ok(Hidden(vec![])));
        for wrong in ["", "0", "30,,20", "30,x", "-3", "1e3"] {
            assert!(hidden(wrong).is_err(), "{wrong}");
        }
    }
}
