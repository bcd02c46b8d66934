//! The comparator must refuse wrong data, or the other tests mean nothing.

use asgd::check::shaders::POISON;
use asgd::reference::Sum;

const SUM: Sum = Sum { value: 3.0, magnitude: 5.0 };

#[test]
fn refuses_nan_infinity_and_poison() {
    for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::from_bits(POISON)] {
        assert!(!SUM.admits(wrong, 1_000_000), "{wrong}");
    }
    assert!(!Sum { value: f64::NAN, magnitude: 5.0 }.admits(3.0, 10));
    assert!(!Sum { value: 3.0, magnitude: f64::NAN }.admits(3.0, 10));
}

#[test]
fn accepts_rounding_and_refuses_more() {
    let unit = 2f32.powi(-24) * 5.0;
    assert!(SUM.admits(3.0, 1));
    assert!(SUM.admits(3.0 + 9.0 * unit, 10));
    assert!(!SUM.admits(3.0 + 12.0 * unit, 10));
    assert!(!SUM.admits(3.0 - 12.0 * unit, 10));
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
    assert!(whole.admits(whole.value as f32, 100));
    assert!(!whole.admits(cut as f32, 100));
    assert!(!whole.admits(-whole.value as f32, 100));
    assert!(!whole.admits(0.0, 100));
}

/// Zero must be zero where all terms are: only flushed subnormals are forgiven.
#[test]
fn an_empty_sum_is_zero() {
    assert!(Sum::default().admits(0.0, 5));
    assert!(Sum::default().admits(f32::MIN_POSITIVE, 5));
    assert!(!Sum::default().admits(1e-30, 5));
}
