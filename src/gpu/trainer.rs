//! Training on a GPU: buffers, bind groups and pipelines are made once, a step only encodes.

use std::ops::ControlFlow;

use wgpu::BufferUsages;

use super::adapter::Gpu;
use super::buffers::{
    BATCH_STRIDE, Batches, DeviceSamples, Gatherer, Room, State, activation_bytes, has_numbers, input_bytes,
    target_bytes, write_batches,
};
use super::commands::{Commands, Timestamps};
use super::dispatch::Dispatch;
use super::evaluator::Evaluator;
use super::kernels::{
    Bound, CLIP, COUNT, DELTA, FOLD, FORWARD, LOSS, NORMALIZE, NORMALIZE_BACK, PROPAGATE, Pipeline, REDUCE,
    REDUCE_NORMS, SELECT, STEP, THRESHOLD, UPDATE, UPDATE_NORMS,
};
use super::layout::{Batch, InputFormat, MAX_SLOTS, Network, ReplicaColumns, activation_constants};
use super::pacing::Pacer;
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
    form: Form,
    norms: Option<Norms>,
    deferred: Option<Deferred>,
    count: Bound,
    count_sums: wgpu::Buffer,
    evaluator: Evaluator,
    pacer: Pacer,
    /// Steps done since the initial parameters.
    step: u64,
    /// The last step's batch, whose activations and deltas are still in the state.
    last_batch: Option<Batch>,
}

/// The dispatches of a step, after its batch has been gathered. The arithmetic is the same.
enum Form {
    /// One for many steps, for small networks.
    Steps { steps: Bound },
    /// All layers forward and back, where they are narrow.
    Propagate { propagate: Bound, update: Bound },
    /// A dispatch a layer.
    Layers { forward: Bound, loss: Bound, delta: Bound, update: Bound },
}

/// What normalized networks have beside a dispatch a layer.
struct Norms {
    normalize: Bound,
    normalize_back: Bound,
    update: Bound,
    /// (R, N): what is found of each neuron.
    neurons: wgpu::Buffer,
    /// The networks that are evaluated.
    fold: Bound,
}

/// What follows a step where any replica clips by norm or counts above a threshold: what counts, S and c of all parameters, and the
/// update from them. A step of its own for these replicas, so that the others are what they are without them.
struct Deferred {
    threshold: Option<Bound>,
    reduce: Bound,
    /// Of beta and gamma.
    reduce_norms: Option<Bound>,
    update: Bound,
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
        let stored = InputFormat::from(dataset.train.inputs());
        let format = stored.gathered(settings.drops_inputs());
        let network = Network::new(&spec, settings.replicas.len()).with_moments(settings.moments());
        let sample4s = sample4s(settings.batch_size);
        let replica_count = network.replica_count;

        let gather_bytes = GATHER_BYTES.min(gpu.limits().max_storage_buffer_binding_size / 4);
        let targets = spec.loss().targets(spec.outputs());
        let slot_bytes =
            input_bytes(&network, format, replica_count, sample4s).max(target_bytes(targets, replica_count, sample4s));
        let slots = (gather_bytes / slot_bytes).clamp(1, MAX_SLOTS as u64) as u32;
        let dispatch = Dispatch { network: &network, sample4s };
        dispatch.check(slots, replica_count, gpu.is_software())?;
        let parameters = gpu.storage_from("the parameters", &with_moments(initial, &no_moments(initial, &settings)))?;
        let uniform = BufferUsages::UNIFORM | BufferUsages::COPY_DST;
        let network_uniform = gpu.buffer("the network", size_of::<Network>() as u64, uniform)?;
        gpu.write(&network_uniform, &[network])?;
        let batch_uniform = gpu.buffer("the steps", MAX_BATCHES * BATCH_STRIDE, uniform)?;
        let columns: Vec<_> = settings.replicas.iter().map(ReplicaColumns::from).collect();
        let replicas = gpu.storage_from("the replicas' settings", &columns)?;
        let train_samples = DeviceSamples::new(gpu, "training", &dataset.train, &spec)?;
        let test_samples = DeviceSamples::new(gpu, "test", &dataset.test, &spec)?;
        let validation = dataset.validation.as_ref();
        let validation_samples =
            validation.map(|samples| DeviceSamples::new(gpu, "validation", samples, &spec)).transpose()?;
        let batches = Batches::new(gpu, &network, format, targets, slots, replica_count, sample4s)?;
        let keeps_sums = spec.activation().keeps_sums();
        let is_small =
            dispatch.is_small(keeps_sums, gpu.limits().max_compute_workgroup_storage_size, gpu.is_software());
        // step.wgsl keeps them in workgroup memory.
        let room = Room { deltas: true, sums: keeps_sums && !is_small };
        let state = State::new(gpu, &network, sample4s, room)?;
        let drops_inputs = settings.drops_inputs();
        let gatherer =
            Gatherer::new(gpu, &train_samples, &batches, drops_inputs, &network_uniform, &batch_uniform, &replicas);
        let count_sums = gpu.storage("the count sums", dispatch.rows() * 4)?;

