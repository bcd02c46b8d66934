//! Runs one kernel alone: its name and buffers in, buffers out. The only file of the checks that knows what is inside the
//! GPU engine: how a kernel is compiled, and how many workgroups it takes.

use crate::error::Result;
use crate::gpu::Gpu;
pub use crate::gpu::buffers::padded_bytes;
use crate::gpu::buffers::{UNIFORM, has_numbers};
use crate::gpu::dispatch::{Dispatch, EVALUATE_LANES};
use crate::gpu::kernels::{self, Pipeline};
use crate::gpu::layout::activation_constants;
pub use crate::gpu::layout::{Batch, InputFormat, Layer, Network, ReplicaColumns};
use crate::spec::{Activation, Loss};

/// Totals that evaluate.wgsl keeps of each replica.
pub const LANES: usize = EVALUATE_LANES as usize;

/// A kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shader {
    /// permute.wgsl
    Permute,
    /// gather.wgsl
    Gather,
    /// select.wgsl
    Select,
    /// forward.wgsl
    Forward,
    /// normalize.wgsl
    Normalize,
    /// loss.wgsl
    Loss,
    /// delta.wgsl
    Delta,
    /// normalize_back.wgsl
    NormalizeBack,
    /// propagate.wgsl
    Propagate,
    /// threshold.wgsl
    Threshold,
    /// store.wgsl: reduce.wgsl, which writes S and c.
    Reduce,
    /// store.wgsl: reduce_norms.wgsl, which writes S and c.
    ReduceNorms,
    /// update.wgsl: reduce.wgsl, which updates.
    Update,
    /// update.wgsl: reduce_norms.wgsl, which updates.
    UpdateNorms,
    /// clip.wgsl
    Clip,
    /// step.wgsl
    Step,
    /// evaluate.wgsl
    Evaluate,
    /// activity.wgsl
    Activity,
    /// count.wgsl
    Count,
    /// divergence.wgsl
    Divergence,
}

impl Shader {
    fn kernel(self) -> &'static kernels::Kernel {
        match self {
            Self::Permute => &kernels::PERMUTE,
            Self::Gather => &kernels::GATHER,
            Self::Select => &kernels::SELECT,
            Self::Forward => &kernels::FORWARD,
            Self::Normalize => &kernels::NORMALIZE,
            Self::Loss => &kernels::LOSS,
            Self::Delta => &kernels::DELTA,
            Self::NormalizeBack => &kernels::NORMALIZE_BACK,
            Self::Propagate => &kernels::PROPAGATE,
            Self::Threshold => &kernels::THRESHOLD,
            Self::Reduce => &kernels::REDUCE,
            Self::ReduceNorms => &kernels::REDUCE_NORMS,
            Self::Update => &kernels::UPDATE,
            Self::UpdateNorms => &kernels::UPDATE_NORMS,
            Self::Clip => &kernels::CLIP,
            Self::Step => &kernels::STEP,
            Self::Evaluate => &kernels::EVALUATE,
            Self::Activity => &kernels::ACTIVITY,
            Self::Count => &kernels::COUNT,
            Self::Divergence => &kernels::DIVERGENCE,
        }
    }

    /// Which of its storage buffers it writes.
    pub fn outputs(self) -> Vec<usize> {
        let is_written = |&index: &usize| self.kernel().storage[index].1 == kernels::Access::Write;
        (0..self.kernel().storage.len()).filter(is_written).collect()
    }

    fn workgroups(self, dispatch: Dispatch<'_>, batch: &Batch) -> [u32; 3] {
        let layer = &dispatch.network.layers[batch.layer as usize];
        match self {
            Self::Permute => dispatch.permute(batch.steps, batch.input_replicas),
            Self::Gather => dispatch.gather(batch.steps, batch.input_replicas),
            Self::Select => dispatch.select(batch.steps, batch.input_replicas),
            Self::Forward => dispatch.forward(layer),
            Self::Loss => dispatch.loss(),
            Self::Delta => dispatch.delta(layer),
            Self::Propagate => dispatch.propagate(),
            Self::Threshold => dispatch.threshold(),
            Self::Normalize | Self::NormalizeBack => dispatch.normalize(layer),
            Self::Reduce | Self::Update => dispatch.reduce(),
            Self::ReduceNorms | Self::UpdateNorms => dispatch.reduce_norms(),
            Self::Clip => dispatch.clip(),
            Self::Step => dispatch.step(),
            Self::Evaluate => dispatch.evaluate(),
            Self::Divergence => dispatch.divergence(),
            Self::Activity => dispatch.activity(),
            Self::Count => dispatch.count(),
        }
    }
}

