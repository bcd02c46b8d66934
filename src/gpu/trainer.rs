//! Training on a GPU: buffers, bind groups and pipelines are made once, a step only encodes.

use std::ops::ControlFlow;

use super::adapter::Gpu;
use super::buffers::{
    BATCH_STRIDE, Batches, DeviceSamples, Gatherer, Room, State, UNIFORM, activation_bytes, input_bytes, target_bytes,
    write_batches,
};
use super::commands::{Commands, Timestamps};
use super::dispatch::Dispatch;
use super::evaluator::Evaluator;
use super::folded::Folded;
use super::kernels::{Bound, COUNT, Pipeline, REDUCE, REDUCE_NORMS, SELECT};
use super::layout::{Batch, InputFormat, MAX_SLOTS, Network, ReplicaColumns};
use super::pacing::Pacer;
use super::step_kernels::{StepKernels, Surroundings};
use crate::dataset::Dataset;
use crate::engine::{KernelTime, TrainingEngine, check_learning_rates, check_moments, no_validation_set};
use crate::error::Result;
use crate::evaluation::{Evaluation, Split};
use crate::model::{AdaptiveBatchSizes, Model};
use crate::settings::{Order, TrainSettings};
use crate::spec::NetworkSpec;

/// The GPU's engine of a [`Trainer`](crate::Trainer).
pub struct Trainer {
    gpu: Gpu,
    spec: NetworkSpec,
    settings: TrainSettings,
    network: Network,
    /// Of the batches.
    format: InputFormat,
    train_samples: DeviceSamples,
    batches: Batches,
    parameters: wgpu::Buffer,
    /// The replicas' settings.
    replicas: wgpu::Buffer,
    network_uniform: wgpu::Buffer,
    batch_uniform: wgpu::Buffer,
    state: State,
    gatherer: Gatherer,
    select: Bound,
    kernels: StepKernels,
    count: Bound,
    count_sums: wgpu::Buffer,
    /// What is evaluated of normalized networks.
    folded: Option<Folded>,
    evaluator: Evaluator,
    pacer: Pacer,
    /// Steps done since the initial parameters.
    step: u64,
    /// The last step's batch, whose activations and deltas are still in the state.
    last_batch: Option<Batch>,
}

/// Sizes of a trainer's buffers.
struct Plan {
    /// How the data set's inputs are stored, and how those of the batches.
    stored: InputFormat,
    format: InputFormat,
    network: Network,
    sample4s: u32,
    targets: usize,
    slots: u32,
    is_small: bool,
    room: Room,
}

impl Plan {
    fn new(gpu: &Gpu, dataset: &Dataset, spec: &NetworkSpec, settings: &TrainSettings, replicas: usize) -> Self {
        let stored = InputFormat::from(dataset.train.inputs());
        let format = stored.gathered(settings.drops_inputs());
        let network = Network::new(spec, replicas).with_moments(settings.moments());
        let sample4s = sample4s(settings.batch_size);
        let gather_bytes = GATHER_BYTES.min(gpu.limits().max_storage_buffer_binding_size / 4);
        let targets = spec.loss().targets(spec.outputs());
        let count = network.replica_count;
        let slot_bytes = input_bytes(&network, format, count, sample4s).max(target_bytes(targets, count, sample4s));
        let slots = (gather_bytes / slot_bytes).clamp(1, MAX_SLOTS as u64) as u32;
        let keeps_sums = spec.activation().keeps_sums();
        let workgroup_bytes = gpu.limits().max_compute_workgroup_storage_size;
        let is_small =
            Dispatch { network: &network, sample4s }.is_small(keeps_sums, workgroup_bytes, gpu.is_software());
        // step.wgsl keeps them in workgroup memory.
        let room = Room { deltas: true, sums: keeps_sums && !is_small };
        Self { stored, format, network, sample4s, targets, slots, is_small, room }
    }
}

/// `Batch`es that a submission can hold.
const MAX_BATCHES: u64 = 4096;

/// Gathered batches may take this many bytes, or a quarter of the adapter's largest binding.
const GATHER_BYTES: u64 = 256 << 20;

fn sample4s(batch_size: usize) -> u32 {
    (batch_size as u32).next_multiple_of(32) / 4
}

