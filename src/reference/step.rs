//! Whole steps and trainings, from the twins' formulas, in f64 throughout or rounded to f32 after every
//! operation; the difference of the two tells how far rounding alone can carry a training.

use super::clip;
use super::dropout;
use super::evaluate::{evaluate_sample, squared_error};
use super::loss::{loss, squared_loss};
use super::update::{At, Parameter, update};
use crate::dataset::{Samples, Targets};
use crate::model::{AdaptiveBatchSizes, Model};
use crate::settings::ReplicaSettings;
use crate::spec::NetworkSpec;

/// One network in training.
#[derive(Debug, Clone)]
pub struct Training {
    spec: NetworkSpec,
    settings: ReplicaSettings,
    /// Each layer's rows of weights with the bias at their end.
    pub parameters: Vec<Vec<f64>>,
    /// Of the rule, in the same order.
    moments: Vec<Vec<[f64; 2]>>,
    /// Steps done.
    steps: u64,
    /// Adaptive batch sizes of the last step, in the same order.
    pub counts: Vec<Vec<u32>>,
    /// The smallest |z| of a hidden node so far: how near a kink the training came.
    pub smallest_z: f64,
    round: fn(f64) -> f64,
}

/// What a sample's outputs should be.
enum Target {
    Class(u32),
    Numbers(Vec<f64>),
}

fn target(samples: &Samples, index: u32) -> Target {
    match samples.targets() {
        Targets::Classes(labels) => Target::Class(labels[index as usize]),
        Targets::Numbers { values, outputs } => {
            let own = &values[index as usize * outputs..][..*outputs];
            Target::Numbers(own.iter().map(|&value| f64::from(value)).collect())
        }
    }
}

/// Rounds to the nearest f32.
pub fn to_f32(value: f64) -> f64 {
    f64::from(value as f32)
}

impl Training {
    /// Starts from replica `replica` of `model`; `round` is applied after every operation.
    pub fn new(model: &Model, replica: usize, settings: ReplicaSettings, round: fn(f64) -> f64) -> Self {
        let spec = model.spec().clone();
        let parameters: Vec<Vec<f64>> = spec
            .layers()
            .enumerate()
            .map(|(index, (inputs, _))| {
                let rows = model.weight(index, replica).chunks(inputs).zip(model.bias(index, replica));
                rows.flat_map(|(weights, bias)| weights.iter().chain([bias])).map(|&value| f64::from(value)).collect()
            })
            .collect();
        let counts = parameters.iter().map(|layer| vec![0; layer.len()]).collect();
        let moments = parameters.iter().map(|layer| vec![[0.0; 2]; layer.len()]).collect();
        Self { spec, settings, parameters, moments, steps: 0, counts, smallest_z: f64::INFINITY, round }
    }

    /// One step over the samples at `indices`.
    pub fn step(&mut self, samples: &Samples, indices: &[u32]) {
        self.scaled_step(samples, indices, 1.0);
    }

    /// One step with so many times the learning rate.
    pub fn scaled_step(&mut self, samples: &Samples, indices: &[u32], rate_factor: f32) {
        let settings = self.settings.scaled(rate_factor);
        let sums = self.reduce(samples, indices);
        self.steps += 1;
        let reduced = || sums.iter().flatten().copied().zip(self.counts.iter().flatten().copied());
        let scale = clip::scale(reduced(), indices.len(), &self.settings);
        for (layer, sums) in sums.iter().enumerate() {
            let own = self.parameters[layer].iter_mut().zip(&mut self.moments[layer]);
            for (((theta, moments), &sum), &count) in own.zip(sums).zip(&self.counts[layer]) {
                let before = Parameter { theta: *theta, moments: *moments };
                let at = At { count, samples: indices.len(), t: self.steps, scale };
                let after = update(before, sum, at, &settings);
                (*theta, *moments) = ((self.round)(after.theta), after.moments.map(self.round));
            }
        }
    }

    /// Gradient sums over the samples at `indices`, in the order of the parameters; the counts are kept.
    pub fn reduce(&mut self, samples: &Samples, indices: &[u32]) -> Vec<Vec<f64>> {
        let mut sums: Vec<Vec<f64>> = self.parameters.iter().map(|layer| vec![0.0; layer.len()]).collect();
        for counts in &mut self.counts {
            counts.fill(0);
        }
        for (position, &index) in indices.iter().enumerate() {
            self.add_sample(samples, index, position, &mut sums);
        }
        sums
    }

    /// Gradients of the sample at `index` alone, where it is at `position` of the batch.
    pub fn gradients(&self, samples: &Samples, index: u32, position: usize) -> Vec<Vec<f64>> {
        let mut gradients: Vec<Vec<f64>> = self.parameters.iter().map(|layer| vec![0.0; layer.len()]).collect();
        self.clone().add_sample(samples, index, position, &mut gradients);
        gradients
    }

    /// Summed loss of the samples at `indices`.
    pub fn loss(&self, samples: &Samples, indices: &[u32]) -> f64 {
        let loss = |&index: &u32| {
            let activations = self.activations(&samples.sample(index as usize));
            let outputs = &activations[activations.len() - 1];
            match target(samples, index) {
                Target::Class(label) => evaluate_sample(outputs, label).0,
                Target::Numbers(targets) => squared_error(outputs, &targets),
            }
        };
        indices.iter().map(loss).sum()
    }

