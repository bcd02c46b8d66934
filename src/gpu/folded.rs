//! Normalized networks as evaluation sees them: folded on the host. Square roots and quotients of GPUs are only nearly exact, and a
//! trained network evaluated again, from its file, should give the same bits.

use super::adapter::Gpu;
use super::buffers::UNIFORM;
use super::layout::Network;
use crate::error::Result;
use crate::model::Model;
use crate::spec::NetworkSpec;

/// Where they are on the GPU.
pub struct Folded {
    /// (R, P)
    parameters: wgpu::Buffer,
    network: Network,
    uniform: wgpu::Buffer,
}

impl Folded {
    /// Bytes of the buffers of so many networks.
    pub fn bytes(spec: &NetworkSpec, replicas: usize) -> u64 {
        parameter_bytes(&network(spec, replicas)) + size_of::<Network>() as u64
    }

    /// Room for so many networks.
    ///
    /// # Errors
    /// What the driver reported.
    pub fn new(gpu: &Gpu, spec: &NetworkSpec, replicas: usize) -> Result<Self> {
        let network = network(spec, replicas);
        let uniform = gpu.buffer("the folded network", size_of::<Network>() as u64, UNIFORM)?;
        gpu.write(&uniform, &[network])?;
        let parameters = gpu.storage("the folded networks", parameter_bytes(&network))?;
        Ok(Self { parameters, network, uniform })
    }

    /// Their layout.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// What an evaluator reads.
    pub fn buffers(&self) -> (&wgpu::Buffer, &Network, &wgpu::Buffer) {
        (&self.parameters, &self.network, &self.uniform)
    }

    /// Takes the networks as they are now.
    ///
    /// # Errors
    /// What the driver reported.
    pub fn write(&self, gpu: &Gpu, model: &Model) -> Result<()> {
        gpu.write(&self.parameters, &model.folded().to_arena())
    }
}

fn network(spec: &NetworkSpec, replicas: usize) -> Network {
    Network::new(&spec.clone().with_batch_norm(false), replicas)
}

fn parameter_bytes(network: &Network) -> u64 {
    u64::from(network.replica_count) * network.parameter_stride() as u64 * 4
}
