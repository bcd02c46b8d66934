//! aSGD steps in burn, by hand and without autograd; tensors have a leading replica axis.
//!
//!     burn-peer flex|wgpu FOLDER SECONDS|RESULT      (see workloads.py)

use std::path::Path;
use std::time::Instant;

use burn::tensor::activation::{relu, sigmoid, softmax};
use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};

const LEARNING_RATE: f64 = 0.005;
const EPSILON: f64 = 1e-8;
/// Steps before the parameters are written.
const CHECKED: usize = 3;

/// What workloads.py wrote.
struct Workload {
    widths: Vec<usize>,
    batch_size: usize,
    replicas: usize,
    steps: usize,
    inputs: Vec<f32>,
    labels: Vec<i32>,
    order: Vec<i32>,
    initial: Vec<f32>,
}

impl Workload {
    fn load(folder: &Path) -> Self {
        let bytes = |name: &str| std::fs::read(folder.join(name)).expect("a file that workloads.py writes");
        let words = |name: &str| -> Vec<[u8; 4]> {
            bytes(name).chunks_exact(4).map(|word| word.try_into().expect("four bytes")).collect()
        };
        let floats = |name: &str| words(name).into_iter().map(f32::from_le_bytes).collect();
        let integers = |name: &str| words(name).into_iter().map(i32::from_le_bytes).collect();
        let shape = String::from_utf8(bytes("shape")).expect("text");
        let mut lines = shape
            .lines()
            .map(|line| line.split(' ').map(|number| number.parse().expect("a number")).collect::<Vec<usize>>());
        let mut line = || lines.next().expect("two lines");
        let (widths, rest) = (line(), line());
        let [batch_size, replicas, steps] = rest[..] else { panic!("batch size, replicas, steps") };
        Self {
            widths,
            batch_size,
            replicas,
            steps,
            inputs: floats("inputs.f32"),
            labels: integers("labels.i32"),
            order: integers("order.i32"),
            initial: floats("initial.f32"),
        }
    }

    /// One-hot, or the label where the output is one sigmoid unit.
    fn targets(&self) -> Vec<f32> {
        let units = self.widths[self.widths.len() - 1];
        if units == 1 {
            return self.labels.iter().map(|&label| label as f32).collect();
        }
        let mut targets = vec![0.0; self.labels.len() * units];
        for (sample, &label) in self.labels.iter().enumerate() {
            targets[sample * units + label as usize] = 1.0;
        }
        targets
    }

    /// Sample indices of one step, of all replicas.
    fn indices(&self, step: usize) -> Vec<i32> {
        let of_replica = |replica: usize| (replica * self.steps + step) * self.batch_size;
        (0..self.replicas)
            .flat_map(|replica| &self.order[of_replica(replica)..of_replica(replica) + self.batch_size])
            .copied()
            .collect()
    }
}

fn nonzero<B: Backend>(values: &Tensor<B, 3>) -> Tensor<B, 3> {
    values.clone().not_equal_elem(0.0).float()
}

struct Network<B: Backend> {
    /// (replicas, inputs, outputs) of every layer.
    weights: Vec<Tensor<B, 3>>,
    /// (replicas, 1, outputs).
    biases: Vec<Tensor<B, 3>>,
}

impl<B: Backend> Network<B> {
    fn new(work: &Workload, device: &B::Device) -> Self {
        let mut network = Self { weights: Vec::new(), biases: Vec::new() };
        let parameters = work.initial.len() / work.replicas;
        let mut first = 0;
        for pair in work.widths.windows(2) {
            let mut tensor = |rows: usize, columns: usize| {
                let range = first..first + rows * columns;
                first = range.end;
                let values = work.initial.chunks(parameters).flat_map(|replica| replica[range.clone()].to_vec());
                Tensor::from_data(TensorData::new(values.collect(), [work.replicas, rows, columns]), device)
            };
            network.weights.push(tensor(pair[1], pair[0]).swap_dims(1, 2));
            network.biases.push(tensor(1, pair[1]));
        }
        network
    }

