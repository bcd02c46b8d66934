//! Values of every parameter of R replicas.

use std::ops::Range;

use bytemuck::Pod;

use crate::dataset::DataRecord;
use crate::spec::{ArenaLayer, NetworkSpec};

/// One number for every parameter of every replica.
#[derive(Debug, Clone, PartialEq)]
pub struct PerParameter<T> {
    spec: NetworkSpec,
    replicas: usize,
    layers: Vec<LayerValues<T>>,
    /// What the output classes are called, in the order of their labels; empty where nobody has named them. A file keeps
    /// them in its metadata.
    pub class_names: Vec<String>,
    /// How the data that it was trained on was read, scaled and split. A file keeps it in its metadata, and the numbers of
    /// a scale as tensors.
    pub data: DataRecord,
}

#[derive(Debug, Clone, PartialEq)]
struct LayerValues<T> {
    /// (replicas, outputs, inputs)
    weight: Vec<T>,
    /// (replicas, outputs) each, in the order of [`NEURON_ROWS`]: biases, and of a normalized layer gammas, running means and running
    /// variances.
    neurons: Vec<Vec<T>>,
}

impl<T: Pod> LayerValues<T> {
    /// What `function` makes of the values of each kind.
    fn map(&self, function: impl Fn(&[T]) -> Vec<T>) -> Self {
        Self { weight: function(&self.weight), neurons: self.neurons.iter().map(|values| function(values)).collect() }
    }

    /// The number of a row of a neuron's arena.
    fn at(&self, shape: &ArenaLayer, replica: usize, neuron: usize, row: usize) -> &T {
        let index = replica * shape.outputs + neuron;
        match row.checked_sub(shape.inputs) {
            None => &self.weight[index * shape.inputs + row],
            Some(row) => &self.neurons[row][index],
        }
    }

    /// The same.
    fn at_mut(&mut self, shape: &ArenaLayer, replica: usize, neuron: usize, row: usize) -> &mut T {
        let index = replica * shape.outputs + neuron;
        match row.checked_sub(shape.inputs) {
            None => &mut self.weight[index * shape.inputs + row],
            Some(row) => &mut self.neurons[row][index],
        }
    }

    /// The values of each kind.
    fn kinds(&self) -> impl Iterator<Item = &Vec<T>> {
        [&self.weight].into_iter().chain(&self.neurons)
    }

    /// The values of each kind.
    fn kinds_mut(&mut self) -> impl Iterator<Item = &mut Vec<T>> {
        [&mut self.weight].into_iter().chain(&mut self.neurons)
    }
}

/// Positions in [`NEURON_ROWS`].
const BIAS: usize = 0;
const GAMMA: usize = 1;
const MEAN: usize = 2;
const VARIANCE: usize = 3;

/// Parameters of R networks.
pub type Model = PerParameter<f32>;

/// Adaptive batch sizes c of every parameter of R networks in one step.
pub type AdaptiveBatchSizes = PerParameter<u32>;

impl<T: Pod> PerParameter<T> {
    /// All zero.
    pub fn zeros(spec: &NetworkSpec, replicas: usize) -> Self {
        let layers = spec
            .arena_layers()
            .map(|layer| LayerValues {
                weight: vec![T::zeroed(); replicas * layer.outputs * layer.inputs],
                neurons: vec![vec![T::zeroed(); replicas * layer.outputs]; layer.neuron_rows()],
            })
            .collect();
        Self { spec: spec.clone(), replicas, layers, class_names: Vec::new(), data: DataRecord::default() }
    }

    /// The shape of each network.
    pub fn spec(&self) -> &NetworkSpec {
        &self.spec
    }

    /// R.
    pub fn replicas(&self) -> usize {
        self.replicas
    }

    /// Weights of layer `layer` (from 0) of one replica: (outputs, inputs).
    pub fn weight(&self, layer: usize, replica: usize) -> &[T] {
        of_replica(&self.layers[layer].weight, replica, self.replicas)
    }

