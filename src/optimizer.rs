//! How a parameter moves: which gradient, and which rule makes a step of it.

use std::fmt;
use std::str::FromStr;

use crate::names::expected;

/// Which gradient of a mini-batch a rule gets, from the gradient sum S.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gradient {
    /// S / m, with the m samples of the batch.
    Mean,
    /// S / (c + epsilon), with the adaptive batch size c of the parameter; nothing moves where c is 0.
    Effective,
}

/// What a rule makes of a gradient g.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// theta -= lr g.
    Sgd,
}

/// A gradient and a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Optimizer {
    /// What the rule gets.
    pub gradient: Gradient,
    /// What the rule makes of it.
    pub rule: Rule,
}

impl Optimizer {
    /// theta -= lr S / m.
    pub const SGD: Self = Self { gradient: Gradient::Mean, rule: Rule::Sgd };

    /// theta -= lr S / (c + epsilon): SGD with an adaptive batch size for every parameter.
    pub const ASGD: Self = Self { gradient: Gradient::Effective, rule: Rule::Sgd };

    /// The learning rate where none is given.
    pub fn default_learning_rate(self) -> f32 {
        match (self.gradient, self.rule) {
            (Gradient::Mean, Rule::Sgd) => 0.1,
            (Gradient::Effective, Rule::Sgd) => 0.01,
        }
    }
}

impl Default for Optimizer {
    fn default() -> Self {
        Self::ASGD
    }
}

impl FromStr for Optimizer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "sgd" => Ok(Self::SGD),
            "asgd" => Ok(Self::ASGD),
            _ => Err(expected(text, &["asgd", "sgd"])),
        }
    }
}

impl fmt::Display for Optimizer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match (self.gradient, self.rule) {
            (Gradient::Mean, Rule::Sgd) => "sgd",
            (Gradient::Effective, Rule::Sgd) => "asgd",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn optimizers_are_read_as_they_are_written() {
        for optimizer in [Optimizer::SGD, Optimizer::ASGD] {
            assert_eq!(optimizer.to_string().parse(), Ok(optimizer));
        }
        assert!("adam".parse::<Optimizer>().is_err());
    }
}
