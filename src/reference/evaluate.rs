//! Twin of evaluate.wgsl.

/// Cross-entropy of one sample in nats, and whether its label is the first highest logit.
pub fn evaluate_sample(logits: &[f64], label: u32) -> (f64, bool) {
    match *logits {
        // softplus(z) - y z
        [z] => {
            let loss = z.max(0.0) + (-z.abs()).exp().ln_1p() - f64::from(label) * z;
            (loss, !z.is_nan() && (z > 0.0) == (label == 1))
        }
        _ => {
            let mut best = 0;
            for (unit, z) in logits.iter().enumerate() {
                if *z > logits[best] {
                    best = unit;
                }
            }
            let highest = logits[best];
            let total: f64 = logits.iter().map(|z| (z - highest).exp()).sum();
            (total.ln() + highest - logits[label as usize], best == label as usize)
        }
    }
}

/// Mean squared error of one sample: over its outputs.
pub fn squared_error(outputs: &[f64], targets: &[f64]) -> f64 {
    let squares = outputs.iter().zip(targets).map(|(output, target)| (output - target) * (output - target));
    squares.sum::<f64>() / outputs.len() as f64
}

/// Loss sum and hits over the samples; `logits` is (outputs, samples).
pub fn evaluate(logits: &[f32], labels: &[u32]) -> (f64, u32) {
    let samples = labels.len();
    let (mut loss_sum, mut hits) = (0.0, 0);
    for (sample, &label) in labels.iter().enumerate() {
        let column: Vec<f64> = logits.iter().skip(sample).step_by(samples).map(|&z| f64::from(z)).collect();
        let (loss, hit) = evaluate_sample(&column, label);
        loss_sum += loss;
        hits += u32::from(hit);
    }
    (loss_sum, hits)
}
