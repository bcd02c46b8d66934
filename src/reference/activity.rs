//! Twin of activity.wgsl.

/// Bit 0: some sample activates the neuron; bit 1: some sample does not. One entry a neuron of (neurons, samples).
pub fn activity(activations: &[f32], samples: usize) -> Vec<u32> {
    let bits = |row: &[f32]| u32::from(row.iter().any(|&a| a != 0.0)) | u32::from(row.contains(&0.0)) << 1;
    activations.chunks(samples).map(bits).collect()
}
