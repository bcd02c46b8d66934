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

/// What a rule makes of a gradient g, named and defined as in torch.optim where that has it. Its moments are 0 before the first
/// step; t counts steps from 1.
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
    /// theta -= lr sign(beta1 m + (1 - beta1) g); m = beta2 m + (1 - beta2) g. sign(0) = 0. Weights decay by themselves.
    /// Chen et al. 2023, arXiv 2302.06675.
    Lion {
        /// How much of m is in the step.
        beta1: f32,
        /// How much of m stays.
        beta2: f32,
    },
}

/// A gradient, how it is clipped, a rule and a weight decay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Optimizer {
    /// What the rule gets.
    pub gradient: Gradient,
    /// What the rule makes of it.
    pub rule: Rule,
    /// g += decay theta before the rule, but for AdamW and Lion.
    pub weight_decay: f32,
    /// The gradient of each parameter is kept between -clip_value and clip_value, before weight decay; infinite for no bound.
    /// torch.nn.utils.clip_grad_value_.
    pub clip_value: f32,
    /// Then, where |g| over all parameters is larger, they are scaled to this norm; infinite for no bound.
    /// torch.nn.utils.clip_grad_norm_.
    pub clip_norm: f32,
}

/// Every rule with its usual numbers.
const RULES: [Rule; 9] = [
    Rule::Sgd,
    Rule::Momentum { momentum: 0.9, nesterov: false },
    Rule::Momentum { momentum: 0.9, nesterov: true },
    Rule::Adagrad { eps: 1e-10 },
    Rule::Adadelta { rho: 0.9, eps: 1e-6 },
    Rule::RmsProp { alpha: 0.99, eps: 1e-8 },
    Rule::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8, decoupled: false },
    Rule::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8, decoupled: true },
    Rule::Lion { beta1: 0.9, beta2: 0.99 },
];

/// What there is to know of a rule beside its formulas and numbers.
struct Facts {
    name: &'static str,
    /// Numbers that it keeps for each parameter.
    moments: usize,
    /// Where none is given, on the mean gradient.
    learning_rate: f64,
    /// Whether a step grows with the gradient, so that the effective one, larger by m / c, wants a lower learning rate.
    is_linear: bool,
}

impl Rule {
    fn facts(self) -> Facts {
        let facts = |name, moments, learning_rate| Facts { name, moments, learning_rate, is_linear: false };
        match self {
            Self::Sgd => Facts { is_linear: true, ..facts("sgd", 0, 0.1) },
            Self::Momentum { nesterov: false, .. } => Facts { is_linear: true, ..facts("momentum", 1, 0.01) },
            Self::Momentum { nesterov: true, .. } => Facts { is_linear: true, ..facts("nesterov", 1, 0.01) },
            Self::Adagrad { .. } => facts("adagrad", 1, 0.01),
            Self::Adadelta { .. } => facts("adadelta", 2, 1.0),
            Self::RmsProp { .. } => facts("rmsprop", 1, 0.01),
            Self::Adam { decoupled: false, .. } => facts("adam", 2, 0.001),
            Self::Adam { decoupled: true, .. } => facts("adamw", 2, 0.001),
            Self::Lion { .. } => facts("lion", 1, 1e-4),
        }
    }

    fn numbers_mut(&mut self) -> Vec<(&'static str, &mut f32)> {
        match self {
            Self::Sgd => vec![],
            Self::Momentum { momentum, .. } => vec![("momentum", momentum)],
            Self::Adagrad { eps } => vec![("eps", eps)],
            Self::Adadelta { rho, eps } => vec![("rho", rho), ("eps", eps)],
            Self::RmsProp { alpha, eps } => vec![("alpha", alpha), ("eps", eps)],
            Self::Adam { beta1, beta2, eps, .. } => vec![("beta1", beta1), ("beta2", beta2), ("eps", eps)],
            Self::Lion { beta1, beta2 } => vec![("beta1", beta1), ("beta2", beta2)],
        }
    }

    /// All rules with their usual numbers. Shaders know a rule by its position here.
    pub fn all() -> impl Iterator<Item = Self> {
        RULES.into_iter()
    }

    /// Its name, whatever its numbers are.
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// Numbers that it keeps for each parameter.
    pub fn moments(self) -> usize {
        self.facts().moments
    }

