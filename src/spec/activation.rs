//! What hidden nodes do to their sums.

use std::fmt;
use std::str::FromStr;

use crate::names::expected;

/// What a hidden node does to its sum z. Definitions and defaults are those of torch.nn.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Activation {
    /// max(z, 0), with the derivative 0 at 0.
    #[default]
    Relu,
    /// z above 0, `slope` z below, with the derivative `slope` at 0.
    LeakyRelu {
        /// Finite and above 0.
        slope: f32,
    },
    /// z above 0, e^z - 1 below.
    Elu,
    /// z Phi(z), with the normal distribution's Phi(z) = (1 + erf(z / sqrt(2))) / 2.
    Gelu,
    /// z / (1 + e^-z), also called swish.
    Silu,
    /// tanh(z).
    Tanh,
    /// 1 / (1 + e^-z).
    Sigmoid,
}

/// Names of the activations. An activation's position is its number in activation.wgsl.
const ACTIVATIONS: [&str; 7] = ["relu", "leaky-relu", "elu", "gelu", "silu", "tanh", "sigmoid"];

/// The slope of leaky ReLU, where it is not said.
const DEFAULT_SLOPE: f32 = 0.01;

impl Activation {
    /// Every activation, leaky ReLU with its usual slope.
    pub fn all() -> [Self; 7] {
        let leaky = Self::LeakyRelu { slope: DEFAULT_SLOPE };
        [Self::Relu, leaky, Self::Elu, Self::Gelu, Self::Silu, Self::Tanh, Self::Sigmoid]
    }

    /// Position of its name in [`ACTIVATIONS`].
    pub fn position(self) -> usize {
        match self {
            Self::Relu => 0,
            Self::LeakyRelu { .. } => 1,
            Self::Elu => 2,
            Self::Gelu => 3,
            Self::Silu => 4,
            Self::Tanh => 5,
            Self::Sigmoid => 6,
        }
    }

    /// Whether it is 0 for whole ranges of z, so that nodes can be dummies and counts are adaptive without a threshold.
    pub fn silences(self) -> bool {
        self == Self::Relu
    }

    /// Whether a node without inputs and bias gives 0: then a network may be padded with such nodes.
    pub fn is_zero_at_zero(self) -> bool {
        self != Self::Sigmoid
    }

    /// Whether the derivative needs z: ReLU's is known from the activation.
    pub(crate) fn keeps_sums(self) -> bool {
        self != Self::Relu
    }
}

impl fmt::Display for Activation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(ACTIVATIONS[self.position()])?;
        match self {
            Self::LeakyRelu { slope } => write!(formatter, ":{slope}"),
            _ => Ok(()),
        }
    }
}

impl FromStr for Activation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(activation) = Self::all().into_iter().find(|own| ACTIVATIONS[own.position()] == text) {
            return Ok(activation);
        }
        let Some(slope) = text.strip_prefix("leaky-relu:") else {
            return Err(expected(text, &["relu", "leaky-relu:SLOPE", "elu", "gelu", "silu", "tanh", "sigmoid"]));
        };
        match slope.parse::<f32>() {
            Ok(slope) if slope.is_finite() && slope > 0.0 => Ok(Self::LeakyRelu { slope }),
            _ => Err(format!("'{slope}' is not a slope: a finite number above 0, as in leaky-relu:{DEFAULT_SLOPE}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activations_are_read_as_they_are_written() {
        for (position, activation) in Activation::all().into_iter().enumerate() {
            assert_eq!((activation.to_string().parse(), activation.position()), (Ok(activation), position));
        }
        assert_eq!("leaky-relu:0.2".parse(), Ok(Activation::LeakyRelu { slope: 0.2 }));
        for wrong in ["leaky-relu:", "leaky-relu:0", "leaky-relu:-1", "leaky-relu:inf", "leaky-relu:x"] {
            assert!(wrong.parse::<Activation>().unwrap_err().contains("a finite number above 0"), "{wrong}");
        }
        assert!("swish".parse::<Activation>().is_err());
    }
}
