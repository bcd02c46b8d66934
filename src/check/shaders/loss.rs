//! loss.wgsl: deltas of the output layer and their masks, stable for logits that would overflow a naive softmax.

use super::case::Case;
use super::fixture::{Fixture, POISON, floats, untouched};
use super::kernels::{Kernels, Shader};
use crate::check::comparison::Comparison;
use crate::error::Result;
use crate::reference::gather::mask;
use crate::reference::loss::{loss, squared_loss};
use crate::reference::{Sum, gamma};
use crate::spec::Loss;

/// u, the unit roundoff of f32.
const U: f64 = 1.0 / (1 << 24) as f64;

/// What WGSL allows exp(x) to be off by, relatively: 3 + 2 |x| ULP of 2 u each, and the rounding of x itself.
pub fn exp_error(x: f64) -> f64 {
    (2.0 * (3.0 + 2.0 * x.abs()) + x.abs()) * U
}

/// The numbers of sample `sample` in (outputs, samples).
pub fn numbers_of(labels: &[u32], samples: usize, sample: usize) -> Vec<f64> {
    labels.iter().skip(sample).step_by(samples).map(|&bits| f64::from(f32::from_bits(bits))).collect()
}

/// The delta of every unit with the error that WGSL's exp and division (2.5 ULP) allow; for one rounding.
pub fn bounded_loss(case: &Case, logits: &[f64], labels: &[u32]) -> Vec<Sum> {
    match case.loss {
        Loss::BinaryCrossEntropy | Loss::CrossEntropy => bounded_cross_entropy(logits, labels),
        Loss::MeanSquaredError => bounded_squares(logits, labels, case.size),
    }
}

/// A difference, a division and a product.
fn bounded_squares(outputs: &[f64], numbers: &[u32], samples: usize) -> Vec<Sum> {
    let units = outputs.len() / samples;
    let of_sample = |sample: usize| {
        let own: Vec<f64> = outputs.iter().skip(sample).step_by(samples).copied().collect();
        squared_loss(&own, &numbers_of(numbers, samples, sample))
    };
    let deltas: Vec<Vec<f64>> = (0..samples).map(of_sample).collect();
    let bounded = |unit: usize, sample: usize| {
        let value = deltas[sample][unit];
        Sum { value, magnitude: 8.0 * U * value.abs() / gamma(1) }
    };
    (0..units).flat_map(|unit| (0..samples).map(move |sample| (unit, sample))).map(|(u, s)| bounded(u, s)).collect()
}

fn bounded_cross_entropy(logits: &[f64], labels: &[u32]) -> Vec<Sum> {
    let samples = labels.len();
    let units = logits.len() / samples;
    let deltas = loss(logits, labels, |value| value);
    let mut bounded = Vec::with_capacity(logits.len());
    for unit in 0..units {
        for sample in 0..samples {
            let z = |unit: usize| logits[unit * samples + sample];
            let value = deltas[unit * samples + sample];
            let error = if units == 1 {
                exp_error(z(0)) + 7.0 * U
            } else {
                let highest = (0..units).map(z).fold(f64::NEG_INFINITY, f64::max);
                let x = |unit: usize| z(unit) - highest;
                let total: f64 = (0..units).map(|unit| x(unit).exp()).sum();
                let total_error: f64 = (0..units).map(|unit| x(unit).exp() * exp_error(x(unit))).sum::<f64>() / total;
                let p = x(unit).exp() / total;
                p * (exp_error(x(unit)) + total_error + gamma(units) + 5.0 * U) + value.abs() * U
            };
            bounded.push(Sum { value, magnitude: error / gamma(1) });
        }
    }
    bounded
}

