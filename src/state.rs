//! Activations and deltas of a batch, and their masks.

use crate::gpu::Gpu;
use crate::network::Network;
use crate::Result;

/// Activations and deltas, (R, N, B), and their masks.
pub(crate) struct State {
    pub activations: wgpu::Buffer,
    pub deltas: wgpu::Buffer,
    /// (R, B / 32, 2 N): of the activations, then of the deltas.
    pub masks: wgpu::Buffer,
}

/// Bytes of the activations of all replicas.
pub(crate) fn activation_bytes(network: &Network, quads: u32) -> u64 {
    u64::from(network.replica_count) * u64::from(network.row_count) * u64::from(quads) * 16
}

impl State {
    /// Room for batches of `quads` quads; deltas only `with_deltas`.
    pub fn new(gpu: &Gpu, network: &Network, quads: u32, with_deltas: bool) -> Result<Self> {
        let bytes = activation_bytes(network, quads);
        let delta_bytes = if with_deltas { bytes } else { 0 };
        let state = Self {
            activations: gpu.storage("the activations", bytes)?,
            deltas: gpu.storage("the deltas", delta_bytes)?,
            masks: gpu.storage("the masks", bytes / 16)?,
        };
        // The row after each layer's neurons is ones, for the biases, and no kernel writes it.
        let stride = quads as usize * 4;
        let rows = network.row_count as usize;
        let mut activations = vec![0.0f32; rows * stride];
        let mut masks = vec![0u32; 2 * rows];
        for layer in network.layers() {
            let row = (layer.output_row + layer.outputs) as usize;
            activations[row * stride..][..stride].fill(1.0);
            masks[row] = u32::MAX;
        }
        let replicas = network.replica_count as usize;
        gpu.write(&state.activations, &activations.repeat(replicas))?;
        gpu.write(&state.masks, &masks.repeat(replicas * stride / 32))?;
        Ok(state)
    }
}
