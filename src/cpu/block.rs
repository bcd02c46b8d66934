//! A block of samples on its way through the network: one member's part of a mini-batch.

use std::ops::Deref;

use super::activation::{Activate, MultiplySlopes};
use super::delta::Delta;
use super::dropout::{Dropout, INPUTS, ScaleDeltas, Silence, SilenceLists};
use super::forward::{Forward, LayerInputs};
use super::gather::{BatchInputs, Gather};
use super::loss::LossDelta;
use super::marked::{Mark, MarkedDeltas};
use super::masks::{FillMasks, Masks};
use super::normalize::{Normalize, Normalized};
use super::normalize_back::NormalizeBack;
use super::panels::Panels;
use super::parameters::Share;
use super::samples::StoredSamples;
use super::simd::{InstructionSet, LANES, Lanes};
use super::threshold::{self, FindLargest};
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
    /// The data's inputs.
    pub inputs: BatchInputs,
    /// Of each sample.
    pub targets: Targets,
    /// a of each layer, (samples, outputs); of the last layer the logits, and after [`Self::propagate`] delta.
    pub activations: Vec<Panels>,
    /// z of each hidden layer whose activation needs it, y where it is normalized, (samples, outputs); nothing for ReLU.
    sums: Vec<Panels>,
    /// delta of each hidden layer, dy where it is normalized: (samples, outputs).
    hidden_deltas: Vec<Panels>,
    /// dz of each normalized layer: (samples, outputs).
    normalized_deltas: Vec<Panels>,
    /// What the batch makes of the neurons of each normalized layer.
    pub normalized: Vec<Normalized>,
    /// T, above which activations count; 0 where all that are not 0 do.
    pub count_threshold: f32,
    /// Of each layer, what deltas must exceed to count; before that is known, the largest of the block. Nothing without a threshold.
    bounds: Vec<Vec<Lanes>>,
    /// delta of the first layer, where the data is listed.
    pub marked: MarkedDeltas,
    /// Masks of the inputs of each layer that reads panels.
    input_masks: Vec<Masks>,
    /// Masks of the deltas of each layer that reads panels.
    delta_masks: Vec<Masks>,
}

/// Bytes of a block of `samples` samples, at most: activations, their sums, deltas with their flags, and inputs; of normalized networks
/// x^ and dz as well.
pub fn block_bytes(spec: &NetworkSpec, samples: usize) -> u128 {
    let units = |widths: &[usize]| widths.iter().map(|width| width.next_multiple_of(8) as u128).sum::<u128>();
    let (inputs, others) = spec.widths().split_at(1);
    let matrices = 2 + u128::from(spec.activation().keeps_sums()) + if spec.batch_norm() { 2 } else { 0 };
    4 * samples as u128 * (units(inputs) + matrices * units(others))
}

