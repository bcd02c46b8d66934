//! Settings of a training, and what makes sense.

use std::fmt;
use std::str::FromStr;

use crate::dataset::Dataset;
use crate::network::{NetworkSpec, ReplicaColumns};
use crate::{Error, Result};

/// The update rule of a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Optimizer {
    /// theta -= lr S / m.
    Sgd,
    /// theta -= lr S / (c + epsilon): SGD with an adaptive batch size for every parameter.
    Asgd,
}

impl FromStr for Optimizer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "sgd" => Ok(Self::Sgd),
            "asgd" => Ok(Self::Asgd),
            _ => Err("expected asgd or sgd".into()),
        }
    }
}

impl fmt::Display for Optimizer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Sgd => "sgd",
            Self::Asgd => "asgd",
        })
    }
}

/// The order in which an epoch takes the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// A new permutation for every epoch and seed.
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
            _ => Err("expected shuffled or sequential".into()),
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

/// How a step is cut into dispatches. The arithmetic is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepForm {
    /// One kernel a stage and layer: the readable form.
    Staged,
    /// Two kernels a step: all that belongs to a sample, all that belongs to a parameter.
    Fused,
}

/// Settings of one replica.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReplicaSettings {
    /// Decides initial parameters and permutations.
    pub seed: u64,
    /// The update rule.
    pub optimizer: Optimizer,
    /// lr: finite and not negative. 0 moves nothing, bit for bit: for looking at sums and counts.
    pub learning_rate: f32,
    /// epsilon of aSGD: finite and not negative.
    pub epsilon: f32,
}

/// Settings of a training.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainSettings {
    /// Samples of a mini-batch, m.
    pub batch_size: usize,
    /// Order of the samples.
    pub order: Order,
    /// One entry a replica.
    pub replicas: Vec<ReplicaSettings>,
    /// How a step is cut into dispatches; `None` takes what suits the adapter.
    pub form: Option<StepForm>,
}

impl ReplicaSettings {
    /// As the shaders read them.
    pub(crate) fn columns(&self) -> ReplicaColumns {
        ReplicaColumns {
            seed_low: self.seed as u32,
            seed_high: (self.seed >> 32) as u32,
            optimizer: match self.optimizer {
                Optimizer::Sgd => 0,
                Optimizer::Asgd => 1,
            },
            learning_rate: self.learning_rate,
            epsilon: self.epsilon,
            pad: [0; 3],
        }
    }
}

/// Refuses settings that make no sense for this data set and network.
pub(crate) fn check(
    dataset: &Dataset,
    spec: &NetworkSpec,
    settings: &TrainSettings,
    initial_replicas: usize,
) -> Result<()> {
    let TrainSettings { batch_size, replicas, .. } = settings;
    if spec.inputs() != dataset.features() || spec.outputs() != dataset.output_units() {
        let problem = format!(
            "a network of {} inputs and {} outputs does not fit {}, which has {} features and {} classes ({} outputs)",
            spec.inputs(),
            spec.outputs(),
            dataset.name,
            dataset.features(),
            dataset.classes,
            dataset.output_units()
        );
        return Err(Error::setting("network", problem));
    }
    if *batch_size == 0 || *batch_size > dataset.train.len() {
        let problem =
            format!("{batch_size} samples; the training set of {} allows 1 to {}", dataset.name, dataset.train.len());
        return Err(Error::setting("--batch-size", problem));
    }
    if replicas.is_empty() || replicas.len() != initial_replicas {
        let problem = format!("{} settings for {initial_replicas} initial networks", replicas.len());
        return Err(Error::setting("--replicas", problem));
    }
    for ReplicaSettings { learning_rate, epsilon, .. } in replicas {
        if !learning_rate.is_finite() || *learning_rate < 0.0 {
            return Err(Error::setting("--lr", format!("{learning_rate} is not a finite number of at least 0")));
        }
        if !epsilon.is_finite() || *epsilon < 0.0 {
            return Err(Error::setting("--epsilon", format!("{epsilon} is not a finite number of at least 0")));
        }
    }
    Ok(())
}
