//! Settings of a training, and what makes sense.

use std::fmt;
use std::str::FromStr;

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::names::expected;
use crate::optimizer::Optimizer;
use crate::schedule::Schedule;

/// The order in which an epoch takes the samples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// A new permutation for every epoch and seed.
    #[default]
    Shuffled,
    /// As in the data set.
    Sequential,
}

impl FromStr for Order {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "shuffled" => Ok(Self::Shuffled),
            "sequential" => Ok(Self::Sequential),
            _ => Err(expected(text, &["shuffled", "sequential"])),
        }
    }
}

impl fmt::Display for Order {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Shuffled => "shuffled",
            Self::Sequential => "sequential",
        })
    }
}

/// Settings of one replica.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReplicaSettings {
    /// Decides initial parameters, permutations and which inputs and nodes dropout silences.
    pub seed: u64,
    /// How its parameters move.
    pub optimizer: Optimizer,
    /// lr: finite and not negative. 0 moves nothing, bit for bit: for looking at sums and counts.
    pub learning_rate: f32,
    /// epsilon of aSGD: finite and not negative.
    pub epsilon: f32,
    /// P: the probability that a hidden node is silent for a sample of a step; at least 0 and below 1. The others give
    /// 1 / (1 - P) times what they would (inverted dropout). Evaluations silence none.
    pub dropout: f32,
    /// The same of the inputs. One that is silent for a sample is 0 there: not counted, and not active.
    pub input_dropout: f32,
    /// T, at least 0 and below 1: a sample counts for a weight where |a_k| > T and |delta_j| > T times the largest |delta_j| of the
    /// batch, and for a bias where the second holds. With 0, where they are not 0. S is the sum over all samples. a_k of an input is what
    /// dropout leaves of it.
    pub count_threshold: f32,
}

/// Settings of a training.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainSettings {
    /// Samples of a mini-batch, m.
    pub batch_size: usize,
    /// Order of the samples.
    pub order: Order,
    /// A factor on every replica's learning rate, step by step.
    pub schedule: Schedule,
    /// One entry a replica.
    pub replicas: Vec<ReplicaSettings>,
}

impl Default for ReplicaSettings {
    /// aSGD with its usual learning rate, and 1e-8 for epsilon: S / c is then the mean of the gradients that are not zero.
    fn default() -> Self {
        let optimizer = Optimizer::default();
        let learning_rate = optimizer.default_learning_rate();
        Self {
            seed: 0,
            optimizer,
            learning_rate,
            epsilon: 1e-8,
            dropout: 0.0,
            input_dropout: 0.0,
            count_threshold: 0.0,
        }
    }
}

impl Default for TrainSettings {
    /// One replica, batches of 64, a constant rate.
    fn default() -> Self {
        Self {
            batch_size: 64,
            order: Order::default(),
            schedule: Schedule::default(),
            replicas: vec![ReplicaSettings::default()],
        }
    }
}

impl ReplicaSettings {
    /// The same with the rate of a step that has this factor: the product, rounded to f32.
    pub fn scaled(self, rate_factor: f32) -> Self {
        Self { learning_rate: self.learning_rate * rate_factor, ..self }
    }
}

/// With dropout P, a node or an input is silent where its hash is below P 2^32, rounded.
pub(crate) fn dropout_threshold(p: f32) -> u32 {
    (f64::from(p) * 2f64.powi(32)).round() as u32
}

/// 1 / (1 - P), what a node or an input that is not silent is multiplied by.
pub(crate) fn dropout_scale(p: f32) -> f32 {
    (1.0 / (1.0 - f64::from(p))) as f32
}

impl TrainSettings {
    /// Numbers that the rules keep for each parameter, at most.
    pub fn moments(&self) -> usize {
        self.replicas.iter().map(|replica| replica.optimizer.rule.moments()).max().unwrap_or(0)
    }

    /// Whether all replicas move by plain SGD or aSGD, without clipping and weight decay.
    pub fn is_plain(&self) -> bool {
        self.replicas.iter().all(|replica| replica.optimizer.is_plain())
    }

    /// Whether any replica clips its gradient by its norm.
    pub fn clips_norm(&self) -> bool {
        self.replicas.iter().any(|replica| replica.optimizer.clips_norm())
    }

    /// Whether any replica silences inputs.
    pub fn drops_inputs(&self) -> bool {
        self.replicas.iter().any(|replica| replica.input_dropout != 0.0)
    }

    /// Whether any replica silences hidden nodes.
    pub fn drops_out(&self) -> bool {
        self.replicas.iter().any(|replica| replica.dropout != 0.0)
    }

    /// Whether any replica counts only what is above a threshold.
    pub fn has_thresholds(&self) -> bool {
        self.replicas.iter().any(|replica| replica.count_threshold > 0.0)
    }

    /// Refuses settings that make no sense for this data set and these networks. Every engine asks before it begins.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub(crate) fn check(&self, dataset: &Dataset, initial: &Model) -> Result<()> {
        let Self { batch_size, schedule, replicas, .. } = self;
        dataset.check_fits(initial.spec())?;
        schedule.check()?;
        if *batch_size == 0 || *batch_size > dataset.train.len() {
            let problem = format!(
                "{batch_size} samples; the training set of {} allows 1 to {}",
                dataset.name,
                dataset.train.len()
            );
            return Err(Error::setting("--batch-size", problem));
        }
        if replicas.is_empty() || replicas.len() != initial.replicas() {
            let problem = format!("{} settings for {} initial networks", replicas.len(), initial.replicas());
            return Err(Error::setting("--replicas", problem));
        }
        for replica in replicas {
            let ReplicaSettings { optimizer, learning_rate, epsilon, .. } = replica;
            optimizer.check()?;
            check_learning_rate(*learning_rate)?;
            if !epsilon.is_finite() || *epsilon < 0.0 {
                return Err(Error::setting("--epsilon", format!("{epsilon} is not a finite number of at least 0")));
            }
            check_below_one("--dropout", replica.dropout)?;
            check_below_one("--input-dropout", replica.input_dropout)?;
            check_below_one("--count-threshold", replica.count_threshold)?;
        }
        Ok(())
    }
}

/// Refuses a dropout or a threshold that makes no sense: with 1, no node would ever be trained.
///
/// # Errors
/// [`Error::Setting`].
fn check_below_one(setting: &'static str, value: f32) -> Result<()> {
    if !(0.0..1.0).contains(&value) {
        return Err(Error::setting(setting, format!("{value} is not at least 0 and below 1")));
    }
    Ok(())
}

/// Refuses a rate that makes no sense.
///
/// # Errors
/// [`Error::Setting`].
pub(crate) fn check_learning_rate(rate: f32) -> Result<()> {
    if !rate.is_finite() || rate < 0.0 {
        return Err(Error::setting("--lr", format!("{rate} is not a finite number of at least 0")));
    }
    Ok(())
}
