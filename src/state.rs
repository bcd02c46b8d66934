//! Activations and deltas of a batch, and their masks.

use crate::gpu::Gpu;
use crate::network::Network;
use crate::Result;

/// Activations, deltas and their masks: (R, N, B).
pub(crate) struct State {
    pub activations: wgpu::Buffer,
    pub activation_masks: wgpu::Buffer,
    pub deltas: wgpu::Buffer,
    pub delta_masks: wgpu::Buffer,
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
            activation_masks: gpu.storage("the activation masks", bytes / 32)?,
            deltas: gpu.storage("the deltas", delta_bytes)?,
            delta_masks: gpu.storage("the delta masks", delta_bytes / 32)?,
        };
        gpu.write(&state.activations, &with_ones(network, quads as usize * 4, 0.0f32, 1.0))?;
        gpu.write(&state.activation_masks, &with_ones(network, quads as usize / 8, 0u32, u32::MAX))?;
        Ok(state)
    }
}

/// (R, N, stride) of zeros, but for the row after each layer's neurons, which is ones. No kernel writes it.
pub(crate) fn with_ones<T: Copy>(network: &Network, stride: usize, zero: T, one: T) -> Vec<T> {
    let mut rows = vec![zero; network.row_count as usize * stride];
    for layer in network.layers() {
        let row = (layer.output_row + layer.outputs) as usize;
        rows[row * stride..(row + 1) * stride].fill(one);
    }
    rows.repeat(network.replica_count as usize)
}
