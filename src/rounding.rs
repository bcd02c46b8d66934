//! How far rounding can carry a sum of 32-bit floats.

/// gamma_n = n u / (1 - n u) with u = 2^-24: the relative forward error that n roundings to f32 can pile up
/// (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1).
pub fn gamma(roundings: usize) -> f64 {
    let nu = roundings as f64 * 2f64.powi(-24);
    nu / (1.0 - nu)
}