    /// Whether weights decay by themselves, theta -= lr decay theta, rather than in g.
    pub fn is_decoupled(self) -> bool {
        matches!(self, Self::Adam { decoupled: true, .. } | Self::Lion { .. })
    }

    /// Its numbers, by their names in torch.optim.
    pub fn hyperparameters(mut self) -> Vec<(&'static str, f32)> {
        self.numbers_mut().into_iter().map(|(name, value)| (name, *value)).collect()
    }
}

/// What a number of an optimizer may be.
#[derive(Clone, Copy)]
enum Range {
    /// At least 0 and below 1.
    Share,
    /// Finite and above 0.
    Positive,
    /// Finite and at least 0.
    NotNegative,
    /// Above 0, and infinite for none.
    Bound,
}

/// The numbers of all optimizers: their names, the options that set them, and what they may be.
const NUMBERS: [(&str, &str, Range); 9] = [
    ("momentum", "--momentum", Range::Share),
    ("beta1", "--beta1", Range::Share),
    ("beta2", "--beta2", Range::Share),
    ("alpha", "--alpha", Range::Share),
    ("rho", "--rho", Range::Share),
    ("eps", "--eps", Range::Positive),
    ("weight_decay", "--weight-decay", Range::NotNegative),
    ("clip_value", "--clip-value", Range::Bound),
    ("clip_norm", "--clip-norm", Range::Bound),
];

impl Range {
    fn holds(self, value: f32) -> bool {
        match self {
            Self::Share => (0.0..1.0).contains(&value),
            Self::Positive => value > 0.0 && value.is_finite(),
            Self::NotNegative => value >= 0.0 && value.is_finite(),
            Self::Bound => value > 0.0,
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Share => "at least 0 and below 1",
            Self::Positive => "a finite number above 0",
            Self::NotNegative => "a finite number of at least 0",
            Self::Bound => "a number above 0 (or none)",
        })
    }
}

impl Optimizer {
    /// theta -= lr S / m.
    pub const SGD: Self = Self {
        gradient: Gradient::Mean,
        rule: Rule::Sgd,
        weight_decay: 0.0,
        clip_value: f32::INFINITY,
        clip_norm: f32::INFINITY,
    };

    /// theta -= lr S / (c + epsilon): SGD with an adaptive batch size for every parameter.
    pub const ASGD: Self = Self { gradient: Gradient::Effective, ..Self::SGD };

    /// A rule with the weight decay of torch.optim (none, but 0.01 for AdamW), without clipping.
    pub fn new(gradient: Gradient, rule: Rule) -> Self {
        let weight_decay = if let Rule::Adam { decoupled: true, .. } = rule { 0.01 } else { 0.0 };
        Self { gradient, rule, weight_decay, ..Self::SGD }
    }

    /// All rules with both gradients and their usual numbers.
    pub fn all() -> impl Iterator<Item = Self> {
        let both = |rule| [Gradient::Mean, Gradient::Effective].map(|gradient| Self::new(gradient, rule));
        Rule::all().flat_map(both)
    }

    /// The learning rate where none is given: torch.optim's, where it has one; a tenth of that for the effective gradient, which
    /// is larger by m / c, where a step grows with the gradient.
    pub fn default_learning_rate(self) -> f32 {
        let Facts { learning_rate, is_linear, .. } = self.rule.facts();
        (if is_linear && self.gradient == Gradient::Effective { learning_rate / 10.0 } else { learning_rate }) as f32
    }

    /// All numbers that it has, by their names: those of its rule, as in torch.optim, `weight_decay`, `clip_value` and
    /// `clip_norm`.
    pub fn numbers(mut self) -> Vec<(&'static str, f32)> {
        self.numbers_mut().into_iter().map(|(name, value)| (name, *value)).collect()
    }

