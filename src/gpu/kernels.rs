//! The kernels: which WGSL files make each of them, what they bind, and their pipelines.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use wgpu::{BindingType, BufferBindingType, ShaderStages};

use super::adapter::Gpu;
use super::commands::Commands;
use super::layout::{Batch, InputFormat};
use crate::error::Result;

/// How a kernel uses a binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A uniform buffer.
    Uniform,
    /// A uniform buffer of many [`Batch`]es with a dynamic offset.
    Batch,
    /// A storage buffer that is only read.
    Read,
    /// A storage buffer that is only read here, but declared to be written, as other kernels with that declaration do.
    Keep,
    /// A storage buffer that is read and written.
    Write,
}

/// One kernel: a file of `shaders/`, its entry point, its bindings.
pub struct Kernel {
    /// Name of the file.
    pub file: &'static str,
    /// Name of the entry point.
    pub entry: &'static str,
    /// Binding numbers after 0 (`Network`) and 1 (`Batch`).
    pub storage: &'static [(u32, Access)],
}

macro_rules! files {
    ($($name:literal),+ $(,)?) => { [$(($name, include_str!(concat!("../../shaders/", $name, ".wgsl")))),+] };
}

/// All files of `shaders/`, by name.
pub const FILES: [(&str, &str); 36] = files![
    "activation",
    "activity",
    "block",
    "buffers",
    "clip",
    "common",
    "count",
    "delta",
    "divergence",
    "dropout",
    "evaluate",
    "forward",
    "gather",
    "hash",
    "inputs_f32",
    "inputs_u8",
    "loss",
    "norm_block",
    "normalize",
    "normalize_back",
    "norms",
    "optimizer",
    "parameters",
    "permute",
    "propagate",
    "reduce",
    "reduce_norms",
    "replicas",
    "select",
    "step",
    "store",
    "stored_f32",
    "stored_u8",
    "targets",
    "threshold",
    "update",
];

use Access::{Keep, Read, Write};

/// Which sample is where in the next batches.
pub const PERMUTE: Kernel =
    Kernel { file: "permute", entry: "permute", storage: &[(2, Read), (3, Read), (4, Write), (5, Write)] };

/// The next batches, transposed, with their masks.
pub const GATHER: Kernel =
    Kernel { file: "gather", entry: "gather", storage: &[(2, Read), (3, Read), (4, Write), (5, Write), (10, Read)] };

/// Which features of the next batches are active.
pub const SELECT: Kernel = Kernel { file: "select", entry: "list_features", storage: &[(2, Read), (3, Write)] };

// The next twelve share the numbers of buffers.wgsl.

/// Activations of one layer.
pub const FORWARD: Kernel = Kernel {
    file: "forward",
    entry: "forward",
    storage: &[(2, Keep), (3, Read), (4, Write), (5, Write), (7, Read), (10, Read)],
};

/// Deltas of the output layer.
pub const LOSS: Kernel =
    Kernel { file: "loss", entry: "loss", storage: &[(4, Keep), (5, Write), (6, Write), (8, Read)] };

/// Deltas of one hidden layer.
pub const DELTA: Kernel =
    Kernel { file: "delta", entry: "delta", storage: &[(2, Keep), (4, Keep), (5, Write), (6, Write), (10, Read)] };

/// Activations of a normalized layer from its sums.
pub const NORMALIZE: Kernel = Kernel {
    file: "normalize",
    entry: "normalize_layer",
    storage: &[(2, Write), (4, Write), (5, Write), (10, Read), (13, Write), (14, Write)],
};

/// Deltas of a normalized layer's sums from those of its outputs.
pub const NORMALIZE_BACK: Kernel = Kernel {
    file: "normalize_back",
    entry: "normalize_back",
    storage: &[(2, Keep), (6, Write), (13, Keep), (14, Write)],
};

/// Forward, loss and delta of all layers.
pub const PROPAGATE: Kernel = Kernel {
    file: "propagate",
    entry: "propagate",
    storage: &[(2, Keep), (3, Read), (4, Write), (5, Write), (6, Write), (7, Read), (8, Read), (10, Read)],
};

