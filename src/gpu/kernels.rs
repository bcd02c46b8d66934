//! The kernels: which WGSL files make each of them, what they bind, and their pipelines.

use wgpu::{BindingType, BufferBindingType, ShaderStages};

use super::adapter::Gpu;
use super::layout::{Batch, InputFormat};
use crate::error::Result;
use crate::spec::NetworkSpec;

/// What the shaders are composed for; none of it changes the order of a sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variant {
    /// How samples are stored.
    pub inputs: InputFormat,
    /// Whether eight lanes make a subgroup, which then loads shared rows together, and 64-bit integers carry octets.
    pub subgroups_of_8: bool,
    /// Invocations in a workgroup, a multiple of 8.
    pub workgroup_size: u32,
    /// Octets of neurons (or of inputs) that one invocation owns, at most 4.
    pub tile_octets: u32,
}

impl Variant {
    /// What suits an adapter and a network.
    pub fn choose(gpu: &Gpu, inputs: InputFormat, spec: &NetworkSpec) -> Self {
        let workgroup_size = if gpu.is_software() { 8 } else { 64 };
        // Where eight lanes share their loads, a tile of four octets is what they can share; elsewhere a small tile
        // leaves registers for more invocations.
        let widest = spec.layers().map(|(_, outputs)| outputs).max().unwrap_or(1).div_ceil(8) as u32;
        let tile_octets = widest.clamp(1, if gpu.has_subgroups_of_8() { 4 } else { 1 });
        Self { inputs, subgroups_of_8: gpu.has_subgroups_of_8(), workgroup_size, tile_octets }
    }
}

/// A file of shaders/, or one that the variant chooses.
#[derive(Clone, Copy)]
enum Fragment {
    File(&'static str),
    Inputs,
    Octets,
    Rows,
    Masks,
    Words,
}

/// How a kernel uses a binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A uniform buffer.
    Uniform,
    /// A uniform buffer of many [`Batch`]es with a dynamic offset.
    Batch,
    /// A storage buffer that is only read.
    Read,
    /// A storage buffer that is read and written.
    Write,
}

/// One kernel: an entry point, the files it is made of, its bindings.
pub struct Kernel {
    /// Name of the entry point, and of the kernel in messages.
    pub entry: &'static str,
    fragments: &'static [Fragment],
    /// Binding numbers after 0 (`Network`) and 1 (`Batch`).
    pub storage: &'static [(u32, Access)],
}

macro_rules! file {
    ($name:literal) => {
        Fragment::File(include_str!(concat!("../../shaders/", $name, ".wgsl")))
    };
}

const COMMON: Fragment = file!("common");
const STATE: Fragment = file!("state");
const COLUMNS: Fragment = file!("columns");
const TILE: Fragment = file!("tile");
const REDUCE_FILE: Fragment = file!("reduce");
const OPTIMIZER: Fragment = file!("optimizer");

use Access::{Read, Write};

/// Which sample is where in the next batches.
pub const PERMUTE: Kernel = Kernel {
    entry: "permute",
    fragments: &[file!("permute"), COMMON],
    storage: &[(2, Read), (3, Read), (4, Write), (5, Write)],
};

/// The next batches, transposed, with their masks.
pub const GATHER: Kernel = Kernel {
    entry: "gather",
    fragments: &[file!("gather"), Fragment::Inputs, COMMON],
    storage: &[(2, Read), (3, Read), (4, Write), (5, Write)],
};

/// Which features of the next batches are active.
pub const SELECT: Kernel =
    Kernel { entry: "list_features", fragments: &[file!("select"), COMMON], storage: &[(2, Read), (3, Write)] };

/// Activations of one layer.
pub const FORWARD: Kernel = Kernel {
    entry: "forward",
    fragments: &[
        file!("forward"),
        STATE,
        COLUMNS,
        Fragment::Masks,
        Fragment::Inputs,
        Fragment::Octets,
        Fragment::Rows,
        Fragment::Words,
        COMMON,
    ],
    storage: &[(2, Read), (3, Read), (4, Write), (5, Write), (7, Read)],
};

/// Deltas of the output layer.
pub const LOSS: Kernel = Kernel {
    entry: "loss",
    fragments: &[file!("loss"), STATE, Fragment::Masks, Fragment::Inputs, Fragment::Octets, COMMON],
    storage: &[(4, Write), (5, Write), (6, Write), (8, Read)],
};

/// Deltas of one hidden layer.
pub const DELTA: Kernel = Kernel {
    entry: "delta",
    fragments: &[
        file!("delta"),
        STATE,
        COLUMNS,
        TILE,
        Fragment::Masks,
        Fragment::Inputs,
        Fragment::Octets,
        Fragment::Rows,
        COMMON,
    ],
    storage: &[(2, Read), (4, Write), (5, Write), (6, Write)],
};

