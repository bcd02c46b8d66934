//! evaluate.wgsl: loss sums and hits. Outputs are added to. Logits that are NaN hit nothing, and show in the loss.

use super::case::Case;
use super::fixture::Fixture;
use super::kernels::{Kernels, LANES, Shader};
use super::loss::{exp_error, numbers_of};
use crate::check::comparison::Comparison;
use crate::error::Result;
use crate::reference::evaluate::{evaluate_sample, squared_error};
use crate::reference::gamma;
use crate::spec::Loss;

/// What the totals of a lane start at.
fn start(lane: usize) -> (f64, u32) {
    (100.0 + lane as f64, 1000 + lane as u32)
}

/// The loss of one sample, the error that WGSL's exp and log (2^-21 absolute, or 3 ULP) allow, and whether it is a hit.
fn bounded(logits: &[f64], label: u32) -> (f64, f64, bool) {
    let (loss, is_hit) = evaluate_sample(logits, label);
    let highest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let scale = loss.abs() + logits.iter().map(|z| z.abs()).fold(0.0, f64::max);
    let exponents = if let [z] = logits { vec![-z.abs()] } else { logits.iter().map(|z| z - highest).collect() };
    let total: f64 = exponents.iter().map(|x| x.exp()).sum();
    let total_error: f64 = exponents.iter().map(|&x| x.exp() * exp_error(x)).sum::<f64>() / total;
    let error = total_error + gamma(logits.len() + 8) * (1.0 + scale) + 2f64.powi(-21);
    (loss, error, is_hit)
}

/// The squared error of one sample, and what rounding allows.
fn bounded_squares(outputs: &[f64], targets: &[f64]) -> (f64, f64) {
    let loss = squared_error(outputs, targets);
    (loss, gamma(outputs.len() + 12) * loss)
}

pub fn check(kernels: &dyn Kernels, case: &Case, comparison: &mut Comparison) -> Result<()> {
    let mut fixture = Fixture::new(case)?;
    let layer = fixture.last();
    for (activations, deltas) in fixture.activations.iter_mut().zip(&fixture.deltas) {
        activations[layer] = deltas[layer].iter().map(|delta| delta * 5.0).collect();
    }
    let buffers = run(kernels, &fixture)?;
    for replica in 0..case.replicas {
        let (values, labels) = (&fixture.activations[replica][layer], fixture.labels_of(replica));
        for lane in 0..LANES {
            let ((mut sum, mut hits), mut error) = (start(lane), 0.0);
            for sample in samples_of(case, lane) {
                let column: Vec<f64> = values.iter().skip(sample).step_by(case.size).map(|&z| f64::from(z)).collect();
                let (loss, loss_error, is_hit) = match case.loss {
                    Loss::BinaryCrossEntropy | Loss::CrossEntropy => bounded(&column, labels[sample]),
                    Loss::MeanSquaredError => {
                        let (loss, error) = bounded_squares(&column, &numbers_of(labels, case.size, sample));
                        (loss, error, false)
                    }
                };
                (sum, error, hits) = (sum + loss, error + loss_error, hits + u32::from(is_hit));
            }
            let place = |what: &str| format!("{case}; {what}, replica {replica}, lane {lane}");
            let index = replica * LANES + lane;
            let roundings = case.size + 4;
            let bound = gamma(roundings) * sum + error + roundings as f64 * f64::from(f32::MIN_POSITIVE);
            comparison.within(|| place("loss"), index, f32::from_bits(buffers[2][index]).into(), sum, bound);
            comparison.equal(|| place("hits"), index, buffers[3][index], hits);
        }
    }
    nan_is_no_hit(kernels, fixture, comparison)
}

/// The samples of a lane: every 64th sample4.
fn samples_of(case: &Case, lane: usize) -> impl Iterator<Item = usize> {
    (0..case.size).filter(move |sample| sample / 4 % LANES == lane)
}

fn run(kernels: &dyn Kernels, fixture: &Fixture) -> Result<Vec<Vec<u32>>> {
    let lanes = || (0..fixture.case.replicas).flat_map(|_| 0..LANES);
    let losses: Vec<u32> = lanes().map(|lane| (start(lane).0 as f32).to_bits()).collect();
    let hits: Vec<u32> = lanes().map(|lane| start(lane).1).collect();
    let storage = [&fixture.packed_activations()[..], &fixture.packed_labels(), &losses, &hits];
    fixture.run(kernels, Shader::Evaluate, fixture.batch(0), &storage)
}

fn nan_is_no_hit(kernels: &dyn Kernels, mut fixture: Fixture, comparison: &mut Comparison) -> Result<()> {
    let layer = fixture.last();
    for activations in &mut fixture.activations {
        activations[layer].fill(f32::NAN);
    }
    let (buffers, case) = (run(kernels, &fixture)?, &fixture.case);
    for (index, (&loss, &hits)) in buffers[2].iter().zip(&buffers[3]).enumerate() {
        let (lane, loss) = (index % LANES, f32::from_bits(loss));
        comparison.equal(|| format!("{case}; hits of logits that are NaN"), index, hits, start(lane).1);
        let is_empty = samples_of(case, lane).next().is_none();
        let rule = "NaN where a lane has samples";
        let place = || format!("{case}; loss of logits that are NaN");
        comparison.holds(place, index, loss, rule, loss.is_nan() != is_empty);
    }
    Ok(())
}
