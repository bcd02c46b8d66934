//! The CPU reference: a twin of every shader, of the same name. Plain loops in the same order, sums in f64,
//! counts as integers compared product by product, so that a shader can be held against it.
//!
//! Arrays are of one replica, without padding: activations and deltas are (neurons, samples), weights
//! (outputs, inputs).

pub mod activation;
pub mod activity;
pub mod clip;
pub mod count;
pub mod delta;
pub mod divergence;
pub mod dropout;
pub mod evaluate;
pub mod fold;
pub mod forward;
pub mod gather;
pub mod loss;
pub mod normalize;
pub mod normalize_back;
pub mod permute;
pub mod reduce;
pub mod select;
pub mod step;
pub mod threshold;
pub mod update;

pub use crate::rounding::gamma;

/// A sum in f64, and the sum of its terms' magnitudes, which scales the error bound of the same sum in f32.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sum {
    /// The sum.
    pub value: f64,
    /// The sum of the terms' absolute values.
    pub magnitude: f64,
}

impl Sum {
    /// Adds a term.
    pub fn add(&mut self, term: f64) {
        self.value += term;
        self.magnitude += term.abs();
    }

    /// So many times the sum, and each term.
    pub fn scaled(self, factor: f64) -> Self {
        Self { value: factor * self.value, magnitude: factor.abs() * self.magnitude }
    }

    /// How far `roundings` roundings can carry the sum in f32. Subnormal terms may have been flushed to zero.
    pub fn bound(&self, roundings: usize) -> f64 {
        gamma(roundings) * self.magnitude + roundings as f64 * f64::from(f32::MIN_POSITIVE)
    }

    /// Whether an f32 result is within `roundings` roundings of the sum. NaN is not, nor is anything where the sum is NaN.
    pub fn admits(&self, actual: f32, roundings: usize) -> bool {
        (f64::from(actual) - self.value).abs() <= self.bound(roundings)
    }
}
