//! The state of R networks in the middle of a step, made of random numbers and packed as the GPU keeps it.

use super::case::Case;
use super::kernels::{Batch, InputFormat, Job, Kernels, Layer, Network, ReplicaColumns, Shader};
use crate::check::comparison::Comparison;
use crate::dataset::{Inputs, Samples};
use crate::error::Result;
use crate::model::Model;
use crate::random::Random;
use crate::reference::select::select;
use crate::reference::{dropout, gather};
use crate::settings::ReplicaSettings;
use crate::spec::NetworkSpec;

/// What outputs and scratch hold before a kernel runs: as a float it is NaN, as an integer no possible count, and no mask of
/// samples that are all active.
pub const POISON: u32 = 0xffff_dead;

/// Which number of a neuron; the column after the inputs is the bias, and after that are, of a normalized neuron, gamma, the running mean
/// and the running variance.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    pub replica: usize,
    pub layer: usize,
    pub neuron: usize,
    pub column: usize,
    pub is_padding: bool,
}

/// A dropout of inputs that multiplies them by [`SCALE`].
pub const SCALING: f32 = 0.2;

/// What bytes are multiplied by where their format is `ScaledU8`.
const SCALE: f32 = 1.25;

/// Seed and dropouts of a replica; some have none.
pub fn with_dropout(replica: usize) -> ReplicaSettings {
    let seed = (replica as u64).wrapping_mul(0x1_0000_0001_0003);
    let [dropout, input_dropout] = [[0.4, 0.3], [0.0, 0.7], [0.9, 0.0]][replica % 3];
    ReplicaSettings { seed, dropout, input_dropout, ..Default::default() }
}

/// What (R) of settings holds.
pub fn packed_settings(settings: impl Iterator<Item = ReplicaSettings>) -> Vec<u32> {
    let columns: Vec<ReplicaColumns> = settings.map(|settings| ReplicaColumns::from(&settings)).collect();
    bytemuck::cast_slice(&columns).to_vec()
}

/// Random state of R networks in the middle of a step: nothing in it was computed by a kernel.
pub struct Fixture {
    pub case: Case,
    pub network: Network,
    pub sample4s: u32,
    pub model: Model,
    /// Slots of gathered batches; the last one is used.
    pub slots: u32,
    /// By slot and replica: (features, samples), and the bytes that they are where the format has any.
    pub inputs: Vec<Vec<f32>>,
    input_bytes: Vec<Vec<u8>>,
    /// By slot and replica: (samples), or the bits of numbers, (outputs, samples).
    pub labels: Vec<Vec<u32>>,
    /// By replica and layer: (neurons, samples); more than half of them zero.
    pub activations: Vec<Vec<Vec<f32>>>,
    /// z by replica and layer, (neurons, samples), of both signs.
    pub sums: Vec<Vec<Vec<f32>>>,
    /// By replica and layer: (neurons, samples); zero in a third of the cases.
    pub deltas: Vec<Vec<Vec<f32>>>,
}

impl Fixture {
    pub fn new(case: &Case) -> Result<Self> {
        Self::with_moments(case, 0)
    }

    /// With room for so many moments of each parameter.
    pub fn with_moments(case: &Case, moments: usize) -> Result<Self> {
        Self::of(case, moments, false)
    }

    /// Of normalized networks. Where there is no hidden layer, nothing is normalized.
    pub fn normalized(case: &Case, moments: usize) -> Result<Self> {
        Self::of(case, moments, true)
    }

