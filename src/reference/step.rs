//! Whole steps and trainings, from the twins' formulas, in f64 throughout or rounded to f32 after every
//! operation; the difference of the two tells how far rounding alone can carry a training.

use super::activation::{phi, slope};
use super::evaluate::{evaluate_sample, squared_error};
use super::loss::{loss, squared_loss};
use super::normalize::{Normalized, inverse, moved_statistics, normalize, scaled};
use super::normalize_back::normalize_back;
use super::update::{At, Parameter, update};
use super::{clip, dropout, threshold};
use crate::dataset::{Samples, Targets};
use crate::model::{AdaptiveBatchSizes, Model, PerParameter};
use crate::settings::ReplicaSettings;
use crate::spec::{Activation, ArenaLayer, NetworkSpec};

/// One network in training.
#[derive(Debug, Clone)]
pub struct Training {
    spec: NetworkSpec,
    settings: ReplicaSettings,
    /// Each layer's rows of weights with the bias at their end; of a normalized layer beta, gamma, the running mean and the running
    /// variance.
    pub parameters: Vec<Vec<f64>>,
    /// Of the rule, in the same order.
    moments: Vec<Vec<[f64; 2]>>,
    /// Steps done.
    steps: u64,
    /// Adaptive batch sizes of the last step, in the same order.
    pub counts: Vec<Vec<u32>>,
    /// How near the training came to where a rounding decides: the smallest |z| of a hidden node (|y| of a normalized one) at whose 0
    /// phi has a kink, and the smallest distance of |a| and of |delta| / max |delta| from a threshold of the counts.
    pub nearest: f64,
    round: fn(f64) -> f64,
}

/// Samples on their way through the network: of each layer, and of each sample, all nodes.
struct Propagated {
    /// Inputs first and logits last.
    activations: Vec<Vec<Vec<f64>>>,
    /// What a batch makes of the neurons of each normalized layer.
    normalized: Vec<Vec<Normalized>>,
    /// phi' of the hidden layers; nothing where dropout silences a node.
    slopes: Vec<Vec<Vec<Option<f64>>>>,
    /// The smallest |z| of a hidden node that is not silent (|y| of a normalized one), where phi has a kink.
    nearest: f64,
}

/// What goes backwards through a batch.
struct Backward {
    /// delta of each layer, dz where it is normalized: of each sample, all nodes.
    deltas: Vec<Vec<Vec<f64>>>,
    /// The same, but dy where the layer is normalized. Its zeros are those that count.
    outputs: Vec<Vec<Vec<f64>>>,
}

/// Whether phi' jumps at 0.
fn has_kink(activation: Activation) -> bool {
    matches!(activation, Activation::Relu | Activation::LeakyRelu { .. })
}

/// What a sample's outputs should be.
enum Target {
    Class(u32),
    Numbers(Vec<f64>),
}

