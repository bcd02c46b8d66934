//! Evaluation: loss, score and dummy nodes over a whole data set, block by block.

use super::adapter::Gpu;
use super::buffers::{
    BATCH_STRIDE, Batches, DeviceSamples, Gatherer, Room, State, UNIFORM, activation_bytes, has_numbers, write_batches,
};
use super::commands::Commands;
use super::dispatch::{Dispatch, EVALUATE_LANES, MAX_LOOP_ITERATIONS};
use super::kernels::{ACTIVITY, Bound, DIVERGENCE, EVALUATE, FORWARD, Pipeline};
use super::layout::{Batch, InputFormat, Layer, MAX_SLOTS, Network, activation_constants};
use super::pacing::Pacer;
use crate::error::Result;
use crate::evaluation::{Activity, Evaluation, r2};
use crate::spec::{Loss, NetworkSpec};

/// Everything that evaluation needs, made once.
pub(crate) struct Evaluator {
    batches: Batches,
    batch_uniform: wgpu::Buffer,
    loss: Loss,
    /// Each set of samples, how many it holds, and the variance of their targets.
    sets: Vec<(Gatherer, u32, f64)>,
    activations: wgpu::Buffer,
    forward: Bound,
    evaluate: Bound,
    activity: Bound,
    divergence: Bound,
    loss_sums: wgpu::Buffer,
    hits: wgpu::Buffer,
    activity_bits: wgpu::Buffer,
    diverged: wgpu::Buffer,
    pacer: Pacer,
}

/// Activations of a block may take this many bytes.
const BLOCK_BYTES: u64 = 32 << 20;

/// Nothing goes backwards.
const ROOM: Room = Room { deltas: false, sums: false };

/// Blocks that a submission can hold.
const MAX_BLOCKS: u64 = 64;

impl Evaluator {
    /// The smallest block, in fours of samples. Blocks are multiples of it: evaluate.wgsl gives every 64th sample4 to the
    /// same total, so sums do not depend on the block size.
    pub const MIN_SAMPLE4S: u32 = EVALUATE_LANES as u32;

    /// Sample4s of a block.
    fn block(gpu: &Gpu, network: &Network, largest_set: u32) -> u32 {
        let most = largest_set.div_ceil(4 * Self::MIN_SAMPLE4S).clamp(1, 8);
        let outputs = network.layers().last().map_or(0, |layer| u64::from(layer.outputs));
        let in_iterations = MAX_LOOP_ITERATIONS / (2 * outputs + 1);
        let block_bytes = BLOCK_BYTES.min(gpu.limits().max_storage_buffer_binding_size);
        let fitting = (block_bytes / activation_bytes(network, Self::MIN_SAMPLE4S)).min(in_iterations) as u32;
        Self::MIN_SAMPLE4S * fitting.clamp(1, most)
    }

    /// Bytes of [`Self::new`] for sets of up to `largest_set` samples.
    pub fn bytes(gpu: &Gpu, spec: &NetworkSpec, network: &Network, format: InputFormat, largest_set: u32) -> u64 {
        let sample4s = Self::block(gpu, network, largest_set);
        let replicas = u64::from(network.replica_count);
        Batches::bytes(network, format, spec.loss().targets(spec.outputs()), 1, 1, sample4s)
            + State::bytes(network, sample4s, ROOM)
            + MAX_BLOCKS * u64::from(network.layer_count) * BATCH_STRIDE
            + 2 * replicas * EVALUATE_LANES * 4
            + Dispatch { network, sample4s }.rows() * 4
            + replicas * 4
    }

