//! What training minimises, and with it what a data set asks for and what the score of an evaluation is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::names::expected;

/// What a data set asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// To tell classes apart.
    #[default]
    Classification,
    /// To give numbers.
    Regression,
}

impl Task {
    /// What the score of an evaluation is called in files: `accuracy`, or `r2` for R^2.
    pub fn score(self) -> &'static str {
        match self {
            Self::Classification => "accuracy",
            Self::Regression => "r2",
        }
    }

    /// What people call the score.
    pub fn score_label(self) -> &'static str {
        match self {
            Self::Classification => "accuracy",
            Self::Regression => "R\u{b2}",
        }
    }

    /// What people call the loss, with its unit.
    pub fn loss_label(self) -> &'static str {
        match self {
            Self::Classification => "cross-entropy (nats)",
            Self::Regression => "mean squared error",
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Classification => "classification",
            Self::Regression => "regression",
        })
    }
}

impl FromStr for Task {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "classification" => Ok(Self::Classification),
            "regression" => Ok(Self::Regression),
            _ => Err(expected(text, &["classification", "regression"])),
        }
    }
}

/// What training minimises, and with it what the output units are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Binary cross-entropy of one sigmoid unit, for two classes.
    BinaryCrossEntropy,
    /// Cross-entropy of a softmax over two or more units, one for each class.
    CrossEntropy,
    /// The mean over the linear output units of (output - target)^2, for targets that are numbers. Over a batch it is
    /// torch.nn.MSELoss().
    MeanSquaredError,
}

impl Loss {
    /// What it is for.
    pub fn task(self) -> Task {
        match self {
            Self::BinaryCrossEntropy | Self::CrossEntropy => Task::Classification,
            Self::MeanSquaredError => Task::Regression,
        }
    }

    /// Whether targets are numbers rather than classes.
    pub fn is_regression(self) -> bool {
        self.task() == Task::Regression
    }

    /// What the score of its evaluations is called in files: see [`Task::score`].
    pub fn score(self) -> &'static str {
        self.task().score()
    }

    /// What people call the score: see [`Task::score_label`].
    pub fn score_label(self) -> &'static str {
        self.task().score_label()
    }

    /// Targets that a sample has: its class, or a number for each output unit.
    pub(crate) fn targets(self, units: usize) -> usize {
        match self.task() {
            Task::Classification => 1,
            Task::Regression => units,
        }
    }

    /// The usual loss for so many classes: one sigmoid unit for two, a softmax for more.
    pub fn for_classes(classes: usize) -> Self {
        match classes {
            0..=2 => Self::BinaryCrossEntropy,
            _ => Self::CrossEntropy,
        }
    }

    /// The loss of a network with so many output units that does not say its loss.
    pub fn for_units(units: usize) -> Self {
        match units {
            0 | 1 => Self::BinaryCrossEntropy,
            _ => Self::CrossEntropy,
        }
    }

    /// Units of the output layer for so many classes, or numbers.
    pub fn output_units(self, classes: usize) -> usize {
        match self {
            Self::BinaryCrossEntropy => 1,
            Self::CrossEntropy | Self::MeanSquaredError => classes,
        }
    }

    /// Classes that so many output units tell apart: none of a regression.
    pub fn classes(self, units: usize) -> usize {
        match self {
            Self::BinaryCrossEntropy => 2,
            Self::CrossEntropy => units,
            Self::MeanSquaredError => 0,
        }
    }

    /// Whether an output layer of so many units can have this loss.
    pub(super) fn fits(self, units: usize) -> bool {
        match self {
            Self::BinaryCrossEntropy => units == 1,
            Self::CrossEntropy => units >= 2,
            Self::MeanSquaredError => units >= 1,
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::BinaryCrossEntropy => "binary-cross-entropy",
            Self::CrossEntropy => "cross-entropy",
            Self::MeanSquaredError => "mse",
        })
    }
}

impl FromStr for Loss {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "binary-cross-entropy" => Ok(Self::BinaryCrossEntropy),
            "cross-entropy" => Ok(Self::CrossEntropy),
            "mse" => Ok(Self::MeanSquaredError),
            _ => Err("expected binary-cross-entropy, cross-entropy or mse".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_and_tasks_are_read_as_they_are_written() {
        for loss in [Loss::BinaryCrossEntropy, Loss::CrossEntropy, Loss::MeanSquaredError] {
            assert_eq!(loss.to_string().parse(), Ok(loss));
        }
        for task in [Task::Classification, Task::Regression] {
            assert_eq!(task.to_string().parse(), Ok(task));
        }
        assert!("mae".parse::<Loss>().is_err());
    }
}
