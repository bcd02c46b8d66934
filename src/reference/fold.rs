//! Twin of fold.wgsl.

use super::normalize::inverse;

/// What a neuron's weights are multiplied by in evaluation, and its bias.
pub fn fold(gamma: f32, beta: f32, mean: f32, variance: f32) -> (f64, f64) {
    let scale = f64::from(gamma) * inverse(f64::from(variance), |value| value);
    (scale, f64::from(beta) - f64::from(mean) * scale)
}