/// Forward, loss and delta of all layers.
pub const PROPAGATE: Kernel = Kernel {
    entry: "propagate",
    fragments: &[
        file!("propagate"),
        file!("forward"),
        file!("loss"),
        file!("delta"),
        STATE,
        COLUMNS,
        TILE,
        Fragment::Masks,
        Fragment::Inputs,
        Fragment::Octets,
        Fragment::Rows,
        Fragment::Words,
        COMMON,
    ],
    storage: &[(2, Read), (3, Read), (4, Write), (5, Write), (6, Write), (7, Read), (8, Read)],
};

/// Gradient sums and counts, written out.
pub const REDUCE: Kernel = Kernel {
    entry: "reduce",
    fragments: &[
        REDUCE_FILE,
        file!("reduce_store"),
        COLUMNS,
        TILE,
        Fragment::Inputs,
        Fragment::Octets,
        Fragment::Rows,
        Fragment::Words,
        COMMON,
    ],
    storage: &[(2, Read), (3, Read), (4, Read), (5, Read), (6, Read), (7, Read), (8, Write), (9, Write)],
};

/// Parameters from gradient sums and counts.
pub const UPDATE: Kernel = Kernel {
    entry: "update",
    fragments: &[file!("update"), OPTIMIZER, COMMON],
    storage: &[(2, Read), (3, Read), (4, Read), (5, Write)],
};

/// Gradient sums, counts and the update in one dispatch.
pub const REDUCE_UPDATE: Kernel = Kernel {
    entry: "reduce",
    fragments: &[
        REDUCE_FILE,
        file!("reduce_update"),
        OPTIMIZER,
        COLUMNS,
        TILE,
        Fragment::Inputs,
        Fragment::Octets,
        Fragment::Rows,
        Fragment::Words,
        COMMON,
    ],
    storage: &[(2, Read), (3, Read), (4, Read), (5, Read), (6, Read), (7, Read), (8, Read), (9, Write)],
};

/// Loss sums and hits.
pub const EVALUATE: Kernel = Kernel {
    entry: "evaluate",
    fragments: &[file!("evaluate"), COMMON],
    storage: &[(2, Read), (3, Read), (4, Write), (5, Write)],
};

/// Which neurons a data set activates.
pub const ACTIVITY: Kernel =
    Kernel { entry: "observe", fragments: &[file!("activity"), COMMON], storage: &[(2, Read), (3, Write)] };

/// Adaptive batch sizes summed by neuron.
pub const COUNT: Kernel =
    Kernel { entry: "count", fragments: &[file!("count"), COMMON], storage: &[(2, Read), (3, Read), (4, Write)] };

/// Parameters that are no numbers any more.
pub const DIVERGENCE: Kernel =
    Kernel { entry: "find_divergence", fragments: &[file!("divergence"), COMMON], storage: &[(2, Read), (3, Write)] };

/// All kernels.
pub const ALL: [&Kernel; 14] = [
    &PERMUTE,
    &GATHER,
    &SELECT,
    &FORWARD,
    &LOSS,
    &DELTA,
    &PROPAGATE,
    &REDUCE,
    &UPDATE,
    &REDUCE_UPDATE,
    &EVALUATE,
    &ACTIVITY,
    &COUNT,
    &DIVERGENCE,
];

impl Kernel {
    /// The WGSL text exactly as it is compiled: the kernel first, so that line numbers in messages are its own.
    pub fn source(&self, variant: Variant) -> String {
        let Variant { inputs, subgroups_of_8, workgroup_size, tile_octets } = variant;
        let mut source = String::new();
        for fragment in self.fragments {
            source.push_str(match fragment {
                Fragment::File(text) => text,
                Fragment::Inputs => match inputs {
                    InputFormat::U8 => include_str!("../../shaders/inputs_u8.wgsl"),
                    InputFormat::F32 => include_str!("../../shaders/inputs_f32.wgsl"),
                },
                Fragment::Octets if subgroups_of_8 => include_str!("../../shaders/octets_u64.wgsl"),
                Fragment::Octets => include_str!("../../shaders/octets_plain.wgsl"),
                Fragment::Rows if subgroups_of_8 => include_str!("../../shaders/rows_subgroup8.wgsl"),
                Fragment::Rows => include_str!("../../shaders/rows_plain.wgsl"),
                Fragment::Masks if subgroups_of_8 => include_str!("../../shaders/masks_subgroup8.wgsl"),
                Fragment::Masks => include_str!("../../shaders/masks_plain.wgsl"),
                Fragment::Words if subgroups_of_8 => include_str!("../../shaders/words_subgroup8.wgsl"),
                Fragment::Words => include_str!("../../shaders/words_plain.wgsl"),
            });
        }
        source.push_str(&format!("const WORKGROUP_SIZE = {workgroup_size}u;\nconst TILE_OCTETS = {tile_octets}u;\n"));
        source
    }

