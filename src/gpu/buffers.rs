//! A data set on the GPU, the batches gathered from it, and the state of a batch.

use wgpu::BufferUsages;

use super::adapter::Gpu;
use super::commands::Commands;
use super::dispatch::Dispatch;
use super::kernels::{Bound, GATHER, PERMUTE, Pipeline};
use super::layout::{Batch, InputFormat, Network, padded_rows};
use crate::dataset::{Inputs, Samples};
use crate::error::Result;
use crate::spec::{Loss, NetworkSpec};

/// Samples, uploaded once.
pub(crate) struct DeviceSamples {
    inputs: wgpu::Buffer,
    labels: wgpu::Buffer,
    pub count: u32,
    /// Of its targets: [`Targets::variance`](crate::dataset::Targets::variance).
    pub variance: f64,
    format: InputFormat,
    /// Of the networks, with so many targets of a sample.
    loss: Loss,
    targets: usize,
}

impl DeviceSamples {
    /// For networks of this shape.
    pub fn new(gpu: &Gpu, name: &str, samples: &Samples, spec: &NetworkSpec) -> Result<Self> {
        Self::with_room(gpu, name, samples, spec, samples.len())
    }

    /// The same, with room for `room` samples.
    pub fn with_room(gpu: &Gpu, name: &str, samples: &Samples, spec: &NetworkSpec, room: usize) -> Result<Self> {
        let (loss, targets) = (spec.loss(), spec.loss().targets(spec.outputs()));
        let format = InputFormat::from(samples.inputs());
        let room = room.max(samples.len()) as u64;
        let stride = u64::from(padded_rows(samples.features())) * format.sample4_bytes() / 4;
        let inputs = gpu.storage(&format!("the {name} inputs"), (room + 1) * stride)?;
        let labels = gpu.storage(&format!("the {name} labels"), room * (targets * size_of::<u32>()) as u64)?;
        gpu.write(&inputs, &padded_bytes(samples))?;
        gpu.write(&labels, target_words(samples, targets))?;
        let (count, variance) = (samples.len() as u32, samples.targets().variance());
        Ok(Self { inputs, labels, count, variance, format, loss, targets })
    }

    /// Bytes of [`Self::new`].
    pub fn bytes(samples: &Samples, spec: &NetworkSpec) -> u64 {
        let stride =
            u64::from(padded_rows(samples.features())) * InputFormat::from(samples.inputs()).sample4_bytes() / 4;
        let targets = spec.loss().targets(spec.outputs()) * size_of::<u32>();
        (samples.len() as u64 + 1) * stride + (samples.len() * targets) as u64
    }

    /// Uploads other samples in place of these. `false` if they do not fit, and these stay.
    pub fn replace(&mut self, gpu: &Gpu, samples: &Samples) -> Result<bool> {
        let inputs = padded_bytes(samples);
        let labels = target_words(samples, self.targets);
        let fit = inputs.len() as u64 <= self.inputs.size() && size_of_val(labels) as u64 <= self.labels.size();
        if !fit || InputFormat::from(samples.inputs()) != self.format {
            return Ok(false);
        }
        gpu.write(&self.inputs, &inputs)?;
        gpu.write(&self.labels, labels)?;
        (self.count, self.variance) = (samples.len() as u32, samples.targets().variance());
        Ok(true)
    }
}

/// Labels or numbers. Samples that are to be answered, not scored, may have others than the networks: they are not compared.
fn target_words(samples: &Samples, targets: usize) -> &[u32] {
    let words = samples.targets().words();
    &words[..words.len().min(samples.len() * targets)]
}

/// The bytes that the GPU keeps: rows of K values, of which the one after the features is the 1 that
/// multiplies the bias. The row after the last sample is zero and means "no sample".
pub fn padded_bytes(samples: &Samples) -> Vec<u8> {
    let stride = padded_rows(samples.features()) as usize;
    fn rows<T: bytemuck::Pod>(values: &[T], features: usize, stride: usize, one: T) -> Vec<u8> {
        let mut padded = vec![T::zeroed(); (values.len() / features + 1) * stride];
        for (row, sample) in padded.chunks_exact_mut(stride).zip(values.chunks_exact(features)) {
            row[..features].copy_from_slice(sample);
            row[features] = one;
        }
        bytemuck::allocation::pod_collect_to_vec(&padded)
    }
    match samples.inputs() {
        Inputs::U8(values) => rows(values, samples.features(), stride, 255),
        Inputs::F32(values) => rows(values, samples.features(), stride, 1.0),
    }
}

