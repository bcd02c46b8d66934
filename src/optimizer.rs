//! How a parameter moves: which gradient, and which rule makes a step of it.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::names::expected;

/// Which gradient of a mini-batch a rule gets, from the gradient sum S.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gradient {
    /// S / m, with the m samples of the batch.
    Mean,
    /// S / (c + epsilon), with the adaptive batch size c of the parameter. Where c is 0, neither the parameter nor its moments
    /// change, bit for bit.
    Effective,
}

/// What a rule makes of a gradient g, named and defined as in torch.optim. Its moments are 0 before the first step; t counts
/// steps from 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// theta -= lr g.
    Sgd,
    /// v = momentum v + g; theta -= lr v, or with Nesterov's look ahead theta -= lr (g + momentum v).
    Momentum {
        /// How much of v stays.
        momentum: f32,
        /// Whether it looks ahead.
        nesterov: bool,
    },
    /// s += g^2; theta -= lr g / (sqrt(s) + eps).
    Adagrad {
        /// Against division by zero.
        eps: f32,
    },
    /// s = rho s + (1 - rho) g^2; d = sqrt(u + eps) / sqrt(s + eps) g; u = rho u + (1 - rho) d^2; theta -= lr d.
    Adadelta {
        /// How much of s and u stays.
        rho: f32,
        /// Added to both.
        eps: f32,
    },
    /// s = alpha s + (1 - alpha) g^2; theta -= lr g / (sqrt(s) + eps).
    RmsProp {
        /// How much of s stays.
        alpha: f32,
        /// Against division by zero.
        eps: f32,
    },
    /// m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2;
    /// theta -= lr m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps).
    Adam {
        /// How much of m stays.
        beta1: f32,
        /// How much of v stays.
        beta2: f32,
        /// Against division by zero.
        eps: f32,
        /// AdamW: weights decay by themselves, theta -= lr decay theta, rather than in g.
        decoupled: bool,
    },
}

/// A gradient, a rule and a weight decay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Optimizer {
    /// What the rule gets.
    pub gradient: Gradient,
    /// What the rule makes of it.
    pub rule: Rule,
    /// g += decay theta before the rule, but for AdamW.
    pub weight_decay: f32,
}

/// Each rule with its usual numbers, by its name; with an `a` before it, it gets the effective gradient.
const RULES: [(&str, Rule); 8] = [
    ("sgd", Rule::Sgd),
    ("momentum", Rule::Momentum { momentum: 0.9, nesterov: false }),
    ("nesterov", Rule::Momentum { momentum: 0.9, nesterov: true }),
    ("adagrad", Rule::Adagrad { eps: 1e-10 }),
    ("adadelta", Rule::Adadelta { rho: 0.9, eps: 1e-6 }),
    ("rmsprop", Rule::RmsProp { alpha: 0.99, eps: 1e-8 }),
    ("adam", Rule::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8, decoupled: false }),
    ("adamw", Rule::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8, decoupled: true }),
];

impl Rule {
    /// Its name, whatever its numbers are.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sgd => "sgd",
            Self::Momentum { nesterov: false, .. } => "momentum",
            Self::Momentum { nesterov: true, .. } => "nesterov",
            Self::Adagrad { .. } => "adagrad",
            Self::Adadelta { .. } => "adadelta",
            Self::RmsProp { .. } => "rmsprop",
            Self::Adam { decoupled: false, .. } => "adam",
            Self::Adam { decoupled: true, .. } => "adamw",
        }
    }

    /// Numbers that it keeps for each parameter.
    pub fn moments(self) -> usize {
        match self {
            Self::Sgd => 0,
            Self::Momentum { .. } | Self::Adagrad { .. } | Self::RmsProp { .. } => 1,
            Self::Adadelta { .. } | Self::Adam { .. } => 2,
        }
    }

    /// Its numbers, by their names in torch.optim.
    pub fn hyperparameters(self) -> Vec<(&'static str, f32)> {
        match self {
            Self::Sgd => vec![],
            Self::Momentum { momentum, .. } => vec![("momentum", momentum)],
            Self::Adagrad { eps } => vec![("eps", eps)],
            Self::Adadelta { rho, eps } => vec![("rho", rho), ("eps", eps)],
            Self::RmsProp { alpha, eps } => vec![("alpha", alpha), ("eps", eps)],
            Self::Adam { beta1, beta2, eps, .. } => vec![("beta1", beta1), ("beta2", beta2), ("eps", eps)],
        }
    }
}

