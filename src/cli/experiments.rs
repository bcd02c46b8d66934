//! The command line of `asgd experiment`.

use std::path::PathBuf;
use std::time::Duration;

use asgd::Init;
use clap::{Args, Subcommand};

use super::{at_least_one, not_negative, positive, seconds};

/// The experiments of Shi et al. 2022 by their numbers.
#[derive(Debug, Subcommand)]
pub enum Experiment {
    /// Sections 2.2 and 3.1: what each sample contributes, and the path of every parameter of a small network.
    #[command(name = "1")]
    Paths(PathsArgs),
    /// Section 3.2: true dummy nodes and convergence on circles and spirals, many times over.
    #[command(name = "2")]
    Dummies(Box<DummiesArgs>),
    /// Section 3.3: MNIST at the learning rates of tables 1 and 2.
    #[command(name = "3")]
    LearningRates(LearningRatesArgs),
}

/// Options of every experiment.
#[derive(Debug, Args)]
pub struct CommonArgs {
    /// Seed of the first repeat; repeat r has seed SEED + r.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Folder of the experiment; what is trained there already is not trained again. [default: runs/experiment-NUMBER]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Use the adapter whose name contains NAME.
    #[arg(long, value_name = "NAME")]
    pub adapter: Option<String>,
    /// Print nothing but errors.
    #[arg(long, short)]
    pub quiet: bool,
}

#[derive(Debug, Args)]
pub struct PathsArgs {
    #[command(flatten)]
    pub common: CommonArgs,
    /// Steps of training.
    #[arg(long, value_name = "N", default_value_t = 5000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub steps: u64,
    /// Learning rate of both optimizers.
    #[arg(long, value_name = "RATE", default_value_t = 0.05, value_parser = positive)]
    pub lr: f32,
    /// epsilon in S / (c + epsilon) of aSGD; 1 is the paper's literal reading.
    #[arg(long, default_value = "1e-8", value_parser = not_negative::<f32>)]
    pub epsilon: f32,
    /// Samples of a mini-batch.
    #[arg(long, value_name = "SAMPLES", default_value_t = 64, value_parser = at_least_one::<usize>)]
    pub batch_size: usize,
    /// Initial weights: kaiming, glorot, pytorch or normal:STD.
    #[arg(long, value_name = "INIT", default_value = "normal:1", value_parser = drawn_init)]
    pub init: Init,
    /// Points, split 7:3 into training and test set.
    #[arg(long, value_name = "POINTS", default_value_t = 1000)]
    pub samples: usize,
    /// Standard deviation of the circles' noise.
    #[arg(long, default_value_t = 0.1, value_parser = not_negative::<f64>)]
    pub noise: f64,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The paper's size: asgd experiment 2 --replicas 10000 --grid-replicas 0
A few seconds:    asgd experiment 2 --replicas 5 --grid-replicas 0 --steps 1000")]
pub struct DummiesArgs {
    #[command(flatten)]
    pub common: CommonArgs,
    /// Repeats of each of the four groups (aSGD and SGD, on circles and on spirals).
    #[arg(long, value_name = "R", default_value_t = 25, value_parser = at_least_one::<usize>)]
    pub replicas: usize,
    /// Repeats of each group for each other initialisation, in the grid of initialisation and stop rule; 0 for no grid.
    #[arg(long, value_name = "R", default_value_t = 10)]
    pub grid_replicas: usize,
    /// Steps at most.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub steps: u64,
    /// Steps from one evaluation to the next.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub eval_every: u64,
    /// Where a training counts as stopped: lowest-test-loss, lowest-train-loss, patience:STEPS (the lowest test loss
    /// before the first STEPS steps without a lower one), or last.
    #[arg(long, value_name = "RULE", default_value = "lowest-test-loss")]
    pub stop_rule: StopRule,
    /// Initial weights: kaiming, glorot, pytorch or normal:STD.
    #[arg(long, value_name = "INIT", default_value = "kaiming", value_parser = drawn_init)]
    pub init: Init,
    /// epsilon in S / (c + epsilon) of aSGD; 1 is the paper's literal reading.
    #[arg(long, default_value = "1e-8", value_parser = not_negative::<f32>)]
    pub epsilon: f32,
    /// Seconds from one save of what is trained to the next; that much is lost if the program is killed.
    #[arg(long, value_name = "SECONDS", default_value = "15", value_parser = seconds)]
    pub save_every: Duration,
    /// Points of each data set, split 7:3 into training and test set.
    #[arg(long, value_name = "POINTS", default_value_t = 1000)]
    pub samples: usize,
    /// Standard deviation of the circles' noise.
    #[arg(long, value_name = "STD", default_value_t = 0.1, value_parser = not_negative::<f64>)]
    pub circles_noise: f64,
    /// Width of the spirals' noise.
    #[arg(long, value_name = "WIDTH", default_value_t = 0.5, value_parser = not_negative::<f64>)]
    pub spirals_noise: f64,
}

/// Where a training of experiment 2 counts as stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopRule {
    LowestTestLoss,
    LowestTrainLoss,
    /// The lowest test loss before the first so many steps without a lower one.
    Patience(u64),
    Last,
}

impl std::str::FromStr for StopRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.strip_prefix("patience:").map(str::parse)) {
            ("lowest-test-loss", _) => Ok(Self::LowestTestLoss),
            ("lowest-train-loss", _) => Ok(Self::LowestTrainLoss),
            ("last", _) => Ok(Self::Last),
            (_, Some(Ok(steps))) if steps > 0 => Ok(Self::Patience(steps)),
            _ => Err("expected lowest-test-loss, lowest-train-loss, patience:STEPS or last".into()),
        }
    }
}

impl std::fmt::Display for StopRule {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::LowestTestLoss => formatter.write_str("lowest-test-loss"),
            Self::LowestTrainLoss => formatter.write_str("lowest-train-loss"),
            Self::Patience(steps) => write!(formatter, "patience:{steps}"),
            Self::Last => formatter.write_str("last"),
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
The paper's size: asgd experiment 3 --replicas 100 --epochs 500
A first look:     asgd experiment 3 --replicas 2 --epochs 2")]
pub struct LearningRatesArgs {
    #[command(flatten)]
    pub common: CommonArgs,
    /// Repeats of each of the eleven rows of tables 1 and 2.
    #[arg(long, value_name = "R", default_value_t = 3, value_parser = at_least_one::<usize>)]
    pub replicas: usize,
    /// Passes over the training set.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub epochs: u64,
    /// Initial weights: kaiming, glorot, pytorch or normal:STD. N(0, 1) reproduces the paper's figures.
    #[arg(long, value_name = "INIT", default_value = "normal:1", value_parser = drawn_init)]
    pub init: Init,
    /// epsilon in S / (c + epsilon) of aSGD, or several, separated by commas, to compare them.
    #[arg(long, default_value = "1e-8", value_delimiter = ',', value_parser = not_negative::<f32>)]
    pub epsilon: Vec<f32>,
    /// Seconds from one save of what is trained to the next; that much is lost if the program is killed.
    #[arg(long, value_name = "SECONDS", default_value = "15", value_parser = seconds)]
    pub save_every: Duration,
    /// Folder that holds mnist/. [default: $ASGD_DATA_DIR, else the user's data folder]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

/// An initialisation for which a seed is enough.
fn drawn_init(text: &str) -> Result<Init, String> {
    match text.parse()? {
        Init::File(_) => Err("expected kaiming, glorot, pytorch or normal:STD: repeats differ by their seeds".into()),
        init => Ok(init),
    }
}
