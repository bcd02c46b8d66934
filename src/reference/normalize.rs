//! Twin of normalize.wgsl: batch normalization (Ioffe and Szegedy 2015, arXiv 1502.03167, algorithm 1).

use super::{Sum, gamma as rounding_error};
use crate::normalization::{EPSILON, MOMENTUM};

/// What a batch makes of a neuron.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalized {
    /// Of z over the samples.
    pub mean: f64,
    /// Of z over the samples, divided by their number.
    pub variance: f64,
    /// 1 / sqrt(variance + 1e-5).
    pub inverse: f64,
    /// x^ = (z - mean) inverse, of every sample.
    pub values: Vec<f64>,
}

/// x^ of a neuron; `round` is applied after every operation.
pub fn normalize(z: &[f64], round: fn(f64) -> f64) -> Normalized {
    let samples = z.len() as f64;
    let mean = round(z.iter().fold(0.0, |sum, z| round(sum + z)) / samples);
    let deviations: Vec<f64> = z.iter().map(|z| round(z - mean)).collect();
    let variance = round(deviations.iter().fold(0.0, |sum, d| round(sum + round(d * d))) / samples);
    let inverse = inverse(variance, round);
    Normalized { mean, variance, inverse, values: deviations.iter().map(|d| round(d * inverse)).collect() }
}

/// 1 / sqrt(variance + 1e-5).
pub fn inverse(variance: f64, round: fn(f64) -> f64) -> f64 {
    round(1.0 / round(round(variance + f64::from(EPSILON)).sqrt()))
}

/// y = gamma x^ + beta.
pub fn scaled(value: f64, gamma: f64, beta: f64, round: fn(f64) -> f64) -> f64 {
    round(round(gamma * value) + beta)
}

/// The running mean and variance after a batch of `samples`: the variance's share is the unbiased one; of one sample there is none, and
/// the running variance stays.
pub fn moved_statistics(
    [mean, variance]: [f64; 2],
    batch: &Normalized,
    samples: usize,
    round: fn(f64) -> f64,
) -> [f64; 2] {
    let momentum = f64::from(MOMENTUM);
    let moved = |running: f64, new: f64| round(round((1.0 - momentum) * running) + round(momentum * new));
    let unbiased = round(batch.variance * (samples as f64 / (samples as f64 - 1.0)));
    [moved(mean, batch.mean), if samples == 1 { variance } else { moved(variance, unbiased) }]
}

/// How far f32 can carry what [`normalize`] finds.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Of the mean.
    pub mean: Sum,
    /// Of the biased variance.
    pub variance: Sum,
    /// Of 1 / sqrt(variance + 1e-5).
    pub inverse: Sum,
    /// Of x^ of every sample.
    pub values: Vec<Sum>,
    /// Of y = gamma x^ + beta of every sample.
    pub outputs: Vec<Sum>,
}

impl Bounds {
    /// The running mean and variance after a batch of `samples`, each with its bound for one rounding: what the batch's own are off by,
    /// and the roundings of three operations.
    pub fn moved_statistics(&self, running: [f64; 2], samples: usize, roundings: usize) -> [Sum; 2] {
        let (momentum, u) = (f64::from(MOMENTUM), rounding_error(4 * roundings));
        let unbiased = samples as f64 / (samples as f64 - 1.0);
        let moved = |running: f64, batch: Sum, factor: f64| {
            let (kept, new) = ((1.0 - momentum) * running, momentum * factor * batch.value);
            within(kept + new, momentum * factor * batch.bound(1) * (1.0 + u) + u * (kept.abs() + new.abs()))
        };
        let variance = if samples == 1 { within(running[1], 0.0) } else { moved(running[1], self.variance, unbiased) };
        [moved(running[0], self.mean, 1.0), variance]
    }
}

/// A value that may be off by `error`, for [`Sum::admits`] of one rounding.
pub fn within(value: f64, error: f64) -> Sum {
    Sum { value, magnitude: error / rounding_error(1) }
}

/// The exact results of f32 values, each with its bound for one rounding; `roundings` is what an operation may be off by, in units of
/// one rounding.
pub fn bounded(z: &[f32], gamma: f32, beta: f32, roundings: usize) -> Bounds {
    let exact: Vec<f64> = z.iter().map(|&z| f64::from(z)).collect();
    let batch = normalize(&exact, |value| value);
    let (samples, u) = (z.len(), rounding_error(roundings));
    let many = rounding_error(samples + 2 * roundings);
    let of_mean = many * exact.iter().map(|z| z.abs()).sum::<f64>() / samples as f64;
    let deviations: Vec<f64> = exact.iter().map(|z| z - batch.mean).collect();
    let of_deviation: Vec<f64> = deviations.iter().map(|d| of_mean + u * (d.abs() + of_mean)).collect();
    let squares = deviations.iter().zip(&of_deviation).map(|(d, error)| (2.0 * d.abs() + error) * error);
    let of_variance = squares.sum::<f64>() / samples as f64 * (1.0 + many) + many * batch.variance;
    // The inverse falls with the variance, so that it is off most where that is smallest.
    let lowest = (batch.variance - of_variance).max(0.0) + f64::from(EPSILON) * (1.0 - 2.0 * u);
    let of_inverse = (1.0 / lowest.sqrt() - batch.inverse) + 4.0 * u / lowest.sqrt();
    let largest = batch.inverse + of_inverse;
    let (gamma, beta) = (f64::from(gamma), f64::from(beta));
    let mut values = Vec::new();
    let mut outputs = Vec::new();
    for ((&value, d), error) in batch.values.iter().zip(&deviations).zip(&of_deviation) {
        let of_value = error * largest + d.abs() * of_inverse + u * (d.abs() + error) * largest;
        values.push(within(value, of_value));
        let (product, output) = (gamma * value, gamma * value + beta);
        let of_output = gamma.abs() * of_value * (1.0 + u) + u * (2.0 * product.abs() + beta.abs());
        outputs.push(within(output, of_output + f64::from(f32::MIN_POSITIVE)));
    }
    Bounds {
        mean: within(batch.mean, of_mean),
        variance: within(batch.variance, of_variance),
        inverse: within(batch.inverse, of_inverse),
        values,
        outputs,
    }
}
