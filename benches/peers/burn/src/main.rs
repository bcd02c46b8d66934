//! Microseconds of one hand-batched aSGD step in burn, no autograd: 784-30-20-10, batch 64, on MNIST.
//!
//!     burn-peer flex|wgpu STEPS

use std::time::Instant;

use burn::tensor::activation::{relu, softmax};
use burn::tensor::backend::Backend;
use burn::tensor::{Distribution, Tensor, TensorData};

const WIDTHS: [usize; 4] = [784, 30, 20, 10];
const BATCH: usize = 64;
const LEARNING_RATE: f64 = 0.005;
const EPSILON: f64 = 1e-8;

/// Images scaled to [0, 1] and one-hot labels, in the file that bench.py wrote.
fn data(path: &str) -> (Vec<f32>, Vec<f32>) {
    let bytes = std::fs::read(path).expect("the data that bench.py writes");
    // Half of the set: burn's wgpu backend keeps it in one binding, of at most 128 MiB on llvmpipe.
    let (images, labels) = bytes.split_at(bytes.len() / 785 * 784);
    let samples = labels.len() / 2;
    let (images, labels) = (&images[..samples * 784], &labels[..samples]);
    let mut targets = vec![0.0; samples * 10];
    for (sample, &label) in labels.iter().enumerate() {
        targets[sample * 10 + usize::from(label)] = 1.0;
    }
    (images.iter().map(|&pixel| f32::from(pixel) / 255.0).collect(), targets)
}

fn nonzero<B: Backend>(values: &Tensor<B, 2>) -> Tensor<B, 2> {
    values.clone().not_equal_elem(0.0).float()
}

struct Network<B: Backend> {
    weights: Vec<Tensor<B, 2>>,
    biases: Vec<Tensor<B, 2>>,
}

impl<B: Backend> Network<B> {
    fn step(&mut self, input: Tensor<B, 2>, target: Tensor<B, 2>) {
        let layers = self.weights.len();
        let mut activations = vec![input];
        for layer in 0..layers {
            let z = activations[layer].clone().matmul(self.weights[layer].clone()) + self.biases[layer].clone();
            activations.push(if layer + 1 < layers { relu(z) } else { z });
        }
        let mut delta = softmax(activations[layers].clone(), 1) - target;
        for layer in (0..layers).rev() {
            let (below, active) = (activations[layer].clone(), nonzero(&activations[layer]));
            let counted = nonzero(&delta);
            let next = (layer > 0)
                .then(|| delta.clone().matmul(self.weights[layer].clone().transpose()) * active.clone());
            let sums = below.transpose().matmul(delta.clone());
            let counts = active.transpose().matmul(counted.clone());
            self.weights[layer] = self.weights[layer].clone() - sums * LEARNING_RATE / (counts + EPSILON);
            let (sums, counts) = (delta.clone().sum_dim(0), counted.sum_dim(0));
            self.biases[layer] = self.biases[layer].clone() - sums * LEARNING_RATE / (counts + EPSILON);
            if let Some(next) = next {
                delta = next;
            }
        }
    }
}

fn run<B: Backend>(device: B::Device, steps: usize, path: &str) {
    let (images, targets) = data(path);
    let samples = targets.len() / 10;
    let images = Tensor::<B, 2>::from_data(TensorData::new(images, [samples, 784]), &device);
    let targets = Tensor::<B, 2>::from_data(TensorData::new(targets, [samples, 10]), &device);
    let mut network = Network {
        weights: WIDTHS
            .windows(2)
            .map(|pair| {
                let deviation = (2.0 / pair[0] as f64).sqrt();
                Tensor::random([pair[0], pair[1]], Distribution::Normal(0.0, deviation), &device)
            })
            .collect(),
        biases: WIDTHS[1..].iter().map(|&width| Tensor::zeros([1, width], &device)).collect(),
    };
    let mut train = |steps: usize| {
        for step in 0..steps {
            let first = step * BATCH % (samples - BATCH);
            let rows = first..first + BATCH;
            network.step(images.clone().slice([rows.clone(), 0..784]), targets.clone().slice([rows, 0..10]));
        }
        // What was queued must have been done.
        network.biases[2].clone().into_data();
    };
    train(steps / 4 + 10);
    let start = Instant::now();
    train(steps);
    println!("{:.1}", start.elapsed().as_secs_f64() * 1e6 / steps as f64);
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, backend, steps, path] = &arguments[..] else {
        eprintln!("usage: burn-peer flex|wgpu STEPS DATA");
        std::process::exit(2);
    };
    let steps = steps.parse().expect("a number of steps");
    match backend.as_str() {
        "flex" => run::<burn::backend::Flex>(Default::default(), steps, path),
        _ => run::<burn::backend::Wgpu>(Default::default(), steps, path),
    }
}
