//! a = ReLU(W a + b), and the logits: forward.wgsl.

use super::activation::activate;
use super::gather::{BatchInputs, Lists};
use super::panels::{Panels, PANEL};
use super::parameters::Share;
use super::product::{product, Segment};
use super::simd::{with_lanes, Kernel, Lanes};
use crate::spec::Activation;

/// One layer of a block of samples.
pub struct Forward<'a, S> {
    /// Which layer, from 0.
    pub layer: usize,
    /// What its nodes do; nothing in the last layer.
    pub activation: Option<Activation>,
    /// The parameters.
    pub shares: &'a [S],
    /// a of the layer below.
    pub inputs: LayerInputs<'a>,
    /// How many samples.
    pub samples: usize,
    /// Where a goes: (samples, outputs).
    pub outputs: &'a mut Panels,
}

/// What a layer reads.
#[derive(Clone, Copy)]
pub enum LayerInputs<'a> {
    /// The data's lists.
    Lists(&'a Lists),
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
        let Self { layer, activation, shares, inputs, samples, outputs } = self;
        for panel in 0..outputs.panels() {
            with_lanes!(outputs.lanes(panel), P => {
                let biases = shares.iter().find(|share| share.split.has_biases);
                let bias: [Lanes; P] = match biases {
                    Some(share) => std::array::from_fn(|vector| share.values.biases[layer][4 * panel + vector]),
                    None => [Lanes::ZERO; P],
                };
                let rows = outputs.rows_of_mut::<P>(panel);
                let finish = |sample: usize, z: [Lanes; P]| {
                    rows[sample] = match activation {
                        Some(activation) => z.map(|z| activate(activation, z)),
                        None => z,
                    };
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
    lists: &Lists,
    bias: [Lanes; P],
    samples: usize,
    mut finish: impl FnMut(usize, [Lanes; P]),
) {
    let list = |sample: usize| {
        let range = lists.start[sample]..lists.start[sample + 1];
        (&lists.features[range.clone()], &lists.values[range])
    };
    // Two samples at a time, so that one's multiply-adds do not wait for each other.
    for sample in (0..samples).step_by(2) {
        let is_pair = sample + 1 < samples;
        let mut rest = [list(sample), if is_pair { list(sample + 1) } else { (&[][..], &[][..]) }];
        let mut sums = [bias; 2];
        for share in shares {
            let rows = &share.split.rows[layer];
            let weights = share.values.weights[layer].rows_of::<P>(panel);
            let mine = rest.map(|(features, values)| {
                let end = entries_before(features, rows.end, shares.len());
                (&features[..end], &values[..end])
            });
            for (rest, mine) in rest.iter_mut().zip(mine) {
                *rest = (&rest.0[mine.0.len()..], &rest.1[mine.1.len()..]);
            }
            let both = mine[0].0.len().min(mine[1].0.len());
            let entries = mine.map(|(features, values)| features[..both].iter().zip(&values[..both]));
            let [first, second] = entries;
            for (first, second) in first.zip(second) {
                sums[0] = add_row(sums[0], first, weights, rows.start);
                sums[1] = add_row(sums[1], second, weights, rows.start);
            }
            for (sums, (features, values)) in sums.iter_mut().zip(mine) {
                for entry in features[both..].iter().zip(&values[both..]) {
                    *sums = add_row(*sums, entry, weights, rows.start);
                }
            }
        }
        let [first, second] = sums;
        finish(sample, first);
        if is_pair {
            finish(sample + 1, second);
        }
    }
}

#[inline(always)]
fn add_row<const P: usize>(
    mut sums: [Lanes; P],
    (&feature, &value): (&u32, &f32),
    weights: &[[Lanes; P]],
    first: usize,
) -> [Lanes; P] {
    let row = &weights[feature as usize - first];
    for vector in 0..P {
        sums[vector] = sums[vector].add_product(value, row[vector]);
    }
    sums
}

/// How many of the features, which rise, are below `end`: all of them where there is but one share.
#[inline(always)]
fn entries_before(features: &[u32], end: usize, shares: usize) -> usize {
    if shares == 1 {
        features.len()
    } else {
        features.partition_point(|&feature| (feature as usize) < end)
    }
}
