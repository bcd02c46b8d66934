//! Twin of update.wgsl.

use crate::settings::{Optimizer, ReplicaSettings};

/// theta after a step with gradient sum `sum` and adaptive batch size `count`, for a batch of `samples`.
pub fn update(theta: f64, sum: f64, count: u32, samples: usize, settings: &ReplicaSettings) -> f64 {
    let learning_rate = f64::from(settings.learning_rate);
    match settings.optimizer {
        Optimizer::Sgd => theta - learning_rate * sum / samples as f64,
        Optimizer::Asgd if count == 0 => theta,
        Optimizer::Asgd => theta - learning_rate * sum / (f64::from(count) + f64::from(settings.epsilon)),
    }
}
