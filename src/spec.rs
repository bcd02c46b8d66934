//! What a network is: widths, activation, loss; and where its parameters are in an arena. A model file keeps all of it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::names::expected;

/// Layers that a network may have: the length of the array in the shaders' `Network`.
pub const MAX_LAYERS: usize = 32;

/// Parameters that a network may have: those whose bytes a 32-bit number counts.
const MAX_PARAMETERS: usize = 1 << 30;

/// Rows of an arena are padded to this many floats.
const ROW_MULTIPLE: usize = 8;

/// What a hidden node does to its sum z.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Activation {
    /// max(z, 0), with the derivative 0 at 0.
    #[default]
    Relu,
}

impl fmt::Display for Activation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Relu => "relu",
        })
    }
}

impl FromStr for Activation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "relu" => Ok(Self::Relu),
            _ => Err("expected relu".into()),
        }
    }
}

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
    fn fits(self, units: usize) -> bool {
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

/// A fully connected network: widths n_0..n_L (inputs, hidden layers, outputs), the activation of the hidden layers, and
/// the loss.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkSpec {
    widths: Vec<usize>,
    activation: Activation,
    loss: Loss,
}

/// Where the parameters of one layer are within a replica's arena: a row of weights for each input, then the row of
/// biases. Counted in floats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArenaLayer {
    /// n_(l-1).
    pub inputs: usize,
    /// n_l.
    pub outputs: usize,
    /// The first weight of the first input.
    pub start: usize,
    /// From one row to the next: n_l, rounded up to a multiple of 8.
    pub stride: usize,
}

impl ArenaLayer {
    /// Floats of the layer: rows of all inputs and of the biases.
    fn len(&self) -> usize {
        (self.inputs + 1) * self.stride
    }

    /// (index in the arena, neuron, input) of every parameter, row by row; without input, of the biases.
    pub(crate) fn indices(self) -> impl Iterator<Item = (usize, usize, Option<usize>)> {
        (0..=self.inputs).flat_map(move |row| {
            let input = (row < self.inputs).then_some(row);
            (0..self.outputs).map(move |neuron| (self.start + row * self.stride + neuron, neuron, input))
        })
    }
}

impl NetworkSpec {
    /// A network of these widths, inputs first, with ReLU. The loss follows from the outputs: one is a sigmoid unit with
    /// binary cross-entropy, two or more are a softmax with cross-entropy.
    ///
    /// # Errors
    /// [`Error::Setting`] if a width is 0, there are fewer than two widths or more than 33, or too many parameters.
    pub fn new(widths: &[usize]) -> Result<Self> {
        let outputs = widths.last().copied().unwrap_or(0);
        Self::with(widths, Activation::Relu, Loss::for_units(outputs))
    }

    /// A network of these widths with another activation or loss.
    ///
    /// # Errors
    /// As [`Self::new`], or if the loss needs other output units.
    pub fn with(widths: &[usize], activation: Activation, loss: Loss) -> Result<Self> {
        if widths.len() < 2 || widths.len() > MAX_LAYERS + 1 {
            let problem =
                format!("a network has 1 to {MAX_LAYERS} layers, this one {}", widths.len().saturating_sub(1));
            return Err(Error::setting("--hidden", problem));
        }
        if let Some(&width) = widths.iter().find(|&&width| width == 0 || width > 1 << 20) {
            return Err(Error::setting("--hidden", format!("a layer has 1 to {} units, not {width}", 1 << 20)));
        }
        let spec = Self { widths: widths.to_vec(), activation, loss };
        if !loss.fits(spec.outputs()) {
            let problem = format!("{loss} does not go with {} output units", spec.outputs());
            return Err(Error::setting("loss", problem));
        }
        if spec.parameter_count() > MAX_PARAMETERS {
            let problem = format!(
                "a network of these widths has {} parameters, and may have {MAX_PARAMETERS}",
                spec.parameter_count()
            );
            return Err(Error::setting("--hidden", problem));
        }
        Ok(spec)
    }