pub fn check(kernels: &dyn Kernels, case: &Case, comparison: &mut Comparison) -> Result<()> {
    let mut fixture = Fixture::new(case)?;
    let layer = fixture.last();
    // Logits have both signs, and some are large.
    for scale in [1.0f32, 30.0] {
        for (activations, deltas) in fixture.activations.iter_mut().zip(&fixture.deltas) {
            activations[layer] = deltas[layer].iter().map(|delta| delta * scale).collect();
        }
        let bound = |logits: &[f64], labels: &[u32]| bounded_loss(case, logits, labels);
        check_logits(kernels, &fixture, bound, comparison)?;
    }
    const EXTREME: [f32; 4] = [1e30, -1e30, 500.0, -500.0];
    for activations in &mut fixture.activations {
        for (index, z) in activations[layer].iter_mut().enumerate() {
            let (unit, sample) = (index / case.size, index % case.size);
            *z = EXTREME[sample % 4] * if unit % 2 == 0 { 1.0 } else { -1.0 };
        }
    }
    let within_a_millionth = |logits: &[f64], labels: &[u32]| {
        if case.loss.is_regression() {
            return bounded_loss(case, logits, labels);
        }
        loss(logits, labels, |value| value).into_iter().map(|value| Sum { value, magnitude: 1e-6 / gamma(1) }).collect()
    };
    check_logits(kernels, &fixture, within_a_millionth, comparison)
}

/// Holds the deltas of the logits that the fixture has, with one rounding of what `expected` gives.
fn check_logits(
    kernels: &dyn Kernels,
    fixture: &Fixture,
    expected: impl Fn(&[f64], &[u32]) -> Vec<Sum>,
    comparison: &mut Comparison,
) -> Result<()> {
    let (case, layer) = (&fixture.case, fixture.last());
    let shape = &fixture.network.layers()[layer];
    let (logits, mut masks) = (fixture.packed_activations(), fixture.packed_masks());
    fixture.poison_masks(&mut masks, shape, true);
    let storage = [&logits[..], &masks, &vec![POISON; logits.len()], &fixture.packed_labels()];
    let buffers = fixture.run(kernels, Shader::Loss, fixture.batch(layer), &storage)?;
    for replica in 0..case.replicas {
        let logits: Vec<f64> = fixture.activations[replica][layer].iter().map(|&z| f64::from(z)).collect();
        let expected = expected(&logits, fixture.labels_of(replica));
        check_deltas(fixture, layer, replica, &expected, 1, &buffers[2], &buffers[1], comparison);
    }
    // Rows of other layers, and those that are no neurons.
    let mut others = vec![0; logits.len()];
    fixture.poison_rows(&mut others, shape);
    for (index, (&after, _)) in buffers[2].iter().zip(&others).enumerate().filter(|(_, (_, own))| **own != POISON) {
        comparison.equal(|| format!("{case}; deltas of another layer"), index, after, POISON);
    }
    untouched(comparison, || format!("{case}; logits"), &buffers[0], &logits);
    untouched(comparison, || format!("{case}; masks"), &buffers[1], &masks);
    Ok(())
}

/// Holds the deltas of a layer of one replica, and their masks, against what is expected: (neurons, samples).
#[allow(clippy::too_many_arguments, reason = "an array and what is expected of it, in one place")]
pub fn check_deltas(
    fixture: &Fixture,
    layer: usize,
    replica: usize,
    expected: &[Sum],
    roundings: usize,
    deltas: &[u32],
    masks: &[u32],
    comparison: &mut Comparison,
) {
    let (case, size, stride) = (&fixture.case, fixture.case.size, fixture.stride());
    let shape = &fixture.network.layers()[layer];
    for neuron in 0..shape.outputs as usize {
        let place = |what: &str| format!("{case}; {what}, layer {layer}, replica {replica}, neuron {neuron}");
        let row = fixture.row(replica, shape, neuron);
        let values = floats(&deltas[row..row + stride]);
        for (sample, (&actual, &expected)) in values.iter().zip(&expected[neuron * size..][..size]).enumerate() {
            comparison.close(|| place("deltas"), row + sample, actual, expected, roundings);
        }
        let nothing = vec![0.0; stride - size];
        comparison.all_equal(|| place("deltas of samples past the batch"), &values[size..], &nothing);
        let found = fixture.mask_of(masks, replica, shape, neuron, true);
        comparison.all_equal(|| place("masks of the deltas"), &found, &mask(&values));
    }
}