    fn of(case: &Case, moments: usize, batch_norm: bool) -> Result<Self> {
        let spec = NetworkSpec::with(&case.widths, case.activation, case.loss)?.with_batch_norm(batch_norm);
        let network = Network::new(&spec, case.replicas).with_moments(moments);
        let mut random = Random::new(case.widths.iter().sum::<usize>() as u64, 0);
        let mut model = Model::zeros(&spec, case.replicas);
        for replica in 0..case.replicas {
            for layer in 0..spec.layers().len() {
                model.weight_mut(layer, replica).fill_with(|| signed(&mut random));
                model.bias_mut(layer, replica).fill_with(|| signed(&mut random));
                model.gamma_mut(layer, replica).fill_with(|| signed(&mut random));
                model.running_mean_mut(layer, replica).fill_with(|| signed(&mut random));
                model.running_variance_mut(layer, replica).fill_with(|| random.uniform() as f32);
            }
        }
        let slots = 2;
        let batches = slots as usize * case.replicas;
        let values = spec.inputs() * case.size;
        let input_bytes: Vec<Vec<u8>> =
            (0..batches).map(|_| (0..values).map(|_| pixel(&mut random)).collect()).collect();
        let inputs = match case.inputs {
            InputFormat::U8 | InputFormat::ScaledU8 => {
                let scale = if case.inputs == InputFormat::U8 { 1.0 } else { SCALE };
                input_bytes.iter().map(|bytes| bytes.iter().map(|&b| f32::from(b) / 255.0 * scale).collect()).collect()
            }
            InputFormat::F32 => (0..batches).map(|_| (0..values).map(|_| sparse(&mut random, 3)).collect()).collect(),
        };
        let (classes, targets) = (spec.classes() as u32, spec.loss().targets(spec.outputs()));
        let mut label = || match case.loss.is_regression() {
            true => signed(&mut random).to_bits(),
            false => below(&mut random, classes),
        };
        let labels = (0..batches).map(|_| (0..targets * case.size).map(|_| label()).collect()).collect();
        let mut layers = |zeros: u32, least: f32| -> Vec<Vec<Vec<f32>>> {
            let mut of_layer =
                |width: usize| (0..width * case.size).map(|_| sparse(&mut random, zeros).max(least)).collect();
            (0..case.replicas).map(|_| case.widths[1..].iter().map(|&width| of_layer(width)).collect()).collect()
        };
        let activations = layers(1, 0.0);
        let deltas = layers(3, -1.0);
        let mut sums = layers(0, -1.0);
        sums.iter_mut().flatten().flatten().for_each(|z| *z *= 3.0);
        let sample4s = (case.batch_size as u32).next_multiple_of(32) / 4;
        Ok(Self {
            case: case.clone(),
            network,
            sample4s,
            model,
            slots,
            inputs,
            input_bytes,
            labels,
            activations,
            sums,
            deltas,
        })
    }

    /// Runs a kernel with `storage` in the order of its storage bindings, and returns what they hold then.
    pub fn run(
        &self,
        kernels: &dyn Kernels,
        shader: Shader,
        batch: Batch,
        storage: &[&[u32]],
    ) -> Result<Vec<Vec<u32>>> {
        kernels.run(&Job {
            shader,
            inputs: self.case.inputs,
            activation: self.case.activation,
            loss: self.case.loss,
            network: &self.network,
            batch,
            storage,
        })
    }

    /// The last slot's batch, for the kernels of layer `layer`.
    pub fn batch(&self, layer: usize) -> Batch {
        Batch {
            size: self.case.size as u32,
            batch_size: self.case.batch_size as u32,
            sample4s: self.sample4s,
            slot: self.slots - 1,
            steps: 1,
            input_replicas: self.case.replicas as u32,
            position: 0,
            epoch: 0,
            // The batch in its slot is the last one of an epoch, and as short as it is to be.
            sample_count: (self.slots - 1) * self.case.batch_size as u32 + self.case.size as u32,
            shuffled: 0,
            layer: layer as u32,
            t: 1,
            rate_factors: std::array::from_fn(|slot| 0.7 + slot as f32 / 64.0),
        }
    }

    /// Of the batch's step.
    pub fn rate_factor(&self) -> f32 {
        let batch = self.batch(0);
        batch.rate_factors[batch.slot as usize]
    }

