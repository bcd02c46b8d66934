//! Twin of loss.wgsl.

/// output - target of every output unit: (outputs, samples). One unit is a sigmoid, more are a softmax.
pub fn loss(logits: &[f64], labels: &[u32]) -> Vec<f64> {
    let samples = labels.len();
    let units = logits.len() / samples;
    let mut deltas = vec![0.0; logits.len()];
    for (sample, &label) in labels.iter().enumerate() {
        let z = |unit: usize| logits[unit * samples + sample];
        match units {
            1 => deltas[sample] = sigmoid(z(0)) - f64::from(label),
            _ => {
                let highest = (0..units).map(z).fold(f64::NEG_INFINITY, f64::max);
                let total: f64 = (0..units).map(|unit| (z(unit) - highest).exp()).sum();
                for unit in 0..units {
                    let target = f64::from(u8::from(unit == label as usize));
                    deltas[unit * samples + sample] = (z(unit) - highest).exp() / total - target;
                }
            }
        }
    }
    deltas
}

/// 2 (output - target) / outputs of every output unit of one sample: the derivative of the mean squared error.
pub fn squared_loss(outputs: &[f64], targets: &[f64]) -> Vec<f64> {
    outputs.iter().zip(targets).map(|(output, target)| 2.0 * (output - target) / outputs.len() as f64).collect()
}

fn sigmoid(z: f64) -> f64 {
    let e = (-z.abs()).exp();
    if z < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) }
}
