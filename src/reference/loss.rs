//! Twin of loss.wgsl.

/// output - target of every output unit: (outputs, samples). One unit is a sigmoid, more are a softmax. `round` is applied after every
/// operation: where a probability rounds to 1, its delta is 0 and is not counted.
pub fn loss(logits: &[f64], labels: &[u32], round: fn(f64) -> f64) -> Vec<f64> {
    let samples = labels.len();
    let units = logits.len() / samples;
    let mut deltas = vec![0.0; logits.len()];
    for (sample, &label) in labels.iter().enumerate() {
        let z = |unit: usize| logits[unit * samples + sample];
        match units {
            1 => deltas[sample] = round(sigmoid(z(0), round) - f64::from(label)),
            _ => {
                let highest = (0..units).map(z).fold(f64::NEG_INFINITY, f64::max);
                let exp = |unit: usize| round(round(z(unit) - highest).exp());
                let total = (0..units).fold(0.0, |total, unit| round(total + exp(unit)));
                for unit in 0..units {
                    let target = f64::from(u8::from(unit == label as usize));
                    deltas[unit * samples + sample] = round(round(exp(unit) / total) - target);
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

fn sigmoid(z: f64, round: fn(f64) -> f64) -> f64 {
    let e = round((-z.abs()).exp());
    round(if z < 0.0 { e } else { 1.0 } / round(1.0 + e))
}
