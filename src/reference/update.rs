//! Twin of update.wgsl.

use crate::optimizer::{Gradient, Rule};
use crate::settings::ReplicaSettings;

/// theta after a step with gradient sum `sum` and adaptive batch size `count`, for a batch of `samples`.
pub fn update(theta: f64, sum: f64, count: u32, samples: usize, settings: &ReplicaSettings) -> f64 {
    let gradient = match settings.optimizer.gradient {
        Gradient::Mean => sum / samples as f64,
        Gradient::Effective if count == 0 => return theta,
        Gradient::Effective => sum / (f64::from(count) + f64::from(settings.epsilon)),
    };
    match settings.optimizer.rule {
        Rule::Sgd => theta - f64::from(settings.learning_rate) * gradient,
    }
}
