//! The kernels of a step, after its batch has been gathered: which ones a training takes, what they are bound to, and in which order
//! they are dispatched.

use super::adapter::Gpu;
use super::buffers::{Batches, State, activation_bytes, has_numbers};
use super::commands::Commands;
use super::dispatch::Dispatch;
use super::kernels::{
    Bound, CLIP, DELTA, FORWARD, LOSS, NORMALIZE, NORMALIZE_BACK, PROPAGATE, Pipeline, REDUCE, REDUCE_NORMS, STEP,
    THRESHOLD, UPDATE, UPDATE_NORMS,
};
use super::layout::{Batch, InputFormat, Network, activation_constants};
use crate::error::Result;
use crate::settings::TrainSettings;
use crate::spec::NetworkSpec;

/// What the kernels of a step are made for, and read and write.
pub(super) struct Surroundings<'a> {
    pub gpu: &'a Gpu,
    pub spec: &'a NetworkSpec,
    pub settings: &'a TrainSettings,
    pub dispatch: Dispatch<'a>,
    /// Of the batches.
    pub format: InputFormat,
    pub network_uniform: &'a wgpu::Buffer,
    pub batch_uniform: &'a wgpu::Buffer,
    pub parameters: &'a wgpu::Buffer,
    /// The replicas' settings.
    pub replicas: &'a wgpu::Buffer,
    pub batches: &'a Batches,
    pub state: &'a State,
}

/// The kernels of a step.
pub(super) struct StepKernels {
    form: Form,
    norms: Option<Norms>,
    deferred: Option<Deferred>,
}

/// The forms that a step can have. The arithmetic is the same.
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

impl StepKernels {
    /// Bytes of the buffers of [`Self::new`].
    pub fn bytes(settings: &TrainSettings, dispatch: Dispatch<'_>) -> u64 {
        let network = dispatch.network;
        let replicas = u64::from(network.replica_count);
        let arena = replicas * network.parameter_stride() as u64 * 4;
        let mut bytes = 0;
        if network.has_norms() {
            let neurons = replicas * u64::from(network.row_count) * 16;
            bytes += activation_bytes(network, dispatch.sample4s) + neurons;
        }
        if settings.clips_norm() || settings.has_thresholds() {
            bytes += 2 * arena;
        }
        bytes
    }

    /// Compiles and binds them; `is_small` networks take whole steps ([`Dispatch::is_small`]).
    pub fn new(surroundings: &Surroundings<'_>, is_small: bool) -> Result<Self> {
        let &Surroundings {
            gpu,
            spec,
            settings,
            dispatch,
            format,
            network_uniform,
            batch_uniform,
            parameters,
            replicas,
            batches,
            state,
        } = surroundings;
        let network = dispatch.network;
        let State { activations, deltas, masks } = state;
        let Batches { inputs, input_masks, features, labels, .. } = batches;
        let replica_count = u64::from(network.replica_count);
        let keeps_sums = spec.activation().keeps_sums();
        let bind_with = |kernel, constants: &[_], storage: &[&wgpu::Buffer]| {
            let pipeline = Pipeline::with_constants(gpu, kernel, format, constants);
            pipeline.bind(gpu, network_uniform, batch_uniform, storage)
        };
        let bind = |kernel, storage: &[&wgpu::Buffer]| {
            Pipeline::new(gpu, kernel, format).bind(gpu, network_uniform, batch_uniform, storage)
        };
        let has_rules = ("HAS_RULES", u32::from(!settings.is_plain()));
        let has_thresholds = ("HAS_THRESHOLDS", u32::from(settings.has_thresholds()));
        let has_dropout = ("HAS_DROPOUT", u32::from(settings.drops_out()));
        let has_batch_norm = ("HAS_BATCH_NORM", u32::from(network.has_norms()));
        let has_numbers = has_numbers(spec.loss());
        let keeps = ("KEEPS_SUMS", u32::from(keeps_sums));
        let of_hidden = [&activation_constants(spec.activation())[..], &[keeps, has_dropout]].concat();
        let of_forward = [&of_hidden[..], &[has_batch_norm]].concat();
        let update = || {
            let storage = [parameters, inputs, activations, masks, deltas, features, input_masks, replicas];
            bind_with(&UPDATE, &[has_rules, has_thresholds, has_batch_norm], &storage)
        };
        let form = if is_small {
            let storage = [parameters, inputs, activations, masks, deltas, labels, replicas];
            let room = dispatch.step_constants(keeps_sums);
            let constants = [&room[..], &[has_rules, has_thresholds, has_numbers], &of_hidden].concat();
            Form::Steps { steps: bind_with(&STEP, &constants, &storage) }
        } else if dispatch.is_narrow() {
            let storage = [parameters, inputs, activations, masks, deltas, features, labels, replicas];
            let constants = [&of_forward[..], &[has_numbers]].concat();
            Form::Propagate { propagate: bind_with(&PROPAGATE, &constants, &storage), update: update() }
        } else {
            let of_layer = [parameters, inputs, activations, masks, features, replicas];
            Form::Layers {
                forward: bind_with(&FORWARD, &of_forward, &of_layer),
                loss: bind_with(&LOSS, &[has_numbers], &[activations, masks, deltas, labels]),
                delta: bind_with(&DELTA, &of_hidden, &[parameters, activations, masks, deltas, replicas]),
                update: update(),
            }
        };
        let norms = if network.has_norms() {
            let rows = replica_count * u64::from(network.row_count);
            let normalized = gpu.storage("the normalized sums", activation_bytes(network, dispatch.sample4s))?;
            let neurons = gpu.storage("the normalized neurons", rows * 16)?;
            Some(Norms {
                normalize: bind_with(
                    &NORMALIZE,
                    &of_hidden,
                    &[parameters, activations, masks, replicas, &normalized, &neurons],
                ),
                normalize_back: bind(&NORMALIZE_BACK, &[parameters, deltas, &normalized, &neurons]),
                update: bind_with(
                    &UPDATE_NORMS,
                    &[has_rules, has_thresholds],
                    &[parameters, masks, replicas, &neurons],
                ),
                neurons,
            })
        } else {
            None
        };
        let deferred = if settings.clips_norm() || settings.has_thresholds() {
            let bytes = replica_count * network.parameter_stride() as u64 * 4;
            let sums = gpu.storage("the gradient sums", bytes)?;
            let counts = gpu.storage("the adaptive batch sizes", bytes)?;
            let reduced = [inputs, activations, masks, deltas, features, input_masks, &sums, &counts];
            let reduce_norms =
                norms.as_ref().map(|norms| bind(&REDUCE_NORMS, &[masks, &sums, &counts, &norms.neurons]));
            let update = bind(&CLIP, &[parameters, replicas, &sums, &counts]);
            let storage = [inputs, activations, deltas, masks, input_masks, replicas];
            let threshold = settings.has_thresholds().then(|| bind_with(&THRESHOLD, &[has_batch_norm], &storage));
            Some(Deferred { threshold, reduce: bind_with(&REDUCE, &[has_batch_norm], &reduced), reduce_norms, update })
        } else {
            None
        };
        Ok(Self { form, norms, deferred })
    }