impl Trainer {
    /// Uploads data and initial parameters (one network a replica), and compiles the kernels.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) for settings that make no sense,
    /// [`Error::Limit`](crate::Error::Limit) if R replicas do not fit the adapter
    /// (see [`Self::max_replicas`]), or what the driver reported.
    pub fn new(gpu: &Gpu, dataset: &Dataset, initial: &Model, settings: TrainSettings) -> Result<Self> {
        settings.check(dataset, initial)?;
        let spec = initial.spec().clone();
        let plan = Plan::new(gpu, dataset, &spec, &settings, settings.replicas.len());
        let Plan { stored, format, network, sample4s, targets, slots, is_small, room } = plan;
        let replica_count = network.replica_count;
        let dispatch = Dispatch { network: &network, sample4s };
        dispatch.check(slots, replica_count, gpu.is_software())?;
        let parameters = gpu.storage_from("the parameters", &with_moments(initial, &no_moments(initial, &settings)))?;
        let network_uniform = gpu.buffer("the network", size_of::<Network>() as u64, UNIFORM)?;
        gpu.write(&network_uniform, &[network])?;
        let batch_uniform = gpu.buffer("the steps", MAX_BATCHES * BATCH_STRIDE, UNIFORM)?;
        let columns: Vec<_> = settings.replicas.iter().map(ReplicaColumns::from).collect();
        let replicas = gpu.storage_from("the replicas' settings", &columns)?;
        let train_samples = DeviceSamples::new(gpu, "training", &dataset.train, &spec)?;
        let test_samples = DeviceSamples::new(gpu, "test", &dataset.test, &spec)?;
        let validation = dataset.validation.as_ref();
        let validation_samples =
            validation.map(|samples| DeviceSamples::new(gpu, "validation", samples, &spec)).transpose()?;
        let batches = Batches::new(gpu, &network, format, targets, slots, replica_count, sample4s)?;
        let state = State::new(gpu, &network, sample4s, room)?;
        let drops_inputs = settings.drops_inputs();
        let gatherer =
            Gatherer::new(gpu, &train_samples, &batches, drops_inputs, &network_uniform, &batch_uniform, &replicas);
        let count_sums = gpu.storage("the count sums", dispatch.rows() * 4)?;

        let bind = |kernel, storage: &[&wgpu::Buffer]| {
            Pipeline::new(gpu, kernel, format).bind(gpu, &network_uniform, &batch_uniform, storage)
        };
        let surroundings = Surroundings {
            gpu,
            spec: &spec,
            settings: &settings,
            dispatch,
            format,
            network_uniform: &network_uniform,
            batch_uniform: &batch_uniform,
            parameters: &parameters,
            replicas: &replicas,
            batches: &batches,
            state: &state,
        };
        let kernels = StepKernels::new(&surroundings, is_small)?;
        let folded = spec.batch_norm().then(|| Folded::new(gpu, &spec, settings.replicas.len())).transpose()?;
        let (evaluated, evaluated_network, evaluated_uniform) =
            folded.as_ref().map_or((&parameters, &network, &network_uniform), Folded::buffers);
        let (Batches { input_masks, features, .. }, State { masks, .. }) = (&batches, &state);
        let select = bind(&SELECT, &[input_masks, features]);
        let count = bind(&COUNT, &[input_masks, masks, &count_sums]);
        let evaluator = Evaluator::new(
            gpu,
            &spec,
            evaluated_network,
            evaluated_uniform,
            stored,
            evaluated,
            &replicas,
            [&train_samples, &test_samples].into_iter().chain(&validation_samples),
        )?;
        gpu.check()?;
        Ok(Self {
            gpu: gpu.clone(),
            spec,
            settings,
            network,
            format,
            train_samples,
            batches,
            parameters,
            replicas,
            network_uniform,
            batch_uniform,
            state,
            gatherer,
            select,
            kernels,
            count,
            count_sums,
            folded,
            evaluator,
            pacer: Pacer::new(MAX_BATCHES / 2),
            step: 0,
            last_batch: None,
        })
    }

    /// Bytes of the buffers of a trainer of so many replicas.
    pub fn bytes(gpu: &Gpu, dataset: &Dataset, spec: &NetworkSpec, settings: &TrainSettings, replicas: usize) -> u64 {
        let plan = Plan::new(gpu, dataset, spec, settings, replicas);
        let Plan { stored, format, network, sample4s, targets, slots, room, .. } = &plan;
        let dispatch = Dispatch { network, sample4s: *sample4s };
        let replicas = u64::from(network.replica_count);
        let largest_set = dataset.sets().map(|samples| samples.len() as u32).max().unwrap_or(1);
        replicas * (u64::from(network.replica_vec4s) * 16 + size_of::<ReplicaColumns>() as u64)
            + size_of::<Network>() as u64
            + MAX_BATCHES * BATCH_STRIDE
            + dataset.sets().map(|samples| DeviceSamples::bytes(samples, spec)).sum::<u64>()
            + Batches::bytes(network, *format, *targets, *slots, network.replica_count, *sample4s)
            + State::bytes(network, *sample4s, *room)
            + dispatch.rows() * 4
            + StepKernels::bytes(settings, dispatch)
            + if spec.batch_norm() { Folded::bytes(spec, network.replica_count as usize) } else { 0 }
            + Evaluator::bytes(gpu, spec, network, *stored, largest_set)
    }

