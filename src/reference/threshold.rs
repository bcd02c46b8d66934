//! Twin of threshold.wgsl: which factors count, where a replica has a threshold T.

/// T times the largest magnitude of a neuron's deltas in a batch, not rounded yet: what a delta must exceed to count.
pub fn bound(threshold: f32, deltas: impl Iterator<Item = f64>) -> f64 {
    f64::from(threshold) * deltas.map(f64::abs).fold(0.0, f64::max)
}

/// Whether an activation counts that must exceed T, or a delta that must exceed its bound; with 0, whether it is not 0. NaN counts.
pub fn counts(value: f64, bound: f64) -> bool {
    value.abs() > bound || value.is_nan()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_above_does_not_count() {
        let deltas = [0.5, -2.0, 0.0, 1.0, f64::NAN];
        let counted = |threshold: f32| {
            let bound = bound(threshold, deltas.into_iter());
            deltas.map(|delta| counts(delta, bound))
        };
        assert_eq!(counted(0.0), [true, true, false, true, true]);
        assert_eq!(counted(0.25), [false, true, false, true, true]);
        assert_eq!(counted(0.5), [false, true, false, false, true]);
        assert!(!counts(0.0, bound(0.3, [0.0, 0.0].into_iter())));
    }
}