    /// (R): [`with_dropout`].
    pub fn packed_dropout(&self) -> Vec<u32> {
        packed_settings((0..self.case.replicas).map(with_dropout))
    }

    /// Whether a hidden neuron is not silent for a sample, and what it is multiplied by then.
    pub fn dropout(&self, replica: usize, layer: usize, neuron: usize, sample: usize) -> (bool, f64) {
        let ReplicaSettings { seed, dropout: p, .. } = with_dropout(replica);
        let t = u64::from(self.batch(layer).t);
        (dropout::is_kept(p, seed, t, layer, neuron, sample), dropout::scale(p))
    }

    /// Samples of a row, padding included.
    pub fn stride(&self) -> usize {
        self.sample4s as usize * 4
    }

    /// The last layer, from 0.
    pub fn last(&self) -> usize {
        self.network.layers().len() - 1
    }

    /// What replica `replica` reads: (features, samples).
    pub fn inputs_of(&self, replica: usize) -> &[f32] {
        &self.inputs[(self.slots as usize - 1) * self.case.replicas + replica]
    }

    pub fn labels_of(&self, replica: usize) -> &[u32] {
        &self.labels[(self.slots as usize - 1) * self.case.replicas + replica]
    }

    /// a^(layer), the inputs for layer 0: (neurons, samples).
    pub fn below(&self, replica: usize, layer: usize) -> &[f32] {
        if layer == 0 { self.inputs_of(replica) } else { &self.activations[replica][layer - 1] }
    }

    /// (T, R, K, B) as the GPU keeps it.
    pub fn packed_inputs(&self) -> Vec<u32> {
        let (rows, features, size) = (self.network.input_rows as usize, self.case.widths[0], self.case.size);
        let mut words = Vec::new();
        for (bytes, values) in self.input_bytes.iter().zip(&self.inputs) {
            for row in 0..rows {
                match self.case.inputs {
                    InputFormat::U8 => {
                        let mut padded = vec![if row == features { 255u8 } else { 0 }; self.stride()];
                        if row < features {
                            padded[..size].copy_from_slice(&bytes[row * size..][..size]);
                        }
                        words.extend(bytemuck::pod_collect_to_vec::<u8, u32>(&padded));
                    }
                    InputFormat::ScaledU8 => {
                        let mut padded = vec![if row == features { 255.0 } else { 0.0f32 }; self.stride()];
                        if row < features {
                            let own = bytes[row * size..][..size].iter().map(|&byte| f32::from(byte) * SCALE);
                            padded.iter_mut().zip(own).for_each(|(padded, value)| *padded = value);
                        }
                        words.extend(padded.into_iter().map(f32::to_bits));
                    }
                    InputFormat::F32 => {
                        let values = (row < features).then(|| &values[row * size..][..size]);
                        words.extend(padded_row(values, row == features, self.stride()).into_iter().map(f32::to_bits));
                    }
                }
            }
        }
        words
    }

    /// The K rows of a batch: (features, samples).
    fn rows_of(&self, values: &[f32]) -> Vec<Vec<f32>> {
        let (features, size) = (self.case.widths[0], self.case.size);
        let row = |row: usize| {
            let values = (row < features).then(|| &values[row * size..][..size]);
            padded_row(values, row == features, self.stride())
        };
        (0..self.network.input_rows as usize).map(row).collect()
    }

    /// The K rows that replica `replica` reads.
    pub fn input_rows(&self, replica: usize) -> Vec<Vec<f32>> {
        self.rows_of(self.inputs_of(replica))
    }

    /// Mask words of each of the K rows, by slot and replica.
    fn input_masks(&self) -> Vec<Vec<Vec<u32>>> {
        let of_batch = |values: &Vec<f32>| self.rows_of(values).iter().map(|row| gather::mask(row)).collect();
        self.inputs.iter().map(of_batch).collect()
    }

