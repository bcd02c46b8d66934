//! Batch normalization: normalize.wgsl.
//!
//! Every sum is a chain over the samples in their order, so a batch must be in one block: a team of one (trainer.rs).

use super::activation::relu;
use super::panels::{FULL, Panels};
use super::parameters::Share;
use super::simd::{Kernel, LANES, Lanes, with_lanes};
use crate::normalization::{EPSILON, MOMENTUM};

/// What a batch makes of the neurons of a layer.
#[derive(Debug, Clone, Default)]
pub struct Normalized {
    /// x^ = (z - mean) / sqrt(variance + 1e-5): (samples, outputs).
    pub values: Panels,
    /// Of z over the batch: (outputs).
    mean: Vec<Lanes>,
    /// Of z over the batch, divided by the number of samples: (outputs).
    variance: Vec<Lanes>,
    /// 1 / sqrt(variance + 1e-5): (outputs).
    pub inverse: Vec<Lanes>,
}

impl Normalized {
    /// Room for `capacity` samples of `width` neurons.
    pub fn new(capacity: usize, width: usize) -> Self {
        let values = Panels::zeros(capacity, width);
        let neurons = vec![Lanes::ZERO; width.div_ceil(LANES)];
        Self { values, mean: neurons.clone(), variance: neurons.clone(), inverse: neurons }
    }

    /// Moves the running statistics of a layer. The variance of one sample says nothing, and the running one stays.
    pub fn move_statistics(&self, [mean, variance]: &mut [Vec<Lanes>; 2], samples: usize) {
        let moved = |running: Lanes, new: Lanes| {
            running.zip(new, |running, new| MOMENTUM.mul_add(new, (1.0 - MOMENTUM) * running))
        };
        mean.iter_mut().zip(&self.mean).for_each(|(running, &new)| *running = moved(*running, new));
        if samples > 1 {
            let unbiased = samples as f32 / (samples as f32 - 1.0);
            for (running, biased) in variance.iter_mut().zip(&self.variance) {
                *running = moved(*running, biased.map(|variance| variance * unbiased));
            }
        }
    }
}

/// y = gamma x^ + beta of a layer, and of ReLU's nodes at once a.
pub struct Normalize<'a> {
    /// Which layer, from 0.
    pub layer: usize,
    /// Whether its nodes are ReLU's; otherwise y comes out.
    pub is_relu: bool,
    /// Holds gamma and beta.
    pub share: &'a Share,
    /// How many samples.
    pub samples: usize,
    /// z, which becomes y or a: (samples, outputs).
    pub sums: &'a mut Panels,
    /// Written.
    pub normalized: &'a mut Normalized,
}

impl Kernel for Normalize<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { layer, is_relu, share, samples, sums, normalized } = self;
        let Normalized { values, mean, variance, inverse } = normalized;
        let count = samples as f32;
        for panel in 0..sums.panels() {
            let first = panel * FULL;
            with_lanes!(sums.lanes(panel), P => {
                let rows = &mut sums.rows_of_mut::<P>(panel)[..samples];
                let mut means = [Lanes::ZERO; P];
                for row in &*rows {
                    for vector in 0..P {
                        means[vector] = means[vector].zip(row[vector], |sum, z| sum + z);
                    }
                }
                let means = means.map(|sum| sum.map(|sum| sum / count));
                let mut variances = [Lanes::ZERO; P];
                for row in &*rows {
                    for vector in 0..P {
                        let deviation = row[vector].zip(means[vector], |z, mean| z - mean);
                        variances[vector] = variances[vector].add_products(deviation, deviation);
                    }
                }
                let variances = variances.map(|sum| sum.map(|sum| sum / count));
                let inverses = variances.map(|variance| variance.map(|variance| 1.0 / (variance + EPSILON).sqrt()));
                let gammas: [Lanes; P] = std::array::from_fn(|vector| share.values.gammas[layer][first + vector]);
                let betas: [Lanes; P] = std::array::from_fn(|vector| share.values.biases[layer][first + vector]);
                for (row, values) in rows.iter_mut().zip(values.rows_of_mut::<P>(panel)) {
                    for vector in 0..P {
                        let deviation = row[vector].zip(means[vector], |z, mean| z - mean);
                        let value = deviation.zip(inverses[vector], |deviation, inverse| deviation * inverse);
                        values[vector] = value;
                        let y = betas[vector].add_products(gammas[vector], value);
                        row[vector] = if is_relu { relu(y) } else { y };
                    }
                }
                mean[first..first + P].copy_from_slice(&means);
                variance[first..first + P].copy_from_slice(&variances);
                inverse[first..first + P].copy_from_slice(&inverses);
            });
        }
    }
}
