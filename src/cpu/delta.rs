//! delta of a hidden layer, from the layer above: delta.wgsl.

use super::activation::relu_delta;
use super::panels::{PANEL, Panels};
use super::parameters::Share;
use super::product::{Segment, product};
use super::simd::{Kernel, Lanes, with_lanes};

/// The deltas below one layer, of a block of samples.
pub struct Delta<'a, S> {
    /// The layer above, from 0.
    pub layer: usize,
    /// The parameters.
    pub shares: &'a [S],
    /// delta of the layer above: (samples, outputs).
    pub above: &'a Panels,
    /// a of the layer itself, (samples, inputs), where its nodes are ReLU's; otherwise their slopes are left out.
    pub activations: Option<&'a Panels>,
    /// How many samples.
    pub samples: usize,
    /// Where delta goes: (samples, inputs).
    pub deltas: &'a mut Panels,
}

impl<S: std::ops::Deref<Target = Share>> Kernel for Delta<'_, S> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { layer, shares, above, activations, samples, deltas } = self;
        for share in shares {
            let transposed = &share.transposed[layer];
            let first = share.split.rows[layer].start / PANEL;
            for index in 0..transposed.panels() {
                let panel = first + index;
                with_lanes!(deltas.lanes(panel), P => {
                    let weights = transposed.rows_of::<P>(index).chunks(PANEL).enumerate();
                    let segments: Vec<Segment<'_, P>> = weights
                        .map(|(from, weights)| Segment { inputs: above.panel(from), lanes: above.lanes(from), weights })
                        .collect();
                    let rows = &mut deltas.rows_of_mut::<P>(panel)[..samples];
                    let Some(activations) = activations else {
                        product(&segments, [Lanes::ZERO; P], samples, |sample, sums| rows[sample] = sums);
                        continue;
                    };
                    let a = &activations.rows_of::<P>(panel)[..samples];
                    product(&segments, [Lanes::ZERO; P], samples, |sample, sums| {
                        for vector in 0..P {
                            rows[sample][vector] = relu_delta(sums[vector], a[sample][vector]);
                        }
                    });
                });
            }
        }
    }
}
