//! What the host and the shaders share: structs of the same layout as those of common.wgsl, and where the numbers are in
//! the buffers.

use bytemuck::{Pod, Zeroable};

use crate::dataset::Inputs;
use crate::optimizer::{Gradient, Rule};
use crate::settings::{ReplicaSettings, dropout_scale, dropout_threshold};
pub use crate::spec::MAX_LAYERS;
use crate::spec::{Activation, NetworkSpec};

/// How samples are stored on the GPU, and gathered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputFormat {
    /// Four bytes a word.
    U8,
    /// 32-bit floats.
    F32,
    /// Bytes in the data set, four a word; in batches 32-bit floats, the bytes times the scale of dropout.
    ScaledU8,
}

impl From<&Inputs> for InputFormat {
    fn from(inputs: &Inputs) -> Self {
        match inputs {
            Inputs::U8(_) => Self::U8,
            Inputs::F32(_) => Self::F32,
        }
    }
}

impl InputFormat {
    /// Of batches from a data set in this format, with dropout of the inputs or without.
    pub fn gathered(self, drops_inputs: bool) -> Self {
        match self {
            Self::U8 if drops_inputs => Self::ScaledU8,
            format => format,
        }
    }

    /// Whether the data set is bytes.
    pub fn stores_bytes(self) -> bool {
        self != Self::F32
    }

