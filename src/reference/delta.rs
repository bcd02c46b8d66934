//! Twin of delta.wgsl.

use super::Sum;

/// W^T delta where a > 0, else 0: (inputs, samples), where `weight` and `deltas` belong to the layer above and
/// `activations` to the layer itself. Has as many terms as the layer above has neurons.
pub fn delta(weight: &[f32], deltas: &[f32], activations: &[f32], samples: usize) -> Vec<Sum> {
    let outputs = deltas.len() / samples;
    let inputs = activations.len() / samples;
    let mut sums = vec![Sum::default(); activations.len()];
    for k in 0..inputs {
        for sample in 0..samples {
            if activations[k * samples + sample] > 0.0 {
                for j in 0..outputs {
                    sums[k * samples + sample]
                        .add(f64::from(weight[j * inputs + k]) * f64::from(deltas[j * samples + sample]));
                }
            }
        }
    }
    sums
}
