//! Twin of normalize_back.wgsl.

use super::normalize::within;
use super::{Sum, gamma as rounding_error};

/// What the deltas of a neuron's outputs make of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Gradients {
    /// The gradient sum of beta: sum dy.
    pub beta: f64,
    /// The gradient sum of gamma: sum dy x^.
    pub gamma: f64,
    /// dz = gamma inverse (dy - mean(dy) - x^ mean(dy x^)), of every sample.
    pub deltas: Vec<f64>,
}

/// From dy and x^ of every sample, and from 1 / sqrt(variance + 1e-5); `round` is applied after every operation.
pub fn normalize_back(dy: &[f64], values: &[f64], gamma: f64, inverse: f64, round: fn(f64) -> f64) -> Gradients {
    let samples = dy.len() as f64;
    let of_beta = dy.iter().fold(0.0, |sum, dy| round(sum + dy));
    let of_gamma = dy.iter().zip(values).fold(0.0, |sum, (dy, value)| round(sum + round(dy * value)));
    let (mean, slope, scale) = (round(of_beta / samples), round(of_gamma / samples), round(gamma * inverse));
    let delta = |(dy, value): (&f64, &f64)| round(scale * round(round(dy - mean) - round(value * slope)));
    Gradients { beta: of_beta, gamma: of_gamma, deltas: dy.iter().zip(values).map(delta).collect() }
}

/// How far f32 can carry the same of f32 numbers.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// S of beta.
    pub beta: Sum,
    /// S of gamma.
    pub gamma: Sum,
    /// dz of every sample.
    pub deltas: Vec<Sum>,
}

/// The exact results, each with its bound for one rounding; `roundings` is what an operation may be off by, in units of one rounding.
pub fn bounded(dy: &[f32], values: &[f32], gamma: f32, inverse: f32, roundings: usize) -> Bounds {
    let widened = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect::<Vec<f64>>();
    let (dy, values) = (widened(dy), widened(values));
    let exact = normalize_back(&dy, &values, f64::from(gamma), f64::from(inverse), |value| value);
    let (samples, u) = (dy.len(), rounding_error(roundings));
    let many = rounding_error(samples + 2 * roundings);
    let tiny = samples as f64 * f64::from(f32::MIN_POSITIVE);
    let of_beta = many * dy.iter().map(|dy| dy.abs()).sum::<f64>() + tiny;
    let of_gamma = many * dy.iter().zip(&values).map(|(dy, value)| (dy * value).abs()).sum::<f64>() + tiny;
    let (mean, slope) = (exact.beta / samples as f64, exact.gamma / samples as f64);
    let (of_mean, of_slope) =
        ((of_beta + u * exact.beta.abs()) / samples as f64, (of_gamma + u * exact.gamma.abs()) / samples as f64);
    let scale = (f64::from(gamma) * f64::from(inverse)).abs();
    let delta = |((&dy, &value), &delta): ((&f64, &f64), &f64)| {
        let terms = dy.abs() + mean.abs() + of_mean + (value * slope).abs() + value.abs() * of_slope;
        within(delta, scale * (of_mean + value.abs() * of_slope + 5.0 * u * terms) + tiny)
    };
    let deltas = dy.iter().zip(&values).zip(&exact.deltas).map(delta).collect();
    Bounds { beta: within(exact.beta, of_beta), gamma: within(exact.gamma, of_gamma), deltas }
}
