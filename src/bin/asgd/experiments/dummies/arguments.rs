//! The options of experiment 2.

use std::time::Duration;

use asgd::Init;
use clap::Args;

use crate::experiments::bench::CommonArgs;
use crate::run::shard::Shard;
use crate::values::{at_least_one, drawn_init, not_negative, seconds};

#[derive(Debug, Args)]
#[command(after_help = "\
The paper's size: asgd experiment 2 --replicas 10000 --grid-replicas 0
A few seconds:    asgd experiment 2 --replicas 5 --grid-replicas 0 --steps 1000")]
pub struct DummiesArgs {
    #[command(flatten)]
    pub common: CommonArgs,
    /// Train only the K-th of N parts of all networks, as a job of its own; `asgd merge` makes one experiment of all parts.
    #[arg(long, value_name = "K/N")]
    pub shard: Option<Shard>,
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
