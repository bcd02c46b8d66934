//! The comparator must refuse wrong data, or the other tests mean nothing.

use asgd::reference::Sum;

use crate::fixture::{is_close, POISON};

const SUM: Sum = Sum { value: 3.0, magnitude: 5.0 };

#[test]
fn refuses_nan_infinity_and_poison() {
    for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::from_bits(POISON)] {
        assert!(!is_close(wrong, SUM, 1_000_000), "{wrong}");
    }
    assert!(!is_close(3.0, Sum { value: f64::NAN, magnitude: 5.0 }, 10));
    assert!(!is_close(3.0, Sum { value: 3.0, magnitude: f64::NAN }, 10));
}

#[test]
fn accepts_rounding_and_refuses_more() {
    let unit = 2f32.powi(-24) * 5.0;
    assert!(is_close(3.0, SUM, 1));
    assert!(is_close(3.0 + 9.0 * unit, SUM, 10));
    assert!(!is_close(3.0 + 12.0 * unit, SUM, 10));
    assert!(!is_close(3.0 - 12.0 * unit, SUM, 10));
}

#[test]
fn refuses_a_missing_term_and_a_wrong_sign() {
    let mut whole = Sum::default();
    let mut cut = 0.0;
    for term in 1..100 {
        let term = f64::from(term).sin();
        whole.add(term);
        cut = whole.value - term;
    }
    assert!(is_close(whole.value as f32, whole, 100));
    assert!(!is_close(cut as f32, whole, 100));
    assert!(!is_close(-whole.value as f32, whole, 100));
    assert!(!is_close(0.0, whole, 100));
}

/// Zero must be zero where all terms are: only flushed subnormals are forgiven.
#[test]
fn an_empty_sum_is_zero() {
    assert!(is_close(0.0, Sum::default(), 5));
    assert!(is_close(f32::MIN_POSITIVE, Sum::default(), 5));
    assert!(!is_close(1e-30, Sum::default(), 5));
}
