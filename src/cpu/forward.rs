//! a = ReLU(W a + b), and the logits: forward.wgsl.

use super::activation::relu;
use super::gather::{BatchInputs, BatchLists};
use super::panels::{FULL, PANEL, Panels};
use super::parameters::Share;
use super::product::{Segment, product};
use super::simd::{Kernel, Lanes, with_lanes};

/// One layer of a block of samples.
pub struct Forward<'a, S> {
    /// Which layer, from 0.
    pub layer: usize,
    /// Whether its nodes are ReLU's; otherwise their sums come out.
    pub is_relu: bool,
    /// Whether the biases are in the sums; those of a normalized layer come later.
    pub has_biases: bool,
    /// The parameters.
    pub shares: &'a [S],
    /// a of the layer below.
    pub inputs: LayerInputs<'a>,
    /// How many samples.
    pub samples: usize,
    /// Where a, or z, goes: (samples, outputs).
    pub outputs: &'a mut Panels,
}

/// What a layer reads.
#[derive(Clone, Copy)]
pub enum LayerInputs<'a> {
    /// What is not zero in the data.
    Lists(&'a BatchLists),
    /// All values: (samples, inputs).
    Panels(&'a Panels),
}

impl<'a> From<&'a BatchInputs> for LayerInputs<'a> {
    fn from(inputs: &'a BatchInputs) -> Self {
        match inputs {
            BatchInputs::Listed(lists) => Self::Lists(lists),
            BatchInputs::Dense(panels) => Self::Panels(panels),
        }
    }
}

impl<S: std::ops::Deref<Target = Share>> Kernel for Forward<'_, S> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { layer, is_relu, has_biases, shares, inputs, samples, outputs } = self;
        for panel in 0..outputs.panels() {
            with_lanes!(outputs.lanes(panel), P => {
                let biases = shares.iter().find(|share| has_biases && share.split.has_biases);
                let bias: [Lanes; P] = match biases {
                    Some(share) => std::array::from_fn(|vector| share.values.biases[layer][FULL * panel + vector]),
                    None => [Lanes::ZERO; P],
                };
                let rows = outputs.rows_of_mut::<P>(panel);
                let finish = |sample: usize, z: [Lanes; P]| {
                    rows[sample] = if is_relu { z.map(relu) } else { z };
                };
                match inputs {
                    LayerInputs::Lists(lists) => walk(shares, layer, panel, lists, bias, samples, finish),
                    LayerInputs::Panels(inputs) => {
                        let segments = segments(shares, layer, panel, inputs);
                        product(&segments, bias, samples, finish);
                    }
                }
            });
        }
    }
}

/// The panels of a layer's inputs, and the weights that they meet.
#[inline(always)]
fn segments<'a, const P: usize, S: std::ops::Deref<Target = Share>>(
    shares: &'a [S],
    layer: usize,
    panel: usize,
    inputs: &'a Panels,
) -> Vec<Segment<'a, P>> {
    let mut segments = Vec::with_capacity(inputs.panels());
    for share in shares {
        let first = share.split.rows[layer].start / PANEL;
        let weights = share.values.weights[layer].rows_of::<P>(panel);
        for (index, weights) in weights.chunks(PANEL).enumerate() {
            let from = first + index;
            segments.push(Segment { inputs: inputs.panel(from), lanes: inputs.lanes(from), weights });
        }
    }
    segments
}

/// The first layer, where the data's lists say which weights count.
#[inline(always)]
fn walk<const P: usize, S: std::ops::Deref<Target = Share>>(
    shares: &[S],
    layer: usize,
    panel: usize,
    lists: &BatchLists,
    bias: [Lanes; P],
    samples: usize,
    mut finish: impl FnMut(usize, [Lanes; P]),
) {
    for sample in 0..samples {
        let (mut features, mut values) = lists.of(sample);
        let mut sums = bias;
        for share in shares {
            let rows = &share.split.rows[layer];
            let end = match shares.len() {
                1 => features.len(),
                _ => features.partition_point(|&feature| (feature as usize) < rows.end),
            };
            let weights = share.values.weights[layer].rows_of::<P>(panel);
            for (&feature, &value) in features[..end].iter().zip(&values[..end]) {
                let row = &weights[feature as usize - rows.start];
                for vector in 0..P {
                    sums[vector] = sums[vector].add_product(value, row[vector]);
                }
            }
            (features, values) = (&features[end..], &values[end..]);
        }
        finish(sample, sums);
    }
}
