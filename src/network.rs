//! The shape of a network, and where its numbers stand in the GPU's buffers.

use bytemuck::{Pod, Zeroable};

use crate::{Error, Result};

/// Layers that a network may have: the length of the array in the shaders' `Network`.
pub const MAX_LAYERS: usize = 32;

/// Parameters that a network may have: those whose bytes a 32-bit number counts.
const MAX_PARAMETERS: usize = 1 << 30;

/// Widths n_0..n_L of a fully connected network: inputs, hidden ReLU layers, outputs.
///
/// One output is a sigmoid unit with binary cross-entropy, two or more are a softmax with cross-entropy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkSpec {
    widths: Vec<usize>,
}

impl NetworkSpec {
    /// A network of these widths, inputs first.
    ///
    /// # Errors
    /// [`Error::Setting`] if a width is 0, there are fewer than two widths or more than 33, or too many parameters.
    pub fn new(widths: &[usize]) -> Result<Self> {
        if widths.len() < 2 || widths.len() > MAX_LAYERS + 1 {
            let problem =
                format!("a network has 1 to {MAX_LAYERS} layers, this one {}", widths.len().saturating_sub(1));
            return Err(Error::setting("--hidden", problem));
        }
        if let Some(&width) = widths.iter().find(|&&width| width == 0 || width > 1 << 20) {
            return Err(Error::setting("--hidden", format!("a layer has 1 to {} units, not {width}", 1 << 20)));
        }
        let spec = Self { widths: widths.to_vec() };
        if spec.parameter_count() > MAX_PARAMETERS {
            let problem = format!(
                "a network of these widths has {} parameters, and may have {MAX_PARAMETERS}",
                spec.parameter_count()
            );
            return Err(Error::setting("--hidden", problem));
        }
        Ok(spec)
    }

    /// n_0..n_L.
    pub fn widths(&self) -> &[usize] {
        &self.widths
    }

    /// n_0.
    pub fn inputs(&self) -> usize {
        self.widths[0]
    }

    /// n_L.
    pub fn outputs(&self) -> usize {
        self.widths[self.widths.len() - 1]
    }

    /// (inputs, outputs) of each layer.
    pub fn layers(&self) -> impl DoubleEndedIterator<Item = (usize, usize)> + ExactSizeIterator + '_ {
        self.widths.windows(2).map(|pair| (pair[0], pair[1]))
    }

    /// Weights and biases of one replica.
    pub fn parameter_count(&self) -> usize {
        self.layers().map(|(inputs, outputs)| (inputs + 1) * outputs).sum()
    }
}

/// How samples are stored on the GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputFormat {
    /// Four bytes a word.
    U8,
    /// 32-bit floats.
    F32,
}

impl InputFormat {
    /// A feature's row or a sample's row is a multiple of this: BLOCK of inputs_u8.wgsl and inputs_f32.wgsl.
    pub fn row_multiple(self) -> u32 {
        match self {
            Self::U8 => 16,
            Self::F32 => 4,
        }
    }

    /// Rows of `features` inputs: the features, a row of ones for the bias, zeros.
    pub fn padded_rows(self, features: usize) -> u32 {
        (features as u32 + 1).next_multiple_of(self.row_multiple())
    }

    /// Bytes of a quad: four samples of one feature.
    pub fn quad_bytes(self) -> u64 {
        match self {
            Self::U8 => 4,
            Self::F32 => 16,
        }
    }
}

/// `Layer` of common.wgsl.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct Layer {
    /// n_(l-1).
    pub inputs: u32,
    /// n_l.
    pub outputs: u32,
    /// First vec4 of the layer's matrix within a replica's parameters.
    pub weight_start: u32,
    /// vec4s in a row of the matrix: the weights of one input, or the biases after the last. An even number.
    pub weight_stride: u32,
    /// First row of a^(l-1) in the activations; unused for the first layer.
    pub input_row: u32,
    /// First row of a^l in the activations and of delta^l in the deltas.
    pub output_row: u32,
    /// 1 for the first layer.
    pub reads_data: u32,
    /// 1 for the last layer.
    pub is_output: u32,
}

/// `Network` of common.wgsl.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub struct Network {
    /// R.
    pub replica_count: u32,
    /// L.
    pub layer_count: u32,
    /// N: rows of all layers, each with its row of ones, padded to a multiple of 4.
    pub row_count: u32,
    /// P / 4.
    pub parameter_vec4s: u32,
    /// K: features, the row of ones, zeros up to a multiple of what the format wants.
    pub input_rows: u32,
    /// Alignment.
    pub pad: [u32; 3],
    /// Layers 1..L; the rest is zero.
    pub layers: [Layer; MAX_LAYERS],
}

impl Network {
    /// Where `replicas` networks of this shape stand.
    pub fn new(spec: &NetworkSpec, replicas: usize, inputs: InputFormat) -> Self {
        let mut network =
            Self { replica_count: replicas as u32, layer_count: spec.layers().len() as u32, ..Zeroable::zeroed() };
        network.input_rows = inputs.padded_rows(spec.inputs());
        let mut input_row = 0;
        for (index, (inputs, outputs)) in spec.layers().enumerate() {
            let weight_stride = (outputs as u32).next_multiple_of(8) / 4;
            network.layers[index] = Layer {
                inputs: inputs as u32,
                outputs: outputs as u32,
                weight_start: network.parameter_vec4s,
                weight_stride,
                input_row,
                output_row: network.row_count,
                reads_data: u32::from(index == 0),
                is_output: u32::from(index + 1 == spec.layers().len()),
            };
            input_row = network.row_count;
            network.row_count += padded_rows(outputs);
            network.parameter_vec4s += (inputs as u32 + 1) * weight_stride;
        }
        network
    }

    /// Layers 1..L.
    pub fn layers(&self) -> &[Layer] {
        &self.layers[..self.layer_count as usize]
    }

    /// Floats of one replica's parameters, padding included.
    pub fn parameter_stride(&self) -> usize {
        self.parameter_vec4s as usize * 4
    }
}

/// Rows of a layer of `width` neurons: the neurons, a row of ones for the bias, zeros up to a multiple of 4.
fn padded_rows(width: usize) -> u32 {
    (width as u32 + 1).next_multiple_of(4)
}

/// `Batch` of common.wgsl: what differs from dispatch to dispatch.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub struct Batch {
    /// Samples really in this batch.
    pub size: u32,
    /// Samples in a full batch.
    pub capacity: u32,
    /// Quads (four samples) of a row, a multiple of 8.
    pub quads: u32,
    /// Which of the gathered batches.
    pub slot: u32,
    /// Batches to gather.
    pub steps: u32,
    /// Replicas with samples of their own: R, or 1 where all read the same.
    pub input_replicas: u32,
    /// First sample of the first batch to gather, within the epoch.
    pub position: u32,
    /// Keys the epoch's permutation.
    pub epoch: u32,
    /// Samples in the data set.
    pub sample_count: u32,
    /// 0: in the order of the data set.
    pub shuffled: u32,
    /// For the kernels that do one layer a dispatch.
    pub layer: u32,
    /// Alignment.
    pub pad: u32,
}

/// `Replica` of common.wgsl: the settings that are columns of the replica axis.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct ReplicaColumns {
    /// Low half of the seed.
    pub seed_low: u32,
    /// High half of the seed.
    pub seed_high: u32,
    /// 0 SGD, 1 aSGD.
    pub optimizer: u32,
    /// Learning rate.
    pub learning_rate: f32,
    /// epsilon of aSGD.
    pub epsilon: f32,
    /// Alignment.
    pub pad: [u32; 3],
}
