//! The dispatches of a submission: in one compute pass, or in one each where the time of every dispatch is wanted.

use super::adapter::Gpu;
use super::kernels::Bound;
use crate::engine::KernelTime;
use crate::error::Result;

/// A submission in the making.
pub(crate) struct Commands {
    /// What is open of `encoder`; closed before anything else is encoded.
    pass: Option<wgpu::ComputePass<'static>>,
    encoder: wgpu::CommandEncoder,
    timestamps: Option<Timestamps>,
}

/// When dispatches began and ended.
pub(crate) struct Timestamps {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    /// The kernel of each dispatch.
    kernels: Vec<&'static str>,
}

impl Timestamps {
    /// Dispatches of a submission that can be timed: WebGPU's sets hold 4,096 queries.
    pub const MAX_DISPATCHES: u64 = wgpu::QUERY_SET_MAX_QUERIES as u64 / 2;

    fn new(gpu: &Gpu) -> Result<Self> {
        let queries = gpu.device.create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("timestamps"),
            ty: wgpu::QueryType::Timestamp,
            count: wgpu::QUERY_SET_MAX_QUERIES,
        });
        let usage = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
        let resolved = gpu.buffer("timestamps", u64::from(wgpu::QUERY_SET_MAX_QUERIES) * 8, usage)?;
        Ok(Self { queries, resolved, kernels: Vec::new() })
    }

    /// How long the dispatches of each kernel took, in the order of the first ones, once they are done.
    pub fn read(&self, gpu: &Gpu) -> Result<Vec<KernelTime>> {
        let ticks = gpu.read::<u64>(&[(&self.resolved, self.kernels.len() as u64 * 16)])?;
        let seconds_per_tick = f64::from(gpu.queue.get_timestamp_period()) * 1e-9;
        let mut times: Vec<KernelTime> = Vec::new();
        for (&kernel, ticks) in self.kernels.iter().zip(ticks[0].chunks_exact(2)) {
            let seconds = ticks[1].saturating_sub(ticks[0]) as f64 * seconds_per_tick;
            KernelTime { kernel, dispatches: 1, seconds }.add_to(&mut times);
        }
        Ok(times)
    }
}

impl Commands {
    pub fn new(gpu: &Gpu) -> Self {
        Self { pass: None, encoder: gpu.device.create_command_encoder(&Default::default()), timestamps: None }
    }

    /// The same, for up to [`Timestamps::MAX_DISPATCHES`] dispatches, each of which is timed.
    pub fn timed(gpu: &Gpu) -> Result<Self> {
        Ok(Self { timestamps: Some(Timestamps::new(gpu)?), ..Self::new(gpu) })
    }

    /// For what is no dispatch.
    pub fn encoder(&mut self) -> &mut wgpu::CommandEncoder {
        self.pass = None;
        &mut self.encoder
    }

    /// Encodes a dispatch, with the batch at `batch_offset` bytes.
    pub fn dispatch(&mut self, kernel: &Bound, batch_offset: u32, workgroups: [u32; 3]) {
        let Self { pass, encoder, timestamps } = self;
        let mut begin = |timestamp_writes| {
            let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes };
            encoder.begin_compute_pass(&descriptor).forget_lifetime()
        };
        let Some(Timestamps { queries, kernels, .. }) = timestamps else {
            return kernel.dispatch(pass.get_or_insert_with(|| begin(None)), batch_offset, workgroups);
        };
        let first = 2 * kernels.len() as u32;
        kernels.push(kernel.name());
        let writes = wgpu::ComputePassTimestampWrites {
            query_set: queries,
            beginning_of_pass_write_index: Some(first),
            end_of_pass_write_index: Some(first + 1),
        };
        kernel.dispatch(&mut begin(Some(writes)), batch_offset, workgroups);
    }

    /// What is to be submitted, and the timestamps, which can be read when it is done.
    pub fn finish(mut self) -> (wgpu::CommandBuffer, Option<Timestamps>) {
        self.pass = None;
        if let Some(Timestamps { queries, resolved, kernels }) = &self.timestamps {
            self.encoder.resolve_query_set(queries, 0..2 * kernels.len() as u32, resolved, 0);
        }
        (self.encoder.finish(), self.timestamps)
    }
}