    /// A network whose every layer is as wide as the wider one's of two networks of equal depth, inputs and outputs.
    pub fn widened(&self, other: &Self) -> Self {
        let widths = self.widths.iter().zip(&other.widths).map(|(&a, &b)| a.max(b)).collect();
        Self { widths, ..self.clone() }
    }

    /// n_0..n_L.
    pub fn widths(&self) -> &[usize] {
        &self.widths
    }

    /// n_1..n_(L-1).
    pub fn hidden(&self) -> &[usize] {
        &self.widths[1..self.widths.len() - 1]
    }

    /// n_0.
    pub fn inputs(&self) -> usize {
        self.widths[0]
    }

    /// n_L.
    pub fn outputs(&self) -> usize {
        self.widths[self.widths.len() - 1]
    }

    /// Of the hidden layers.
    pub fn activation(&self) -> Activation {
        self.activation
    }

    /// What training minimises.
    pub fn loss(&self) -> Loss {
        self.loss
    }

    /// Classes that the outputs tell apart.
    pub fn classes(&self) -> usize {
        self.loss.classes(self.outputs())
    }

    /// (inputs, outputs) of each layer.
    pub fn layers(&self) -> impl DoubleEndedIterator<Item = (usize, usize)> + ExactSizeIterator + '_ {
        self.widths.windows(2).map(|pair| (pair[0], pair[1]))
    }

    /// Weights and biases of one replica.
    pub fn parameter_count(&self) -> usize {
        self.layers().map(|(inputs, outputs)| (inputs + 1) * outputs).sum()
    }

    /// Where each layer's parameters are within a replica's arena.
    pub fn arena_layers(&self) -> impl Iterator<Item = ArenaLayer> + '_ {
        let mut start = 0;
        self.layers().map(move |(inputs, outputs)| {
            let layer = ArenaLayer { inputs, outputs, start, stride: outputs.next_multiple_of(ROW_MULTIPLE) };
            start += layer.len();
            layer
        })
    }

    /// P: floats of one replica's arena, padding included.
    pub fn arena_stride(&self) -> usize {
        self.arena_layers().map(|layer| layer.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_read_as_they_are_written() {
        assert_eq!(Activation::Relu.to_string().parse(), Ok(Activation::Relu));
        for loss in [Loss::BinaryCrossEntropy, Loss::CrossEntropy, Loss::MeanSquaredError] {
            assert_eq!(loss.to_string().parse(), Ok(loss));
        }
        for task in [Task::Classification, Task::Regression] {
            assert_eq!(task.to_string().parse(), Ok(task));
        }
        assert!("tanh".parse::<Activation>().is_err() && "mae".parse::<Loss>().is_err());
    }

    #[test]
    fn the_loss_follows_from_the_outputs_and_must_fit_them() {
        for (widths, loss, classes) in
            [([3, 1], Loss::BinaryCrossEntropy, 2), ([3, 2], Loss::CrossEntropy, 2), ([3, 7], Loss::CrossEntropy, 7)]
        {
            let spec = NetworkSpec::new(&widths).unwrap();
            assert_eq!((spec.loss(), spec.classes()), (loss, classes));
        }
        for units in [1, 2, 7] {
            let spec = NetworkSpec::with(&[3, units], Activation::Relu, Loss::MeanSquaredError).unwrap();
            assert_eq!((spec.classes(), spec.loss().targets(units)), (0, units));
        }
        assert!(NetworkSpec::with(&[3, 2], Activation::Relu, Loss::BinaryCrossEntropy).is_err());
        assert!(NetworkSpec::with(&[3, 1], Activation::Relu, Loss::CrossEntropy).is_err());
        for classes in 2..5 {
            let loss = Loss::for_classes(classes);
            assert_eq!(loss.classes(loss.output_units(classes)), classes);
        }
    }

    #[test]
    fn every_parameter_has_its_own_index() {
        let spec = NetworkSpec::new(&[5, 8, 9, 1]).unwrap();
        let mut seen = vec![false; spec.arena_stride()];
        for (index, ..) in spec.arena_layers().flat_map(ArenaLayer::indices) {
            assert!(!std::mem::replace(&mut seen[index], true), "{index} twice");
        }
        assert_eq!(seen.iter().filter(|&&seen| seen).count(), spec.parameter_count());
    }
}