    /// Biases of layer `layer` (from 0) of one replica: (outputs). Where it is normalized, beta.
    pub fn bias(&self, layer: usize, replica: usize) -> &[T] {
        self.of_neurons(BIAS, layer, replica)
    }

    /// gamma of the neurons of layer `layer` (from 0) of one replica: (outputs); nothing where it is not normalized.
    pub fn gamma(&self, layer: usize, replica: usize) -> &[T] {
        self.of_neurons(GAMMA, layer, replica)
    }

    /// Running means of the neurons of layer `layer` (from 0) of one replica: (outputs); nothing where it is not normalized, and 0 in
    /// what is no [`Model`].
    pub fn running_mean(&self, layer: usize, replica: usize) -> &[T] {
        self.of_neurons(MEAN, layer, replica)
    }

    /// Running variances, likewise.
    pub fn running_variance(&self, layer: usize, replica: usize) -> &[T] {
        self.of_neurons(VARIANCE, layer, replica)
    }

    /// Row `row` of [`NEURON_ROWS`](crate::spec::NEURON_ROWS).
    fn of_neurons(&self, row: usize, layer: usize, replica: usize) -> &[T] {
        self.layers[layer].neurons.get(row).map_or(&[], |values| of_replica(values, replica, self.replicas))
    }

    /// All that a rule moves of layer `layer` (from 0) of one replica: weights, biases, gammas.
    pub fn parameters(&self, layer: usize, replica: usize) -> impl Iterator<Item = &T> {
        let neurons = self.bias(layer, replica).iter().chain(self.gamma(layer, replica));
        self.weight(layer, replica).iter().chain(neurons)
    }

    /// Weights of layer `layer` (from 0) of one replica: (outputs, inputs).
    pub fn weight_mut(&mut self, layer: usize, replica: usize) -> &mut [T] {
        replica_mut(&mut self.layers[layer].weight, replica, self.replicas)
    }

    /// Biases of layer `layer` (from 0) of one replica: (outputs). Where it is normalized, beta.
    pub fn bias_mut(&mut self, layer: usize, replica: usize) -> &mut [T] {
        self.neurons_mut(BIAS, layer, replica)
    }

    /// See [`Self::gamma`].
    pub fn gamma_mut(&mut self, layer: usize, replica: usize) -> &mut [T] {
        self.neurons_mut(GAMMA, layer, replica)
    }

    /// See [`Self::running_mean`].
    pub fn running_mean_mut(&mut self, layer: usize, replica: usize) -> &mut [T] {
        self.neurons_mut(MEAN, layer, replica)
    }

    /// See [`Self::running_variance`].
    pub fn running_variance_mut(&mut self, layer: usize, replica: usize) -> &mut [T] {
        self.neurons_mut(VARIANCE, layer, replica)
    }

    fn neurons_mut(&mut self, row: usize, layer: usize, replica: usize) -> &mut [T] {
        let replicas = self.replicas;
        self.layers[layer].neurons.get_mut(row).map_or(&mut [], |values| replica_mut(values, replica, replicas))
    }

    /// `replicas` copies of the first replica.
    pub fn repeat(&self, replicas: usize) -> Self {
        let first = self.slice(0..1);
        let layers = first.layers.iter().map(|layer| layer.map(|values| values.repeat(replicas)));
        Self {
            spec: self.spec.clone(),
            replicas,
            layers: layers.collect(),
            class_names: self.class_names.clone(),
            data: self.data.clone(),
        }
    }

    /// Some of the replicas.
    pub fn slice(&self, range: Range<usize>) -> Self {
        let cut = |values: &[T]| {
            let stride = values.len() / self.replicas;
            values[range.start * stride..range.end * stride].to_vec()
        };
        let layers = self.layers.iter().map(|layer| layer.map(cut));
        Self {
            spec: self.spec.clone(),
            replicas: range.len(),
            layers: layers.collect(),
            class_names: self.class_names.clone(),
            data: self.data.clone(),
        }
    }

