use super::fixture::{SAMPLES, WIDTHS, gathered, numbers, on_every_machine, panels};
use super::loss::{U, exp_error};
use crate::cpu::block::Block;
use crate::cpu::evaluate::{Evaluate, Totals};
use crate::cpu::samples::StoredSamples;
use crate::cpu::simd::InstructionSet;
use crate::dataset::{Inputs, Samples};
use crate::random::Random;
use crate::reference::activity::activity;
use crate::reference::evaluate::{evaluate_sample, squared_error};
use crate::reference::gamma;
use crate::{Activation, Loss, NetworkSpec};

/// The loss of one sample, its error by that of exp and of a sum of 32-bit floats, and whether it is a hit.
fn bounded(logits: &[f64], label: u32) -> (f64, f64, bool) {
    let (loss, is_hit) = evaluate_sample(logits, label);
    let highest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let relative = match logits {
        [z] => {
            let e = (-z.abs()).exp();
            e / (1.0 + e) * 2.2 * U
        }
        _ => {
            let e = |z: &f64| (z - highest).exp();
            let total: f64 = logits.iter().map(e).sum();
            logits.iter().map(|z| e(z) * exp_error(z - highest)).sum::<f64>() / total
        }
    };
    let total_error = (1.0 + relative) * (1.0 + gamma(logits.len())) - 1.0;
    // The rest is in f64. An exponential that was flushed to 0 is smaller than this.
    let scale = loss.abs() + logits.iter().map(|z| z.abs()).fold(1.0, f64::max);
    (loss, total_error / (1.0 - total_error) + 1e-14 * scale, is_hit)
}

/// A block whose activations are (columns, samples) of each layer, the last one the logits.
fn block(widths: &[usize], layers: &[Vec<f32>], labels: &[u32]) -> Block {
    let (spec, samples) = (NetworkSpec::new(widths).unwrap(), labels.len());
    let data =
        Samples::new(widths[0], Inputs::U8(vec![0; samples * widths[0]]), labels.to_vec(), spec.classes()).unwrap();
    let indices: Vec<u32> = (0..samples as u32).collect();
    let mut block = gathered(InstructionSet::Baseline, &spec, &StoredSamples::new(&data), &indices);
    block.activations = layers.iter().map(|values| panels(values, samples)).collect();
    block
}

fn evaluate(block: &Block) -> Totals {
    let mut totals = Totals::default();
    on_every_machine(|simd| {
        totals = simd.run(Evaluate(block));
        (totals.loss.to_bits(), totals.hits, totals.nodes.clone())
    });
    totals
}

#[test]
fn equals_its_twin() {
    let sizes = WIDTHS.iter().flat_map(|&units| SAMPLES.map(|samples| (units, samples)));
    for (index, (units, samples)) in sizes.enumerate() {
        let mut random = Random::new(units as u64, samples as u64);
        let labels: Vec<u32> = (0..samples).map(|_| random.next_u64() as u32 % units.max(2) as u32).collect();
        // Rounded to halves: the highest logit is often there twice, and the first one counts.
        let logits: Vec<f32> =
            numbers(&mut random, units * samples, 1).iter().map(|z| (z * 6.0).round() / 2.0).collect();
        let hidden = WIDTHS[index % WIDTHS.len()];
        let mut activations = numbers(&mut random, hidden * samples, 1);
        // Some nodes are true dummies, some pseudo dummies, some as it comes.
        for (node, row) in activations.chunks_mut(samples).enumerate() {
            row.iter_mut().for_each(|a| *a = [a.max(0.0), 0.0, a.abs() + 0.1][node % 3]);
        }
        let totals = evaluate(&block(&[2, hidden, units], &[activations.clone(), logits.clone()], &labels));
        let (mut loss, mut error, mut hits) = (0.0, 0.0, 0);
        for (sample, &label) in labels.iter().enumerate() {
            let column: Vec<f64> = logits.iter().skip(sample).step_by(samples).map(|&z| f64::from(z)).collect();
            let (own, own_error, is_hit) = bounded(&column, label);
            (loss, error, hits) = (loss + own, error + own_error, hits + u64::from(is_hit));
        }
        assert!((totals.loss - loss).abs() <= error, "{units} {samples}: {} {loss} {error:e}", totals.loss);
        assert_eq!(totals.hits, hits, "{units} {samples}");
        let nodes: Vec<u32> =
            totals.nodes.iter().map(|&(active, inactive)| u32::from(active) | u32::from(inactive) << 1).collect();
        assert_eq!(nodes, activity(&activations, samples), "{units} {samples}");
    }
}

#[test]
fn squared_errors_equal_their_twin() {
    for (units, samples) in WIDTHS.iter().flat_map(|&units| SAMPLES.map(|samples| (units, samples))) {
        let mut random = Random::new(units as u64, samples as u64);
        let outputs = numbers(&mut random, units * samples, 1);
        let values = numbers(&mut random, units * samples, 1);
        let data = Samples::of_numbers(2, Inputs::U8(vec![0; samples * 2]), values.clone(), units).unwrap();
        let spec = NetworkSpec::with(&[2, units], Activation::Relu, Loss::MeanSquaredError).unwrap();
        let indices: Vec<u32> = (0..samples as u32).collect();
        let mut block = gathered(InstructionSet::Baseline, &spec, &StoredSamples::new(&data), &indices);
        block.activations = vec![panels(&outputs, samples)];
        let totals = evaluate(&block);
        let in_f64 = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect::<Vec<f64>>();
        let of_sample = |sample: usize| {
            let own: Vec<f32> = outputs.iter().skip(sample).step_by(samples).copied().collect();
            squared_error(&in_f64(&own), &in_f64(&values[sample * units..][..units]))
        };
        let loss: f64 = (0..samples).map(of_sample).sum();
        assert!((totals.loss - loss).abs() <= 1e-14 * loss, "{units} {samples}: {} {loss}", totals.loss);
        assert_eq!(totals.hits, 0);
    }
}

/// Blocks add up: losses and hits, and what some sample does to a node.
#[test]
fn blocks_add_up() {
    let totals = |loss, hits, nodes: &[(bool, bool)]| Totals { loss, hits, nodes: nodes.to_vec() };
    let mut sum = Totals::default();
    sum.add(&totals(1.5, 3, &[(true, false), (false, true), (true, false)]));
    sum.add(&totals(0.25, 2, &[(true, false), (false, true), (false, true)]));
    assert_eq!((sum.loss, sum.hits), (1.75, 5));
    assert_eq!(sum.nodes, [(true, false), (false, true), (true, true)]);
}

/// A network whose logits are NaN hits nothing, and its loss shows it.
#[test]
fn nan_is_no_hit() {
    for units in [1, 3, 9, 40] {
        let totals = evaluate(&block(&[2, units], &[vec![f32::NAN; units * 40]], &[1; 40]));
        assert!(totals.hits == 0 && totals.loss.is_nan(), "{units}: {totals:?}");
        let mut logits = vec![0.5; units * 40];
        logits[40 * (units - 1) + 7] = f32::NAN;
        let totals = evaluate(&block(&[2, units], &[logits], &[1; 40]));
        assert!(totals.loss.is_nan(), "{units}: {totals:?}");
    }
}
