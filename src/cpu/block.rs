//! A block of samples on its way through the network: one member's part of a mini-batch.

use std::ops::Deref;

use super::delta::Delta;
use super::dropout::{Dropout, ScaleDeltas, Silence};
use super::forward::{Forward, LayerInputs};
use super::gather::{BatchInputs, Gather};
use super::loss::LossDelta;
use super::marked::{Mark, MarkedDeltas};
use super::masks::{FillMasks, Masks};
use super::panels::Panels;
use super::parameters::Share;
use super::samples::StoredSamples;
use super::select::Columns;
use super::simd::InstructionSet;
use crate::dataset::Targets;
use crate::spec::{Activation, Loss, NetworkSpec};

/// Inputs, activations and deltas of some samples.
#[derive(Debug)]
pub struct Block {
    activation: Activation,
    /// Says what the outputs are.
    pub loss: Loss,
    /// How many samples it holds now.
    pub samples: usize,
    /// How many inputs a sample has.
    features: usize,
    /// The data's inputs.
    pub inputs: BatchInputs,
    /// What is not zero in them, feature by feature, where the data is listed.
    pub columns: Columns,
    /// Of each sample.
    pub targets: Targets,
    /// a of each layer, (samples, outputs); of the last layer the logits, and after [`Self::propagate`] delta.
    pub activations: Vec<Panels>,
    /// delta of each hidden layer: (samples, outputs).
    hidden_deltas: Vec<Panels>,
    /// delta of the first layer, where the data is listed.
    pub marked: MarkedDeltas,
    /// Masks of the inputs of each layer that reads panels.
    input_masks: Vec<Masks>,
    /// Masks of the deltas of each layer that reads panels.
    delta_masks: Vec<Masks>,
}

/// Bytes of a block of `samples` samples, at most: activations, deltas with their flags, and inputs.
pub fn block_bytes(spec: &NetworkSpec, samples: usize) -> u128 {
    let units = spec.widths().iter().map(|width| width.next_multiple_of(8) as u128).sum::<u128>();
    3 * 4 * units * samples as u128
}

impl Block {
    /// Room for `capacity` samples.
    pub fn new(spec: &NetworkSpec, samples: &StoredSamples, capacity: usize) -> Self {
        let widths = spec.widths();
        let inputs = BatchInputs::new(samples, capacity);
        let is_listed = matches!(inputs, BatchInputs::Listed(_));
        let masks = |width: &usize| Masks::new(capacity, *width);
        let of_first = |masks: Masks| if is_listed { Masks::default() } else { masks };
        let mut input_masks: Vec<Masks> = widths[..widths.len() - 1].iter().map(masks).collect();
        let mut delta_masks: Vec<Masks> = widths[1..].iter().map(masks).collect();
        input_masks[0] = of_first(std::mem::take(&mut input_masks[0]));
        delta_masks[0] = of_first(std::mem::take(&mut delta_masks[0]));
        Self {
            activation: spec.activation(),
            loss: spec.loss(),
            samples: 0,
            features: widths[0],
            inputs,
            columns: Columns::default(),
            targets: samples.targets.none_like(),
            activations: widths[1..].iter().map(|&width| Panels::zeros(capacity, width)).collect(),
            hidden_deltas: widths[1..widths.len() - 1].iter().map(|&width| Panels::zeros(capacity, width)).collect(),
            marked: if is_listed { MarkedDeltas::new(capacity, widths[1]) } else { MarkedDeltas::default() },
            input_masks,
            delta_masks,
        }
    }

    /// Takes samples out of the data set; `next` are those of the next batch.
    pub fn gather(&mut self, simd: InstructionSet, from: &StoredSamples, indices: &[u32], next: &[u32]) {
        self.samples = indices.len();
        simd.run(Gather { from, indices, next, inputs: &mut self.inputs, targets: &mut self.targets });
    }

    /// Computes activations and logits, with the dropout of a step or, for evaluation, without.
    pub fn forward(&mut self, simd: InstructionSet, shares: &[impl Deref<Target = Share>], dropout: Option<Dropout>) {
        let samples = self.samples;
        let last = self.activations.len() - 1;
        for layer in 0..=last {
            let (below, above) = self.activations.split_at_mut(layer);
            let inputs = below.last().map_or_else(|| LayerInputs::from(&self.inputs), LayerInputs::Panels);
            let activation = (layer < last).then_some(self.activation);
            let outputs = &mut above[0];
            simd.run(Forward { layer, activation, shares, inputs, samples, outputs: &mut *outputs });
            if let Some(dropout) = dropout.filter(|_| layer < last) {
                simd.run(Silence { dropout, layer, samples, activations: outputs });
            }
        }
    }

    /// Computes activations, logits, the deltas of all layers, and what is zero.
    pub fn propagate(&mut self, simd: InstructionSet, shares: &[impl Deref<Target = Share>], dropout: Option<Dropout>) {
        self.forward(simd, shares, dropout);
        let samples = self.samples;
        let last = self.activations.len() - 1;
        simd.run(LossDelta { loss: self.loss, targets: &self.targets, logits: &mut self.activations[last] });
        for layer in (1..=last).rev() {
            let (hidden, output) = self.activations.split_at(last);
            let (deltas, above) = self.hidden_deltas.split_at_mut(layer);
            let above = above.first().unwrap_or(&output[0]);
            let (activations, deltas) = (&hidden[layer - 1], &mut deltas[layer - 1]);
            let activation = self.activation;
            simd.run(Delta { layer, activation, shares, above, activations, samples, deltas: &mut *deltas });
            if let Some(dropout) = dropout {
                simd.run(ScaleDeltas { dropout, samples, deltas });
            }
        }
        for layer in 0..=last {
            let deltas = self.hidden_deltas.get(layer).unwrap_or(&self.activations[last]);
            let inputs = match (&self.inputs, layer) {
                (BatchInputs::Listed(lists), 0) => {
                    self.columns.fill(self.features, lists, samples);
                    simd.run(Mark { deltas, marked: &mut self.marked, samples });
                    continue;
                }
                (BatchInputs::Dense(inputs), 0) => inputs,
                _ => &self.activations[layer - 1],
            };
            simd.run(FillMasks { values: inputs, samples, masks: &mut self.input_masks[layer] });
            simd.run(FillMasks { values: deltas, samples, masks: &mut self.delta_masks[layer] });
        }
    }

    /// What layer `layer` reads, and its masks, where it reads panels.
    #[inline(always)]
    pub fn panels_below(&self, layer: usize) -> (&Panels, &Masks) {
        let panels = match (&self.inputs, layer) {
            (BatchInputs::Dense(inputs), 0) => inputs,
            _ => &self.activations[layer - 1],
        };
        (panels, &self.input_masks[layer])
    }

    /// delta of layer `layer`, and its masks, where it reads panels.
    #[inline(always)]
    pub fn deltas(&self, layer: usize) -> (&Panels, &Masks) {
        let deltas = self.hidden_deltas.get(layer).unwrap_or(&self.activations[self.activations.len() - 1]);
        (deltas, &self.delta_masks[layer])
    }
}