    /// How many replicas of `spec` fit the adapter's limits at once.
    pub fn max_replicas(gpu: &Gpu, dataset: &Dataset, spec: &NetworkSpec, settings: &TrainSettings) -> usize {
        let format = InputFormat::from(dataset.train.inputs()).gathered(settings.drops_inputs());
        let one = Network::new(spec, 1).with_moments(settings.moments());
        let sample4s = sample4s(settings.batch_size);
        let largest = [
            u64::from(one.replica_vec4s) * 16,
            input_bytes(&one, format, 1, sample4s),
            if spec.activation().keeps_sums() { 2 } else { 1 } * activation_bytes(&one, sample4s),
            activation_bytes(&one, Evaluator::MIN_SAMPLE4S),
        ];
        let limits = gpu.limits();
        let available = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        (available / largest.into_iter().max().unwrap_or(1)) as usize
    }

    /// Encodes steps up to `end`, or as many as the uniform buffer holds.
    fn encode(&mut self, commands: &mut Commands, end: u64) -> Result<()> {
        let batches_per_step = self.kernels.batches(&self.network);
        let mut uniform = Vec::new();
        let dispatch = Dispatch { network: &self.network, sample4s: self.batches.sample4s };
        let at_once = self.kernels.steps_at_once(dispatch, self.gpu.is_software());
        let (steps_per_epoch, schedule) = (self.steps_per_epoch(), self.settings.schedule);
        while self.step < end {
            let room = MAX_BATCHES - uniform.len() as u64;
            let steps = (end - self.step)
                .min(u64::from(self.batches.slots))
                .min(at_once)
                .min(room.saturating_sub(1) / batches_per_step);
            if steps == 0 {
                break;
            }
            let first = Batch {
                size: self.batch_samples(self.step),
                batch_size: self.settings.batch_size as u32,
                sample4s: self.batches.sample4s,
                slot: 0,
                steps: steps as u32,
                input_replicas: self.batches.input_replicas,
                position: (self.step % steps_per_epoch * self.settings.batch_size as u64) as u32,
                epoch: (self.step / steps_per_epoch) as u32,
                sample_count: self.train_samples.count,
                shuffled: u32::from(self.settings.order == Order::Shuffled),
                layer: 0,
                t: (self.step + 1) as u32,
                rate_factors: std::array::from_fn(|slot| schedule.factor(self.step + slot as u64, steps_per_epoch)),
            };
            let mut offset = |batch: Batch| {
                uniform.push(batch);
                ((uniform.len() as u64 - 1) * BATCH_STRIDE) as u32
            };
            let gathered = offset(first);
            self.gatherer.encode(commands, gathered, dispatch, steps as u32, first.input_replicas);
            if self.kernels.selects_features() {
                commands.dispatch(&self.select, gathered, dispatch.select(steps as u32, first.input_replicas));
            }
            let batch_at = |slot: u64| {
                let step = self.step + slot;
                Batch { size: self.batch_samples(step), slot: slot as u32, t: (step + 1) as u32, ..first }
            };
            let batches: Vec<Batch> = (0..steps).map(batch_at).collect();
            self.kernels.encode(commands, dispatch, gathered, &batches, &mut offset);
            self.last_batch = batches.last().copied();
            self.step += steps;
        }
        write_batches(&self.gpu, &self.batch_uniform, &uniform)
    }

    /// Samples of the batch of a step.
    fn batch_samples(&self, step: u64) -> u32 {
        let (count, batch_size) = (u64::from(self.train_samples.count), self.settings.batch_size as u64);
        batch_size.min(count - step % self.steps_per_epoch() * batch_size) as u32
    }

