//! What a network is: widths, activation, loss, batch normalization; and where its parameters are in an arena. A model file keeps all of it.

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
pub const ACTIVATIONS: [&str; 7] = ["relu", "leaky-relu", "elu", "gelu", "silu", "tanh", "sigmoid"];

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

/// A fully connected network: widths n_0..n_L (inputs, hidden layers, outputs), the activation of the hidden layers, the
/// loss, and whether the hidden layers are normalized.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkSpec {
    widths: Vec<usize>,
    activation: Activation,
    loss: Loss,
    batch_norm: bool,
}

/// Where the parameters of one layer are within a replica's arena: a row of weights for each input, then the row of
/// biases and, of a normalized layer, the row of gamma; beta is its bias. Its running statistics, which no rule moves, are after the
/// parameters of all layers. Counted in floats.
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
    /// Of a normalized layer, where its running mean is; the running variance is the next row.
    pub statistics: Option<usize>,
}

/// Rows of numbers that a neuron has beside its weights, in this order: the bias (beta where it is normalized), and of normalized
/// neurons gamma, the running mean and the running variance.
pub(crate) const NEURON_ROWS: usize = 4;
/// Those of them that a rule moves.
const MOVED_ROWS: usize = 2;

impl ArenaLayer {
    /// Rows of numbers that each neuron has beside its weights.
    pub(crate) fn neuron_rows(&self) -> usize {
        if self.statistics.is_some() { NEURON_ROWS } else { 1 }
    }

    /// Those of them that a rule moves; the rest are running statistics.
    pub(crate) fn moved_rows(&self) -> usize {
        self.neuron_rows().min(MOVED_ROWS)
    }

    /// Floats of the layer's parameters.
    fn len(&self) -> usize {
        (self.inputs + self.moved_rows()) * self.stride
    }

    /// (index in the arena, neuron, row) of every number, row by row: those of the inputs, then those of [`NEURON_ROWS`].
    pub(crate) fn indices(self) -> impl Iterator<Item = (usize, usize, usize)> {
        (0..self.inputs + self.neuron_rows()).flat_map(move |row| {
            let start = match (row.checked_sub(self.inputs + MOVED_ROWS), self.statistics) {
                (Some(row), Some(statistics)) => statistics + row * self.stride,
                _ => self.start + row * self.stride,
            };
            (0..self.outputs).map(move |neuron| (start + neuron, neuron, row))
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
        let spec = Self { widths: widths.to_vec(), activation, loss, batch_norm: false };
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

    /// The same with or without batch normalization (Ioffe and Szegedy 2015, arXiv 1502.03167) of all hidden layers, before the
    /// activation: z = W a goes in as gamma (z - mean) / sqrt(variance + 1e-5) + beta, with the mean and the biased variance of the
    /// neuron in the batch, and in evaluation with running ones. A network without hidden layers stays as it is.
    pub fn with_batch_norm(self, batch_norm: bool) -> Self {
        let batch_norm = batch_norm && !self.hidden().is_empty();
        Self { batch_norm, ..self }
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

    /// Whether the hidden layers are normalized.
    pub fn batch_norm(&self) -> bool {
        self.batch_norm
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

    /// Weights, biases and gammas of one replica; beta of a normalized neuron is its bias.
    pub fn parameter_count(&self) -> usize {
        self.layer_parameters().sum()
    }

    /// Those of each layer.
    pub fn layer_parameters(&self) -> impl Iterator<Item = usize> + '_ {
        let normalized = self.normalized_layers();
        let of_layer = move |(layer, (inputs, outputs))| (inputs + 1 + usize::from(layer < normalized)) * outputs;
        self.layers().enumerate().map(of_layer)
    }

    /// How many layers are normalized: the hidden ones, or none.
    pub(crate) fn normalized_layers(&self) -> usize {
        if self.batch_norm { self.hidden().len() } else { 0 }
    }

    /// Where each layer's parameters are within a replica's arena.
    pub fn arena_layers(&self) -> impl Iterator<Item = ArenaLayer> + '_ {
        let (mut start, mut statistics) = (0, self.moved_stride());
        self.layers().enumerate().map(move |(index, (inputs, outputs))| {
            let stride = outputs.next_multiple_of(ROW_MULTIPLE);
            let own = (index < self.normalized_layers()).then_some(statistics);
            let layer = ArenaLayer { inputs, outputs, start, stride, statistics: own };
            start += layer.len();
            statistics += (NEURON_ROWS - MOVED_ROWS) * stride;
            layer
        })
    }

    /// Floats of one replica's arena that rules move, padding included: its parameters. Running statistics are after them.
    pub(crate) fn moved_stride(&self) -> usize {
        let row = |(layer, (inputs, outputs)): (usize, (usize, usize))| {
            let rows = inputs + if layer < self.normalized_layers() { MOVED_ROWS } else { 1 };
            rows * outputs.next_multiple_of(ROW_MULTIPLE)
        };
        self.layers().enumerate().map(row).sum()
    }

    /// P: floats of one replica's arena, padding included.
    pub fn arena_stride(&self) -> usize {
        let strides =
            self.hidden().iter().take(self.normalized_layers()).map(|width| width.next_multiple_of(ROW_MULTIPLE));
        self.moved_stride() + (NEURON_ROWS - MOVED_ROWS) * strides.sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_read_as_they_are_written() {
        for (position, activation) in Activation::all().into_iter().enumerate() {
            assert_eq!((activation.to_string().parse(), activation.position()), (Ok(activation), position));
        }
        assert_eq!("leaky-relu:0.2".parse(), Ok(Activation::LeakyRelu { slope: 0.2 }));
        for wrong in ["leaky-relu:", "leaky-relu:0", "leaky-relu:-1", "leaky-relu:inf", "leaky-relu:x"] {
            assert!(wrong.parse::<Activation>().unwrap_err().contains("a finite number above 0"), "{wrong}");
        }
        for loss in [Loss::BinaryCrossEntropy, Loss::CrossEntropy, Loss::MeanSquaredError] {
            assert_eq!(loss.to_string().parse(), Ok(loss));
        }
        for task in [Task::Classification, Task::Regression] {
            assert_eq!(task.to_string().parse(), Ok(task));
        }
        assert!("swish".parse::<Activation>().is_err() && "mae".parse::<Loss>().is_err());
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
        for batch_norm in [false, true] {
            let spec = NetworkSpec::new(&[5, 8, 9, 1]).unwrap().with_batch_norm(batch_norm);
            let mut seen = vec![false; spec.arena_stride()];
            for (index, ..) in spec.arena_layers().flat_map(ArenaLayer::indices) {
                assert!(!std::mem::replace(&mut seen[index], true), "{index} twice");
            }
            let count = |seen: &[bool]| seen.iter().filter(|&&seen| seen).count();
            let (moved, statistics) = seen.split_at(spec.moved_stride());
            assert_eq!(count(moved), spec.parameter_count());
            assert_eq!(count(statistics), if batch_norm { 2 * (8 + 9) } else { 0 });
            assert_eq!(
                spec.layer_parameters().collect::<Vec<_>>(),
                if batch_norm { [56, 90, 10] } else { [48, 81, 10] }
            );
        }
        let alone = NetworkSpec::new(&[5, 2]).unwrap();
        assert_eq!(alone.clone().with_batch_norm(true), alone, "there is nothing to normalize");
    }
}
