//! Whole steps and trainings, from the twins' formulas, in f64 throughout or rounded to f32 after every
//! operation; the difference of the two tells how far rounding alone can carry a training.

use super::activation::{phi, slope};
use super::evaluate::evaluate_sample;
use super::loss::loss;
use super::update::{At, Parameter, update};
use super::{clip, dropout, threshold};
use crate::dataset::Samples;
use crate::model::{AdaptiveBatchSizes, Model};
use crate::settings::ReplicaSettings;
use crate::spec::{Activation, NetworkSpec};

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
    /// How near the training came to where a rounding decides: the smallest |z| of a hidden node at whose 0 phi has a kink, and the
    /// smallest distance of |a| and of |delta| / max |delta| from a threshold of the counts.
    pub nearest: f64,
    round: fn(f64) -> f64,
}

/// What a sample leaves on its way forward and back.
struct Propagated {
    /// Of all layers, inputs first and logits last.
    activations: Vec<Vec<f64>>,
    /// phi'(z) of each hidden layer; nothing where dropout silences a node.
    slopes: Vec<Vec<Option<f64>>>,
    /// Of layers 1..L.
    deltas: Vec<Vec<f64>>,
    /// The smallest |z| of a hidden node that is not silent, where phi has a kink.
    nearest: f64,
}