    /// Bytes of a sample4: four samples of one feature, in a batch.
    pub fn sample4_bytes(self) -> u64 {
        match self {
            Self::U8 => 4,
            Self::F32 | Self::ScaledU8 => 16,
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
    /// (1 + M) P / 4, with the moments of each parameter.
    pub replica_vec4s: u32,
    /// K: features, the row of ones, zeros up to a multiple of 4.
    pub input_rows: u32,
    /// Of P / 4, those that rules move; running statistics are after them.
    pub moved_vec4s: u32,
    /// Alignment.
    pub pad: u32,
    /// Layers 1..L; the rest is zero.
    pub layers: [Layer; MAX_LAYERS],
}

impl Network {
    /// The layout of `replicas` networks of this shape. The parameters are where [`NetworkSpec::arena_layers`] says.
    pub fn new(spec: &NetworkSpec, replicas: usize) -> Self {
        let mut network =
            Self { replica_count: replicas as u32, layer_count: spec.layers().len() as u32, ..Zeroable::zeroed() };
        network.input_rows = padded_rows(spec.inputs());
        network.parameter_vec4s = (spec.arena_stride() / 4) as u32;
        network.replica_vec4s = network.parameter_vec4s;
        network.moved_vec4s = (spec.moved_stride() / 4) as u32;
        let mut input_row = 0;
        for (index, layer) in spec.arena_layers().enumerate() {
            network.layers[index] = Layer {
                inputs: layer.inputs as u32,
                outputs: layer.outputs as u32,
                weight_start: (layer.start / 4) as u32,
                weight_stride: (layer.stride / 4) as u32,
                input_row,
                output_row: network.row_count,
                reads_data: u32::from(index == 0),
                is_output: u32::from(index + 1 == spec.layers().len()),
            };
            input_row = network.row_count;
            network.row_count += padded_rows(layer.outputs);
        }
        network
    }

    /// The same with room for the moments of each parameter.
    pub fn with_moments(self, moments: usize) -> Self {
        Self { replica_vec4s: self.parameter_vec4s * (1 + moments as u32), ..self }
    }

    /// Whether the hidden layers are normalized.
    pub fn has_norms(&self) -> bool {
        self.moved_vec4s < self.parameter_vec4s
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

/// The constants of activation.wgsl that choose an activation.
pub fn activation_constants(activation: Activation) -> [(&'static str, u32); 2] {
    let slope = match activation {
        Activation::LeakyRelu { slope } => slope,
        _ => 0.0,
    };
    [("ACTIVATION", activation.position() as u32), ("NEGATIVE_SLOPE", slope.to_bits())]
}

/// Rows of a layer of `width` neurons or of so many features: those, a row of ones for the bias, zeros up to a multiple of 4.
pub fn padded_rows(width: usize) -> u32 {
    (width as u32 + 1).next_multiple_of(4)
}

/// Batches that are gathered at once, at most: [`Batch`] has a rate factor for each.
pub const MAX_SLOTS: usize = 32;
// Not the length of its array: rustc 1.95 fails on that (broken MIR).
const _: () = assert!(size_of::<Batch>() == 4 * (12 + MAX_SLOTS));

/// `Batch` of common.wgsl: what differs from dispatch to dispatch.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub struct Batch {
    /// Samples really in this batch.
    pub size: u32,
    /// Samples in a full batch.
    pub batch_size: u32,
    /// Sample4s (four samples) of a row, a multiple of 8.
    pub sample4s: u32,
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
    /// The step's number, from 1.
    pub t: u32,
    /// What the step of each slot multiplies learning rates by.
    pub rate_factors: [f32; 32],
}

/// `Replica` of optimizer.wgsl: the settings that are columns of the replica axis.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct ReplicaColumns {
    /// Low half of the seed.
    pub seed_low: u32,
    /// High half of the seed.
    pub seed_high: u32,
    /// Whether the rule gets the effective gradient.
    pub is_effective: u32,
    /// Which rule: its position among all.
    pub rule: u32,
    /// Numbers that it keeps for each parameter.
    pub moments: u32,
    /// Whether weights decay by themselves.
    pub is_decoupled: u32,
    /// Learning rate.
    pub learning_rate: f32,
    /// epsilon of the effective gradient.
    pub epsilon: f32,
    /// Bound of each parameter's gradient; 0 for none.
    pub clip_value: f32,
    /// Bound of the gradient's norm; 0 for none.
    pub clip_norm: f32,
    /// Weight decay.
    pub weight_decay: f32,
    /// The first number of the rule that is not its eps: momentum, rho, alpha or beta1.
    pub first: f32,
    /// The second one: beta2.
    pub second: f32,
    /// eps of the rule.
    pub eps: f32,
    /// ln first.
    pub log_first: f32,
    /// ln second.
    pub log_second: f32,
    /// Whether parameters of inactive features move as well.
    pub moves_inactive: u32,
    /// Whether it is SGD or aSGD, without clipping and weight decay.
    pub is_plain: u32,
    /// A neuron is silent where its hash is below.
    pub dropout_threshold: u32,
    /// What the other neurons are multiplied by.
    pub dropout_scale: f32,
    /// An input is silent where its hash is below.
    pub input_dropout_threshold: u32,
    /// What the other inputs are multiplied by.
    pub input_dropout_scale: f32,
    /// T, above which activations count.
    pub count_threshold: f32,
    /// The largest byte that does not count as an input, times the scale of the inputs.
    pub byte_threshold: f32,
}

impl From<&ReplicaSettings> for ReplicaColumns {
    fn from(settings: &ReplicaSettings) -> Self {
        let ReplicaSettings { seed, optimizer, learning_rate, epsilon, dropout, input_dropout, count_threshold } =
            *settings;
        let input_scale = dropout_scale(input_dropout);
        let is_counted = |&byte: &u8| f32::from(byte) / 255.0 * input_scale > count_threshold;
        let uncounted = (0..=255u8).take_while(|byte| !is_counted(byte)).last().unwrap_or(0);
        let numbers = optimizer.rule.hyperparameters();
        let eps = numbers.iter().find(|(name, _)| *name == "eps").map_or(0.0, |&(_, value)| value);
        let mut others = numbers.iter().filter(|(name, _)| *name != "eps").map(|&(_, value)| value);
        let (first, second) = (others.next().unwrap_or(0.0), others.next().unwrap_or(0.0));
        // Shaders need not know infinity.
        let bound = |bound: f32| if bound.is_finite() { bound } else { 0.0 };
        // Finite for beta = 0 as well, whose powers are 0.
        let log = |beta: f32| libm::log(f64::from(beta)).max(-1000.0) as f32;
        Self {
            seed_low: seed as u32,
            seed_high: (seed >> 32) as u32,
            is_effective: u32::from(optimizer.gradient == Gradient::Effective),
            rule: Rule::all().position(|rule| rule.name() == optimizer.rule.name()).unwrap_or(0) as u32,
            moments: optimizer.rule.moments() as u32,
            is_decoupled: u32::from(optimizer.rule.is_decoupled()),
            learning_rate,
            epsilon,
            clip_value: bound(optimizer.clip_value),
            clip_norm: bound(optimizer.clip_norm),
            weight_decay: optimizer.weight_decay,
            first,
            second,
            eps,
            log_first: log(first),
            log_second: log(second),
            moves_inactive: u32::from(optimizer.moves_inactive()),
            is_plain: u32::from(optimizer.is_plain()),
            dropout_threshold: dropout_threshold(dropout),
            dropout_scale: dropout_scale(dropout),
            input_dropout_threshold: dropout_threshold(input_dropout),
            input_dropout_scale: input_scale,
            count_threshold,
            byte_threshold: f32::from(uncounted) * input_scale,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T times the scale of dropout is the last value that does not count.
    #[test]
    fn a_byte_at_the_threshold_does_not_count() {
        let threshold = |byte: u8, input_dropout: f32| {
            let count_threshold = f32::from(byte) / 255.0 * dropout_scale(input_dropout);
            ReplicaColumns::from(&ReplicaSettings { count_threshold, input_dropout, ..Default::default() })
                .byte_threshold
        };
        for byte in [0, 1, 51, 200, 254] {
            assert_eq!(threshold(byte, 0.0), f32::from(byte), "{byte}");
            assert_eq!(threshold(byte, 0.5), 2.0 * f32::from(byte), "{byte}");
        }
    }

    /// The shaders find each parameter where the arena of a model has it.
    #[test]
    fn the_network_agrees_with_the_arena() {
        for widths in [vec![2, 1], vec![784, 30, 20, 10], vec![5, 8, 9, 7, 3]] {
            let spec = NetworkSpec::new(&widths).unwrap().with_batch_norm(widths.len() == 4);
            let network = Network::new(&spec, 3);
            assert_eq!(network.has_norms(), spec.batch_norm());
            // statistics_start of norms.wgsl.
            let mut statistics = 4 * network.moved_vec4s as usize;
            for arena in spec.arena_layers().take(spec.normalized_layers()) {
                assert_eq!(arena.statistics, Some(statistics));
                statistics += 2 * arena.stride;
            }
            assert_eq!(statistics, network.parameter_stride());
            assert_eq!(network.parameter_stride(), spec.arena_stride());
            for (layer, arena) in network.layers().iter().zip(spec.arena_layers()) {
                let found = [layer.inputs, layer.outputs, 4 * layer.weight_start, 4 * layer.weight_stride];
                assert_eq!(found.map(|value| value as usize), [arena.inputs, arena.outputs, arena.start, arena.stride]);
            }
        }
    }
}
