//! dz from dy through the statistics of a batch: normalize_back.wgsl.

use super::normalize::Normalized;
use super::panels::{FULL, Panels};
use super::parameters::Share;
use super::simd::{Kernel, Lanes, with_lanes};

/// dz = gamma / sqrt(variance + 1e-5) (dy - mean(dy) - x^ mean(dy x^)) of a layer.
pub struct NormalizeBack<'a> {
    /// Which layer, from 0.
    pub layer: usize,
    /// Holds gamma.
    pub share: &'a Share,
    /// How many samples.
    pub samples: usize,
    /// What the batch made of the neurons.
    pub normalized: &'a Normalized,
    /// dy: (samples, outputs).
    pub outputs: &'a Panels,
    /// Where dz goes: (samples, outputs).
    pub deltas: &'a mut Panels,
}

impl Kernel for NormalizeBack<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { layer, share, samples, normalized, outputs, deltas } = self;
        let count = samples as f32;
        for panel in 0..outputs.panels() {
            let first = panel * FULL;
            with_lanes!(outputs.lanes(panel), P => {
                let outputs = &outputs.rows_of::<P>(panel)[..samples];
                let values = &normalized.values.rows_of::<P>(panel)[..samples];
                let mut means = [Lanes::ZERO; P];
                let mut slopes = [Lanes::ZERO; P];
                for (dy, value) in outputs.iter().zip(values) {
                    for vector in 0..P {
                        means[vector] = means[vector].zip(dy[vector], |sum, dy| sum + dy);
                        slopes[vector] = slopes[vector].add_products(dy[vector], value[vector]);
                    }
                }
                let means = means.map(|sum| sum.map(|sum| sum / count));
                let slopes = slopes.map(|sum| sum.map(|sum| sum / count));
                let scales: [Lanes; P] = std::array::from_fn(|vector| {
                    share.values.gammas[layer][first + vector].zip(normalized.inverse[first + vector], |gamma, inverse| gamma * inverse)
                });
                for ((delta, dy), value) in deltas.rows_of_mut::<P>(panel).iter_mut().zip(outputs).zip(values) {
                    for vector in 0..P {
                        let centred = dy[vector].zip(means[vector], |dy, mean| dy - mean);
                        let along = value[vector].zip(slopes[vector], |value, slope| value * slope);
                        let rest = centred.zip(along, |centred, along| centred - along);
                        delta[vector] = rest.zip(scales[vector], |rest, scale| scale * rest);
                    }
                }
            });
        }
    }
}
