//! Twin of count.wgsl.

use super::reduce::Reduction;

/// Adaptive batch sizes summed over each neuron's weights and bias: (outputs).
pub fn count(reduction: &Reduction) -> Vec<u32> {
    let outputs = reduction.bias_counts.len();
    let weights = reduction.weight_counts.chunks(reduction.weight_counts.len() / outputs);
    weights.zip(&reduction.bias_counts).map(|(row, bias)| row.iter().sum::<u32>() + bias).collect()
}