impl Target {
    fn loss(&self, outputs: &[f64]) -> f64 {
        match self {
            Self::Class(label) => evaluate_sample(outputs, *label).0,
            Self::Numbers(targets) => squared_error(outputs, targets),
        }
    }
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
        let parameters = rows(model, replica, f64::from);
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
        let batch = self.propagate(samples, indices);
        let sums = self.reduce_batch(samples, indices, &batch);
        self.steps += 1;
        let reduced = || sums.iter().flatten().copied().zip(self.counts.iter().flatten().copied());
        let scale = clip::scale(reduced(), indices.len(), &self.settings);
        for (layer, shape) in self.spec.arena_layers().enumerate() {
            let sums = &sums[layer];
            let own = self.parameters[layer].iter_mut().zip(&mut self.moments[layer]);
            for (index, (((theta, moments), &sum), &count)) in own.zip(sums).zip(&self.counts[layer]).enumerate() {
                if index % row_length(&shape) >= moved_length(&shape) {
                    continue;
                }
                let before = Parameter { theta: *theta, moments: *moments };
                let at = At { count, samples: indices.len(), t: self.steps, scale };
                let after = update(before, sum, at, &settings);
                (*theta, *moments) = ((self.round)(after.theta), after.moments.map(self.round));
            }
            let rows = self.parameters[layer].chunks_exact_mut(row_length(&shape));
            for (row, normalized) in rows.zip(batch.normalized.get(layer).into_iter().flatten()) {
                let running = &mut row[moved_length(&shape)..];
                let moved = moved_statistics([running[0], running[1]], normalized, indices.len(), self.round);
                running.copy_from_slice(&moved);
            }
        }
    }

    /// Gradient sums over the samples at `indices`, in the order of the parameters; the counts are kept.
    pub fn reduce(&mut self, samples: &Samples, indices: &[u32]) -> Vec<Vec<f64>> {
        let batch = self.propagate(samples, indices);
        self.reduce_batch(samples, indices, &batch)
    }

    /// The magnitudes of the terms of these sums, summed, and the largest distance of a logit from the highest one of its sample (of a
    /// lone logit, from 0).
    pub fn magnitudes(&self, samples: &Samples, indices: &[u32]) -> (Vec<Vec<f64>>, f64) {
        let batch = self.propagate(samples, indices);
        let backward = self.backward(samples, indices, &batch);
        let mut largest_x = 0.0f64;
        for logits in &batch.activations[self.parameters.len()] {
            let highest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let x = |z: &f64| if logits.len() == 1 { z.abs() } else { highest - z };
            largest_x = logits.iter().map(x).fold(largest_x, f64::max);
        }
        (self.sums(&batch, &backward, |sum, term| sum + term.abs()), largest_x)
    }

    /// Summed loss of the samples at `indices`.
    pub fn loss(&self, samples: &Samples, indices: &[u32]) -> f64 {
        let loss = |&index: &u32| {
            let activations = self.activations(&samples.sample(index as usize));
            let outputs = &activations[activations.len() - 1];
            target(samples, index).loss(outputs)
        };
        indices.iter().map(loss).sum()
    }

    /// Summed loss of the samples at `indices` in the next step, with its dropout and their own statistics: what the gradient is that of.
    pub fn batch_loss(&self, samples: &Samples, indices: &[u32]) -> f64 {
        let batch = self.propagate(samples, indices);
        let outputs = batch.activations[self.parameters.len()].iter().zip(indices);
        outputs.map(|(outputs, &index)| target(samples, index).loss(outputs)).sum()
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
                    *count += usize::from(a != 0.0);
                }
            }
        }
        let nodes = |times: usize| active.iter().flatten().filter(|&&count| count == times).count() as u32;
        (nodes(0), nodes(indices.len()))
    }

    /// Activations of all layers of one sample in evaluation, inputs first and logits last.
    pub fn activations(&self, input: &[f32]) -> Vec<Vec<f64>> {
        let inputs = vec![input.iter().map(|&x| f64::from(x)).collect()];
        self.forward(inputs, false).activations.into_iter().map(|mut samples| samples.swap_remove(0)).collect()
    }

    /// The samples of the next step, with its dropout and its statistics.
    fn propagate(&self, samples: &Samples, indices: &[u32]) -> Propagated {
        let ReplicaSettings { seed, input_dropout: p, .. } = self.settings;
        let inputs = |(position, &index): (usize, &u32)| {
            let inputs = samples.sample(index as usize).into_iter().enumerate();
            inputs.map(|(input, x)| dropout::input(p, seed, self.steps + 1, input, position, x).into()).collect()
        };
        self.forward(indices.iter().enumerate().map(inputs).collect(), true)
    }

    /// Samples through all layers. In evaluation, no node is silent and statistics are the running ones.
    fn forward(&self, inputs: Vec<Vec<f64>>, is_training: bool) -> Propagated {
        let round = self.round;
        let ReplicaSettings { seed, dropout: p, .. } = self.settings;
        let activation = self.spec.activation();
        let mut all = Propagated {
            activations: vec![inputs],
            normalized: Vec::new(),
            slopes: Vec::new(),
            nearest: f64::INFINITY,
        };
        for (layer, shape) in self.spec.arena_layers().enumerate() {
            let rows: Vec<&[f64]> = self.parameters[layer].chunks_exact(row_length(&shape)).collect();
            let is_normalized = shape.statistics.is_some();
            let z = |below: &Vec<f64>, row: &&[f64]| {
                let sum = row[..shape.inputs].iter().zip(below).fold(0.0, |sum, (w, a)| round(sum + round(w * a)));
                if is_normalized { sum } else { round(sum + row[shape.inputs]) }
            };
            let mut sums: Vec<Vec<f64>> =
                all.activations[layer].iter().map(|below| rows.iter().map(|row| z(below, row)).collect()).collect();
            if is_normalized {
                let mut of_neurons = Vec::new();
                for (neuron, row) in rows.iter().enumerate() {
                    let [beta, gamma, mean, variance] = std::array::from_fn(|index| row[shape.inputs + index]);
                    let column: Vec<f64> = sums.iter().map(|sample| sample[neuron]).collect();
                    let values = if is_training {
                        let normalized = normalize(&column, round);
                        of_neurons.push(normalized.clone());
                        normalized.values
                    } else {
                        let inverse = inverse(variance, round);
                        column.iter().map(|z| round(round(z - mean) * inverse)).collect()
                    };
                    let outputs = values.into_iter().map(|value| scaled(value, gamma, beta, round));
                    sums.iter_mut().zip(outputs).for_each(|(sample, y)| sample[neuron] = y);
                }
                all.normalized.push(of_neurons);
            }
            if layer + 1 < self.parameters.len() {
                let scale = if is_training { round(dropout::scale(p)) } else { 1.0 };
                let mut slopes = Vec::new();
                for (position, sample) in sums.iter_mut().enumerate() {
                    let mut own = Vec::new();
                    for (neuron, z) in sample.iter_mut().enumerate() {
                        let is_kept =
                            !is_training || dropout::is_kept(p, seed, self.steps + 1, layer, neuron, position);
                        if is_kept && has_kink(activation) {
                            all.nearest = all.nearest.min(z.abs());
                        }
                        own.push(is_kept.then(|| round(slope(activation, *z))));
                        *z = if is_kept { round(round(phi(activation, *z)) * scale) } else { 0.0 };
                    }
                    slopes.push(own);
                }
                all.slopes.push(slopes);
            }
            all.activations.push(sums);
        }
        all
    }

    /// Deltas of all layers (eqs. 3 to 6), and through the statistics of those that are normalized.
    fn backward(&self, samples: &Samples, indices: &[u32], batch: &Propagated) -> Backward {
        let round = self.round;
        let scale = round(dropout::scale(self.settings.dropout));
        let shapes: Vec<ArenaLayer> = self.spec.arena_layers().collect();
        let of_sample = |(outputs, &index): (&Vec<f64>, &u32)| {
            let deltas = match target(samples, index) {
                Target::Class(label) => loss(outputs, &[label], round),
                Target::Numbers(targets) => squared_loss(outputs, &targets),
            };
            deltas.into_iter().map(round).collect()
        };
        let mut deltas: Vec<Vec<f64>> = batch.activations[shapes.len()].iter().zip(indices).map(of_sample).collect();
        let mut all = Backward { deltas: Vec::new(), outputs: Vec::new() };
        for (layer, shape) in shapes.iter().enumerate().rev() {
            all.outputs.push(deltas.clone());
            for (neuron, normalized) in batch.normalized.get(layer).into_iter().flatten().enumerate() {
                let gamma = self.parameters[layer][neuron * row_length(shape) + shape.inputs + 1];
                let dy: Vec<f64> = deltas.iter().map(|sample| sample[neuron]).collect();
                let back = normalize_back(&dy, &normalized.values, gamma, normalized.inverse, round);
                deltas.iter_mut().zip(&back.deltas).for_each(|(sample, &dz)| sample[neuron] = dz);
            }
            let below = |(deltas, slopes): (&Vec<f64>, &Vec<Option<f64>>)| {
                let mut next = vec![0.0; shape.inputs];
                for (j, &delta) in deltas.iter().enumerate() {
                    let weights = &self.parameters[layer][j * row_length(shape)..][..shape.inputs];
                    next.iter_mut()
                        .zip(weights)
                        .for_each(|(next, weight)| *next = round(*next + round(weight * delta)));
                }
                let own =
                    |(sum, slope): (f64, &Option<f64>)| slope.map_or(0.0, |slope| round(round(sum * slope) * scale));
                next.into_iter().zip(slopes).map(own).collect()
            };
            let next =
                if layer == 0 { Vec::new() } else { deltas.iter().zip(&batch.slopes[layer - 1]).map(below).collect() };
            all.deltas.push(std::mem::replace(&mut deltas, next));
        }
        all.deltas.reverse();
        all.outputs.reverse();
        all
    }

    /// What `add` makes of the terms of each parameter's gradient sum, sample by sample.
    fn sums(&self, batch: &Propagated, backward: &Backward, add: impl Fn(f64, f64) -> f64) -> Vec<Vec<f64>> {
        let round = self.round;
        let mut sums: Vec<Vec<f64>> = self.parameters.iter().map(|layer| vec![0.0; layer.len()]).collect();
        for (layer, shape) in self.spec.arena_layers().enumerate() {
            for sample in 0..backward.deltas[layer].len() {
                let (below, deltas) = (&batch.activations[layer][sample], &backward.deltas[layer][sample]);
                let rows = sums[layer].chunks_exact_mut(row_length(&shape));
                for (neuron, (row, &delta)) in rows.zip(deltas).enumerate() {
                    for (sum, &a) in row.iter_mut().zip(below) {
                        *sum = round(add(*sum, round(delta * a)));
                    }
                    let dy = backward.outputs[layer][sample][neuron];
                    row[shape.inputs] = round(add(row[shape.inputs], dy));
                    if let Some(normalized) = batch.normalized.get(layer) {
                        let gamma = &mut row[shape.inputs + 1];
                        *gamma = round(add(*gamma, round(dy * normalized[neuron].values[sample])));
                    }
                }
            }
        }
        sums
    }

    /// S of every parameter; c is kept.
    fn reduce_batch(&mut self, samples: &Samples, indices: &[u32], batch: &Propagated) -> Vec<Vec<f64>> {
        let backward = self.backward(samples, indices, batch);
        self.nearest = self.nearest.min(batch.nearest);
        let t = self.settings.count_threshold;
        for (layer, shape) in self.spec.arena_layers().enumerate() {
            let counts = &mut self.counts[layer];
            counts.fill(0);
            for (neuron, row) in counts.chunks_exact_mut(row_length(&shape)).enumerate() {
                let outputs = || backward.outputs[layer].iter().map(|sample| sample[neuron]);
                let bound = (self.round)(threshold::bound(t, outputs()));
                for (below, dy) in batch.activations[layer].iter().zip(outputs()) {
                    let is_counted = threshold::counts(dy, bound);
                    for (index, count) in row[..moved_length(&shape)].iter_mut().enumerate() {
                        let counts_too = below.get(index).is_none_or(|&a| threshold::counts(a, t.into()));
                        *count += u32::from(is_counted && counts_too);
                    }
                    if t > 0.0 && bound > 0.0 {
                        self.nearest = self.nearest.min((dy.abs() / bound - 1.0).abs() * f64::from(t));
                    }
                }
            }
            // The data is the same everywhere.
            for a in batch.activations[layer].iter().flatten().filter(|_| layer > 0 && t > 0.0) {
                self.nearest = self.nearest.min((a.abs() - f64::from(t)).abs());
            }
        }
        self.sums(batch, &backward, |sum, term| sum + term)
    }

    /// Values of a model's replica in the order of [`Self::parameters`].
    pub fn flatten(model: &Model, replica: usize) -> Vec<Vec<f64>> {
        rows(model, replica, f64::from)
    }

    /// Adaptive batch sizes of a replica in the order of [`Self::counts`].
    pub fn flatten_counts(counts: &AdaptiveBatchSizes, replica: usize) -> Vec<Vec<u32>> {
        rows(counts, replica, |count| count)
    }
}

/// Numbers of a neuron.
fn row_length(shape: &ArenaLayer) -> usize {
    shape.inputs + shape.neuron_rows()
}

/// Those of them that a rule moves; the rest are running statistics.
fn moved_length(shape: &ArenaLayer) -> usize {
    shape.inputs + shape.moved_rows()
}

/// Each layer's rows: the weights of a neuron, and what it has beside them.
fn rows<T: bytemuck::Pod, U>(values: &PerParameter<T>, replica: usize, convert: impl Fn(T) -> U) -> Vec<Vec<U>> {
    let of_layer = |(layer, (inputs, outputs)): (usize, (usize, usize))| {
        let neurons = [
            values.bias(layer, replica),
            values.gamma(layer, replica),
            values.running_mean(layer, replica),
            values.running_variance(layer, replica),
        ];
        let of_neuron = |neuron: usize| {
            let weights = values.weight(layer, replica)[neuron * inputs..][..inputs].iter();
            weights.chain(neurons.iter().filter_map(move |row| row.get(neuron))).copied().collect::<Vec<T>>()
        };
        (0..outputs).flat_map(of_neuron).map(&convert).collect()
    };
    values.spec().layers().enumerate().map(of_layer).collect()
}
