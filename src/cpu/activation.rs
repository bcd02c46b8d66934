//! What hidden nodes do to their sums z, and its derivative: activation.wgsl. ReLU is a part of forward.rs and delta.rs; for others z is
//! kept, and these are passes of their own. NaN stays NaN, so that a diverged network is seen.

use super::exp::{exp_above_0, exp_m1};
use super::panels::Panels;
use super::simd::{Kernel, Lanes};
use crate::spec::Activation;

/// ReLU.
#[inline(always)]
pub fn relu(z: Lanes) -> Lanes {
    z.map(|z| if z <= 0.0 { 0.0 } else { z })
}

/// delta of ReLU from the sum over the layer above, `W^T delta`, and from a.
#[inline(always)]
pub fn relu_delta(sum: Lanes, a: Lanes) -> Lanes {
    sum.zip(a, |sum, a| if a > 0.0 { sum } else { 0.0 })
}

/// a of a layer from its z.
pub struct Activate<'a> {
    /// What its nodes do.
    pub activation: Activation,
    /// How many samples.
    pub samples: usize,
    /// z: (samples, outputs).
    pub sums: &'a Panels,
    /// Where a goes: (samples, outputs).
    pub activations: &'a mut Panels,
}

impl Kernel for Activate<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { activation, samples, sums, activations } = self;
        match activation {
            Activation::Relu => each(sums, samples, activations, |_, z| if z <= 0.0 { 0.0 } else { z }),
            Activation::LeakyRelu { slope } => {
                each(sums, samples, activations, |_, z| if z <= 0.0 { slope * z } else { z });
            }
            Activation::Elu => each(sums, samples, activations, |_, z| if z <= 0.0 { exp_m1(z) } else { z }),
            Activation::Gelu => each(sums, samples, activations, |_, z| z * normal(z)),
            Activation::Silu => each(sums, samples, activations, |_, z| z * sigmoids(z).0),
            Activation::Tanh => each(sums, samples, activations, |_, z| tanh(z)),
            Activation::Sigmoid => each(sums, samples, activations, |_, z| sigmoids(z).0),
        }
    }
}

/// Multiplies the deltas of a layer by phi'(z); at the kinks of ReLU and leaky ReLU, by that of below.
pub struct MultiplySlopes<'a> {
    /// What its nodes do.
    pub activation: Activation,
    /// How many samples.
    pub samples: usize,
    /// z: (samples, outputs).
    pub sums: &'a Panels,
    /// W^T delta, which becomes delta: (samples, outputs).
    pub deltas: &'a mut Panels,
}

impl Kernel for MultiplySlopes<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { activation, samples, sums, deltas } = self;
        match activation {
            Activation::Relu => each(sums, samples, deltas, |delta, z| if z <= 0.0 { 0.0 } else { delta }),
            Activation::LeakyRelu { slope } => {
                each(sums, samples, deltas, |delta, z| if z <= 0.0 { slope * delta } else { delta });
            }
            Activation::Elu => {
                each(sums, samples, deltas, |delta, z| delta * if z <= 0.0 { exp_above_0(z) } else { 1.0 });
            }
            Activation::Gelu => each(sums, samples, deltas, |delta, z| delta * z.mul_add(density(z), normal(z))),
            Activation::Silu => each(sums, samples, deltas, |delta, z| {
                let (own, other) = sigmoids(z);
                delta * (own * z.mul_add(other, 1.0))
            }),
            Activation::Tanh => each(sums, samples, deltas, |delta, z| delta * tanh_slope(z)),
            Activation::Sigmoid => each(sums, samples, deltas, |delta, z| {
                let (own, other) = sigmoids(z);
                delta * (own * other)
            }),
        }
    }
}

/// What `function` makes of each value of `to` and its z.
#[inline(always)]
fn each(sums: &Panels, samples: usize, to: &mut Panels, function: impl Fn(f32, f32) -> f32) {
    for panel in 0..to.panels() {
        let vectors = samples * to.lanes(panel);
        for (to, &z) in to.panel_mut(panel)[..vectors].iter_mut().zip(sums.panel(panel)) {
            *to = to.zip(z, &function);
        }
    }
}

/// The sigmoids 1 / (1 + e^-z) of z and of -z, with relative errors below 4 u.
#[inline(always)]
fn sigmoids(z: f32) -> (f32, f32) {
    let e = exp_above_0(-z.abs());
    let above = 1.0 / (1.0 + e);
    let below = e * above;
    if z < 0.0 { (below, above) } else { (above, below) }
}

/// tanh, with a relative error below 4 u: Cephes' polynomial near 0.
#[inline(always)]
#[allow(clippy::excessive_precision, reason = "as published; rounded to f32 by the compiler")]
fn tanh(z: f32) -> f32 {
    const COEFFICIENTS: [f32; 5] =
        [-5.704_988_727_45e-3, 2.063_908_879_54e-2, -5.373_971_555_31e-2, 1.333_144_220_36e-1, -3.333_328_194_22e-1];
    let s = z * z;
    let near = (polynomial(&COEFFICIENTS, s) * s).mul_add(z, z);
    let e = exp_above_0(-2.0 * z.abs());
    let far = (1.0 - e) / (1.0 + e);
    let far = if z < 0.0 { -far } else { far };
    if z.abs() < 0.625 { near } else { far }
}