impl Optimizer {
    /// theta -= lr S / m.
    pub const SGD: Self = Self { gradient: Gradient::Mean, rule: Rule::Sgd, weight_decay: 0.0 };

    /// theta -= lr S / (c + epsilon): SGD with an adaptive batch size for every parameter.
    pub const ASGD: Self = Self { gradient: Gradient::Effective, rule: Rule::Sgd, weight_decay: 0.0 };

    /// A rule with the weight decay of torch.optim: none, but 0.01 for AdamW.
    pub fn new(gradient: Gradient, rule: Rule) -> Self {
        let weight_decay = if let Rule::Adam { decoupled: true, .. } = rule { 0.01 } else { 0.0 };
        Self { gradient, rule, weight_decay }
    }

    /// All rules with both gradients and their usual numbers.
    pub fn all() -> impl Iterator<Item = Self> {
        let both = |(_, rule)| [Gradient::Mean, Gradient::Effective].map(|gradient| Self::new(gradient, rule));
        RULES.into_iter().flat_map(both)
    }

    /// The learning rate where none is given: torch.optim's, where it has one; a tenth of that of SGD for the effective gradient,
    /// which is larger by m / c.
    pub fn default_learning_rate(self) -> f32 {
        let of_mean = match self.rule {
            Rule::Sgd => 0.1,
            Rule::Momentum { .. } | Rule::Adagrad { .. } | Rule::RmsProp { .. } => 0.01,
            Rule::Adadelta { .. } => return 1.0,
            Rule::Adam { .. } => return 0.001,
        };
        match (self.gradient, self.rule) {
            (Gradient::Effective, Rule::Sgd | Rule::Momentum { .. }) => of_mean / 10.0,
            _ => of_mean,
        }
    }

    /// Refuses numbers that make no sense.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub(crate) fn check(self) -> Result<()> {
        let refuse = |name: &'static str, value: f32, range: &str| {
            Err(Error::setting(name, format!("{value} is not {range}, as {self} needs")))
        };
        for (name, value) in self.rule.hyperparameters() {
            let is_eps = name == "eps";
            if is_eps && !(value > 0.0 && value.is_finite()) {
                return refuse(name, value, "a finite number above 0");
            }
            if !is_eps && !(0.0..1.0).contains(&value) {
                return refuse(name, value, "at least 0 and below 1");
            }
        }
        if !(self.weight_decay >= 0.0 && self.weight_decay.is_finite()) {
            return refuse("weight_decay", self.weight_decay, "a finite number of at least 0");
        }
        Ok(())
    }

    /// Whether a parameter may move although no sample has a gradient for it.
    pub fn moves_inactive(self) -> bool {
        self.gradient == Gradient::Mean && (self.rule != Rule::Sgd || self.weight_decay != 0.0)
    }
}

impl Default for Optimizer {
    fn default() -> Self {
        Self::ASGD
    }
}

impl FromStr for Optimizer {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let named = |name: &str| RULES.iter().find(|(rule, _)| *rule == name).map(|&(_, rule)| rule);
        let effective = || text.strip_prefix('a').and_then(named).map(|rule| Self::new(Gradient::Effective, rule));
        let found = named(text).map(|rule| Self::new(Gradient::Mean, rule)).or_else(effective);
        found.ok_or_else(|| {
            let names: Vec<String> = Self::all().map(|optimizer| optimizer.to_string()).collect();
            expected(text, &names.iter().map(String::as_str).collect::<Vec<_>>())
        })
    }
}

/// Its name, without its numbers.
impl fmt::Display for Optimizer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = if self.gradient == Gradient::Effective { "a" } else { "" };
        write!(formatter, "{prefix}{}", self.rule.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn optimizers_are_read_as_they_are_written() {
        let mut names = Vec::new();
        for optimizer in Optimizer::all() {
            assert_eq!(optimizer.to_string().parse(), Ok(optimizer));
            names.push(optimizer.to_string());
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 16, "no two have the same name");
        assert_eq!([Optimizer::SGD, Optimizer::ASGD].map(|optimizer| optimizer.to_string()), ["sgd", "asgd"]);
        for wrong in ["a", "aaadam", "Adam", "adam2", ""] {
            assert!(wrong.parse::<Optimizer>().is_err(), "{wrong}");
        }
    }
}