    /// These replicas, in this order.
    pub fn select(&self, replicas: &[usize]) -> Self {
        let mut selected = Self::zeros(&self.spec, replicas.len());
        replicas.iter().enumerate().for_each(|(index, &replica)| selected.copy_replica(index, self, replica));
        Self { class_names: self.class_names.clone(), data: self.data.clone(), ..selected }
    }

    /// Replica `replica` becomes replica `from` of `other`, a network of the same shape.
    pub fn copy_replica(&mut self, replica: usize, other: &Self, from: usize) {
        assert_eq!(self.spec, other.spec, "a model holds networks of one shape");
        for (layer, theirs) in self.layers.iter_mut().zip(&other.layers) {
            for (own, theirs) in layer.kinds_mut().zip(theirs.kinds()) {
                replica_mut(own, replica, self.replicas).copy_from_slice(of_replica(theirs, from, other.replicas));
            }
        }
    }

    /// Appends the replicas of `other`, a network of the same shape.
    pub fn append(&mut self, other: &Self) {
        assert_eq!(self.spec, other.spec, "a model holds networks of one shape");
        self.replicas += other.replicas;
        for (layer, more) in self.layers.iter_mut().zip(&other.layers) {
            layer.kinds_mut().zip(more.kinds()).for_each(|(own, more)| own.extend_from_slice(more));
        }
    }

    /// The same networks in layers of other widths: nodes are cut off the ends of their layers, or added with zero weights
    /// in and out (and a gamma of zero). An added node never fires and is never counted, so nothing of it moves in training, and
    /// everything else moves as without it.
    ///
    /// # Panics
    /// If `spec` has another number of layers, or is normalized where these are not.
    pub fn resized(&self, spec: &NetworkSpec) -> Self {
        assert_eq!(self.spec.layers().len(), spec.layers().len(), "only widths change");
        assert_eq!(self.spec.batch_norm(), spec.batch_norm(), "only widths change");
        let mut resized = Self::zeros(spec, self.replicas);
        for (layer, ((old_inputs, _), (new_inputs, _))) in self.spec.layers().zip(spec.layers()).enumerate() {
            let inputs = old_inputs.min(new_inputs);
            for replica in 0..self.replicas {
                let old = self.weight(layer, replica).chunks_exact(old_inputs);
                for (new, old) in resized.weight_mut(layer, replica).chunks_exact_mut(new_inputs).zip(old) {
                    new[..inputs].copy_from_slice(&old[..inputs]);
                }
                for row in 0..self.layers[layer].neurons.len() {
                    let old = self.of_neurons(row, layer, replica);
                    resized.neurons_mut(row, layer, replica).iter_mut().zip(old).for_each(|(new, &old)| *new = old);
                }
            }
        }
        Self { class_names: self.class_names.clone(), data: self.data.clone(), ..resized }
    }

    /// As an engine keeps it: (replicas, P), with the layout that [`NetworkSpec::arena_layers`] says. Padding is 0.
    pub(crate) fn to_arena(&self) -> Vec<T> {
        let stride = self.spec.arena_stride();
        let mut arena = vec![T::zeroed(); self.replicas * stride];
        for (replica, parameters) in arena.chunks_exact_mut(stride).enumerate() {
            for (layer, shape) in self.spec.arena_layers().enumerate() {
                for (index, neuron, row) in shape.indices() {
                    parameters[index] = *self.layers[layer].at(&shape, replica, neuron, row);
                }
            }
        }
        arena
    }

    /// The inverse of [`Self::to_arena`].
    pub(crate) fn from_arena(spec: &NetworkSpec, arena: &[T]) -> Self {
        let stride = spec.arena_stride();
        let mut values = Self::zeros(spec, arena.len() / stride);
        for (replica, parameters) in arena.chunks_exact(stride).enumerate() {
            for (layer, shape) in spec.arena_layers().enumerate() {
                for (index, neuron, row) in shape.indices() {
                    *values.layers[layer].at_mut(&shape, replica, neuron, row) = parameters[index];
                }
            }
        }
        values
    }

