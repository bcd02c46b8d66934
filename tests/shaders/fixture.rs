//! Puts buffers of every kind together from plain arrays, runs one kernel on them, and holds what comes out
//! against the reference.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock};

use asgd::dataset::{Inputs, Samples};
use asgd::gpu::dispatch::Dispatch;
use asgd::gpu::kernels::{Kernel, Pipeline};
use asgd::gpu::layout::{Batch, InputFormat, Layer, Network};
use asgd::gpu::Gpu;
use asgd::reference::select::select;
use asgd::reference::{gather, Sum};
use asgd::{Model, NetworkSpec};
use wgpu::BufferUsages;

/// What outputs and scratch hold before a kernel runs: as a float it is NaN, as an integer no possible count.
pub const POISON: u32 = u32::MAX;

/// The adapter of all tests. Without one the tests fail: they never pass by skipping.
pub fn gpu() -> &'static Gpu {
    static GPU: OnceLock<Gpu> = OnceLock::new();
    GPU.get_or_init(|| Gpu::new(None).expect("the tests need an adapter"))
}

/// Numbers that differ from one another, and are the same in every run.
pub struct Numbers(u64);

impl Numbers {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// In [-1, 1).
    pub fn signed(&mut self) -> f32 {
        self.next() as f32 / (1u64 << 30) as f32 - 1.0
    }

    pub fn below(&mut self, end: u32) -> u32 {
        (self.next() % u64::from(end)) as u32
    }

    /// 0 in `zeros` of ten cases, else in [-1, 1).
    fn sparse(&mut self, zeros: u32) -> f32 {
        if self.below(10) < zeros {
            0.0
        } else {
            self.signed()
        }
    }
}

/// A shape to test.
#[derive(Debug, Clone)]
pub struct Case {
    pub widths: Vec<usize>,
    /// Samples in a full batch.
    pub batch_size: usize,
    /// Samples really in this one.
    pub size: usize,
    pub replicas: usize,
    pub inputs: InputFormat,
}

/// Sizes below, at and above the tiles (32 neurons, inputs or samples, and 128 inputs), odd sizes, batch 1, a short last batch, one
/// neuron, no hidden layer, many layers, many replicas.
pub fn cases() -> Vec<Case> {
    let case = |widths: &[usize], batch_size, size, replicas| {
        let inputs = if [1, 2, 129].contains(&widths[0]) { InputFormat::F32 } else { InputFormat::U8 };
        Case { widths: widths.to_vec(), batch_size, size, replicas, inputs }
    };
    vec![
        case(&[1, 1], 1, 1, 1),
        case(&[2, 3, 2, 1], 7, 7, 3),
        case(&[3, 2], 32, 32, 1),
        case(&[4, 8, 3], 33, 33, 2),
        case(&[5, 15, 16, 17, 2], 31, 31, 2),
        case(&[31, 32, 33, 2], 64, 64, 1),
        case(&[63, 31, 33, 10], 64, 5, 3),
        case(&[2, 10, 10, 10, 10, 10, 1], 128, 128, 4),
        case(&[28, 1, 1, 4], 100, 77, 2),
        case(&[784, 30, 20, 10], 64, 64, 2),
        case(&[127, 128, 129, 3], 65, 65, 1),
        case(&[129, 127, 33], 127, 96, 2),
        case(&[2, 40, 70, 35], 129, 129, 1),
    ]
}

/// One neuron a layer and so many replicas that dispatches pass 65,535 workgroups.
pub fn many_workgroups() -> Case {
    Case { widths: vec![1, 1, 1], batch_size: 2, size: 2, replicas: 66_000, inputs: InputFormat::F32 }
}

/// The same for kernels that take three steps' batches.
pub fn many_batches() -> Case {
    Case { widths: vec![1, 1], batch_size: 2, size: 2, replicas: 22_000, inputs: InputFormat::U8 }
}

/// Which parameter; the column after the inputs is the bias.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    pub replica: usize,
    pub layer: usize,
    pub neuron: usize,
    pub column: usize,
    pub is_padding: bool,
}