/// Masks of what is above a threshold of the counts.
pub const THRESHOLD: Kernel = Kernel {
    file: "threshold",
    entry: "threshold",
    storage: &[(2, Read), (3, Read), (4, Read), (5, Write), (6, Write), (10, Read)],
};

/// Gradient sums and counts, written to be looked at.
pub const REDUCE: Kernel = Kernel {
    file: "store",
    entry: "reduce",
    storage: &[(3, Read), (4, Keep), (5, Keep), (6, Keep), (7, Read), (9, Read), (11, Write), (12, Write)],
};

/// Gradient sums, counts and, from them, parameters.
pub const UPDATE: Kernel = Kernel {
    file: "update",
    entry: "reduce",
    storage: &[(2, Write), (3, Read), (4, Keep), (5, Keep), (6, Keep), (7, Read), (9, Read), (10, Read)],
};

/// [`REDUCE`] of beta and gamma.
pub const REDUCE_NORMS: Kernel =
    Kernel { file: "store", entry: "reduce_norms", storage: &[(5, Keep), (11, Write), (12, Write), (14, Keep)] };

/// [`UPDATE`] of beta and gamma.
pub const UPDATE_NORMS: Kernel =
    Kernel { file: "update", entry: "reduce_norms", storage: &[(2, Write), (5, Keep), (10, Read), (14, Keep)] };

/// Parameters from the gradient sums and counts that [`REDUCE`] left, where the gradient's norm is clipped or counts have a threshold.
pub const CLIP: Kernel =
    Kernel { file: "clip", entry: "clip", storage: &[(2, Write), (10, Read), (11, Read), (12, Read)] };

/// Whole steps of small networks.
pub const STEP: Kernel = Kernel {
    file: "step",
    entry: "step_samples",
    storage: &[(2, Write), (3, Read), (4, Write), (5, Write), (6, Write), (8, Read), (10, Read)],
};

/// Loss sums and hits.
pub const EVALUATE: Kernel =
    Kernel { file: "evaluate", entry: "evaluate", storage: &[(2, Read), (3, Read), (4, Write), (5, Write)] };

/// Which neurons a data set activates.
pub const ACTIVITY: Kernel = Kernel { file: "activity", entry: "observe", storage: &[(2, Read), (3, Write)] };

/// Adaptive batch sizes summed by neuron.
pub const COUNT: Kernel = Kernel { file: "count", entry: "count", storage: &[(2, Read), (3, Read), (4, Write)] };

/// Parameters that are no numbers any more.
pub const DIVERGENCE: Kernel =
    Kernel { file: "divergence", entry: "find_divergence", storage: &[(2, Read), (3, Write)] };

/// All kernels.
pub const ALL: [&Kernel; 20] = [
    &PERMUTE,
    &GATHER,
    &SELECT,
    &FORWARD,
    &NORMALIZE,
    &LOSS,
    &DELTA,
    &NORMALIZE_BACK,
    &PROPAGATE,
    &THRESHOLD,
    &REDUCE,
    &REDUCE_NORMS,
    &UPDATE,
    &UPDATE_NORMS,
    &CLIP,
    &STEP,
    &EVALUATE,
    &ACTIVITY,
    &COUNT,
    &DIVERGENCE,
];

/// The text of a file; there are several named `inputs` and `stored`, for each format one.
fn file(name: &str, inputs: InputFormat) -> &'static str {
    let name = match (name, inputs) {
        ("inputs", InputFormat::U8) => "inputs_u8",
        ("inputs", InputFormat::F32 | InputFormat::ScaledU8) => "inputs_f32",
        ("stored", format) if format.stores_bytes() => "stored_u8",
        ("stored", _) => "stored_f32",
        (name, _) => name,
    };
    FILES.iter().find(|(file, _)| *file == name).map_or("", |(_, text)| text)
}

