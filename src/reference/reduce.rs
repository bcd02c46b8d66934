//! Twin of reduce.wgsl, by the textbook: every product is compared with zero.

use super::step::to_f32;
use super::{Sum, threshold};

/// Gradient sums and adaptive batch sizes of one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reduction {
    /// S of the weights, (outputs, inputs); as many terms as samples.
    pub weight_sums: Vec<Sum>,
    /// c of the weights, (outputs, inputs).
    pub weight_counts: Vec<u32>,
    /// S of the biases, (outputs).
    pub bias_sums: Vec<Sum>,
    /// c of the biases, (outputs).
    pub bias_counts: Vec<u32>,
}

/// S = sum_i delta_i a_i and c = sum_i [a_i != 0 and delta_i != 0], over the samples.
pub fn reduce(deltas: &[f32], activations: &[f32], samples: usize) -> Reduction {
    reduce_above(0.0, deltas, activations, samples)
}

/// The same with a threshold of the counts.
pub fn reduce_above(threshold: f32, deltas: &[f32], activations: &[f32], samples: usize) -> Reduction {
    let (outputs, inputs) = (deltas.len() / samples, activations.len() / samples);
    let mut reduction = Reduction {
        weight_sums: vec![Sum::default(); outputs * inputs],
        weight_counts: vec![0; outputs * inputs],
        bias_sums: vec![Sum::default(); outputs],
        bias_counts: vec![0; outputs],
    };
    for j in 0..outputs {
        let row = &deltas[j * samples..][..samples];
        let bound = to_f32(threshold::bound(threshold, row.iter().map(|&delta| delta.into())));
        for sample in 0..samples {
            let delta = row[sample];
            let is_counted = threshold::counts(delta.into(), bound);
            reduction.bias_sums[j].add(f64::from(delta));
            reduction.bias_counts[j] += u32::from(is_counted);
            for k in 0..inputs {
                let a = activations[k * samples + sample];
                reduction.weight_sums[j * inputs + k].add(f64::from(delta) * f64::from(a));
                let counts = is_counted && threshold::counts(a.into(), threshold.into());
                reduction.weight_counts[j * inputs + k] += u32::from(counts);
            }
        }
    }
    reduction
}