    /// (T, R, B / 32, K).
    pub fn packed_input_masks(&self) -> Vec<u32> {
        self.input_masks().iter().flat_map(|rows| by_word(rows)).collect()
    }

    /// (T, R, 4 + K).
    pub fn packed_features(&self) -> Vec<u32> {
        let lists = self.input_masks().into_iter().map(|rows| {
            let (count, features) = select(&rows);
            [vec![count, 0, 0, 0], features].concat()
        });
        lists.flatten().collect()
    }

    /// (T, R, B).
    /// (T, R, 1 or n_L, B)
    pub fn packed_labels(&self) -> Vec<u32> {
        let rows = self.labels.iter().flat_map(|labels| labels.chunks(self.case.size));
        rows.flat_map(|row| [row, &vec![0; self.stride() - row.len()]].concat()).collect()
    }

    /// (R, N, B) of the activations, with rows of ones as the engine makes them, and as much of their sums where these are kept.
    pub fn packed_activations(&self) -> Vec<u32> {
        let mut packed = self.packed(&self.activations, true);
        if self.case.activation.keeps_sums() {
            packed.extend(self.packed(&self.sums, false));
        }
        packed
    }

    /// (R, N, B) of the deltas.
    pub fn packed_deltas(&self) -> Vec<u32> {
        self.packed(&self.deltas, false)
    }

    /// (R, N, B) of these, with rows of ones or of zeros after each layer's.
    pub fn packed(&self, layers: &[Vec<Vec<f32>>], with_ones: bool) -> Vec<u32> {
        let mut packed = Vec::with_capacity(self.case.replicas * self.network.row_count as usize * self.stride());
        for replica in layers {
            for (shape, values) in self.network.layers().iter().zip(replica) {
                let rows = (shape.outputs + 1).next_multiple_of(4);
                for row in 0..rows {
                    let values =
                        (row < shape.outputs).then(|| &values[row as usize * self.case.size..][..self.case.size]);
                    let row = padded_row(values, with_ones && row == shape.outputs, self.stride());
                    packed.extend(row.into_iter().map(f32::to_bits));
                }
            }
        }
        packed
    }

    /// (R, B / 32, 2 N) of the activations, then of the deltas.
    pub fn packed_masks(&self) -> Vec<u32> {
        let rows_of = |words: Vec<u32>| -> Vec<Vec<u32>> {
            words.chunks(self.stride()).map(|row| gather::mask(&floats(row))).collect()
        };
        let (activations, deltas) = (rows_of(self.packed_activations()), rows_of(self.packed_deltas()));
        let rows = self.network.row_count as usize;
        let replicas = activations.chunks(rows).zip(deltas.chunks(rows));
        replicas.flat_map(|(activations, deltas)| by_word(&[activations, deltas].concat())).collect()
    }

    /// Where the words of a neuron's mask are in (R, B / 32, 2 N).
    fn mask_indices(&self, replica: usize, layer: &Layer, neuron: usize, of_deltas: bool) -> Vec<usize> {
        let (rows, words) = (self.network.row_count as usize, self.stride() / 32);
        let row = layer.output_row as usize + neuron + if of_deltas { rows } else { 0 };
        (0..words).map(|word| (replica * words + word) * 2 * rows + row).collect()
    }

    /// The words of a neuron's mask in (R, B / 32, 2 N).
    pub fn mask_of(&self, masks: &[u32], replica: usize, layer: &Layer, neuron: usize, of_deltas: bool) -> Vec<u32> {
        self.mask_indices(replica, layer, neuron, of_deltas).into_iter().map(|index| masks[index]).collect()
    }

    /// Poisons the rows of a layer's neurons in (R, N, B).
    pub fn poison_rows(&self, rows: &mut [u32], layer: &Layer) {
        for replica in 0..self.case.replicas {
            let row = self.row(replica, layer, 0);
            rows[row..row + layer.outputs as usize * self.stride()].fill(POISON);
        }
    }