    /// `Batch`es that a step takes in the uniform buffer.
    pub fn batches(&self, network: &Network) -> u64 {
        match self.form {
            Form::Propagate { .. } => 1,
            Form::Steps { .. } => 2,
            Form::Layers { .. } => u64::from(network.layer_count),
        }
    }

    /// How many steps one gathering may be for.
    pub fn steps_at_once(&self, dispatch: Dispatch<'_>, is_software: bool) -> u64 {
        match self.form {
            Form::Steps { .. } => dispatch.steps_at_once(is_software),
            Form::Propagate { .. } | Form::Layers { .. } => u64::MAX,
        }
    }

    /// No fewer than the dispatches of a step.
    pub fn dispatches(&self, network: &Network) -> u64 {
        let layers = u64::from(network.layer_count);
        let of_form = match self.form {
            Form::Steps { .. } => 1,
            Form::Propagate { .. } => 2,
            Form::Layers { .. } if self.norms.is_some() => 2 + 5 * layers,
            Form::Layers { .. } => 1 + 2 * layers,
        };
        of_form + if self.deferred.is_some() { 4 } else { 0 }
    }

    /// Whether the features of batches are listed before their steps, which then may have a threshold for what counts of them.
    pub fn selects_features(&self) -> bool {
        !matches!(self.form, Form::Steps { .. }) || self.deferred.is_some()
    }

    /// Of normalized networks (R, N): 1 / sqrt(variance + 1e-5), and S of beta and of gamma.
    pub fn neurons(&self) -> Option<&wgpu::Buffer> {
        self.norms.as_ref().map(|norms| &norms.neurons)
    }

    /// Encodes the steps of gathered batches, whose first `Batch` is at `gathered`. `offset` is where another is.
    pub fn encode(
        &self,
        commands: &mut Commands,
        dispatch: Dispatch<'_>,
        gathered: u32,
        batches: &[Batch],
        offset: &mut impl FnMut(Batch) -> u32,
    ) {
        match (&self.form, &self.deferred) {
            (Form::Steps { steps }, None) => commands.dispatch(steps, gathered, dispatch.step()),
            _ => batches.iter().for_each(|&batch| self.encode_step(commands, dispatch, batch, offset)),
        }
    }

    /// Encodes one step. `offset` is where a `Batch` is.
    fn encode_step(
        &self,
        commands: &mut Commands,
        dispatch: Dispatch<'_>,
        batch: Batch,
        offset: &mut impl FnMut(Batch) -> u32,
    ) {
        let network = dispatch.network;
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
                let later = (1..network.layer_count).map(|layer| offset(Batch { layer, ..batch }));
                let offsets: Vec<u32> = [own].into_iter().chain(later).collect();
                let shapes = || network.layers().iter().zip(offsets.iter().copied());
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
}