        let bind = |kernel, storage: &[&wgpu::Buffer]| {
            Pipeline::new(gpu, kernel, format).bind(gpu, &network_uniform, &batch_uniform, storage)
        };
        let State { activations, deltas, masks } = &state;
        let Batches { inputs, input_masks, features, labels, .. } = &batches;
        let has_rules = ("HAS_RULES", u32::from(!settings.is_plain()));
        let has_thresholds = ("HAS_THRESHOLDS", u32::from(settings.has_thresholds()));
        let has_dropout = ("HAS_DROPOUT", u32::from(settings.drops_out()));
        let has_batch_norm = ("HAS_BATCH_NORM", u32::from(network.has_norms()));
        let has_numbers = has_numbers(spec.loss());
        let keeps = ("KEEPS_SUMS", u32::from(keeps_sums));
        let of_hidden = [&activation_constants(spec.activation())[..], &[keeps, has_dropout]].concat();
        let of_forward = [&of_hidden[..], &[has_batch_norm]].concat();
        let bind_with = |kernel, constants: &[_], storage: &[&wgpu::Buffer]| {
            let pipeline = Pipeline::with_constants(gpu, kernel, format, constants);
            pipeline.bind(gpu, &network_uniform, &batch_uniform, storage)
        };
        let update = || {
            let storage = [&parameters, inputs, activations, masks, deltas, features, input_masks, &replicas];
            bind_with(&UPDATE, &[has_rules, has_thresholds, has_batch_norm], &storage)
        };
        let form = if is_small {
            let storage = [&parameters, inputs, activations, masks, deltas, labels, &replicas];
            let room = dispatch.step_constants(keeps_sums);
            let constants = [&room[..], &[has_rules, has_thresholds, has_numbers], &of_hidden].concat();
            Form::Steps { steps: bind_with(&STEP, &constants, &storage) }
        } else if dispatch.is_narrow() {
            let storage = [&parameters, inputs, activations, masks, deltas, features, labels, &replicas];
            let constants = [&of_forward[..], &[has_numbers]].concat();
            Form::Propagate { propagate: bind_with(&PROPAGATE, &constants, &storage), update: update() }
        } else {
            let of_layer = [&parameters, inputs, activations, masks, features, &replicas];
            Form::Layers {
                forward: bind_with(&FORWARD, &of_forward, &of_layer),
                loss: bind_with(&LOSS, &[has_numbers], &[activations, masks, deltas, labels]),
                delta: bind_with(&DELTA, &of_hidden, &[&parameters, activations, masks, deltas, &replicas]),
                update: update(),
            }
        };
        // What is evaluated, and its layout: without moments where it is folded.
        let (mut evaluated, mut evaluated_network, mut evaluated_uniform) = (&parameters, &network, &network_uniform);
        let folded_network = Network { replica_vec4s: network.parameter_vec4s, ..network };
        let (folded, folded_uniform);
        let norms = if network.has_norms() {
            let rows = u64::from(replica_count) * u64::from(network.row_count);
            let normalized = gpu.storage("the normalized sums", activation_bytes(&network, sample4s))?;
            let neurons = gpu.storage("the normalized neurons", rows * 16)?;
            folded =
                gpu.storage("the folded networks", u64::from(replica_count) * network.parameter_stride() as u64 * 4)?;
            folded_uniform = gpu.buffer("the folded network", size_of::<Network>() as u64, uniform)?;
            gpu.write(&folded_uniform, &[folded_network])?;
            (evaluated, evaluated_network, evaluated_uniform) = (&folded, &folded_network, &folded_uniform);
            Some(Norms {
                normalize: bind_with(
                    &NORMALIZE,
                    &of_hidden,
                    &[&parameters, activations, masks, &replicas, &normalized, &neurons],
                ),
                normalize_back: bind(&NORMALIZE_BACK, &[&parameters, deltas, &normalized, &neurons]),
                update: bind_with(
                    &UPDATE_NORMS,
                    &[has_rules, has_thresholds],
                    &[&parameters, masks, &replicas, &neurons],
                ),
                fold: bind(&FOLD, &[&parameters, &folded]),
                neurons,
            })
        } else {
            None
        };
        let deferred = if settings.clips_norm() || settings.has_thresholds() {
            let bytes = u64::from(replica_count) * network.parameter_stride() as u64 * 4;
            let sums = gpu.storage("the gradient sums", bytes)?;
            let counts = gpu.storage("the adaptive batch sizes", bytes)?;
            let reduced = [inputs, activations, masks, deltas, features, input_masks, &sums, &counts];
            let reduce_norms =
                norms.as_ref().map(|norms| bind(&REDUCE_NORMS, &[masks, &sums, &counts, &norms.neurons]));
            let update = bind(&CLIP, &[&parameters, &replicas, &sums, &counts]);
            let storage = [inputs, activations, deltas, masks, input_masks, &replicas];
            let threshold = settings.has_thresholds().then(|| bind_with(&THRESHOLD, &[has_batch_norm], &storage));
            Some(Deferred { threshold, reduce: bind_with(&REDUCE, &[has_batch_norm], &reduced), reduce_norms, update })
        } else {
            None
        };
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
            form,
            norms,
            deferred,
            count,
            count_sums,
            evaluator,
            pacer: Pacer::new(MAX_BATCHES / 2),
            step: 0,
            last_batch: None,
        })
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
        let batches_per_step = match self.form {
            Form::Propagate { .. } => 1,
            Form::Steps { .. } => 2,
            Form::Layers { .. } => u64::from(self.network.layer_count),
        };
        let mut uniform = Vec::new();
        let dispatch = Dispatch { network: &self.network, sample4s: self.batches.sample4s };
        let at_once = match self.form {
            Form::Steps { .. } => dispatch.steps_at_once(self.gpu.is_software()),
            Form::Propagate { .. } | Form::Layers { .. } => u64::MAX,
        };
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
            if self.selects() {
                commands.dispatch(&self.select, gathered, dispatch.select(steps as u32, first.input_replicas));
            }
            let batch_at = |slot: u64| {
                let step = self.step + slot;
                Batch { size: self.batch_samples(step), slot: slot as u32, t: (step + 1) as u32, ..first }
            };
            let batches: Vec<Batch> = (0..steps).map(batch_at).collect();
            match (&self.form, &self.deferred) {
                (Form::Steps { steps }, None) => commands.dispatch(steps, gathered, dispatch.step()),
                _ => batches.iter().for_each(|&batch| self.encode_step(commands, dispatch, batch, &mut offset)),
            }
            self.last_batch = batches.last().copied();
            self.step += steps;
        }
        write_batches(&self.gpu, &self.batch_uniform, &uniform)
    }

    /// Encodes one step. `offset` is where a `Batch` is.
    fn encode_step(
        &self,
        commands: &mut Commands,
        dispatch: Dispatch<'_>,
        batch: Batch,
        offset: &mut impl FnMut(Batch) -> u32,
    ) {
        let own = offset(batch);
        match &self.form {
            Form::Steps { steps } => {
                let one = offset(Batch { steps: 1, ..batch });
                commands.dispatch(steps, one, dispatch.step());
            }
            Form::Propagate { propagate, update } => {
                commands.dispatch(propagate, own, dispatch.propagate());
                commands.dispatch(update, own, dispatch.reduce());
            }
            Form::Layers { forward, loss, delta, update } => {
                let later = (1..self.network.layer_count).map(|layer| offset(Batch { layer, ..batch }));
                let offsets: Vec<u32> = [own].into_iter().chain(later).collect();
                let shapes = || self.network.layers().iter().zip(offsets.iter().copied());
                for (shape, at) in shapes() {
                    commands.dispatch(forward, at, dispatch.forward(shape));
                    if let Some(norms) = self.norms.as_ref().filter(|_| shape.is_output == 0) {
                        commands.dispatch(&norms.normalize, at, dispatch.normalize(shape));
                    }
                }
                commands.dispatch(loss, own, dispatch.loss());
                // Of normalized networks layer by layer, before dy becomes dz.
                let threshold = self.deferred.as_ref().and_then(|deferred| deferred.threshold.as_ref());
                let threshold = threshold.filter(|_| self.norms.is_some());
                if let (Some(threshold), Some((_, at))) = (threshold, shapes().next_back()) {
                    commands.dispatch(threshold, at, dispatch.threshold());
                }
                for ((shape, at), (below, at_below)) in shapes().skip(1).zip(shapes()).rev() {
                    commands.dispatch(delta, at, dispatch.delta(shape));
                    if let Some(threshold) = threshold {
                        commands.dispatch(threshold, at_below, dispatch.threshold());
                    }
                    if let Some(norms) = &self.norms {
                        commands.dispatch(&norms.normalize_back, at_below, dispatch.normalize(below));
                    }
                }
                commands.dispatch(update, own, dispatch.reduce());
                if let Some(norms) = &self.norms {
                    commands.dispatch(&norms.update, own, dispatch.reduce_norms());
                }
            }
        }
        if let Some(Deferred { threshold, reduce, reduce_norms, update }) = &self.deferred {
            if let Some(threshold) = threshold.as_ref().filter(|_| self.norms.is_none()) {
                commands.dispatch(threshold, own, dispatch.threshold());
            }
            commands.dispatch(reduce, own, dispatch.reduce());
            if let Some(reduce_norms) = reduce_norms {
                commands.dispatch(reduce_norms, own, dispatch.reduce_norms());
            }
            commands.dispatch(update, own, dispatch.clip());
        }
    }

    /// Whether the features of batches are listed before their steps, which then may have a threshold for what counts of them.
    fn selects(&self) -> bool {
        !matches!(self.form, Form::Steps { .. }) || self.deferred.is_some()
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
        if !self.selects() {
            self.run_once(batch, &self.select, dispatch.select(batch.steps, batch.input_replicas))?;
        }
        self.run_once(batch, &bind(&REDUCE, &storage), dispatch.reduce())?;
        if let Some(norms) = &self.norms {
            let storage = [masks, &sums, &counts, &norms.neurons];
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
        let dispatches = match self.form {
            Form::Steps { .. } => 3,
            Form::Propagate { .. } => 5,
            Form::Layers { .. } if self.norms.is_some() => 5 + 5 * u64::from(self.network.layer_count),
            Form::Layers { .. } => 4 + 2 * u64::from(self.network.layer_count),
        };
        let dispatches = dispatches + if self.deferred.is_some() { 4 } else { 0 };
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
        if let Some(norms) = &self.norms {
            norms.fold.run(&self.gpu, self.dispatch().fold())?;
        }
        self.evaluator.evaluate(&self.gpu, &self.network, set)
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