    /// Poisons the sums of a layer's neurons that are kept.
    pub fn poison_sums(&self, rows: &mut [u32], layer: &Layer) {
        if self.case.activation.keeps_sums() {
            let (_, sums) = rows.split_at_mut(self.kept(0));
            self.poison_rows(sums, layer);
        }
    }

    /// Where the sums begin of which row `row` of (R, N, B) is the activations.
    pub fn kept(&self, row: usize) -> usize {
        self.case.replicas * self.network.row_count as usize * self.stride() + row
    }

    /// Poisons the masks of a layer's neurons.
    pub fn poison_masks(&self, masks: &mut [u32], layer: &Layer, of_deltas: bool) {
        for replica in 0..self.case.replicas {
            for neuron in 0..layer.outputs as usize {
                for index in self.mask_indices(replica, layer, neuron, of_deltas) {
                    masks[index] = POISON;
                }
            }
        }
    }

    /// (R, P).
    pub fn packed_parameters(&self) -> Vec<u32> {
        self.arena(|Parameter { replica, layer, neuron, column, .. }| {
            let inputs = self.case.widths[layer];
            let value = match column.checked_sub(inputs) {
                None => self.model.weight(layer, replica)[neuron * inputs + column],
                Some(0) => self.model.bias(layer, replica)[neuron],
                Some(1) => self.model.gamma(layer, replica)[neuron],
                Some(2) => self.model.running_mean(layer, replica)[neuron],
                Some(_) => self.model.running_variance(layer, replica)[neuron],
            };
            value.to_bits()
        })
    }

    /// (R, P) of a value of every parameter; padding is 0.
    pub fn arena(&self, value: impl Fn(Parameter) -> u32) -> Vec<u32> {
        let word = |parameter: Parameter| if parameter.is_padding { 0 } else { value(parameter) };
        self.parameters().into_iter().map(word).collect()
    }

    /// What (R, P) holds, one after the other.
    pub fn parameters(&self) -> Vec<Parameter> {
        // Rows of the layers, and after them those of the running statistics.
        let rows = |moved: bool| {
            let layers = self.network.layers().iter().enumerate();
            layers.flat_map(move |(layer, shape)| {
                let inputs = shape.inputs as usize;
                let columns = match (moved, self.is_normalized(layer)) {
                    (true, false) => 0..inputs + 1,
                    (true, true) => 0..inputs + 2,
                    (false, false) => 0..0,
                    (false, true) => inputs + 2..inputs + 4,
                };
                columns.map(move |column| (layer, column))
            })
        };
        let mut parameters = Vec::new();
        for replica in 0..self.case.replicas {
            for (layer, column) in rows(true).chain(rows(false)) {
                let shape = &self.network.layers()[layer];
                for neuron in 0..shape.weight_stride as usize * 4 {
                    let is_padding = neuron >= shape.outputs as usize;
                    parameters.push(Parameter { replica, layer, neuron, column, is_padding });
                }
            }
        }
        parameters
    }

    /// Whether a layer, from 0, is normalized.
    pub fn is_normalized(&self, layer: usize) -> bool {
        self.network.has_norms() && layer < self.last()
    }

    /// Where the running means of a normalized layer are in (R, P); the variances are a row later.
    pub fn statistics_place(&self, replica: usize, layer: usize) -> usize {
        let below: u32 = self.network.layers()[..layer].iter().map(|layer| 2 * layer.weight_stride).sum();
        replica * self.network.parameter_stride() + 4 * (self.network.moved_vec4s + below) as usize
    }

    /// The normalized layers.
    pub fn normalized_layers(&self) -> std::ops::Range<usize> {
        0..if self.network.has_norms() { self.last() } else { 0 }
    }