/// Random state of R networks in the middle of a step: nothing in it was computed by a kernel.
pub struct Fixture {
    pub case: Case,
    pub network: Network,
    pub sample4s: u32,
    pub model: Model,
    /// Slots of gathered batches; the last one is used.
    pub slots: u32,
    /// By slot and replica: (features, samples), and bytes where the format is U8.
    pub inputs: Vec<Vec<f32>>,
    input_bytes: Vec<Vec<u8>>,
    /// By slot and replica.
    pub labels: Vec<Vec<u32>>,
    /// By replica and layer: (neurons, samples); zero in half of the cases.
    pub activations: Vec<Vec<Vec<f32>>>,
    /// By replica and layer: (neurons, samples); zero in a third of the cases.
    pub deltas: Vec<Vec<Vec<f32>>>,
}

impl Fixture {
    pub fn new(case: &Case) -> Self {
        let spec = NetworkSpec::new(&case.widths).unwrap();
        let network = Network::new(&spec, case.replicas);
        let mut numbers = Numbers::new(case.widths.iter().sum::<usize>() as u64);
        let mut model = Model::zeros(&spec, case.replicas);
        for replica in 0..case.replicas {
            for layer in 0..spec.layers().len() {
                model.weight_mut(layer, replica).fill_with(|| numbers.signed());
                model.bias_mut(layer, replica).fill_with(|| numbers.signed());
            }
        }
        let slots = 2;
        let batches = slots as usize * case.replicas;
        let (features, classes) = (case.widths[0], (*case.widths.last().unwrap()).max(2) as u32);
        let input_bytes: Vec<Vec<u8>> = (0..batches)
            .map(|_| {
                (0..features * case.size)
                    .map(|_| if numbers.below(10) < 6 { 0 } else { numbers.below(256) as u8 })
                    .collect()
            })
            .collect();
        let inputs = match case.inputs {
            InputFormat::U8 => {
                input_bytes.iter().map(|bytes| bytes.iter().map(|&b| f32::from(b) / 255.0).collect()).collect()
            }
            InputFormat::F32 => {
                (0..batches).map(|_| (0..features * case.size).map(|_| numbers.sparse(3)).collect()).collect()
            }
        };
        let labels = (0..batches).map(|_| (0..case.size).map(|_| numbers.below(classes)).collect()).collect();
        let mut layers = |zeros: u32, positive: bool| -> Vec<Vec<Vec<f32>>> {
            let value =
                |numbers: &mut Numbers| if positive { numbers.sparse(zeros).max(0.0) } else { numbers.sparse(zeros) };
            let of_layer =
                |numbers: &mut Numbers, width: usize| (0..width * case.size).map(|_| value(numbers)).collect();
            (0..case.replicas)
                .map(|_| case.widths[1..].iter().map(|&width| of_layer(&mut numbers, width)).collect())
                .collect()
        };
        let activations = layers(1, true);
        let deltas = layers(3, false);
        let sample4s = (case.batch_size as u32).next_multiple_of(32) / 4;
        Self { case: case.clone(), network, sample4s, model, slots, inputs, input_bytes, labels, activations, deltas }
    }

