//! Loss, hits and active nodes of a block of samples: evaluate.wgsl and activity.wgsl.

use super::block::Block;
use super::exp::exp;
use super::loss::highest;
use super::panels::{Panels, panel_columns};
use super::simd::{Kernel, LANES, Lanes, floats, with_lanes};
use super::together::{halves, whole};
use crate::dataset::Targets;
use crate::spec::Loss;

/// What a block of samples comes to.
#[derive(Debug, Clone, Default)]
pub struct Totals {
    /// Summed over the samples.
    pub loss: f64,
    /// Samples whose label is the first highest logit; none of a regression.
    pub hits: u64,
    /// Each hidden node, layer by layer: whether some sample activates it, and whether some sample does not.
    pub nodes: Vec<(bool, bool)>,
}

impl Totals {
    /// Adds the next block.
    pub fn add(&mut self, next: &Self) {
        self.loss += next.loss;
        self.hits += next.hits;
        if self.nodes.is_empty() {
            self.nodes.clone_from(&next.nodes);
        } else {
            for (node, next) in self.nodes.iter_mut().zip(&next.nodes) {
                *node = (node.0 || next.0, node.1 || next.1);
            }
        }
    }
}

/// Nodes of a word.
const NODES: usize = 16;

/// For other processes, bit for bit.
impl Totals {
    /// Words of a network with so many hidden nodes.
    pub fn words(nodes: usize) -> usize {
        4 + nodes.div_ceil(NODES)
    }

    /// Its words.
    pub fn to_words(&self) -> Vec<u32> {
        let Self { loss, hits, nodes } = self;
        let bits = |word: u32, &(some_active, some_inactive): &(bool, bool)| {
            word << 2 | u32::from(some_active) << 1 | u32::from(some_inactive)
        };
        let nodes = nodes.chunks(NODES).map(|nodes| nodes.iter().rev().fold(0, bits));
        [halves(loss.to_bits()), halves(*hits)].into_iter().flatten().chain(nodes).collect()
    }

    /// The inverse of [`Self::to_words`].
    pub fn from_words(words: &[u32], nodes: usize) -> Self {
        let node = |index: usize| {
            let bits = words[4 + index / NODES] >> (2 * (index % NODES));
            (bits & 2 != 0, bits & 1 != 0)
        };
        Self {
            loss: f64::from_bits(whole([words[0], words[1]])),
            hits: whole([words[2], words[3]]),
            nodes: (0..nodes).map(node).collect(),
        }
    }
}

/// Evaluates a block that went forward.
pub struct Evaluate<'a>(pub &'a Block);

impl Kernel for Evaluate<'_> {
    type Output = Totals;

    #[inline(always)]
    fn run(self) -> Totals {
        let Block { loss, samples, targets, activations, .. } = self.0;
        let mut totals = Totals::default();
        let (logits, hidden) = activations.split_last().expect("a network has a layer");
        match targets {
            Targets::Classes(labels) => {
                for (sample, &label) in labels.iter().enumerate() {
                    let (loss, is_hit) = match loss {
                        Loss::BinaryCrossEntropy => binary_cross_entropy(logits.panel(0)[sample].0[0], label),
                        Loss::CrossEntropy => cross_entropy(logits, sample, label as usize),
                        // Samples to be answered, not scored.
                        Loss::MeanSquaredError => (f64::NAN, false),
                    };
                    totals.loss += loss;
                    totals.hits += u64::from(is_hit);
                }
            }
            Targets::Numbers { values, outputs } => {
                for (sample, targets) in values.chunks_exact(*outputs).enumerate() {
                    totals.loss += squared_error(logits, sample, targets);
                }
            }
        }
        for layer in hidden {
            activity(layer, *samples, &mut totals.nodes);
        }
        totals
    }
}

/// The mean over the outputs of (output - target)^2, in f64.
#[inline(always)]
fn squared_error(outputs: &Panels, sample: usize, targets: &[f32]) -> f64 {
    let mut sum = 0.0;
    for panel in 0..outputs.panels() {
        let lanes = outputs.lanes(panel);
        let row = floats(&outputs.panel(panel)[sample * lanes..][..lanes]);
        for (&output, &target) in row.iter().zip(&targets[panel_columns(outputs.columns(), panel)]) {
            let difference = f64::from(output) - f64::from(target);
            sum += difference * difference;
        }
    }
    sum / targets.len() as f64
}

/// softplus(z) - y z, and whether z is on the label's side of 0, which NaN never is.
#[inline(always)]
fn binary_cross_entropy(z: f32, label: u32) -> (f64, bool) {
    // Not f32::max, which would hide NaN.
    let positive = if z < 0.0 { 0.0 } else { z };
    let softplus = f64::from(positive) + libm::log1p(f64::from(exp(-z.abs())));
    (softplus - f64::from(label) * f64::from(z), !z.is_nan() && (z > 0.0) == (label == 1))
}

/// ln(sum e^z) - z of the label, and whether the label is the first highest logit.
#[inline(always)]
fn cross_entropy(logits: &Panels, sample: usize, label: usize) -> (f64, bool) {
    let highest = highest(logits, sample);
    let mut sums = Lanes::ZERO;
    let mut first = usize::MAX;
    let mut own = f32::NAN;
    for panel in 0..logits.panels() {
        let columns = panel_columns(logits.columns(), panel);
        let lanes = logits.lanes(panel);
        let row = &logits.panel(panel)[sample * lanes..][..lanes];
        for (vector, z) in row.iter().enumerate() {
            let inside = columns.len().saturating_sub(vector * LANES);
            let mut e = z.map(|z| exp(z - highest));
            for lane in 0..LANES {
                e.0[lane] = if lane < inside { e.0[lane] } else { 0.0 };
            }
            sums = sums.zip(e, |sum, e| sum + e);
        }
        let row = &floats(row)[..columns.len()];
        if columns.contains(&label) {
            own = row[label - columns.start];
        }
        if first == usize::MAX {
            first = row.iter().position(|&z| z == highest).map_or(first, |index| columns.start + index);
        }
    }
    let total = f64::from(sums.0.iter().sum::<f32>());
    (libm::log(total) + (f64::from(highest) - f64::from(own)), first == label)
}

/// Appends each node of a layer.
#[inline(always)]
fn activity(activations: &Panels, samples: usize, nodes: &mut Vec<(bool, bool)>) {
    for panel in 0..activations.panels() {
        let columns = panel_columns(activations.columns(), panel).len();
        with_lanes!(activations.lanes(panel), P => {
            let mut active = [[0u32; LANES]; P];
            let mut inactive = [[0u32; LANES]; P];
            for row in &activations.rows_of::<P>(panel)[..samples] {
                for vector in 0..P {
                    for lane in 0..LANES {
                        let is_active = u32::from(row[vector].0[lane] != 0.0);
                        active[vector][lane] |= is_active;
                        inactive[vector][lane] |= 1 - is_active;
                    }
                }
            }
            let pairs = active.as_flattened().iter().zip(inactive.as_flattened()).take(columns);
            nodes.extend(pairs.map(|(&active, &inactive)| (active != 0, inactive != 0)));
        });
    }
}