    /// (R, N) of four numbers of each neuron, and 0 in the rows that are none.
    pub fn packed_norms(&self, number: impl Fn(usize, usize, usize) -> [u32; 4]) -> Vec<u32> {
        let mut norms = vec![0; self.case.replicas * self.network.row_count as usize * 4];
        for replica in 0..self.case.replicas {
            for (layer, shape) in self.network.layers().iter().enumerate() {
                for neuron in 0..shape.outputs as usize {
                    let place = 4 * self.flag(replica, shape, neuron);
                    norms[place..place + 4].copy_from_slice(&number(replica, layer, neuron));
                }
            }
        }
        norms
    }

    /// Where row `neuron` of a layer starts in (R, N, B).
    pub fn row(&self, replica: usize, layer: &Layer, neuron: usize) -> usize {
        self.flag(replica, layer, neuron) * self.stride()
    }

    /// Where row `neuron` of a layer is in (R, N).
    pub fn flag(&self, replica: usize, layer: &Layer, neuron: usize) -> usize {
        replica * self.network.row_count as usize + layer.output_row as usize + neuron
    }

    /// Which rows of (R, N) are no neurons: rows of ones and zeros, which no kernel may touch.
    pub fn padding_rows(&self) -> Vec<usize> {
        let rows = self.network.row_count as usize;
        let is_neuron = |row: usize| {
            let mut layers = self.network.layers().iter();
            layers.any(|l| (l.output_row as usize..(l.output_row + l.outputs) as usize).contains(&(row % rows)))
        };
        (0..rows * self.case.replicas).filter(|&row| !is_neuron(row)).collect()
    }
}

/// Whatever was not poisoned must be as it was: other layers, rows of ones, rows of zeros.
pub fn untouched(comparison: &mut Comparison, place: impl Fn() -> String, after: &[u32], before: &[u32]) {
    for (index, (&after, &before)) in after.iter().zip(before).enumerate() {
        if before != POISON {
            comparison.equal(|| format!("{}, which is no output", place()), index, after, before);
        }
    }
}

/// Words of each row, put in the order (words, rows).
pub fn by_word(rows: &[Vec<u32>]) -> Vec<u32> {
    let words = rows.first().map_or(0, Vec::len);
    (0..words).flat_map(|word| rows.iter().map(move |row| row[word])).collect()
}

fn padded_row(values: Option<&[f32]>, ones: bool, stride: usize) -> Vec<f32> {
    let mut row = vec![if ones { 1.0 } else { 0.0 }; stride];
    if let Some(values) = values {
        row[..values.len()].copy_from_slice(values);
    }
    row
}

/// Floats of bits.
pub fn floats(words: &[u32]) -> Vec<f32> {
    words.iter().map(|&word| f32::from_bits(word)).collect()
}

/// In [-1, 1).
pub fn signed(random: &mut Random) -> f32 {
    (2.0 * random.uniform() - 1.0) as f32
}

/// Below `end`, which is not 0.
pub fn below(random: &mut Random, end: u32) -> u32 {
    (random.next_u64() % u64::from(end)) as u32
}

/// 0 in `zeros` of ten cases, else in [-1, 1).
fn sparse(random: &mut Random, zeros: u32) -> f32 {
    if below(random, 10) < zeros { 0.0 } else { signed(random) }
}

/// 0 in six of ten cases.
fn pixel(random: &mut Random) -> u8 {
    if below(random, 10) < 6 { 0 } else { below(random, 256) as u8 }
}

/// A data set of random numbers.
pub fn samples(count: usize, features: usize, format: InputFormat, classes: usize) -> Result<Samples> {
    let mut random = Random::new(count as u64, 1);
    let inputs = match format {
        InputFormat::U8 | InputFormat::ScaledU8 => {
            Inputs::U8((0..count * features).map(|_| pixel(&mut random)).collect())
        }
        InputFormat::F32 => Inputs::F32((0..count * features).map(|_| sparse(&mut random, 3)).collect()),
    };
    let labels = (0..count).map(|_| below(&mut random, classes as u32)).collect();
    Samples::new(features, inputs, labels, classes)
}
