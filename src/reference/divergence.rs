//! Twin of divergence.wgsl.

/// Whether one of the parameters is NaN or infinite.
pub fn divergence(parameters: &[f32]) -> bool {
    parameters.iter().any(|parameter| !parameter.is_finite())
}