/// What a file's first line, `// Uses: a, b`, names.
fn uses(text: &'static str) -> impl Iterator<Item = &'static str> {
    let line = text.lines().next().and_then(|line| line.strip_prefix("// Uses: ")).unwrap_or("nothing");
    line.split(", ").filter(|name| *name != "nothing")
}

impl Kernel {
    /// The WGSL text exactly as it is compiled: the kernel first, so that line numbers in messages are its own, then the files
    /// that it uses, each once, as their first lines say.
    pub fn source(&self, inputs: InputFormat) -> String {
        let mut names = vec![self.file];
        let mut source = String::new();
        for index in 0.. {
            let Some(&name) = names.get(index) else { break };
            let text = file(name, inputs);
            source.push_str(text);
            for used in uses(text) {
                if !names.contains(&used) {
                    names.push(used);
                }
            }
        }
        source
    }

    /// All bindings in the order of their numbers.
    pub fn bindings(&self) -> impl Iterator<Item = (u32, Access)> + '_ {
        [(0, Access::Uniform), (1, Access::Batch)].into_iter().chain(self.storage.iter().copied())
    }
}

/// A compiled kernel. Cheap to clone.
#[derive(Clone)]
pub struct Pipeline {
    pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
    kernel: &'static Kernel,
}

/// Text, entry point and constants of a compiled kernel.
type Key = (String, &'static str, Vec<(&'static str, u32)>);

/// The kernels of a device: each is compiled once, when it is first asked for.
#[derive(Default)]
pub(super) struct Pipelines(Mutex<HashMap<Key, Pipeline>>);

/// A kernel with its buffers, ready to be dispatched.
pub struct Bound {
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    kernel: &'static Kernel,
}

impl Pipeline {
    /// A kernel, compiled. What the driver has against it shows at the device's next call.
    pub fn new(gpu: &Gpu, kernel: &'static Kernel, inputs: InputFormat) -> Self {
        Self::with_constants(gpu, kernel, inputs, &[])
    }

    /// The same with values for constants that it declares as `override`.
    pub fn with_constants(
        gpu: &Gpu,
        kernel: &'static Kernel,
        inputs: InputFormat,
        constants: &[(&'static str, u32)],
    ) -> Self {
        let key = (kernel.source(inputs), kernel.entry, constants.to_vec());
        let mut compiled = gpu.pipelines.0.lock().unwrap_or_else(PoisonError::into_inner);
        let compile = |(source, _, constants): &Key| Self::compile(gpu, kernel, source, constants);
        compiled.entry(key).or_insert_with_key(compile).clone()
    }

    fn compile(gpu: &Gpu, kernel: &'static Kernel, source: &str, constants: &[(&'static str, u32)]) -> Self {
        let constants: Vec<_> = constants.iter().map(|&(name, value)| (name, f64::from(value))).collect();
        let entries: Vec<_> = kernel
            .bindings()
            .map(|(binding, access)| {
                let (ty, has_dynamic_offset) = match access {
                    Access::Uniform => (BufferBindingType::Uniform, false),
                    Access::Batch => (BufferBindingType::Uniform, true),
                    Access::Read => (BufferBindingType::Storage { read_only: true }, false),
                    Access::Keep | Access::Write => (BufferBindingType::Storage { read_only: false }, false),
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
            source: wgpu::ShaderSource::Wgsl(source.into()),
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label,
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some(kernel.entry),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &constants,
                // Each kernel writes what it reads.
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        });
        Self { pipeline, layout, kernel }
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
                    Access::Read | Access::Keep | Access::Write => {
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
        Bound { pipeline: self.pipeline.clone(), group, kernel: self.kernel }
    }
}

impl Bound {
    /// Runs the kernel alone, with the `Batch` at the start of its buffer, and waits for it.
    ///
    /// # Errors
    /// What the driver reported.
    pub fn run(&self, gpu: &Gpu, workgroups: [u32; 3]) -> Result<()> {
        let mut commands = Commands::new(gpu);
        commands.dispatch(self, 0, workgroups);
        let submission = gpu.queue.submit([commands.finish().0]);
        gpu.wait(submission)
    }

    /// Name of the kernel's file.
    pub(crate) fn name(&self) -> &'static str {
        self.kernel.file
    }

    /// Encodes a dispatch, with the batch at `batch_offset` bytes.
    pub(crate) fn dispatch(&self, pass: &mut wgpu::ComputePass<'_>, batch_offset: u32, [x, y, z]: [u32; 3]) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.group, &[batch_offset]);
        pass.dispatch_workgroups(x, y, z);
    }
}

/// Workgroups that an axis of a dispatch may have: WebGPU's default, which every adapter allows.
pub(crate) const MAX_WORKGROUPS: u64 = 65_535;
