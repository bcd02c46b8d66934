use asgd::gpu::kernels::LOSS;
use asgd::reference::gather::mask;
use asgd::reference::loss::loss;
use asgd::reference::{gamma, Sum};

use crate::fixture::{assert_close, bits, cases, many_workgroups, Fixture, POISON};

/// u, the unit roundoff of f32.
const U: f64 = 1.0 / (1 << 24) as f64;

/// What WGSL allows exp(x) to be off by, relatively: 3 + 2 |x| ULP of 2 u each, and the rounding of x itself.
pub fn exp_error(x: f64) -> f64 {
    (2.0 * (3.0 + 2.0 * x.abs()) + x.abs()) * U
}

/// The magnitude that makes `is_close(.., 1)` allow `error`.
fn within(value: f64, error: f64) -> Sum {
    Sum { value, magnitude: error / gamma(1) }
}

/// output - target of every unit with the error that WGSL's exp and division (2.5 ULP) allow.
pub fn bounded_loss(logits: &[f64], labels: &[u32]) -> Vec<Sum> {
    let samples = labels.len();
    let units = logits.len() / samples;
    let deltas = loss(logits, labels);
    let mut bounded = Vec::new();
    for unit in 0..units {
        for sample in 0..samples {
            let z = |unit: usize| logits[unit * samples + sample];
            let delta = deltas[unit * samples + sample];
            let error = if units == 1 {
                exp_error(z(0)) + 7.0 * U
            } else {
                let highest = (0..units).map(z).fold(f64::NEG_INFINITY, f64::max);
                let x = |unit: usize| z(unit) - highest;
                let total: f64 = (0..units).map(|unit| x(unit).exp()).sum();
                let total_error: f64 = (0..units).map(|unit| x(unit).exp() * exp_error(x(unit))).sum::<f64>() / total;
                let p = x(unit).exp() / total;
                p * (exp_error(x(unit)) + total_error + gamma(units) + 5.0 * U) + delta.abs() * U
            };
            bounded.push(within(delta, error));
        }
    }
    bounded
}

#[test]
fn equals_its_twin() {
    for case in cases().iter().chain([&many_workgroups()]) {
        for scale in [1.0f32, 30.0] {
            let mut fixture = Fixture::new(case);
            let last = *fixture.network.layers().last().unwrap();
            let layer = fixture.network.layers().len() - 1;
            // Logits have both signs, and some are large.
            for (replica, layers) in fixture.activations.iter_mut().enumerate() {
                layers[layer] = fixture.deltas[replica][layer].iter().map(|delta| delta * scale).collect();
            }
            let logits = bits(&fixture.packed_activations());
            let (deltas, masks) = (vec![POISON; logits.len()], vec![POISON; logits.len() / 16]);
            let labels = fixture.packed_labels();
            let storage = [&logits[..], &masks, &deltas, &labels];
            let buffers = fixture.run(&LOSS, fixture.batch(0), fixture.dispatch().loss(), &storage);
            let mut untouched = vec![true; logits.len() / fixture.stride()];
            for replica in 0..case.replicas {
                let logits: Vec<f64> = fixture.activations[replica][layer].iter().map(|&z| f64::from(z)).collect();
                let expected = bounded_loss(&logits, fixture.labels_of(replica));
                for unit in 0..last.outputs as usize {
                    let row = fixture.row(replica, &last, unit, fixture.stride());
                    untouched[row / fixture.stride()] = false;
                    for sample in 0..case.size {
                        let what = format!("{case:?} replica {replica} unit {unit} sample {sample}");
                        assert_close(&what, buffers[2][row + sample], expected[unit * case.size + sample], 1);
                    }
                    let values: Vec<f32> =
                        buffers[2][row..][..fixture.stride()].iter().map(|&word| f32::from_bits(word)).collect();
                    assert!(values[case.size..].iter().all(|&delta| delta == 0.0), "{case:?}: samples past the batch");
                    assert_eq!(
                        fixture.mask_of(&buffers[1], replica, &last, unit, true),
                        mask(&values),
                        "{case:?} mask"
                    );
                }
            }
            for (row, _) in untouched.iter().enumerate().filter(|(_, &untouched)| untouched) {
                assert!(
                    buffers[2][row * fixture.stride()..][..fixture.stride()].iter().all(|&word| word == POISON),
                    "{case:?} row {row}"
                );
            }
        }
    }
}

/// Logits that would overflow a naive softmax or sigmoid.
#[test]
fn is_stable_for_extreme_logits() {
    for widths in [vec![2, 3], vec![2, 1]] {
        let mut case = cases()[0].clone();
        case.widths = widths;
        (case.batch_size, case.size) = (4, 4);
        let mut fixture = Fixture::new(&case);
        let units = case.widths[1];
        let extreme = [1e30f32, -1e30, 500.0, -500.0];
        fixture.activations[0][0] =
            (0..units).flat_map(|unit| extreme.map(|z| if unit % 2 == 0 { z } else { -z })).collect();
        let logits = bits(&fixture.packed_activations());
        let (deltas, masks) = (vec![POISON; logits.len()], vec![POISON; logits.len() / 16]);
        let storage = [&logits[..], &masks, &deltas, &fixture.packed_labels()];
        let buffers = fixture.run(&LOSS, fixture.batch(0), fixture.dispatch().loss(), &storage);
        let z: Vec<f64> = fixture.activations[0][0].iter().map(|&z| f64::from(z)).collect();
        for (offset, expected) in loss(&z, fixture.labels_of(0)).into_iter().enumerate() {
            let row = fixture.row(0, &fixture.network.layers()[0], offset / 4, fixture.stride());
            let delta = f32::from_bits(buffers[2][row + offset % 4]);
            assert!((f64::from(delta) - expected).abs() < 1e-6, "{offset}: {delta} instead of {expected}");
        }
    }
}