/// Room for `slots` gathered batches of `input_replicas` replicas.
pub(crate) struct Batches {
    /// (T, R, B): indices into the data set.
    sample_indices: wgpu::Buffer,
    /// (T, R, B), or (T, R, n_L, B) where targets are numbers.
    pub labels: wgpu::Buffer,
    /// (T, R, K, B)
    pub inputs: wgpu::Buffer,
    /// (T, R, B / 32, K)
    pub input_masks: wgpu::Buffer,
    /// (T, R, 4 + K): how many features are active, and which.
    pub features: wgpu::Buffer,
    pub slots: u32,
    pub input_replicas: u32,
    pub sample4s: u32,
    format: InputFormat,
}

/// Bytes of the targets of one gathered batch.
pub(crate) fn target_bytes(targets: usize, input_replicas: u32, sample4s: u32) -> u64 {
    targets as u64 * u64::from(input_replicas) * u64::from(sample4s) * 16
}

/// Bytes of the inputs of one gathered batch, which are more than its labels.
pub(crate) fn input_bytes(network: &Network, format: InputFormat, input_replicas: u32, sample4s: u32) -> u64 {
    u64::from(input_replicas) * u64::from(network.input_rows) * u64::from(sample4s) * format.sample4_bytes()
}

impl Batches {
    /// Bytes of [`Self::new`].
    pub fn bytes(
        network: &Network,
        format: InputFormat,
        targets: usize,
        slots: u32,
        input_replicas: u32,
        sample4s: u32,
    ) -> u64 {
        let of_samples = u64::from(input_replicas) * u64::from(sample4s) * 16;
        let of_masks = u64::from(input_replicas) * u64::from(network.input_rows) * u64::from(sample4s / 8) * 4;
        let of_features = u64::from(input_replicas) * u64::from(4 + network.input_rows) * 4;
        let of_slot = of_samples
            + target_bytes(targets, input_replicas, sample4s)
            + input_bytes(network, format, input_replicas, sample4s)
            + of_masks
            + of_features;
        u64::from(slots) * of_slot
    }

    pub fn new(
        gpu: &Gpu,
        network: &Network,
        format: InputFormat,
        targets: usize,
        slots: u32,
        input_replicas: u32,
        sample4s: u32,
    ) -> Result<Self> {
        let samples = u64::from(slots) * u64::from(input_replicas) * u64::from(sample4s) * 4;
        let rows = u64::from(slots) * u64::from(input_replicas) * u64::from(network.input_rows);
        Ok(Self {
            sample_indices: gpu.storage("the sample indices", samples * 4)?,
            labels: gpu.storage("the labels", u64::from(slots) * target_bytes(targets, input_replicas, sample4s))?,
            inputs: gpu
                .storage("the batches", u64::from(slots) * input_bytes(network, format, input_replicas, sample4s))?,
            input_masks: gpu.storage("the input masks", rows * u64::from(sample4s / 8) * 4)?,
            features: gpu
                .storage("the features", u64::from(slots * input_replicas) * u64::from(4 + network.input_rows) * 4)?,
            slots,
            input_replicas,
            sample4s,
            format,
        })
    }
}

/// Of a uniform buffer that the host writes.
pub(crate) const UNIFORM: BufferUsages = BufferUsages::UNIFORM.union(BufferUsages::COPY_DST);

/// The constant of the kernels that read or write targets.
pub(crate) fn has_numbers(loss: Loss) -> (&'static str, u32) {
    ("HAS_NUMBERS", u32::from(loss.is_regression()))
}