    fn dispatch(&self) -> Dispatch<'_> {
        Dispatch { network: &self.network, sample4s: self.batches.sample4s }
    }

    /// Parameters and moments of all replicas.
    fn read_parameters(&self) -> Result<Vec<f32>> {
        let bytes = u64::from(self.network.replica_count) * u64::from(self.network.replica_vec4s) * 16;
        Ok(self.gpu.read::<f32>(&[(&self.parameters, bytes)])?.swap_remove(0))
    }

    /// Of each replica in it, the parameters (0) or a moment (from 1).
    fn copy_of(&self, arena: &[f32], copy: usize) -> Vec<f32> {
        let stride = self.network.parameter_stride();
        let replicas = arena.chunks_exact(self.network.replica_vec4s as usize * 4);
        replicas.map(|replica| &replica[copy * stride..][..stride]).collect::<Vec<_>>().concat()
    }

    /// Bytes of S, or of c.
    fn arena_bytes(&self) -> u64 {
        u64::from(self.network.replica_count) * self.network.parameter_stride() as u64 * 4
    }

    /// S and c of a batch whose activations and deltas are in the state; a step keeps none.
    fn reduce(&self, batch: Batch) -> Result<(wgpu::Buffer, wgpu::Buffer)> {
        let sums = self.gpu.storage("the gradient sums", self.arena_bytes())?;
        let counts = self.gpu.storage("the adaptive batch sizes", self.arena_bytes())?;
        let State { activations, deltas, masks } = &self.state;
        let Batches { inputs, input_masks, features, .. } = &self.batches;
        let storage = [inputs, activations, masks, deltas, features, input_masks, &sums, &counts];
        let bind = |kernel, storage: &[&wgpu::Buffer]| {
            let pipeline = Pipeline::new(&self.gpu, kernel, self.format);
            pipeline.bind(&self.gpu, &self.network_uniform, &self.batch_uniform, storage)
        };
        let dispatch = self.dispatch();
        if !self.kernels.selects_features() {
            self.run_once(batch, &self.select, dispatch.select(batch.steps, batch.input_replicas))?;
        }
        self.run_once(batch, &bind(&REDUCE, &storage), dispatch.reduce())?;
        if let Some(neurons) = self.kernels.neurons() {
            let storage = [masks, &sums, &counts, neurons];
            self.run_once(batch, &bind(&REDUCE_NORMS, &storage), dispatch.reduce_norms())?;
        }
        Ok((sums, counts))
    }

    fn run_once(&self, batch: Batch, kernel: &Bound, workgroups: [u32; 3]) -> Result<()> {
        write_batches(&self.gpu, &self.batch_uniform, &[batch])?;
        kernel.run(&self.gpu, workgroups)
    }
}

/// Those of the rules before the first step.
fn no_moments(initial: &Model, settings: &TrainSettings) -> Vec<Model> {
    vec![Model::zeros(initial.spec(), initial.replicas()); settings.moments()]
}

/// (R, 1 + M, P): each replica's parameters, then its moments.
fn with_moments(model: &Model, moments: &[Model]) -> Vec<f32> {
    let stride = model.spec().arena_stride();
    let copies: Vec<Vec<f32>> = [model].into_iter().chain(moments).map(Model::to_arena).collect();
    let of_replica = |replica: usize| copies.iter().map(move |copy| &copy[replica * stride..][..stride]);
    (0..model.replicas()).flat_map(of_replica).collect::<Vec<_>>().concat()
}

impl TrainingEngine for Trainer {
    fn steps_per_epoch(&self) -> u64 {
        u64::from(self.train_samples.count).div_ceil(self.settings.batch_size as u64)
    }

    fn step(&self) -> u64 {
        self.step
    }

    fn resume_at(&mut self, step: u64, moments: &[Model]) -> Result<()> {
        check_moments(&self.spec, &self.settings, moments)?;
        if !moments.is_empty() {
            self.gpu.write(&self.parameters, &with_moments(&self.model()?, moments))?;
        }
        self.step = step;
        self.last_batch = None;
        Ok(())
    }

    fn moments(&self) -> Result<Vec<Model>> {
        let moments = self.settings.moments();
        if moments == 0 {
            return Ok(Vec::new());
        }
        let arena = self.read_parameters()?;
        Ok((1..=moments).map(|copy| Model::from_arena(&self.spec, &self.copy_of(&arena, copy))).collect())
    }

    fn set_learning_rates(&mut self, rates: &[f32]) -> Result<()> {
        check_learning_rates(self.settings.replicas.len(), rates)?;
        for (replica, &rate) in self.settings.replicas.iter_mut().zip(rates) {
            replica.learning_rate = rate;
        }
        let columns: Vec<_> = self.settings.replicas.iter().map(ReplicaColumns::from).collect();
        self.gpu.write(&self.replicas, &columns)
    }