/// 1 - tanh^2, without cancellation: with a relative error below 8 u.
#[inline(always)]
fn tanh_slope(z: f32) -> f32 {
    let e = exp_above_0(-2.0 * z.abs());
    let half = 2.0 / (1.0 + e);
    e * half * half
}

/// The normal distribution's Phi(z) = (1 + erf(z / sqrt(2))) / 2, with an error below 2 u; never 0. (N. Juffa's erf.)
#[inline(always)]
#[allow(clippy::excessive_precision, reason = "as published; rounded to f32 by the compiler")]
fn normal(z: f32) -> f32 {
    const NEAR: [f32; 6] =
        [-5.967_617_03e-4, 4.991_194_23e-3, -2.676_813_49e-2, 1.128_199_25e-1, -3.761_253_36e-1, 1.283_791_66e-1];
    const FAR: [f32; 7] = [
        -1.728_534_70e-5,
        3.831_971_26e-4,
        -3.883_964_38e-3,
        2.425_462_19e-2,
        -1.067_778_77e-1,
        -6.348_466_87e-1,
        -1.287_175_12e-1,
    ];
    let x = z * std::f32::consts::FRAC_1_SQRT_2;
    let near = polynomial(&NEAR, x * x).mul_add(x, x);
    // Further out Phi is 0 or 1 but for 1e-29.
    let t = if x.abs() > 8.0 { 8.0 } else { x.abs() };
    let tail = 0.5 * exp_above_0(polynomial(&FAR, t).mul_add(t, -t));
    let far = if x < 0.0 { tail } else { 1.0 - tail };
    if x.abs() < 0.927_734_375 { 0.5f32.mul_add(near, 0.5) } else { far }
}

/// Phi', with an error below 4 u.
#[inline(always)]
fn density(z: f32) -> f32 {
    /// 1 / sqrt(2 pi)
    const HIGHEST: f32 = 0.398_942_3;
    let near = if z.abs() > 13.0 { 13.0 } else { z };
    HIGHEST * exp_above_0(-0.5 * near * near)
}

/// The coefficient of the highest power first.
#[inline(always)]
fn polynomial<const N: usize>(coefficients: &[f32; N], x: f32) -> f32 {
    let mut p = coefficients[0];
    for coefficient in &coefficients[1..] {
        p = p.mul_add(x, *coefficient);
    }
    p
}

#[cfg(test)]
mod tests {
    use super::*;

    /// u, the unit roundoff.
    const U: f64 = 1.0 / (1 << 24) as f64;

    /// The largest error of a function in u, over |z| up to 12, relatively or not.
    fn worst(function: impl Fn(f32) -> f32, exact: impl Fn(f64) -> f64, is_relative: bool) -> f64 {
        let points = (0..=2_000_000).map(|step| -12.0 + 24.0 * step as f32 / 2_000_000.0);
        let error = |z: f32| {
            let exact = exact(f64::from(z));
            let error = (f64::from(function(z)) - exact).abs();
            if !is_relative || error == 0.0 { error } else { error / exact.abs() }
        };
        points.map(error).fold(0.0, f64::max) / U
    }

    #[test]
    fn functions_are_within_their_bounds() {
        let sigmoid = |z: f64| 1.0 / (1.0 + (-z).exp());
        let phi = |z: f64| 0.5 * libm::erfc(-z / std::f64::consts::SQRT_2);
        let density_of = |z: f64| (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
        for (name, error, bound) in [
            ("sigmoid", worst(|z| sigmoids(z).0, sigmoid, true), 4.0),
            ("its complement", worst(|z| sigmoids(z).1, |z| sigmoid(-z), true), 4.0),
            ("tanh", worst(tanh, f64::tanh, true), 4.0),
            ("tanh_slope", worst(tanh_slope, |z| z.cosh().powi(-2), true), 8.0),
            ("normal", worst(normal, phi, false), 2.0),
            ("density", worst(density, density_of, false), 4.0),
        ] {
            assert!(error < bound, "{name}: {error} u");
            assert!(error > 0.1, "{name} is not what it is held against");
        }
    }

    #[test]
    fn extremes_are_finite_and_nan_stays() {
        for z in [1e4, 1e30, f32::MAX, -1e4, -1e30, -f32::MAX] {
            assert_eq!(tanh(z), z.signum());
            let (own, other) = sigmoids(z);
            assert!(own > 0.0 && own <= 1.0 && other > 0.0 && own + other == 1.0, "{z}");
            assert!(normal(z) > 0.0 && normal(z) <= 1.0 && density(z) > 0.0 && tanh_slope(z) > 0.0, "{z}");
        }
        let nan = f32::NAN;
        for value in [sigmoids(nan).0, sigmoids(nan).1, tanh(nan), tanh_slope(nan), normal(nan), density(nan)] {
            assert!(value.is_nan());
        }
    }
}
