//! Twin of delta.wgsl.

use super::Sum;

/// W^T delta: (inputs, samples), where `weight` and `deltas` belong to the layer above. Has as many terms as that has neurons. The
/// slopes of the layer itself are [`differentiate`](super::activation::differentiate)'s.
pub fn delta(weight: &[f32], deltas: &[f32], samples: usize) -> Vec<Sum> {
    let outputs = deltas.len() / samples;
    let inputs = weight.len() / outputs;
    let mut sums = vec![Sum::default(); inputs * samples];
    for k in 0..inputs {
        for sample in 0..samples {
            for j in 0..outputs {
                sums[k * samples + sample]
                    .add(f64::from(weight[j * inputs + k]) * f64::from(deltas[j * samples + sample]));
            }
        }
    }
    sums
}

/// The same where a > 0, else 0: the deltas of ReLU, from its activations.
pub fn relu_delta(weight: &[f32], deltas: &[f32], activations: &[f32], samples: usize) -> Vec<Sum> {
    let sums = delta(weight, deltas, samples).into_iter().zip(activations);
    sums.map(|(sum, &a)| if a > 0.0 { sum } else { Sum::default() }).collect()
}