    fn train_while(&mut self, steps: u64, submitted: &mut dyn FnMut(u64) -> ControlFlow<()>) -> Result<()> {
        let end = self.step.saturating_add(steps);
        while self.step < end {
            let begin = self.step;
            let mut commands = Commands::new(&self.gpu);
            self.encode(&mut commands, end.min(begin + self.pacer.units()))?;
            let done = self.step - begin;
            self.pacer.submit(&self.gpu, commands.finish().0, done)?;
            if submitted(done).is_break() {
                break;
            }
        }
        self.pacer.finish(&self.gpu)
    }

    fn kernel_times(&mut self, steps: u64) -> Result<Option<Vec<KernelTime>>> {
        if !self.gpu.has_timestamps() {
            return Ok(None);
        }
        // Of a step, with permute, gather and select, which there may be before each.
        let dispatches = 3 + self.kernels.dispatches(&self.network);
        let mut times = Vec::new();
        let end = self.step.saturating_add(steps);
        while self.step < end {
            let begin = self.step;
            let fitting = self.pacer.units().min(Timestamps::MAX_DISPATCHES / dispatches);
            let mut commands = Commands::timed(&self.gpu)?;
            self.encode(&mut commands, end.min(begin + fitting))?;
            let (commands, timestamps) = commands.finish();
            self.pacer.submit(&self.gpu, commands, self.step - begin)?;
            self.pacer.finish(&self.gpu)?;
            for time in timestamps.map_or_else(|| Ok(Vec::new()), |timestamps| timestamps.read(&self.gpu))? {
                time.add_to(&mut times);
            }
        }
        Ok(Some(times))
    }

    fn evaluate(&mut self, split: Split) -> Result<Vec<Evaluation>> {
        let set = match split {
            Split::Train => 0,
            Split::Test => 1,
            Split::Validation if self.evaluator.sets() > 2 => 2,
            Split::Validation => return Err(no_validation_set()),
        };
        let Some(folded) = &self.folded else { return self.evaluator.evaluate(&self.gpu, &self.network, set) };
        let model = self.model()?;
        folded.write(&self.gpu, &model)?;
        let mut evaluations = self.evaluator.evaluate(&self.gpu, folded.network(), set)?;
        for (replica, evaluation) in evaluations.iter_mut().enumerate() {
            // An infinite variance folds to zeros.
            evaluation.has_diverged |= !model.is_finite(replica);
        }
        Ok(evaluations)
    }

    fn model(&self) -> Result<Model> {
        Ok(Model::from_arena(&self.spec, &self.copy_of(&self.read_parameters()?, 0)))
    }

    fn last_reduction(&self) -> Result<Option<(Model, AdaptiveBatchSizes)>> {
        let Some(batch) = self.last_batch else { return Ok(None) };
        let (sums, counts) = self.reduce(batch)?;
        // One after the other: a buffer for both might be larger than the adapter allows.
        let sums = self.gpu.read::<f32>(&[(&sums, self.arena_bytes())])?;
        let counts = self.gpu.read::<u32>(&[(&counts, self.arena_bytes())])?;
        Ok(Some((Model::from_arena(&self.spec, &sums[0]), AdaptiveBatchSizes::from_arena(&self.spec, &counts[0]))))
    }

    fn mean_adaptive_batch_sizes(&self) -> Result<Option<Vec<Vec<f64>>>> {
        let Some(batch) = self.last_batch else { return Ok(None) };
        let dispatch = self.dispatch();
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        encoder.clear_buffer(&self.count_sums, 0, None);
        self.gpu.queue.submit([encoder.finish()]);
        self.run_once(batch, &self.count, dispatch.count())?;
        let sums = self.gpu.read::<u32>(&[(&self.count_sums, dispatch.rows() * 4)])?;
        let mean = |rows: &[u32]| {
            let layers = self.network.layers().iter().zip(self.spec.layer_parameters()).map(|(layer, parameters)| {
                let neurons = &rows[layer.output_row as usize..][..layer.outputs as usize];
                let total: u64 = neurons.iter().copied().map(u64::from).sum();
                total as f64 / parameters as f64
            });
            layers.collect()
        };
        Ok(Some(sums[0].chunks_exact(self.network.row_count as usize).map(mean).collect()))
    }
}
