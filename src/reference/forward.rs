//! Twin of forward.wgsl.

use super::Sum;

/// z = W a + b: (outputs, samples). Has inputs + 1 terms.
pub fn forward(weight: &[f32], bias: &[f32], inputs: &[f32], samples: usize) -> Vec<Sum> {
    let width = inputs.len() / samples;
    let mut z = Vec::with_capacity(bias.len() * samples);
    for (neuron, &bias) in bias.iter().enumerate() {
        for sample in 0..samples {
            let mut sum = Sum::default();
            for k in 0..width {
                sum.add(f64::from(weight[neuron * width + k]) * f64::from(inputs[k * samples + sample]));
            }
            sum.add(f64::from(bias));
            z.push(sum);
        }
    }
    z
}
