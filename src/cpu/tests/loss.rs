use super::fixture::{SAMPLES, WIDTHS, assert_close, numbers, on_every_machine, panels, within, written};
use crate::cpu::loss::LossDelta;
use crate::dataset::Targets;
use crate::random::Random;
use crate::reference::loss::{loss, squared_loss};
use crate::reference::{Sum, gamma};
use crate::spec::Loss;

/// u, the unit roundoff of f32.
pub const U: f64 = 1.0 / (1 << 24) as f64;

/// What exp(x) is off by, relatively: its own error, and that of x, a difference of two floats; all of it where it is 0.
pub fn exp_error(x: f64) -> f64 {
    match x < -87.29 {
        true => 1.0,
        false => 2.2 * U + x.abs() * U * 1.01,
    }
}

/// output - target of every unit, (units, samples), with the error that exp, a sum and a division have.
fn bounded_loss(logits: &[f64], labels: &[u32]) -> Vec<Sum> {
    let samples = labels.len();
    let units = logits.len() / samples;
    let bounded = |(index, delta): (usize, f64)| {
        let z = |unit: usize| logits[unit * samples + index % samples];
        let (p, error_above, error_below) = if units == 1 {
            let e = (-z(0).abs()).exp();
            (if z(0) < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) }, 2.2 * U, 2.2 * U + gamma(1))
        } else {
            let highest = (0..units).map(z).fold(f64::NEG_INFINITY, f64::max);
            let e = |unit: usize| (z(unit) - highest).exp();
            let total: f64 = (0..units).map(e).sum();
            let weighted: f64 = (0..units).map(|unit| e(unit) * exp_error(z(unit) - highest)).sum();
            let unit = index / samples;
            (e(unit) / total, exp_error(z(unit) - highest), (1.0 + weighted / total) * (1.0 + gamma(units)) - 1.0)
        };
        let relative = (1.0 + error_above) * (1.0 + U) / (1.0 - error_below) - 1.0;
        within(delta, p * relative + (delta.abs() + p * relative) * U)
    };
    loss(logits, labels, |value| value).into_iter().enumerate().map(bounded).collect()
}

fn run(units: usize, logits: &[f32], labels: &[u32]) -> Vec<u32> {
    run_with(Loss::for_units(units), logits, &Targets::Classes(labels.to_vec()))
}

fn run_with(loss: Loss, logits: &[f32], targets: &Targets) -> Vec<u32> {
    let samples = targets.len();
    on_every_machine(|simd| {
        let mut logits = panels(logits, samples);
        // All of the rows after the last sample is NaN, padding too, as `written` expects.
        for panel in 0..logits.panels() {
            let lanes = logits.lanes(panel);
            logits.panel_mut(panel)[samples * lanes..].iter_mut().for_each(|lanes| lanes.0.fill(f32::NAN));
        }
        simd.run(LossDelta { loss, targets, logits: &mut logits });
        written(&logits, samples)
    })
}

#[test]
fn equals_its_twin() {
    let sizes = WIDTHS.iter().flat_map(|&units| SAMPLES.map(|samples| (units, samples)));
    for (units, samples) in sizes {
        let mut random = Random::new(units as u64, samples as u64);
        let labels: Vec<u32> = (0..samples).map(|_| random.next_u64() as u32 % units.max(2) as u32).collect();
        for scale in [0.0, 1.0, 30.0] {
            let logits: Vec<f32> = numbers(&mut random, units * samples, 3).into_iter().map(|z| z * scale).collect();
            let exact: Vec<f64> = logits.iter().map(|&z| f64::from(z)).collect();
            let actual = run(units, &logits, &labels);
            assert_close(&(units, samples, scale), &actual, &bounded_loss(&exact, &labels), 1);
        }
    }
}

/// 2 (output - target) / outputs: a difference and a product with a quotient.
#[test]
fn squared_errors_equal_their_twin() {
    let sizes = WIDTHS.iter().flat_map(|&units| SAMPLES.map(|samples| (units, samples)));
    for (units, samples) in sizes {
        let mut random = Random::new(units as u64, samples as u64);
        let outputs = numbers(&mut random, units * samples, 3);
        let mut values = numbers(&mut random, units * samples, 3);
        // Some are met exactly.
        (0..units * samples).step_by(3).for_each(|i| values[i] = outputs[i % units * samples + i / units]);
        let column = |values: &[f32], sample: usize| -> Vec<f64> {
            values.iter().skip(sample).step_by(samples).map(|&value| f64::from(value)).collect()
        };
        let of_sample = |sample: usize| {
            let own: Vec<f64> = values[sample * units..][..units].iter().map(|&value| f64::from(value)).collect();
            squared_loss(&column(&outputs, sample), &own)
        };
        let deltas: Vec<Vec<f64>> = (0..samples).map(of_sample).collect();
        let expected: Vec<Sum> = (0..units * samples)
            .map(|index| deltas[index % samples][index / samples])
            .map(|value| Sum { value, magnitude: value.abs() })
            .collect();
        let targets = Targets::Numbers { values, outputs: units };
        let actual = run_with(Loss::MeanSquaredError, &outputs, &targets);
        assert_close(&(units, samples), &actual, &expected, 3);
        let zeros = |index: &usize| (expected[*index].value == 0.0) != (f32::from_bits(actual[*index]) == 0.0);
        assert_eq!((0..units * samples).find(zeros), None, "what is 0 is 0 exactly");
    }
}

/// Logits that would overflow a naive softmax or sigmoid, and logits that are no numbers.
#[test]
fn is_stable_for_extreme_logits() {
    for units in [1, 3, 9] {
        let extreme = [1e30f32, -1e30, 500.0, -500.0, 88.0, -88.0, 104.0];
        let logits: Vec<f32> =
            (0..units).flat_map(|unit| extreme.map(|z| if unit % 2 == 0 { z } else { -z })).collect();
        let labels = [0, 1, 1, 0, 0, 1, 1];
        let exact: Vec<f64> = logits.iter().map(|&z| f64::from(z)).collect();
        let actual = run(units, &logits, &labels);
        for (actual, expected) in actual.iter().zip(loss(&exact, &labels, |value| value)) {
            let actual = f64::from(f32::from_bits(*actual));
            assert!((actual - expected).abs() <= 8.0 * U, "{units}: {actual} {expected}");
        }
        let mut logits = vec![0.5f32; units * 2];
        logits[0] = f32::NAN;
        let actual: Vec<f32> = run(units, &logits, &[0, 1]).into_iter().map(f32::from_bits).collect();
        assert!(actual[0].is_nan() && actual[1].is_finite(), "{units}: {actual:?}");
    }
}
