//! What a test compares, and what it finds: the largest error in units of its bound, and the first value that is wrong.

use std::fmt::Debug;

use serde::Serialize;

use crate::reference::Sum;

/// The first value of a test that is wrong.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mismatch {
    /// Case and array, in words.
    pub place: String,
    /// Index in the array.
    pub index: usize,
    /// What the device gave.
    pub got: String,
    /// What the reference has.
    pub expected: String,
    /// How far the two may be apart; nothing where they must be equal.
    pub bound: Option<f64>,
}

/// Results held against what they should be, value by value.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Comparison {
    values: u64,
    largest_error: Option<f64>,
    mismatch: Option<Mismatch>,
}

impl Comparison {
    /// How many values were compared.
    pub fn values(&self) -> u64 {
        self.values
    }

    /// The largest error of a float in units of its bound; nothing where all comparisons were of equality.
    pub fn largest_error(&self) -> Option<f64> {
        self.largest_error
    }

    /// The first value that is wrong.
    pub fn mismatch(&self) -> Option<&Mismatch> {
        self.mismatch.as_ref()
    }

    /// Whether all that was compared is right, and anything was.
    pub fn passed(&self) -> bool {
        self.values > 0 && self.mismatch.is_none()
    }

    /// Holds an f32 against a sum with so many roundings.
    pub fn close(
        &mut self,
        place: impl FnOnce() -> String,
        index: usize,
        actual: f32,
        expected: Sum,
        roundings: usize,
    ) {
        self.within(place, index, f64::from(actual), expected.value, expected.bound(roundings));
    }

    /// Holds a value against another from which it may be `bound` away. NaN is infinitely far from everything.
    pub fn within(&mut self, place: impl FnOnce() -> String, index: usize, actual: f64, expected: f64, bound: f64) {
        self.values += 1;
        let error = (actual - expected).abs();
        let is_close = error <= bound;
        let units = match error / bound {
            units if units.is_finite() => units,
            _ if is_close => 0.0,
            _ => f64::INFINITY,
        };
        self.largest_error = Some(self.largest_error.unwrap_or(0.0).max(units));
        if !is_close {
            self.fail(place, index, &actual, &expected, Some(bound));
        }
    }

    /// Holds a value against one that it must equal. NaN equals nothing.
    pub fn equal<T: PartialEq + Debug>(
        &mut self,
        place: impl FnOnce() -> String,
        index: usize,
        actual: T,
        expected: T,
    ) {
        self.values += 1;
        if actual != expected {
            self.fail(place, index, &actual, &expected, None);
        }
    }

    /// Holds values against as many that they must equal.
    pub fn all_equal<T: PartialEq + Debug>(&mut self, place: impl FnOnce() -> String, actual: &[T], expected: &[T]) {
        self.values += expected.len() as u64;
        let length = actual.len().min(expected.len());
        let different = (0..length).find(|&index| actual[index] != expected[index]);
        match different {
            Some(index) => self.fail(place, index, &actual[index], &expected[index], None),
            None if actual.len() == expected.len() => {}
            None => self.fail(place, length, &actual.get(length), &expected.get(length), None),
        }
    }

    /// What must hold of a value that has no other to be compared with.
    pub fn holds(&mut self, place: impl FnOnce() -> String, index: usize, actual: impl Debug, rule: &str, is_so: bool) {
        self.values += 1;
        if !is_so {
            self.fail(place, index, &actual, &format_args!("{rule}"), None);
        }
    }

    fn fail(
        &mut self,
        place: impl FnOnce() -> String,
        index: usize,
        got: &dyn Debug,
        expected: &dyn Debug,
        bound: Option<f64>,
    ) {
        self.mismatch.get_or_insert_with(|| Mismatch {
            place: place(),
            index,
            got: format!("{got:?}"),
            expected: format!("{expected:?}"),
            bound,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: Sum = Sum { value: 3.0, magnitude: 5.0 };

    fn close(actual: f32, expected: Sum, roundings: usize) -> Comparison {
        let mut comparison = Comparison::default();
        comparison.close(|| "here".into(), 7, actual, expected, roundings);
        comparison
    }

    #[test]
    fn nan_and_infinity_are_wrong() {
        for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::from_bits(u32::MAX)] {
            let comparison = close(wrong, SUM, 1_000_000);
            assert!(!comparison.passed() && comparison.largest_error() == Some(f64::INFINITY), "{wrong}");
        }
        assert!(!close(3.0, Sum { value: f64::NAN, magnitude: 5.0 }, 10).passed());
        assert!(!close(3.0, Sum { value: 3.0, magnitude: f64::NAN }, 10).passed());
    }

    #[test]
    fn errors_are_in_units_of_the_bound() {
        let unit = 2f32.powi(-24) * 5.0;
        let largest = |actual, roundings| close(actual, SUM, roundings).largest_error().unwrap();
        assert!((0.85..0.95).contains(&largest(3.0 + 9.0 * unit, 10)));
        assert!((1.15..1.25).contains(&largest(3.0 - 12.0 * unit, 10)));
        assert_eq!(largest(3.0, 1), 0.0);
        // A bound of nothing admits nothing but the value itself.
        let mut exact = Comparison::default();
        exact.within(String::new, 0, 1.5, 1.5, 0.0);
        assert!(exact.passed());
        exact.within(String::new, 0, 1.5, 1.25, 0.0);
        assert!(!exact.passed() && exact.largest_error() == Some(f64::INFINITY));
    }

    #[test]
    fn the_first_mismatch_is_kept() {
        let mut comparison = Comparison::default();
        comparison.all_equal(|| "counts".into(), &[1, 2, 4, 5], &[1, 2, 3, 4]);
        comparison.equal(|| "later".into(), 0, 1, 2);
        let mismatch = comparison.mismatch().unwrap();
        let found = (mismatch.place.as_str(), mismatch.index, mismatch.got.as_str(), mismatch.expected.as_str());
        assert_eq!(found, ("counts", 2, "4", "3"));
        assert!(comparison.largest_error().is_none() && comparison.values() == 5);
    }

    #[test]
    fn missing_values_are_wrong() {
        assert!(!Comparison::default().passed(), "nothing was compared");
        for (actual, expected) in [(&[1, 2][..], &[1, 2, 3][..]), (&[1, 2, 3], &[1, 2])] {
            let mut comparison = Comparison::default();
            comparison.all_equal(String::new, actual, expected);
            assert_eq!(comparison.mismatch().unwrap().index, 2);
        }
        let mut comparison = Comparison::default();
        comparison.equal(String::new, 0, f32::NAN, f32::NAN);
        comparison.holds(String::new, 0, 1.0, "NaN", false);
        assert!(!comparison.passed());
    }
}