    /// Weights of each layer, (replicas, outputs, inputs), and what its neurons have beside them, (replicas, outputs) each, in the
    /// order of [`NEURON_ROWS`](crate::spec::NEURON_ROWS).
    pub(crate) fn layers(&self) -> impl Iterator<Item = (&[T], &[Vec<T>])> {
        self.layers.iter().map(|layer| (&layer.weight[..], &layer.neurons[..]))
    }

    /// The inverse of [`Self::layers`]; lengths must be those of `spec` and `replicas`.
    pub(crate) fn from_layers(spec: NetworkSpec, replicas: usize, layers: Vec<(Vec<T>, Vec<Vec<T>>)>) -> Self {
        let layers = layers.into_iter().map(|(weight, neurons)| LayerValues { weight, neurons }).collect();
        Self { spec, replicas, layers, class_names: Vec::new(), data: DataRecord::default() }
    }
}

fn of_replica<T>(values: &[T], replica: usize, replicas: usize) -> &[T] {
    let stride = values.len() / replicas;
    &values[replica * stride..][..stride]
}

fn replica_mut<T>(values: &mut [T], replica: usize, replicas: usize) -> &mut [T] {
    let stride = values.len() / replicas;
    &mut values[replica * stride..][..stride]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(spec: &NetworkSpec, replicas: usize) -> Model {
        let mut model = Model::zeros(spec, replicas);
        let mut next = 0.0;
        for layer in &mut model.layers {
            for value in layer.kinds_mut().flatten() {
                next += 1.0;
                *value = next;
            }
        }
        model
    }

    #[test]
    fn an_arena_gives_back_what_went_in() {
        for (widths, replicas) in [(vec![2, 1], 1), (vec![5, 3, 4, 2], 3), (vec![3, 8, 9, 1], 2)] {
            for batch_norm in [false, true] {
                let spec = NetworkSpec::new(&widths).unwrap().with_batch_norm(batch_norm);
                let model = counted(&spec, replicas);
                assert_eq!(Model::from_arena(&spec, &model.to_arena()), model);
            }
        }
    }

    #[test]
    fn resized_networks_keep_what_both_have() {
        for batch_norm in [false, true] {
            let [narrow, wide] = [&[3, 2, 4, 2], &[3, 5, 9, 2]]
                .map(|widths| NetworkSpec::new(widths).unwrap().with_batch_norm(batch_norm));
            let model = counted(&narrow, 3);
            let padded = model.resized(&wide);
            assert_eq!(padded.resized(&narrow), model);
            let sum = |model: &Model| -> f32 { model.layers.iter().flat_map(LayerValues::kinds).flatten().sum() };
            assert_eq!(sum(&padded), sum(&model), "all else is zero");
            assert_eq!(padded.weight(1, 2)[5 + 1], model.weight(1, 2)[2 + 1]);
        }
    }

    #[test]
    fn slices_append_to_the_whole() {
        let spec = NetworkSpec::new(&[3, 2, 1]).unwrap().with_batch_norm(true);
        let model = counted(&spec, 5);
        let mut joined = model.slice(0..2);
        joined.append(&model.slice(2..5));
        assert_eq!(joined, model);
    }

    #[test]
    fn replicas_are_selected_and_copied_whole() {
        let spec = NetworkSpec::new(&[3, 2, 1]).unwrap().with_batch_norm(true);
        let model = counted(&spec, 5);
        let selected = model.select(&[4, 1]);
        assert_eq!((selected.slice(0..1), selected.slice(1..2)), (model.slice(4..5), model.slice(1..2)));
        let mut copy = Model::zeros(&spec, 5);
        copy.copy_replica(1, &selected, 1);
        assert_eq!(copy.slice(1..2), model.slice(1..2));
        assert_eq!(copy.select(&[0, 2, 3, 4]), Model::zeros(&spec, 4));
    }
}
