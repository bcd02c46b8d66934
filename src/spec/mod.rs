//! What a network is: widths, activation, loss, batch normalization; and where its parameters are in an arena. A model file keeps
//! all of it.

mod activation;
mod loss;

pub use activation::Activation;
pub use loss::{Loss, Task};

use crate::error::{Error, Result};

/// Layers that a network may have: the length of the array in the shaders' `Network`.
pub const MAX_LAYERS: usize = 32;

/// Parameters that a network may have: those whose bytes a 32-bit number counts.
const MAX_PARAMETERS: usize = 1 << 30;

/// Rows of an arena are padded to this many floats.
const ROW_MULTIPLE: usize = 8;

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