    #[allow(clippy::too_many_arguments, reason = "the trainer owns each of them and evaluation borrows it")]
    pub fn new<'a>(
        gpu: &Gpu,
        spec: &NetworkSpec,
        network: &Network,
        network_uniform: &wgpu::Buffer,
        format: InputFormat,
        parameters: &wgpu::Buffer,
        replicas: &wgpu::Buffer,
        sets: impl Iterator<Item = &'a DeviceSamples> + Clone,
    ) -> Result<Self> {
        let largest = sets.clone().map(|samples| samples.count).max().unwrap_or(1);
        let sample4s = Self::block(gpu, network, largest);

        let loss = spec.loss();
        let batches = Batches::new(gpu, network, format, loss.targets(spec.outputs()), 1, 1, sample4s)?;
        let batch_uniform =
            gpu.buffer("the blocks", MAX_BLOCKS * u64::from(network.layer_count) * BATCH_STRIDE, UNIFORM)?;
        let state = State::new(gpu, network, sample4s, ROOM)?;
        let dispatch = Dispatch { network, sample4s };
        dispatch.check(1, 1, gpu.is_software())?;
        // All features count as active, as nearly all are in so many samples.
        let active = network.layers()[0].inputs + 1;
        gpu.write(&batches.features, &[vec![active, 0, 0, 0], (0..network.input_rows).collect()].concat())?;
        let lanes = u64::from(network.replica_count) * EVALUATE_LANES;
        let loss_sums = gpu.storage("the loss sums", lanes * 4)?;
        let hits = gpu.storage("the hits", lanes * 4)?;
        let activity_bits = gpu.storage("the activity", dispatch.rows() * 4)?;
        let diverged = gpu.storage("the diverged replicas", u64::from(network.replica_count) * 4)?;
        let bind = |kernel, storage: &[&wgpu::Buffer]| {
            Pipeline::new(gpu, kernel, format).bind(gpu, network_uniform, &batch_uniform, storage)
        };
        let off = [("KEEPS_SUMS", 0), ("HAS_DROPOUT", 0), ("HAS_BATCH_NORM", 0)];
        let constants = [&activation_constants(spec.activation())[..], &off].concat();
        let forward = Pipeline::with_constants(gpu, &FORWARD, format, &constants);
        let gatherer =
            |samples| Gatherer::new(gpu, samples, &batches, false, network_uniform, &batch_uniform, replicas);
        let evaluate = Pipeline::with_constants(gpu, &EVALUATE, format, &[has_numbers(loss)]);
        Ok(Self {
            loss,
            sets: sets.map(|samples| (gatherer(samples), samples.count, samples.variance)).collect(),
            forward: forward.bind(
                gpu,
                network_uniform,
                &batch_uniform,
                &[parameters, &batches.inputs, &state.activations, &state.masks, &batches.features, replicas],
            ),
            evaluate: evaluate.bind(
                gpu,
                network_uniform,
                &batch_uniform,
                &[&state.activations, &batches.labels, &loss_sums, &hits],
            ),
            activity: bind(&ACTIVITY, &[&state.masks, &activity_bits]),
            divergence: bind(&DIVERGENCE, &[parameters, &diverged]),
            activations: state.activations,
            batches,
            batch_uniform,
            loss_sums,
            hits,
            activity_bits,
            diverged,
            pacer: Pacer::new(MAX_BLOCKS),
        })
    }

    /// How many sets of samples it evaluates.
    pub fn sets(&self) -> usize {
        self.sets.len()
    }

    /// Says that a set has other samples in its buffers.
    pub fn set_samples(&mut self, set: usize, samples: &DeviceSamples) {
        (self.sets[set].1, self.sets[set].2) = (samples.count, samples.variance);
    }

    /// Encodes gathering and forward of block `index` of a set; its `Batch`es go to `uniform`. Returns the first one's
    /// offset.
    fn encode_block(
        &self,
        commands: &mut Commands,
        uniform: &mut Vec<Batch>,
        dispatch: Dispatch<'_>,
        set: usize,
        index: u32,
    ) -> u32 {
        let (gatherer, sample_count, _) = &self.sets[set];
        let block = self.batches.sample4s * 4;
        let position = index * block;
        let batch = Batch {
            size: block.min(sample_count - position),
            batch_size: block,
            sample4s: self.batches.sample4s,
            slot: 0,
            steps: 1,
            input_replicas: 1,
            position,
            epoch: 0,
            sample_count: *sample_count,
            shuffled: 0,
            layer: 0,
            t: 0,
            rate_factors: [0.0; MAX_SLOTS],
        };
        let first = uniform.len() as u32 * BATCH_STRIDE as u32;
        gatherer.encode(commands, first, dispatch, 1, 1);
        for (layer, shape) in dispatch.network.layers().iter().enumerate() {
            commands.dispatch(&self.forward, first + layer as u32 * BATCH_STRIDE as u32, dispatch.forward(shape));
            uniform.push(Batch { layer: layer as u32, ..batch });
        }
        first
    }

    /// Outputs of layer `layer` (from 0) for every sample of a set: (R, samples, n). Those of the last layer are the
    /// logits.
    pub fn outputs(&self, gpu: &Gpu, network: &Network, set: usize, layer: usize) -> Result<Vec<f32>> {
        let sample4s = self.batches.sample4s;
        let dispatch = Dispatch { network, sample4s };
        let block = sample4s as usize * 4;
        let samples = self.sets[set].1 as usize;
        let Layer { outputs, output_row, .. } = network.layers()[layer];
        let (width, replicas) = (outputs as usize, network.replica_count as usize);
        let replica_bytes = u64::from(outputs) * u64::from(sample4s) * 16;
        let rows = gpu.storage("the outputs", replicas as u64 * replica_bytes)?;
        let mut all = vec![0.0; replicas * samples * width];
        for index in 0..samples.div_ceil(block) {
            let mut commands = Commands::new(gpu);
            let mut uniform = Vec::new();
            self.encode_block(&mut commands, &mut uniform, dispatch, set, index as u32);
            for replica in 0..u64::from(network.replica_count) {
                let row = replica * u64::from(network.row_count) + u64::from(output_row);
                let from = row * u64::from(sample4s) * 16;
                let to = replica * replica_bytes;
                commands.encoder().copy_buffer_to_buffer(&self.activations, from, &rows, to, replica_bytes);
            }
            write_batches(gpu, &self.batch_uniform, &uniform)?;
            gpu.queue.submit([commands.finish().0]);
            let values = gpu.read::<f32>(&[(&rows, replicas as u64 * replica_bytes)])?;
            for (row, values) in values[0].chunks_exact(block).enumerate() {
                let (replica, unit) = (row / width, row % width);
                for (offset, &value) in values.iter().take(samples - index * block).enumerate() {
                    all[(replica * samples + index * block + offset) * width + unit] = value;
                }
            }
        }
        Ok(all)
    }

    /// Runs the whole of one set through all replicas.
    pub fn evaluate(&mut self, gpu: &Gpu, network: &Network, set: usize) -> Result<Vec<Evaluation>> {
        let (_, sample_count, variance) = self.sets[set];
        let dispatch = Dispatch { network, sample4s: self.batches.sample4s };
        let blocks = sample_count.div_ceil(self.batches.sample4s * 4);
        let mut next = 0;
        while next < blocks {
            let end = blocks.min(next + self.pacer.units() as u32);
            let mut commands = Commands::new(gpu);
            if next == 0 {
                for buffer in [&self.loss_sums, &self.hits, &self.activity_bits, &self.diverged] {
                    commands.encoder().clear_buffer(buffer, 0, None);
                }
            }
            let mut uniform = Vec::new();
            for index in next..end {
                let first = self.encode_block(&mut commands, &mut uniform, dispatch, set, index);
                if index == 0 {
                    commands.dispatch(&self.divergence, first, dispatch.divergence());
                }
                commands.dispatch(&self.evaluate, first, dispatch.evaluate());
                commands.dispatch(&self.activity, first, dispatch.activity());
            }
            write_batches(gpu, &self.batch_uniform, &uniform)?;
            self.pacer.submit(gpu, commands.finish().0, u64::from(end - next))?;
            next = end;
        }
        self.pacer.finish(gpu)?;

        let (lanes, rows) = (u64::from(network.replica_count) * EVALUATE_LANES * 4, dispatch.rows() * 4);
        let totals = gpu.read::<u32>(&[
            (&self.loss_sums, lanes),
            (&self.hits, lanes),
            (&self.activity_bits, rows),
            (&self.diverged, u64::from(network.replica_count) * 4),
        ])?;
        let hidden = &network.layers()[..network.layers().len() - 1];
        let per_replica = totals[0]
            .chunks_exact(EVALUATE_LANES as usize)
            .zip(totals[1].chunks_exact(EVALUATE_LANES as usize))
            .zip(totals[2].chunks_exact(network.row_count as usize))
            .zip(&totals[3]);
        Ok(per_replica
            .map(|(((losses, hits), activity), diverged)| {
                let loss: f64 = losses.iter().map(|&bits| f64::from(f32::from_bits(bits))).sum();
                let hits: u64 = hits.iter().copied().map(u64::from).sum();
                // activity.wgsl: bit 0 where some sample activates the node, bit 1 where some does not.
                let node = |&bits: &u32| match bits {
                    1 => Activity::Always,
                    2 => Activity::Never,
                    _ => Activity::Sometimes,
                };
                let rows = |layer: &Layer| &activity[layer.output_row as usize..][..layer.outputs as usize];
                let mean = loss / f64::from(sample_count);
                let accuracy = hits as f64 / f64::from(sample_count);
                Evaluation {
                    loss: mean,
                    score: if self.loss.is_regression() { r2(mean, variance) } else { accuracy },
                    nodes: hidden.iter().flat_map(rows).map(node).collect(),
                    has_diverged: !loss.is_finite() || *diverged == 1,
                }
            })
            .collect())
    }
}