    fn step(&mut self, input: Tensor<B, 3>, target: Tensor<B, 3>) {
        let layers = self.weights.len();
        let mut activations = vec![input];
        for layer in 0..layers {
            let z = activations[layer].clone().matmul(self.weights[layer].clone()) + self.biases[layer].clone();
            activations.push(if layer + 1 < layers { relu(z) } else { z });
        }
        let logits = activations.pop().expect("the last layer's");
        let outputs = if logits.dims()[2] == 1 { sigmoid(logits) } else { softmax(logits, 2) };
        let mut delta = outputs - target;
        for layer in (0..layers).rev() {
            let below = activations.pop().expect("one a layer");
            let (active, counted) = (nonzero(&below), nonzero(&delta));
            let next =
                (layer > 0).then(|| delta.clone().matmul(self.weights[layer].clone().transpose()) * active.clone());
            let sums = below.transpose().matmul(delta.clone());
            let counts = active.transpose().matmul(counted.clone());
            self.weights[layer] = self.weights[layer].clone() - sums * LEARNING_RATE / (counts + EPSILON);
            let (sums, counts) = (delta.clone().sum_dim(1), counted.sum_dim(1));
            self.biases[layer] = self.biases[layer].clone() - sums * LEARNING_RATE / (counts + EPSILON);
            if let Some(next) = next {
                delta = next;
            }
        }
    }

    /// Waits for what was queued; parameters as in initial.f32.
    fn parameters(&self) -> Vec<f32> {
        let values = |tensor: Tensor<B, 3>| {
            let [replicas, rows, columns] = tensor.dims();
            let values = tensor.into_data().to_vec::<f32>().expect("floats");
            (replicas, rows * columns, values)
        };
        let tensors: Vec<_> = self
            .weights
            .iter()
            .zip(&self.biases)
            .flat_map(|(weight, bias)| [values(weight.clone().swap_dims(1, 2)), values(bias.clone())])
            .collect();
        let of_replica = |replica: usize| {
            tensors.iter().flat_map(move |(_, size, values)| values[replica * size..(replica + 1) * size].to_vec())
        };
        (0..tensors[0].0).flat_map(of_replica).collect()
    }
}

fn run<B: Backend>(device: B::Device, folder: &Path, how: &str) {
    let work = Workload::load(folder);
    let (samples, features, units) = (work.labels.len(), work.widths[0], work.widths[work.widths.len() - 1]);
    let inputs = Tensor::<B, 2>::from_data(TensorData::new(work.inputs.clone(), [samples, features]), &device);
    let targets = Tensor::<B, 2>::from_data(TensorData::new(work.targets(), [samples, units]), &device);
    let indices = |step| {
        let indices = work.indices(step);
        let length = [indices.len()];
        Tensor::<B, 1, Int>::from_data(TensorData::new(indices, length), &device)
    };
    let order: Vec<_> = (0..work.steps).map(indices).collect();
    let mut network = Network::new(&work, &device);
    let mut train = |steps: usize| {
        for indices in &order[..steps] {
            let batch = |values: &Tensor<B, 2>, columns: usize| {
                let rows = values.clone().select(0, indices.clone());
                rows.reshape([work.replicas, work.batch_size, columns])
            };
            network.step(batch(&inputs, features), batch(&targets, units));
        }
        network.parameters()
    };
    let Ok(seconds) = how.parse::<f64>() else {
        let bytes: Vec<u8> = train(CHECKED).into_iter().flat_map(f32::to_le_bytes).collect();
        return std::fs::write(how, bytes).expect("the result can be written");
    };
    train(work.steps);
    let (mut passes, start) = (0, Instant::now());
    while start.elapsed().as_secs_f64() < seconds {
        train(work.steps);
        passes += 1;
    }
    println!("{:.1}", start.elapsed().as_secs_f64() * 1e6 / (passes * work.steps) as f64);
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, backend, folder, how] = &arguments[..] else {
        eprintln!("usage: burn-peer flex|wgpu FOLDER SECONDS|RESULT");
        std::process::exit(2);
    };
    let folder = Path::new(folder);
    match backend.as_str() {
        #[cfg(feature = "wgpu")]
        "wgpu" => run::<burn::backend::Wgpu>(Default::default(), folder, how),
        _ => run::<burn::backend::Flex>(Default::default(), folder, how),
    }
}
