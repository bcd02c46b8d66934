//! Sizes that shaders are run on.

use std::fmt;

use super::kernels::InputFormat;
use crate::spec::{Activation, Loss};

/// A shape, and how much of it.
#[derive(Debug, Clone)]
pub struct Case {
    /// Inputs, hidden layers, outputs.
    pub widths: Vec<usize>,
    /// Samples in a full batch.
    pub batch_size: usize,
    /// Samples really in this one.
    pub size: usize,
    /// Networks side by side.
    pub replicas: usize,
    /// How samples are stored.
    pub inputs: InputFormat,
    /// What hidden neurons do.
    pub activation: Activation,
    /// Says what the outputs are.
    pub loss: Loss,
}

impl Case {
    /// Bytes, but for some numbers of inputs; the loss follows from the outputs.
    pub fn new(widths: &[usize], batch_size: usize, size: usize, replicas: usize) -> Self {
        let inputs = if [1, 2, 129].contains(&widths[0]) { InputFormat::F32 } else { InputFormat::U8 };
        let (activation, loss) = (Activation::Relu, Loss::for_units(*widths.last().unwrap_or(&1)));
        Self { widths: widths.to_vec(), batch_size, size, replicas, inputs, activation, loss }
    }

    /// The same with targets that are numbers.
    fn of_numbers(self) -> Self {
        Self { loss: Loss::MeanSquaredError, ..self }
    }

    /// Below, at and above the tiles (32 neurons, inputs or samples, and 128 inputs), odd sizes, batch 1, a short last batch,
    /// one neuron, no hidden layer, many layers, several replicas.
    pub fn sweep() -> Vec<Self> {
        vec![
            Self::new(&[1, 1], 1, 1, 1),
            Self::new(&[2, 3, 2, 1], 7, 7, 3),
            Self::new(&[3, 2], 32, 32, 1),
            Self::new(&[4, 8, 3], 33, 33, 2),
            Self::new(&[5, 15, 16, 17, 2], 31, 31, 2),
            Self::new(&[31, 32, 33, 2], 64, 64, 1),
            Self::new(&[63, 31, 33, 10], 64, 5, 3),
            Self::new(&[2, 10, 10, 10, 10, 10, 1], 128, 128, 4),
            Self::new(&[28, 1, 1, 4], 100, 77, 2),
            Self::new(&[784, 30, 20, 10], 64, 64, 2),
            Self::new(&[127, 128, 129, 3], 65, 65, 1),
            Self::new(&[129, 127, 33], 127, 96, 2),
            Self::new(&[2, 40, 70, 35], 129, 129, 1),
            Self::new(&[1, 1], 1, 1, 1).of_numbers(),
            Self::new(&[2, 3, 2, 1], 7, 7, 3).of_numbers(),
            Self::new(&[5, 15, 16, 17, 2], 31, 31, 2).of_numbers(),
            Self::new(&[4, 8, 3], 40, 33, 2).of_numbers(),
            Self::new(&[63, 31, 33, 10], 64, 5, 3).of_numbers(),
            Self::new(&[2, 40, 70, 35], 129, 129, 1).of_numbers(),
            Self { inputs: InputFormat::ScaledU8, ..Self::new(&[4, 8, 3], 33, 33, 2) },
            Self { inputs: InputFormat::ScaledU8, ..Self::new(&[63, 31, 33, 10], 64, 5, 3) },
        ]
    }

    /// One neuron a layer and so many replicas that dispatches pass 65,535 workgroups.
    pub fn many_workgroups() -> Self {
        Self::new(&[1, 1, 1], 2, 2, 66_000)
    }

    /// The same for kernels that take three steps' batches.
    pub fn many_batches() -> Self {
        Self { inputs: InputFormat::U8, ..Self::new(&[1, 1], 2, 2, 22_000) }
    }

    /// Every activation but ReLU, in a network of whole steps, one of narrow layers, and one with more neurons than a block has.
    pub fn activations() -> Vec<Self> {
        let others = Activation::all().into_iter().filter(|&activation| activation != Activation::Relu);
        let cases = others.flat_map(|activation| {
            let cases = [Self::new(&[3, 9, 7, 2], 40, 37, 3), Self::new(&[63, 31, 33, 10], 64, 5, 3)];
            cases.map(|case| Self { activation, ..case })
        });
        cases.collect()
    }

    /// A few of both formats and of several sizes, one of another activation: seconds on any device.
    pub fn quick() -> Vec<Self> {
        vec![
            Self::new(&[2, 10, 10, 10, 10, 10, 1], 70, 61, 3),
            Self::new(&[784, 30, 20, 10], 64, 64, 2),
            Self { activation: Activation::Gelu, ..Self::new(&[63, 31, 33, 10], 64, 5, 3) },
            Self::new(&[5, 12, 7, 6], 70, 61, 3).of_numbers(),
        ]
    }
}

impl fmt::Display for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { widths, batch_size, size, replicas, inputs, activation, loss } = self;
        let widths: Vec<String> = widths.iter().map(usize::to_string).collect();
        let format = match inputs {
            InputFormat::U8 => "u8",
            InputFormat::F32 => "f32",
            InputFormat::ScaledU8 => "scaled u8",
        };
        let widths = widths.join("-");
        let of = format!("{size} of {batch_size} samples, {replicas} replicas");
        write!(formatter, "{widths} ({format}, {activation}, {loss}), {of}")
    }
}