/// Fills [`Batches`] from a data set.
pub(crate) struct Gatherer {
    permute: Bound,
    gather: Bound,
}

impl Gatherer {
    pub fn new(
        gpu: &Gpu,
        samples: &DeviceSamples,
        batches: &Batches,
        drops_inputs: bool,
        network: &wgpu::Buffer,
        batch: &wgpu::Buffer,
        replicas: &wgpu::Buffer,
    ) -> Self {
        let Batches { sample_indices, labels, inputs, input_masks, format, .. } = batches;
        let has_dropout = ("HAS_DROPOUT", u32::from(drops_inputs));
        Self {
            permute: Pipeline::with_constants(gpu, &PERMUTE, *format, &[has_numbers(samples.loss)]).bind(
                gpu,
                network,
                batch,
                &[replicas, &samples.labels, sample_indices, labels],
            ),
            gather: Pipeline::with_constants(gpu, &GATHER, *format, &[has_dropout]).bind(
                gpu,
                network,
                batch,
                &[&samples.inputs, sample_indices, inputs, input_masks, replicas],
            ),
        }
    }

    /// Encodes the gathering of `steps` batches, described by the `Batch` at `offset`.
    pub fn encode(
        &self,
        commands: &mut Commands,
        offset: u32,
        dispatch: Dispatch<'_>,
        steps: u32,
        input_replicas: u32,
    ) {
        commands.dispatch(&self.permute, offset, dispatch.permute(steps, input_replicas));
        commands.dispatch(&self.gather, offset, dispatch.gather(steps, input_replicas));
    }
}

/// Bytes from one `Batch` to the next: WebGPU's largest alignment of dynamic offsets.
pub(crate) const BATCH_STRIDE: u64 = 256;

/// Writes `Batch`es at their dynamic offsets.
pub(crate) fn write_batches(gpu: &Gpu, buffer: &wgpu::Buffer, batches: &[Batch]) -> Result<()> {
    let mut bytes = vec![0u8; batches.len() * BATCH_STRIDE as usize];
    for (slot, batch) in bytes.chunks_exact_mut(BATCH_STRIDE as usize).zip(batches) {
        slot[..size_of::<Batch>()].copy_from_slice(bytemuck::bytes_of(batch));
    }
    gpu.write(buffer, &bytes)
}

/// Activations and deltas, (R, N, B), and their masks.
pub(crate) struct State {
    /// With the sums z of as many rows after them, where they are kept.
    pub activations: wgpu::Buffer,
    pub deltas: wgpu::Buffer,
    /// (R, B / 32, 2 N): of the activations, then of the deltas.
    pub masks: wgpu::Buffer,
}

/// What a state has room for beside activations and their masks.
#[derive(Clone, Copy)]
pub(crate) struct Room {
    pub deltas: bool,
    /// The sums z of the hidden layers: kept_start of common.wgsl.
    pub sums: bool,
}

/// Bytes of the activations of all replicas.
pub(crate) fn activation_bytes(network: &Network, sample4s: u32) -> u64 {
    u64::from(network.replica_count) * u64::from(network.row_count) * u64::from(sample4s) * 16
}

impl State {
    /// Bytes of [`Self::new`].
    pub fn bytes(network: &Network, sample4s: u32, room: Room) -> u64 {
        let bytes = activation_bytes(network, sample4s);
        bytes * (1 + u64::from(room.sums) + u64::from(room.deltas)) + bytes / 16
    }

    /// For batches of `sample4s` sample4s.
    pub fn new(gpu: &Gpu, network: &Network, sample4s: u32, room: Room) -> Result<Self> {
        let bytes = activation_bytes(network, sample4s);
        let delta_bytes = if room.deltas { bytes } else { 0 };
        let copies = if room.sums { 2 } else { 1 };
        let state = Self {
            activations: gpu.storage("the activations", copies * bytes)?,
            deltas: gpu.storage("the deltas", delta_bytes)?,
            masks: gpu.storage("the masks", bytes / 16)?,
        };
        // The row after each layer's neurons is ones, for the biases, and no kernel writes it.
        let stride = sample4s as usize * 4;
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