impl Block {
    /// Room for `capacity` samples.
    pub fn new(spec: &NetworkSpec, samples: &StoredSamples, capacity: usize) -> Self {
        let widths = spec.widths();
        let inputs = BatchInputs::new(samples, capacity);
        let is_listed = matches!(inputs, BatchInputs::Listed(_));
        let masks = |width: &usize| Masks::new(capacity, *width);
        let normalized = &widths[1..1 + spec.normalized_layers()];
        let of_first = |masks: Masks| if is_listed { Masks::default() } else { masks };
        let mut input_masks: Vec<Masks> = widths[..widths.len() - 1].iter().map(masks).collect();
        let mut delta_masks: Vec<Masks> = widths[1..].iter().map(masks).collect();
        input_masks[0] = of_first(std::mem::take(&mut input_masks[0]));
        delta_masks[0] = of_first(std::mem::take(&mut delta_masks[0]));
        let hidden = || spec.hidden().iter().map(|&width| Panels::zeros(capacity, width));
        Self {
            activation: spec.activation(),
            loss: spec.loss(),
            samples: 0,
            inputs,
            targets: samples.targets.none_like(),
            activations: widths[1..].iter().map(|&width| Panels::zeros(capacity, width)).collect(),
            sums: if spec.activation().keeps_sums() { hidden().collect() } else { Vec::new() },
            hidden_deltas: hidden().collect(),
            normalized_deltas: normalized.iter().map(|&width| Panels::zeros(capacity, width)).collect(),
            normalized: normalized.iter().map(|&width| Normalized::new(capacity, width)).collect(),
            count_threshold: 0.0,
            bounds: Vec::new(),
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

    /// Silences inputs, and scales the others.
    pub fn drop_inputs(&mut self, simd: InstructionSet, dropout: Dropout) {
        let samples = self.samples;
        match &mut self.inputs {
            BatchInputs::Listed(lists) => simd.run(SilenceLists { dropout, lists }),
            BatchInputs::Dense(values) => simd.run(Silence { dropout, layer: INPUTS, samples, values }),
        }
    }

    /// Computes activations and logits, with the dropout of a step or, for evaluation, without. Networks in evaluation are folded:
    /// statistics are always those of the batch.
    pub fn forward(&mut self, simd: InstructionSet, shares: &[impl Deref<Target = Share>], dropout: Option<Dropout>) {
        let samples = self.samples;
        let last = self.activations.len() - 1;
        for layer in 0..=last {
            let (below, above) = self.activations.split_at_mut(layer);
            let inputs = below.last().map_or_else(|| LayerInputs::from(&self.inputs), LayerInputs::Panels);
            let is_relu = layer < last && self.activation == Activation::Relu;
            let normalized = self.normalized.get_mut(layer);
            let (has_biases, is_done) = (normalized.is_none(), normalized.is_none() && is_relu);
            let outputs = &mut above[0];
            let mut sums = self.sums.get_mut(layer);
            let target = sums.as_deref_mut().unwrap_or(&mut *outputs);
            simd.run(Forward { layer, is_relu: is_done, has_biases, shares, inputs, samples, outputs: &mut *target });
            if let Some(normalized) = normalized {
                simd.run(Normalize { layer, is_relu, share: &shares[0], samples, sums: target, normalized });
            }
            if let Some(sums) = sums {
                simd.run(Activate { activation: self.activation, samples, sums, activations: &mut *outputs });
            }
            if let Some(dropout) = dropout.filter(|_| layer < last) {
                simd.run(Silence { dropout, layer, samples, values: outputs });
            }
        }
    }

    /// Computes activations, logits and the deltas of all layers; [`Self::find_masks`] comes next.
    pub fn propagate(&mut self, simd: InstructionSet, shares: &[impl Deref<Target = Share>], dropout: Option<Dropout>) {
        self.forward(simd, shares, dropout);
        let samples = self.samples;
        let last = self.activations.len() - 1;
        simd.run(LossDelta { loss: self.loss, targets: &self.targets, logits: &mut self.activations[last] });
        for layer in (1..=last).rev() {
            let (hidden, output) = self.activations.split_at(last);
            let (deltas, above) = self.hidden_deltas.split_at_mut(layer);
            let above = self.normalized_deltas.get(layer).or(above.first()).unwrap_or(&output[0]);
            let (own, deltas) = (layer - 1, &mut deltas[layer - 1]);
            let sums = self.sums.get(own);
            let activations = if sums.is_none() { Some(&hidden[own]) } else { None };
            simd.run(Delta { layer, shares, above, activations, samples, deltas: &mut *deltas });
            if let Some(sums) = sums {
                simd.run(MultiplySlopes { activation: self.activation, samples, sums, deltas: &mut *deltas });
            }
            match dropout {
                // Deltas of silent nodes are 0 where a > 0 tells.
                Some(dropout) if sums.is_none() => simd.run(ScaleDeltas { dropout, samples, deltas: &mut *deltas }),
                Some(dropout) => simd.run(Silence { dropout, layer: own, samples, values: &mut *deltas }),
                None => {}
            }
            if let Some(normalized) = self.normalized.get(own) {
                let (share, outputs, deltas): (&Share, _, _) = (&shares[0], &*deltas, &mut self.normalized_deltas[own]);
                simd.run(NormalizeBack { layer: own, share, samples, normalized, outputs, deltas });
            }
        }
    }

    /// Hands to `each` what reductions read of it beside its inputs and what is found from both, for another process to overwrite or
    /// to be told: hidden activations and all deltas.
    pub fn exchanged(&mut self, each: &mut dyn FnMut(&mut [u32])) {
        for panels in self.activations.iter_mut().chain(&mut self.hidden_deltas) {
            for panel in 0..panels.panels() {
                let rows = self.samples * panels.lanes(panel);
                each(bytemuck::cast_slice_mut(&mut panels.panel_mut(panel)[..rows]));
            }
        }
    }

    /// Finds the largest |delta| of each neuron.
    pub fn find_largest(&mut self, simd: InstructionSet) {
        let last = self.activations.len() - 1;
        self.bounds.resize(last + 1, Vec::new());
        for (layer, largest) in self.bounds.iter_mut().enumerate() {
            let values = self.hidden_deltas.get(layer).unwrap_or(&self.activations[last]);
            largest.resize(values.columns().div_ceil(LANES), Lanes::ZERO);
            simd.run(FindLargest { values, samples: self.samples, largest });
        }
    }

    /// Adds what [`Self::find_largest`] found to the largest of other blocks.
    pub fn merge_largest(&self, largest: &mut Vec<Vec<Lanes>>) {
        if largest.is_empty() {
            largest.clone_from(&self.bounds);
        }
        largest.iter_mut().zip(&self.bounds).for_each(|(largest, own)| threshold::merge(largest, own));
    }

    /// Finds what counts: what is not zero, or, with a threshold T above 0, what is above T and T times the largest of the batch.
    pub fn find_masks(&mut self, simd: InstructionSet, count_threshold: f32, largest: &[Vec<Lanes>]) {
        self.count_threshold = count_threshold;
        self.bounds =
            largest.iter().map(|layer| layer.iter().map(|x| x.map(|x| count_threshold * x)).collect()).collect();
        let (samples, last) = (self.samples, self.activations.len() - 1);
        for layer in 0..=last {
            let counted = self.hidden_deltas.get(layer).unwrap_or(&self.activations[last]);
            let bounds = self.bounds.get(layer).map(Vec::as_slice);
            let inputs = match (&self.inputs, layer) {
                (BatchInputs::Listed(_), 0) => {
                    let deltas = self.normalized_deltas.first().unwrap_or(counted);
                    simd.run(Mark { deltas, counted, marked: &mut self.marked, samples, bounds });
                    continue;
                }
                (BatchInputs::Dense(inputs), 0) => inputs,
                _ => &self.activations[layer - 1],
            };
            let of_inputs = bounds.map(|_| vec![Lanes([count_threshold; LANES]); inputs.columns().div_ceil(LANES)]);
            let masks = &mut self.input_masks[layer];
            simd.run(FillMasks { values: inputs, samples, bounds: of_inputs.as_deref(), masks });
            simd.run(FillMasks { values: counted, samples, bounds, masks: &mut self.delta_masks[layer] });
        }
    }

    /// What the deltas of layer `layer` must exceed to count, if it is not 0.
    pub fn bounds(&self, layer: usize) -> Option<&[Lanes]> {
        self.bounds.get(layer).map(Vec::as_slice)
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

    /// delta of layer `layer`, and the masks of what counts, where it reads panels.
    #[inline(always)]
    pub fn deltas(&self, layer: usize) -> (&Panels, &Masks) {
        let deltas = self.normalized_deltas.get(layer).unwrap_or_else(|| self.outputs(layer));
        (deltas, &self.delta_masks[layer])
    }

    /// delta of layer `layer`, and dy where it is normalized.
    #[inline(always)]
    pub fn outputs(&self, layer: usize) -> &Panels {
        self.hidden_deltas.get(layer).unwrap_or(&self.activations[self.activations.len() - 1])
    }
}