    /// All bindings in the order of their numbers.
    pub fn bindings(&self) -> impl Iterator<Item = (u32, Access)> + '_ {
        [(0, Access::Uniform), (1, Access::Batch)].into_iter().chain(self.storage.iter().copied())
    }
}

/// A compiled kernel.
pub struct Pipeline {
    pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
    kernel: &'static Kernel,
    workgroup_size: u32,
}

/// A kernel with its buffers, ready to be dispatched.
pub struct Bound {
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    workgroup_size: u32,
}

impl Pipeline {
    /// Compiles a kernel. What the driver has against it shows at the device's next call.
    pub fn new(gpu: &Gpu, kernel: &'static Kernel, variant: Variant) -> Self {
        let entries: Vec<_> = kernel
            .bindings()
            .map(|(binding, access)| {
                let (ty, has_dynamic_offset) = match access {
                    Access::Uniform => (BufferBindingType::Uniform, false),
                    Access::Batch => (BufferBindingType::Uniform, true),
                    Access::Read => (BufferBindingType::Storage { read_only: true }, false),
                    Access::Write => (BufferBindingType::Storage { read_only: false }, false),
                };
                let ty = BindingType::Buffer { ty, has_dynamic_offset, min_binding_size: None };
                wgpu::BindGroupLayoutEntry { binding, visibility: ShaderStages::COMPUTE, ty, count: None }
            })
            .collect();
        let label = Some(kernel.entry);
        let device = &gpu.device;
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label, entries: &entries });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label,
            source: wgpu::ShaderSource::Wgsl(kernel.source(variant).into()),
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label,
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some(kernel.entry),
            compilation_options: Default::default(),
            cache: None,
        });
        Self { pipeline, layout, kernel, workgroup_size: variant.workgroup_size }
    }

    /// Binds `storage` in the order of the kernel's storage bindings.
    pub fn bind(&self, gpu: &Gpu, network: &wgpu::Buffer, batches: &wgpu::Buffer, storage: &[&wgpu::Buffer]) -> Bound {
        assert_eq!(storage.len(), self.kernel.storage.len(), "buffers of {}", self.kernel.entry);
        let batch =
            wgpu::BufferBinding { buffer: batches, offset: 0, size: wgpu::BufferSize::new(size_of::<Batch>() as u64) };
        let entries: Vec<_> = self
            .kernel
            .bindings()
            .map(|(binding, access)| {
                let resource = match access {
                    Access::Uniform => network.as_entire_binding(),
                    Access::Batch => wgpu::BindingResource::Buffer(batch.clone()),
                    Access::Read | Access::Write => {
                        let index = self.kernel.storage.iter().position(|&(number, _)| number == binding);
                        storage[index.unwrap_or_default()].as_entire_binding()
                    }
                };
                wgpu::BindGroupEntry { binding, resource }
            })
            .collect();
        let group = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(self.kernel.entry),
            layout: &self.layout,
            entries: &entries,
        });
        Bound { pipeline: self.pipeline.clone(), group, workgroup_size: self.workgroup_size }
    }
}

impl Bound {
    /// Runs the kernel alone, with the `Batch` at the start of its buffer, and waits for it.
    ///
    /// # Errors
    /// What the driver reported.
    pub fn run(&self, gpu: &Gpu, invocations: u64) -> Result<()> {
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        self.dispatch(&mut encoder.begin_compute_pass(&Default::default()), 0, invocations);
        let submission = gpu.queue.submit([encoder.finish()]);
        gpu.wait(submission)
    }

    /// Encodes a dispatch of at least `invocations`, with the batch at `batch_offset` bytes.
    pub fn dispatch(&self, pass: &mut wgpu::ComputePass<'_>, batch_offset: u32, invocations: u64) {
        let [x, y] = workgroups(invocations, self.workgroup_size);
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.group, &[batch_offset]);
        pass.dispatch_workgroups(x, y, 1);
    }
}

/// Workgroups that an axis of a dispatch may have: WebGPU's default, which every adapter allows.
pub(crate) const MAX_WORKGROUPS: u64 = 65_535;

/// x and y of a dispatch of at least `invocations`.
pub fn workgroups(invocations: u64, workgroup_size: u32) -> [u32; 2] {
    let groups = invocations.div_ceil(u64::from(workgroup_size));
    let y = groups.div_ceil(MAX_WORKGROUPS);
    [groups.div_ceil(y.max(1)) as u32, y as u32]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workgroups_cover_their_invocations() {
        for invocations in [1, 8, 9, 65_535 * 8, 65_535 * 8 + 1, 65_535 * 64 * 3 + 5, 4_000_000_000] {
            for workgroup_size in [8, 64] {
                let [x, y] = workgroups(invocations, workgroup_size);
                assert!(u64::from(x) <= MAX_WORKGROUPS && u64::from(y) <= MAX_WORKGROUPS);
                assert!(u64::from(x) * u64::from(y) * u64::from(workgroup_size) >= invocations);
            }
        }
    }
}
