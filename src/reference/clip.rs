//! Twin of clip.wgsl.

use super::update::gradient;
use crate::settings::ReplicaSettings;

/// What the gradient of a replica is multiplied by, from the S and c of all its parameters: min(1, clip_norm / (|g| + 1e-6)).
pub fn scale(reduced: impl Iterator<Item = (f64, u32)>, samples: usize, settings: &ReplicaSettings) -> f64 {
    let gradients = reduced.filter_map(|(sum, count)| gradient(sum, count, samples, settings));
    let norm = gradients.map(|gradient| gradient * gradient).sum::<f64>().sqrt();
    (f64::from(settings.optimizer.clip_norm) / (norm + 1e-6)).min(1.0)
}
