//! What hidden nodes do to their sums.

use super::simd::Lanes;
use crate::spec::Activation;

/// a from z. NaN stays NaN, so that a diverged network is seen.
#[inline(always)]
pub fn activate(activation: Activation, z: Lanes) -> Lanes {
    match activation {
        Activation::Relu => z.map(|z| if z <= 0.0 { 0.0 } else { z }),
    }
}

/// delta from the sum over the layer above, `W^T delta`, and from a.
#[inline(always)]
pub fn differentiate(activation: Activation, sum: Lanes, a: Lanes) -> Lanes {
    match activation {
        Activation::Relu => sum.zip(a, |sum, a| if a > 0.0 { sum } else { 0.0 }),
    }
}
