//! exp and what is made of it in single precision, the same bits on every machine.

/// e^x for x of at most 88, with an error below 1.1 units in the last place; 0 below -87.3, just before it would be
/// subnormal. NaN gives NaN.
///
/// Cody and Waite's reduction to |r| <= ln(2) / 2 and the minimax polynomial of Cephes' expf, every step fused.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    const LOWEST: f32 = -87.3;
    let (p, scale) = reduced(x);
    if x < LOWEST { 0.0 } else { (p + 1.0) * scale }
}

/// e^x for x of at most 0, and not below e^-87: never 0.
#[inline(always)]
pub fn exp_above_0(x: f32) -> f32 {
    exp(bounded(x))
}

/// e^x - 1 for x of at most 0, with an error below 1.5 units in the last place.
#[inline(always)]
pub fn exp_m1(x: f32) -> f32 {
    let (p, scale) = reduced(bounded(x));
    p.mul_add(scale, scale - 1.0)
}

/// x, but at least -87. NaN stays NaN.
#[inline(always)]
fn bounded(x: f32) -> f32 {
    if x < -87.0 { -87.0 } else { x }
}

/// (p, 2^n) with e^x = 2^n (1 + p) and |p| below 0.42.
#[inline(always)]
#[allow(clippy::excessive_precision, reason = "as published; rounded to f32 by the compiler")]
fn reduced(x: f32) -> (f32, f32) {
    const SHIFT: f32 = 12_582_912.0;
    const COEFFICIENTS: [f32; 6] = [
        1.987_569_150_0e-4,
        1.398_199_950_7e-3,
        8.333_451_907_3e-3,
        4.166_579_589_4e-2,
        1.666_666_545_9e-1,
        5.000_000_120_1e-1,
    ];
    // Adding 1.5 * 2^23 rounds to a whole number, which is then in the last bits.
    let shifted = x.mul_add(std::f32::consts::LOG2_E, SHIFT);
    let n = shifted - SHIFT;
    let r = n.mul_add(-0.693_359_375, x);
    let r = n.mul_add(2.121_944_4e-4, r);
    let mut p = COEFFICIENTS[0];
    for coefficient in &COEFFICIENTS[1..] {
        p = p.mul_add(r, *coefficient);
    }
    (p.mul_add(r * r, r), f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23)))
}

#[cfg(test)]
mod tests {
    use super::{exp, exp_above_0, exp_m1};

    #[test]
    fn is_within_its_bound() {
        let mut worst = 0.0f64;
        for step in 0..=2_000_000 {
            let x = -87.0 + 175.0 * step as f32 / 2_000_000.0;
            let exact = f64::from(x).exp();
            let unit = f64::from(f32::EPSILON) * 2f64.powi(exact.log2().floor() as i32);
            worst = worst.max((f64::from(exp(x)) - exact).abs() / unit);
        }
        assert!(worst < 1.1, "{worst}");
        assert_eq!((exp(0.0), exp(-0.0), exp(f32::NEG_INFINITY), exp(-100.0)), (1.0, 1.0, 0.0, 0.0));
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn exp_m1_is_within_its_bound() {
        let mut worst = 0.0f64;
        for step in 0..=2_000_000 {
            let x = -20.0 * step as f32 / 2_000_000.0;
            let exact = f64::from(x).exp_m1();
            let unit = f64::from(f32::EPSILON) * 2f64.powi(exact.abs().log2().floor() as i32);
            worst = worst.max(if x == 0.0 { 0.0 } else { (f64::from(exp_m1(x)) - exact).abs() / unit });
        }
        assert!(worst < 1.5, "{worst}");
        assert_eq!((exp_m1(0.0), exp_m1(-1e-30), exp_m1(f32::NEG_INFINITY)), (0.0, -1e-30, -1.0));
        assert!(exp_m1(f32::NAN).is_nan() && exp_above_0(f32::NAN).is_nan());
        assert!(exp_above_0(f32::NEG_INFINITY) > f32::MIN_POSITIVE);
    }
}
