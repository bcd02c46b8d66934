//! The command line.

use std::path::PathBuf;

use asgd::{Init, Optimizer, Order};
use clap::{Args, Parser, Subcommand};

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
  asgd train mnist --init start.safetensors --order sequential --steps 5")]
pub struct TrainArgs {
    /// circles, spirals, mnist, fashion-mnist, or a folder of IDX files.
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
    #[arg(long, default_value_t = 1e-8, value_parser = not_negative::<f32>)]
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
    /// Initial weights: kaiming, glorot, normal:STD or a FILE.safetensors.
    #[arg(long, value_name = "INIT", default_value = "kaiming")]
    pub init: Init,
    /// Order of the samples: shuffled anew every epoch, or sequential.
    #[arg(long, default_value = "shuffled")]
    pub order: Order,
    /// Evaluate every N epochs, besides the start and the end. [default: about 50 times in all]
    #[arg(long, value_name = "N", value_parser = at_least_one::<u64>)]
    pub eval_every: Option<u64>,

    /// Run folder. An earlier run there is replaced. [default: runs/DATASET-NUMBER, the next free one]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Folder that holds data sets, each in a folder of its name.
    /// [default: $ASGD_DATA_DIR, else the user's data folder]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Classes of a folder of IDX files. [default: those of the --init file, else 10]
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
    /// circles, spirals: seed of the points and of their split.
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub data_seed: u64,

    /// Use the adapter whose name contains NAME.
    #[arg(long, value_name = "NAME")]
    pub adapter: Option<String>,
    /// Print nothing but errors (and the line of --json).
    #[arg(long, short)]
    pub quiet: bool,
    /// Print the result as one line of JSON on stdout.
    #[arg(long)]
    pub json: bool,
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