    /// The number of this name, to be set; `None` if it has none.
    pub fn number_mut(&mut self, name: &str) -> Option<&mut f32> {
        self.numbers_mut().into_iter().find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    fn numbers_mut(&mut self) -> Vec<(&'static str, &mut f32)> {
        let mut numbers = self.rule.numbers_mut();
        let Self { weight_decay, clip_value, clip_norm, .. } = self;
        numbers.extend([("weight_decay", weight_decay), ("clip_value", clip_value), ("clip_norm", clip_norm)]);
        numbers
    }

    /// Refuses numbers that make no sense.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(self) -> Result<()> {
        for (name, value) in self.numbers() {
            let known = NUMBERS.iter().find(|(own, ..)| *own == name);
            if let Some((_, option, range)) = known.filter(|(.., range)| !range.holds(value)) {
                return Err(Error::setting(option, format!("{value} is not {range}, as {self} needs")));
            }
        }
        Ok(())
    }

    /// Whether it is SGD or aSGD, without clipping and weight decay.
    pub fn is_plain(&self) -> bool {
        [Self::SGD, Self::ASGD].contains(self)
    }

    /// Whether the norm of the whole gradient decides on every step.
    pub fn clips_norm(self) -> bool {
        self.clip_norm.is_finite()
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

impl FromStr for Gradient {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "mean" => Ok(Self::Mean),
            "effective" => Ok(Self::Effective),
            _ => Err(expected(text, &["mean", "effective"])),
        }
    }
}

/// With its usual numbers.
impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let names: Vec<&str> = Self::all().map(Self::name).collect();
        Self::all().find(|rule| rule.name() == text).ok_or_else(|| expected(text, &names))
    }
}

/// A rule, on the mean gradient; with an `a` before it, on the effective gradient.
impl FromStr for Optimizer {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        Self::all().find(|optimizer| optimizer.to_string() == text).ok_or_else(|| {
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

    /// Inputs that are zero in a whole batch may be skipped where nothing moves their weights.
    #[test]
    fn what_moves_without_a_gradient() {
        let moves = |name: &str, weight_decay: f32| {
            Optimizer { weight_decay, ..name.parse::<Optimizer>().unwrap() }.moves_inactive()
        };
        assert_eq!(
            ["sgd", "asgd", "adam", "aadam", "momentum"].map(|name| moves(name, 0.0)),
            [false, false, true, false, true]
        );
        assert_eq!(["sgd", "asgd", "aadam"].map(|name| moves(name, 0.1)), [true, false, false]);
    }

    #[test]
    fn usual_rates_are_round_numbers() {
        let rate = |name: &str| name.parse::<Optimizer>().unwrap().default_learning_rate();
        assert_eq!(["asgd", "amomentum", "sgd", "aadam"].map(rate), [0.01, 0.001, 0.1, 0.001]);
    }

    #[test]
    fn optimizers_are_read_as_they_are_written() {
        let mut names = Vec::new();
        for optimizer in Optimizer::all() {
            assert_eq!(optimizer.to_string().parse(), Ok(optimizer));
            names.push(optimizer.to_string());
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 2 * RULES.len(), "no two have the same name");
        assert_eq!([Optimizer::SGD, Optimizer::ASGD].map(|optimizer| optimizer.to_string()), ["sgd", "asgd"]);
        for wrong in ["a", "aaadam", "Adam", "adam2", ""] {
            assert!(wrong.parse::<Optimizer>().is_err(), "{wrong}");
        }
    }
    /// A number without an option and a range would be checked by nothing.
    #[test]
    fn every_number_is_set_by_its_name_and_checked() {
        for optimizer in Optimizer::all() {
            optimizer.check().unwrap();
            for (name, usual) in optimizer.numbers() {
                let (_, option, _) = NUMBERS.iter().find(|(own, ..)| *own == name).unwrap();
                for wrong in [-0.5, f32::NAN, f32::NEG_INFINITY] {
                    let mut changed = optimizer;
                    *changed.number_mut(name).unwrap() = wrong;
                    let error = changed.check().unwrap_err().to_string();
                    assert!(error.starts_with(option) && error.contains(&optimizer.to_string()), "{error}");
                }
                let mut changed = optimizer;
                *changed.number_mut(name).unwrap() = 0.25;
                let now: Vec<f32> = changed.numbers().into_iter().map(|(_, value)| value).collect();
                assert_eq!(now.iter().filter(|value| **value == 0.25).count(), 1, "{optimizer} {name} {usual}");
            }
        }
        assert_eq!(Optimizer::SGD.clone().number_mut("momentum"), None);
    }
}