/// Whether step.wgsl is for such networks.
pub fn is_small(kernels: &dyn Kernels, network: &Network, activation: Activation, batch: &Batch) -> bool {
    Dispatch { network, sample4s: batch.sample4s }.is_small(activation.keeps_sums(), kernels.workgroup_bytes(), false)
}

/// One run of a kernel.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// Which kernel.
    pub shader: Shader,
    /// How samples are stored: a kernel is composed for it.
    pub inputs: InputFormat,
    /// What hidden neurons do.
    pub activation: Activation,
    /// Says what targets are: a kernel is compiled for it.
    pub loss: Loss,
    /// Shape of the networks.
    pub network: &'a Network,
    /// What differs from dispatch to dispatch.
    pub batch: Batch,
    /// What the storage buffers hold before, in the order of their bindings.
    pub storage: &'a [&'a [u32]],
}

/// What runs kernels.
pub trait Kernels {
    /// What the storage buffers hold after the kernel.
    ///
    /// # Errors
    /// What the driver reported.
    fn run(&self, job: &Job<'_>) -> Result<Vec<Vec<u32>>>;

    /// Bytes of memory that a workgroup may have.
    fn workgroup_bytes(&self) -> u32;
}

impl Kernels for Gpu {
    fn workgroup_bytes(&self) -> u32 {
        self.limits().max_compute_workgroup_storage_size
    }

    fn run(&self, job: &Job<'_>) -> Result<Vec<Vec<u32>>> {
        let Job { shader, inputs, activation, loss, network, batch, storage } = *job;
        let gpu = self;
        let network_buffer = gpu.buffer("network", size_of::<Network>() as u64, UNIFORM)?;
        gpu.write(&network_buffer, &[*network])?;
        let batch_buffer = gpu.buffer("batch", 256, UNIFORM)?;
        gpu.write(&batch_buffer, &[batch])?;
        let buffers =
            storage.iter().map(|words| gpu.storage_from("a check", words)).collect::<Result<Vec<wgpu::Buffer>>>()?;
        let dispatch = Dispatch { network, sample4s: batch.sample4s };
        let keeps_sums = activation.keeps_sums();
        let source = shader.kernel().source(inputs);
        let is_declared = |(name, _): &(&str, u32)| source.contains(&format!("override {name} "));
        let of_network = [("KEEPS_SUMS", u32::from(keeps_sums)), has_numbers(loss)];
        let constants = activation_constants(activation).into_iter().chain(of_network);
        let constants: Vec<_> = constants.chain(dispatch.step_constants(keeps_sums)).filter(is_declared).collect();
        let pipeline = Pipeline::with_constants(gpu, shader.kernel(), inputs, &constants);
        let bound = pipeline.bind(gpu, &network_buffer, &batch_buffer, &buffers.iter().collect::<Vec<_>>());
        bound.run(gpu, shader.workgroups(dispatch, &batch))?;
        let sizes: Vec<_> =
            buffers.iter().zip(storage).map(|(buffer, words)| (buffer, size_of_val(*words) as u64)).collect();
        gpu.read(&sizes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::shaders::ALL;

    /// A kernel that no check runs would go unnoticed.
    #[test]
    fn every_kernel_is_checked() {
        let source = |kernel: &kernels::Kernel| kernel.source(InputFormat::U8);
        let checked: Vec<String> = ALL.iter().map(|check| source(check.shader.kernel())).collect();
        for kernel in kernels::ALL {
            assert!(checked.contains(&source(kernel)), "{}", kernel.entry);
        }
        assert_eq!(checked.len(), kernels::ALL.len());
    }
}
