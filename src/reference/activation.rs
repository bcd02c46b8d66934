//! Twin of activation.wgsl.

use super::Sum;
use crate::spec::Activation;

/// phi(z).
pub fn phi(activation: Activation, z: f64) -> f64 {
    match activation {
        Activation::Relu => z.max(0.0),
        Activation::LeakyRelu { slope } => {
            if z > 0.0 {
                z
            } else {
                f64::from(slope) * z
            }
        }
        Activation::Elu => {
            if z > 0.0 {
                z
            } else {
                z.exp_m1()
            }
        }
        Activation::Gelu => z * normal(z),
        Activation::Silu => z * sigmoid(z),
        Activation::Tanh => z.tanh(),
        Activation::Sigmoid => sigmoid(z),
    }
}

/// phi'(z); at the kinks of ReLU and leaky ReLU, that of below.
pub fn slope(activation: Activation, z: f64) -> f64 {
    match activation {
        Activation::Relu => f64::from(u8::from(z > 0.0)),
        Activation::LeakyRelu { slope } => {
            if z > 0.0 {
                1.0
            } else {
                slope.into()
            }
        }
        Activation::Elu => {
            if z > 0.0 {
                1.0
            } else {
                z.exp()
            }
        }
        Activation::Gelu => normal(z) + z * (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt(),
        Activation::Silu => sigmoid(z) * (1.0 + z * sigmoid(-z)),
        Activation::Tanh => z.cosh().powi(-2),
        Activation::Sigmoid => sigmoid(z) * sigmoid(-z),
    }
}

/// phi(z) of a sum. No activation but GELU and SiLU, which are by a tenth, is steeper than 1; for ReLU there is no error but z's.
pub fn activate(activation: Activation, z: Sum) -> Sum {
    let value = phi(activation, z.value);
    match activation {
        Activation::Relu => Sum { value, ..z },
        _ => Sum { value, magnitude: 1.2 * z.magnitude + FUNCTION_ERROR * (z.value.abs().min(1.0) + value.abs()) },
    }
}

/// A delta from the sum over the layer above, and from z, which may be off by `z_error`. The slopes' own slope is below 1.1, but at
/// the kinks of ReLU and leaky ReLU.
pub fn differentiate(activation: Activation, sum: Sum, z: f64, z_error: f64) -> Sum {
    let slope = slope(activation, z);
    match activation {
        Activation::Relu => sum.scaled(slope),
        _ => {
            let error = FUNCTION_ERROR + 1.1 * z_error / super::gamma(1);
            Sum { value: slope * sum.value, magnitude: slope.abs() * sum.magnitude + error * sum.value.abs() }
        }
    }
}

/// Roundings that the functions written out in both engines may be off by, with divisions of 2.5 ULP.
const FUNCTION_ERROR: f64 = 16.0;

fn sigmoid(z: f64) -> f64 {
    if z < 0.0 { z.exp() / (1.0 + z.exp()) } else { 1.0 / (1.0 + (-z).exp()) }
}

/// The normal distribution's Phi(z) = (1 + erf(z / sqrt(2))) / 2.
fn normal(z: f64) -> f64 {
    0.5 * libm::erfc(-z / std::f64::consts::SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By central differences, away from the kinks; and no slope is steeper than [`activate`] says, nor bends more than
    /// [`differentiate`].
    #[test]
    fn slopes_are_finite_differences() {
        const H: f64 = 1e-5;
        for activation in Activation::all() {
            for step in -600..600 {
                let z = f64::from(step) / 50.0 + 0.007;
                let difference = (phi(activation, z + H) - phi(activation, z - H)) / (2.0 * H);
                assert!((difference - slope(activation, z)).abs() < 1e-9, "{activation} {z}");
                assert!(slope(activation, z).abs() < 1.2, "{activation} {z}");
                let bend = (slope(activation, z + H) - slope(activation, z - H)) / (2.0 * H);
                assert!(bend.abs() < 1.1, "{activation} {z}: {bend}");
            }
        }
    }

    /// Values of torch.nn.functional, in f64.
    #[test]
    fn values_are_pytorchs() {
        let at = |activation: Activation| [-2.0, 0.0, 0.5].map(|z| phi(activation, z));
        let near = |ours: [f64; 3], theirs: [f64; 3]| ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() < 1e-15);
        let leaky = Activation::LeakyRelu { slope: 0.25 };
        assert!(near(at(Activation::Relu), [0.0, 0.0, 0.5]));
        assert!(near(at(leaky), [-0.5, 0.0, 0.5]));
        assert!(near(at(Activation::Elu), [-0.8646647167633873, 0.0, 0.5]));
        assert!(near(at(Activation::Gelu), [-0.04550026389635842, 0.0, 0.34573123063700656]));
        assert!(near(at(Activation::Silu), [-0.2384058440442351, 0.0, 0.311_229_665_600_927_3]));
        assert!(near(at(Activation::Tanh), [-0.9640275800758169, 0.0, 0.462_117_157_260_009_8]));
        assert!(near(at(Activation::Sigmoid), [0.11920292202211755, 0.5, 0.622_459_331_201_854_6]));
    }
}