    /// How many of the samples at `indices`, which have classes, have their label as the first highest logit.
    pub fn hits(&self, samples: &Samples, indices: &[u32]) -> usize {
        let is_hit = |&&index: &&u32| {
            let activations = self.activations(&samples.sample(index as usize));
            evaluate_sample(&activations[activations.len() - 1], samples.labels()[index as usize]).1
        };
        indices.iter().filter(is_hit).count()
    }

    /// Hidden nodes that none, and that all, of the samples at `indices` activate.
    pub fn dummies(&self, samples: &Samples, indices: &[u32]) -> (u32, u32) {
        let widths = self.spec.widths();
        let mut active: Vec<Vec<usize>> = widths[1..widths.len() - 1].iter().map(|&width| vec![0; width]).collect();
        for &index in indices {
            let activations = self.activations(&samples.sample(index as usize));
            for (counts, layer) in active.iter_mut().zip(&activations[1..]) {
                for (count, &a) in counts.iter_mut().zip(layer) {
                    *count += usize::from(a > 0.0);
                }
            }
        }
        let nodes = |times: usize| active.iter().flatten().filter(|&&count| count == times).count() as u32;
        (nodes(0), nodes(indices.len()))
    }

    /// Activations of all layers of one sample, inputs first and logits last.
    pub fn activations(&self, input: &[f32]) -> Vec<Vec<f64>> {
        self.forward(input, None).0
    }

    /// The same in the next step, where the sample is at `position` of the batch: with dropout.
    pub fn activations_at(&self, input: &[f32], position: usize) -> Vec<Vec<f64>> {
        self.forward(input, Some(position)).0
    }

    /// The same, and the smallest |z| of a hidden node that is not silent.
    fn forward(&self, input: &[f32], position: Option<usize>) -> (Vec<Vec<f64>>, f64) {
        let round = self.round;
        let ReplicaSettings { seed, dropout: p, .. } = self.settings;
        let mut smallest_z = f64::INFINITY;
        let mut activations: Vec<Vec<f64>> = vec![input.iter().map(|&x| f64::from(x)).collect()];
        for (layer, (inputs, _)) in self.spec.layers().enumerate() {
            let below = &activations[layer];
            let z = self.parameters[layer].chunks(inputs + 1).map(|row| {
                let sum = row[..inputs].iter().zip(below).fold(0.0, |sum, (w, a)| round(sum + round(w * a)));
                round(sum + row[inputs])
            });
            let z: Vec<f64> = z.collect();
            if layer + 1 < self.parameters.len() {
                let is_kept = |neuron: usize| {
                    position.is_none_or(|sample| dropout::is_kept(p, seed, self.steps + 1, layer, neuron, sample))
                };
                let scale = if position.is_some() { round(dropout::scale(p)) } else { 1.0 };
                let kept = z.iter().enumerate().filter(|&(neuron, _)| is_kept(neuron));
                smallest_z = kept.fold(smallest_z, |smallest, (_, z)| smallest.min(z.abs()));
                let activation =
                    |(neuron, z): (usize, f64)| if is_kept(neuron) { round(z.max(0.0) * scale) } else { 0.0 };
                activations.push(z.into_iter().enumerate().map(activation).collect());
            } else {
                activations.push(z);
            }
        }
        (activations, smallest_z)
    }

    /// Adds one sample's gradients and counts (eqs. 3 to 7).
    fn add_sample(&mut self, samples: &Samples, index: u32, position: usize, sums: &mut [Vec<f64>]) {
        let round = self.round;
        let shapes: Vec<_> = self.spec.layers().collect();
        let (activations, smallest_z) = self.forward(&samples.sample(index as usize), Some(position));
        let scale = round(dropout::scale(self.settings.dropout));
        self.smallest_z = self.smallest_z.min(smallest_z);
        let outputs = &activations[shapes.len()];
        let deltas = match target(samples, index) {
            Target::Class(label) => loss(outputs, &[label]),
            Target::Numbers(targets) => squared_loss(outputs, &targets),
        };
        let mut deltas: Vec<f64> = deltas.into_iter().map(round).collect();
        for (layer, &(inputs, _)) in shapes.iter().enumerate().rev() {
            let below = &activations[layer];
            let mut next = vec![0.0; inputs];
            for (j, &delta) in deltas.iter().enumerate() {
                let row = j * (inputs + 1);
                for k in 0..=inputs {
                    let a = below.get(k).copied().unwrap_or(1.0);
                    let sum = &mut sums[layer][row + k];
                    *sum = round(*sum + round(delta * a));
                    self.counts[layer][row + k] += u32::from(delta != 0.0 && a != 0.0);
                }
                for (k, next) in next.iter_mut().enumerate() {
                    *next = round(*next + round(self.parameters[layer][row + k] * delta));
                }
            }
            deltas = next
                .into_iter()
                .zip(below)
                .map(|(delta, &a)| if a > 0.0 { round(delta * scale) } else { 0.0 })
                .collect();
        }
    }

    /// Values of a model's replica in the order of [`Self::parameters`].
    pub fn flatten(model: &Model, replica: usize) -> Vec<Vec<f64>> {
        Self::new(model, replica, ReplicaSettings::default(), to_f32).parameters
    }

    /// Adaptive batch sizes of a replica in the order of [`Self::counts`].
    pub fn flatten_counts(counts: &AdaptiveBatchSizes, replica: usize) -> Vec<Vec<u32>> {
        let layers = counts.spec().layers().enumerate().map(|(index, (inputs, _))| {
            let rows = counts.weight(index, replica).chunks(inputs).zip(counts.bias(index, replica));
            rows.flat_map(|(weights, bias)| weights.iter().chain([bias])).copied().collect()
        });
        layers.collect()
    }
}