    pub fn dispatch(&self) -> Dispatch<'_> {
        Dispatch { network: &self.network, sample4s: self.sample4s }
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
            sample_count: 1000,
            shuffled: 0,
            layer: layer as u32,
        }
    }

    /// Samples of a row, padding included.
    pub fn stride(&self) -> usize {
        self.sample4s as usize * 4
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
        if layer == 0 {
            self.inputs_of(replica)
        } else {
            &self.activations[replica][layer - 1]
        }
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
                        words.extend_from_slice(bytemuck::cast_slice(&padded));
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

    /// Mask words of each of the K rows, by slot and replica.
    fn input_masks(&self) -> Vec<Vec<Vec<u32>>> {
        let (features, size) = (self.case.widths[0], self.case.size);
        let of_batch = |values: &Vec<f32>| {
            let rows = (0..self.network.input_rows as usize).map(|row| {
                let values = (row < features).then(|| &values[row * size..][..size]);
                gather::mask(&padded_row(values, row == features, self.stride()))
            });
            rows.collect()
        };
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
    pub fn packed_labels(&self) -> Vec<u32> {
        self.labels.iter().flat_map(|labels| [labels.clone(), vec![0; self.stride() - labels.len()]].concat()).collect()
    }

    /// (R, N, B) of the activations, with rows of ones as the engine makes them.
    pub fn packed_activations(&self) -> Vec<f32> {
        self.packed(&self.activations, true)
    }

    /// (R, N, B) of the deltas.
    pub fn packed_deltas(&self) -> Vec<f32> {
        self.packed(&self.deltas, false)
    }

    fn packed(&self, layers: &[Vec<Vec<f32>>], with_ones: bool) -> Vec<f32> {
        let mut packed = Vec::with_capacity(self.case.replicas * self.network.row_count as usize * self.stride());
        for replica in layers {
            for (shape, values) in self.network.layers().iter().zip(replica) {
                let rows = (shape.outputs + 1).next_multiple_of(4);
                for row in 0..rows {
                    let values =
                        (row < shape.outputs).then(|| &values[row as usize * self.case.size..][..self.case.size]);
                    packed.extend(padded_row(values, with_ones && row == shape.outputs, self.stride()));
                }
            }
        }
        packed
    }

    /// (R, B / 32, 2 N) of the activations, then of the deltas.
    pub fn packed_masks(&self) -> Vec<u32> {
        let rows_of = |values: Vec<f32>| -> Vec<Vec<u32>> { values.chunks(self.stride()).map(gather::mask).collect() };
        let (activations, deltas) = (rows_of(self.packed_activations()), rows_of(self.packed_deltas()));
        let rows = self.network.row_count as usize;
        let replicas = activations.chunks(rows).zip(deltas.chunks(rows));
        replicas.flat_map(|(activations, deltas)| by_word(&[activations, deltas].concat())).collect()
    }

    /// Where the words of a neuron's mask are in (R, B / 32, 2 N).
    pub fn mask_indices(&self, replica: usize, layer: &Layer, neuron: usize, of_deltas: bool) -> Vec<usize> {
        let (rows, words) = (self.network.row_count as usize, self.stride() / 32);
        let row = layer.output_row as usize + neuron + if of_deltas { rows } else { 0 };
        (0..words).map(|word| (replica * words + word) * 2 * rows + row).collect()
    }

    /// The words of a neuron's mask in (R, B / 32, 2 N).
    pub fn mask_of(&self, masks: &[u32], replica: usize, layer: &Layer, neuron: usize, of_deltas: bool) -> Vec<u32> {
        self.mask_indices(replica, layer, neuron, of_deltas).into_iter().map(|index| masks[index]).collect()
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
        self.arena(|layer, neuron, column, replica| {
            let inputs = self.case.widths[layer];
            let (weight, bias) = (self.model.weight(layer, replica), self.model.bias(layer, replica));
            let value = if column < inputs { weight[neuron * inputs + column] } else { bias[neuron] };
            value.to_bits()
        })
    }

    /// (R, P) of a value of (layer, neuron, column, replica); the column after the inputs is the bias, padding is 0.
    pub fn arena(&self, value: impl Fn(usize, usize, usize, usize) -> u32) -> Vec<u32> {
        let word = |parameter: Parameter| {
            if parameter.is_padding {
                0
            } else {
                value(parameter.layer, parameter.neuron, parameter.column, parameter.replica)
            }
        };
        self.parameters().into_iter().map(word).collect()
    }

    /// What (R, P) holds, one after the other.
    pub fn parameters(&self) -> Vec<Parameter> {
        let mut parameters = Vec::new();
        for replica in 0..self.case.replicas {
            for (layer, shape) in self.network.layers().iter().enumerate() {
                for column in 0..=shape.inputs as usize {
                    for neuron in 0..shape.weight_stride as usize * 4 {
                        let is_padding = neuron >= shape.outputs as usize;
                        parameters.push(Parameter { replica, layer, neuron, column, is_padding });
                    }
                }
            }
        }
        parameters
    }

    /// Where row `neuron` of a layer starts in (R, N, stride).
    pub fn row(&self, replica: usize, layer: &Layer, neuron: usize, stride: usize) -> usize {
        (replica * self.network.row_count as usize + layer.output_row as usize + neuron) * stride
    }

    /// Which rows of (R, N) are no neurons: rows of ones and zeros, which no kernel may touch.
    pub fn padding_rows(&self) -> Vec<usize> {
        let rows = self.network.row_count as usize;
        let is_neuron = |row: usize| {
            self.network
                .layers()
                .iter()
                .any(|l| (l.output_row as usize..(l.output_row + l.outputs) as usize).contains(&(row % rows)))
        };
        (0..rows * self.case.replicas).filter(|&row| !is_neuron(row)).collect()
    }

    /// Runs a kernel with `storage` in the order of its storage bindings, and returns what they hold then.
    pub fn run(
        &self,
        kernel: &'static Kernel,
        batch: Batch,
        workgroups: [u32; 3],
        storage: &[&[u32]],
    ) -> Vec<Vec<u32>> {
        type Pipelines = Mutex<HashMap<(&'static str, String), &'static Pipeline>>;
        static PIPELINES: OnceLock<Pipelines> = OnceLock::new();
        let mut pipelines =
            PIPELINES.get_or_init(Default::default).lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let pipeline: &'static Pipeline = pipelines
            .entry((kernel.entry, kernel.source(self.case.inputs)))
            .or_insert_with(|| Box::leak(Box::new(Pipeline::new(gpu(), kernel, self.case.inputs))));

        let uniform = BufferUsages::UNIFORM | BufferUsages::COPY_DST;
        let network = gpu().buffer("network", size_of::<Network>() as u64, uniform).unwrap();
        gpu().write(&network, &[self.network]).unwrap();
        let batches = gpu().buffer("batch", 256, uniform).unwrap();
        gpu().write(&batches, &[batch]).unwrap();
        let buffers: Vec<_> = storage.iter().map(|words| gpu().storage_from("test", words).unwrap()).collect();
        let bound = pipeline.bind(gpu(), &network, &batches, &buffers.iter().collect::<Vec<_>>());
        bound.run(gpu(), workgroups).unwrap();
        let sizes: Vec<_> =
            buffers.iter().zip(storage).map(|(buffer, words)| (buffer, words.len() as u64 * 4)).collect();
        gpu().read(&sizes).unwrap()
    }
}

/// Words of each row, put in the order (words, rows).
fn by_word(rows: &[Vec<u32>]) -> Vec<u32> {
    (0..rows[0].len()).flat_map(|word| rows.iter().map(move |row| row[word])).collect()
}

fn padded_row(values: Option<&[f32]>, ones: bool, stride: usize) -> Vec<f32> {
    let mut row = vec![if ones { 1.0 } else { 0.0 }; stride];
    if let Some(values) = values {
        row[..values.len()].copy_from_slice(values);
    }
    row
}

/// Bits of floats.
pub fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[track_caller]
pub fn assert_close(what: &str, actual: u32, expected: Sum, roundings: usize) {
    let actual = f32::from_bits(actual);
    assert!(
        expected.admits(actual, roundings),
        "{what}: {actual} instead of {expected:?} within {roundings} roundings"
    );
}

/// Samples of a data set with recognisable values.
pub fn samples(count: usize, features: usize, format: InputFormat, classes: usize) -> Samples {
    let mut numbers = Numbers::new(count as u64);
    let inputs = match format {
        InputFormat::U8 => Inputs::U8(
            (0..count * features).map(|_| if numbers.below(10) < 6 { 0 } else { numbers.below(256) as u8 }).collect(),
        ),
        InputFormat::F32 => Inputs::F32((0..count * features).map(|_| numbers.sparse(3)).collect()),
    };
    let labels = (0..count).map(|_| numbers.below(classes as u32)).collect();
    Samples::new(features, inputs, labels, classes).unwrap()
}
