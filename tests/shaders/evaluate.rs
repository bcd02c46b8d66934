use asgd::gpu::kernels::EVALUATE;
use asgd::gpu::layout::Batch;
use asgd::reference::evaluate::evaluate_sample;
use asgd::reference::{gamma, Sum};

use crate::fixture::{assert_close, bits, cases, many_workgroups, Fixture};
use crate::loss::exp_error;

/// The loss of one sample with the error that WGSL's exp and log (2^-21 absolute, or 3 ULP) allow.
fn bounded(logits: &[f64], label: u32) -> (f64, f64, bool) {
    let (loss, hit) = evaluate_sample(logits, label);
    let highest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let scale = loss.abs() + logits.iter().map(|z| z.abs()).fold(0.0, f64::max);
    let exponents = if let [z] = logits { vec![-z.abs()] } else { logits.iter().map(|z| z - highest).collect() };
    let total: f64 = exponents.iter().map(|x| x.exp()).sum();
    let total_error: f64 = exponents.iter().map(|&x| x.exp() * exp_error(x)).sum::<f64>() / total;
    let error = total_error + gamma(logits.len() + 8) * (1.0 + scale) + 2f64.powi(-21);
    (loss, error, hit)
}

#[test]
fn equals_its_twin() {
    for case in cases().iter().chain([&many_workgroups()]) {
        let mut fixture = Fixture::new(case);
        let layer = fixture.network.layers().len() - 1;
        for (replica, layers) in fixture.activations.iter_mut().enumerate() {
            layers[layer] = fixture.deltas[replica][layer].iter().map(|delta| delta * 5.0).collect();
        }
        let logits = bits(&fixture.packed_activations());
        let labels = fixture.packed_labels();
        // Totals are added to: they start at 100 + lane and 1000 + lane.
        let losses: Vec<u32> = (0..case.replicas * 64).map(|offset| (100.0 + (offset % 64) as f32).to_bits()).collect();
        let hits: Vec<u32> = (0..case.replicas * 64).map(|offset| 1000 + offset as u32 % 64).collect();
        let batch: Batch = fixture.batch(0);
        let buffers = fixture.run(&EVALUATE, batch, fixture.dispatch().evaluate(), &[&logits, &labels, &losses, &hits]);
        for replica in 0..case.replicas {
            let (values, labels) = (&fixture.activations[replica][layer], fixture.labels_of(replica));
            for lane in 0..64 {
                let (mut sum, mut error, mut count) = (100.0 + lane as f64, 0.0, 1000 + lane as u32);
                for sample in (0..case.size).filter(|sample| sample / 4 % 64 == lane) {
                    let column: Vec<f64> =
                        values.iter().skip(sample).step_by(case.size).map(|&z| f64::from(z)).collect();
                    let (loss, loss_error, hit) = bounded(&column, labels[sample]);
                    sum += loss;
                    error += loss_error;
                    count += u32::from(hit);
                }
                let what = format!("{case:?} replica {replica} lane {lane}");
                let magnitude = sum + error / gamma(case.size + 4);
                assert_close(&what, buffers[2][replica * 64 + lane], Sum { value: sum, magnitude }, case.size + 4);
                assert_eq!(buffers[3][replica * 64 + lane], count, "{what}: hits");
            }
        }
    }
}

/// A network whose logits are NaN hits nothing.
#[test]
fn nan_is_no_hit() {
    for widths in [vec![2, 3], vec![2, 1]] {
        let mut case = cases()[0].clone();
        case.widths = widths;
        (case.batch_size, case.size) = (40, 40);
        let mut fixture = Fixture::new(&case);
        fixture.activations[0][0].fill(f32::NAN);
        let zeros = vec![0; 64];
        let storage = [&bits(&fixture.packed_activations())[..], &fixture.packed_labels(), &zeros, &zeros];
        let buffers = fixture.run(&EVALUATE, fixture.batch(0), fixture.dispatch().evaluate(), &storage);
        assert_eq!(buffers[3].iter().sum::<u32>(), 0);
        assert!(f32::from_bits(buffers[2][0]).is_nan());
    }
}