/// Whether phi' jumps at 0.
fn has_kink(activation: Activation) -> bool {
    matches!(activation, Activation::Relu | Activation::LeakyRelu { .. })
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
        Self { spec, settings, parameters, moments, steps: 0, counts, nearest: f64::INFINITY, round }
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
        let propagate = |(position, &index): (usize, &u32)| self.propagate(samples, index, position);
        let batch: Vec<Propagated> = indices.iter().enumerate().map(propagate).collect();
        let mut sums: Vec<Vec<f64>> = self.parameters.iter().map(|layer| vec![0.0; layer.len()]).collect();
        for sample in &batch {
            self.add_gradients(sample, &mut sums);
            self.nearest = self.nearest.min(sample.nearest);
        }
        self.count(&batch);
        sums
    }

    /// Gradients of the sample at `index` alone, where it is at `position` of the batch.
    pub fn gradients(&self, samples: &Samples, index: u32, position: usize) -> Vec<Vec<f64>> {
        let mut gradients: Vec<Vec<f64>> = self.parameters.iter().map(|layer| vec![0.0; layer.len()]).collect();
        self.add_gradients(&self.propagate(samples, index, position), &mut gradients);
        gradients
    }

    /// Summed cross-entropy of the samples at `indices`.
    pub fn loss(&self, samples: &Samples, indices: &[u32]) -> f64 {
        let loss = |&index: &u32| {
            let activations = self.activations(&samples.sample(index as usize));
            evaluate_sample(&activations[activations.len() - 1], samples.labels()[index as usize]).0
        };
        indices.iter().map(loss).sum()
    }

    /// How many of the samples at `indices` have their label as the first highest logit.
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
                    *count += usize::from(a != 0.0);
                }
            }
        }
        let nodes = |times: usize| active.iter().flatten().filter(|&&count| count == times).count() as u32;
        (nodes(0), nodes(indices.len()))
    }

    /// Activations of all layers of one sample, inputs first and logits last.
    pub fn activations(&self, input: &[f32]) -> Vec<Vec<f64>> {
        self.forward(input, None).activations
    }

    /// The same in the next step, where the sample is at `position` of the batch: with dropout.
    pub fn activations_at(&self, input: &[f32], position: usize) -> Vec<Vec<f64>> {
        self.forward(input, Some(position)).activations
    }

    /// The same, and what the way back needs; the deltas are still to come.
    fn forward(&self, input: &[f32], position: Option<usize>) -> Propagated {
        let round = self.round;
        let ReplicaSettings { seed, dropout: p, .. } = self.settings;
        let activation = self.spec.activation();
        let mut nearest = f64::INFINITY;
        let mut activations: Vec<Vec<f64>> = vec![input.iter().map(|&x| f64::from(x)).collect()];
        let mut slopes = Vec::new();
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
                let kept = z.iter().enumerate().filter(|&(neuron, _)| is_kept(neuron) && has_kink(activation));
                nearest = kept.fold(nearest, |nearest, (_, z)| nearest.min(z.abs()));
                let own = |(neuron, &z): (usize, &f64)| match is_kept(neuron) {
                    true => (round(round(phi(activation, z)) * scale), Some(round(slope(activation, z)))),
                    false => (0.0, None),
                };
                let (a, of_layer) = z.iter().enumerate().map(own).unzip();
                activations.push(a);
                slopes.push(of_layer);
            } else {
                activations.push(z);
            }
        }
        Propagated { activations, slopes, deltas: Vec::new(), nearest }
    }

    /// Takes the sample at `index` forward and back (eqs. 3 to 6), where it is at `position` of the batch.
    fn propagate(&self, samples: &Samples, index: u32, position: usize) -> Propagated {
        let round = self.round;
        let shapes: Vec<_> = self.spec.layers().collect();
        let label = samples.labels()[index as usize];
        let mut propagated = self.forward(&samples.sample(index as usize), Some(position));
        let scale = round(dropout::scale(self.settings.dropout));
        let logits = &propagated.activations[shapes.len()];
        let mut deltas: Vec<Vec<f64>> = vec![loss(logits, &[label]).into_iter().map(round).collect()];
        for (layer, &(inputs, _)) in shapes.iter().enumerate().skip(1).rev() {
            let mut below = vec![0.0; inputs];
            for (j, &delta) in deltas[0].iter().enumerate() {
                for (k, below) in below.iter_mut().enumerate() {
                    *below = round(*below + round(self.parameters[layer][j * (inputs + 1) + k] * delta));
                }
            }
            let own = below.into_iter().zip(&propagated.slopes[layer - 1]);
            let own = own.map(|(sum, slope)| slope.map_or(0.0, |slope| round(round(sum * slope) * scale)));
            deltas.insert(0, own.collect());
        }
        propagated.deltas = deltas;
        propagated
    }

    /// Adds a sample's gradients (eq. 7).
    fn add_gradients(&self, sample: &Propagated, sums: &mut [Vec<f64>]) {
        let round = self.round;
        for ((deltas, below), sums) in sample.deltas.iter().zip(&sample.activations).zip(sums) {
            for (delta, row) in deltas.iter().zip(sums.chunks_mut(below.len() + 1)) {
                for (a, sum) in below.iter().chain([&1.0]).zip(row) {
                    *sum = round(*sum + round(delta * a));
                }
            }
        }
    }

    /// Counts the samples of a batch, parameter by parameter.
    fn count(&mut self, batch: &[Propagated]) {
        let t = self.settings.count_threshold;
        for (layer, (inputs, outputs)) in self.spec.layers().enumerate() {
            let counts = &mut self.counts[layer];
            counts.fill(0);
            for j in 0..outputs {
                let deltas = || batch.iter().map(|sample| sample.deltas[layer][j]);
                let bound = (self.round)(threshold::bound(t, deltas()));
                for (sample, delta) in batch.iter().zip(deltas()) {
                    let below = &sample.activations[layer];
                    let is_counted = threshold::counts(delta, bound);
                    for (k, &a) in below.iter().chain([&1.0]).enumerate() {
                        let counts_too = is_counted && threshold::counts(a, t.into());
                        counts[j * (inputs + 1) + k] += u32::from(counts_too);
                    }
                    if t > 0.0 && bound > 0.0 {
                        self.nearest = self.nearest.min((delta.abs() / bound - 1.0).abs() * f64::from(t));
                    }
                }
            }
            // The data is the same everywhere.
            for a in batch.iter().flat_map(|sample| &sample.activations[layer]).filter(|_| layer > 0 && t > 0.0) {
                self.nearest = self.nearest.min((a.abs() - f64::from(t)).abs());
            }
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
