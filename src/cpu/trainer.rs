//! Training: replicas dealt to teams of threads, chunk by chunk.

use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use rayon::prelude::*;

use super::Cpu;
use super::block::block_bytes;
use super::dropout::Dropout;
use super::evaluate::Totals;
use super::evaluator::{BLOCK, Replicas, block_count, evaluate, folded};
use super::optimizer::{Counts, Effective, GradientOf, Mean, Ruled, Sums, Update};
use super::pace::{Pace, Round};
use super::parameters::{LIST_COST, Parameters, Split, parameter_bytes, split};
use super::permute::Permutation;
use super::samples::StoredSamples;
use super::team::{Step, Team, Worker};
use super::together::{Ranks, Together, exchanged_words};
use crate::dataset::{Dataset, Samples};
use crate::engine::{TrainingEngine, check_learning_rates, check_moments, no_validation_set};
use crate::error::{Error, Result};
use crate::evaluation::{Evaluation, Split as DataSplit};
use crate::memory;
use crate::model::{AdaptiveBatchSizes, Model};
use crate::optimizer::Optimizer;
use crate::settings::{Order, ReplicaSettings, TrainSettings};
use crate::spec::NetworkSpec;

/// Chunks that the steps of a round are cut into, so that no thread is left with much while others have nothing.
const CHUNKS: u64 = 4;

/// The CPU's engine of a [`Trainer`](crate::Trainer).
pub struct Trainer {
    cpu: Cpu,
    spec: NetworkSpec,
    settings: TrainSettings,
    train: StoredSamples,
    test: StoredSamples,
    validation: Option<StoredSamples>,
    replicas: Vec<Replica>,
    teams: Vec<Team>,
    /// Steps done since the initial parameters.
    step: u64,
    /// Whether there was a step, so that the parameters before it are known.
    has_stepped: bool,
    pace: Pace,
}

/// One network in training.
struct Replica {
    parameters: Parameters,
    settings: ReplicaSettings,
    /// Steps done; held by the team that trains it.
    step: Mutex<u64>,
}

/// A batch of an epoch.
#[derive(Clone, Copy)]
struct Batch {
    epoch: u32,
    /// Position of its first sample in the epoch.
    position: u32,
    size: usize,
}

impl Trainer {
    /// How many replicas of `spec` fit half of the memory that is free; the same number on all ranks.
    pub fn max_replicas(cpu: &Cpu, spec: &NetworkSpec, settings: &TrainSettings) -> usize {
        let available = cpu.together.as_ref().map_or_else(memory::available, |together| together.available());
        (available / 2 / parameter_bytes(spec, others(spec, settings))).try_into().unwrap_or(usize::MAX)
    }

    /// Bytes that a trainer of so many replicas takes, with those of its last reduction.
    pub fn bytes(cpu: &Cpu, dataset: &Dataset, spec: &NetworkSpec, settings: &TrainSettings, replicas: usize) -> u128 {
        /// What a layer's vectors and a replica's share take beside their numbers.
        const OF_LAYER: u128 = 5 * 48;
        const OF_SHARE: u128 = 1024;
        let others_of_replica = OF_LAYER * spec.layers().len() as u128 + OF_SHARE;
        let replica = u128::from(parameter_bytes(spec, others(spec, settings))) + others_of_replica;
        // A network, a copy that takes the step again, and what becomes of it, twice for those that wait.
        let [at_work, waiting] = [1, CHUNKS as usize].map(|chunks| (chunks * cpu.threads()).min(replicas) as u128);
        let reduction = (4 * at_work + 2 * waiting) * 4 * spec.arena_stride() as u128;
        // A team has a batch, and a thread that evaluates a block of a set.
        let largest = dataset.sets().map(Samples::len).max().unwrap_or(0);
        let teams = cpu.threads().min(replicas) as u128;
        let evaluating = cpu.threads().min(replicas.saturating_mul(largest.div_ceil(BLOCK))) as u128;
        let together =
            cpu.together.as_deref().map(|together| together_bytes(together, spec, settings, replicas, largest));
        let of_teams = together.unwrap_or(teams * block_bytes(spec, settings.batch_size));
        let batches = of_teams + evaluating * block_bytes(spec, BLOCK.min(largest));
        let samples = dataset.sets().map(StoredSamples::bytes).sum::<u64>();
        replica * replicas as u128 + reduction + batches + u128::from(samples)
    }

    /// Lists the data and splits the parameters.
    ///
    /// # Errors
    /// [`Error::Setting`] for settings that make no sense, or that processes cannot share, [`Error::Memory`] if it all does not fit;
    /// where any of the processes has one, so have the others.
    pub fn new(cpu: &Cpu, dataset: &Dataset, initial: &Model, settings: TrainSettings) -> Result<Self> {
        let spec = initial.spec().clone();
        let checked = Self::check(cpu, dataset, initial, &settings);
        if cpu.any(checked.is_err()) {
            let problem = "another of the processes cannot take part in this training, and says why";
            checked.and(Err(Error::setting("exchange", problem)))?;
        }
        let (train, (test, validation)) = cpu.pool.join(
            || StoredSamples::new(&dataset.train),
            || (StoredSamples::new(&dataset.test), dataset.validation.as_ref().map(StoredSamples::new)),
        );
        let samples = train.len() as f64;
        let per_batch = settings.batch_size as f64 / samples;
        let entries: Vec<f64> = train.entries_per_feature().into_iter().map(|count| count as f64 * per_batch).collect();
        let members = match &cpu.together {
            Some(together) => together.members(settings.batch_size).iter().sum(),
            None => team_size(cpu.threads(), &spec, &settings, &entries),
        };
        let splits = split(&spec, members, settings.batch_size, &entries);
        // All processes must train the same replica at once.
        let at_once = if cpu.together.is_some() { 1 } else { settings.replicas.len() };
        let teams = (cpu.threads() / members).clamp(1, at_once);
        let moments = settings.moments();
        let replicas = settings.replicas.par_iter().enumerate().map(|(index, settings)| Replica {
            parameters: Parameters::new(initial, moments, index, &splits),
            settings: *settings,
            step: Mutex::new(0),
        });
        let replicas = cpu.pool.install(|| replicas.collect());
        let team = |_| {
            let team = Team::new(&spec, &train, members, settings.batch_size);
            match &cpu.together {
                Some(together) => team.across(Ranks::new(together, &spec, settings.batch_size, moments)),
                None => team,
            }
        };
        let teams: Vec<Team> = (0..teams).map(team).collect();
        let pace = Pace::new(teams[0].own().len());
        Ok(Self {
            cpu: cpu.clone(),
            spec,
            settings,
            train,
            test,
            validation,
            replicas,
            teams,
            step: 0,
            has_stepped: false,
            pace,
        })
    }

    /// Refuses what makes no sense, what processes cannot share, and what does not fit.
    fn check(cpu: &Cpu, dataset: &Dataset, initial: &Model, settings: &TrainSettings) -> Result<()> {
        settings.check(dataset, initial)?;
        if cpu.together.is_some() && initial.spec().batch_norm() {
            let problem =
                "its statistics are of the whole batch, which processes share; use one process, or leave it out";
            return Err(Error::setting("--batch-norm", problem));
        }
        memory::require(
            "this training",
            Self::bytes(cpu, dataset, initial.spec(), settings, settings.replicas.len()),
            "use fewer replicas, a smaller batch, fewer threads or a smaller network",
        )
    }

    /// How many threads share a replica, of all processes.
    pub fn team_size(&self) -> usize {
        self.teams[0].members()
    }

    /// Trains every replica up to step `end` with `crew` threads of each team.
    fn train_round(&self, end: u64, crew: usize) {
        let members = self.teams[0].own().len();
        let chunk = (end - self.step).div_ceil(CHUNKS);
        let tasks = self.replicas.len() as u64 * (end - self.step).div_ceil(chunk);
        let next = AtomicU64::new(0);
        self.cpu.pool.broadcast(|context| {
            let (team, thread) = (context.index() / members, context.index() % members);
            let Some(team) = self.teams.get(team).filter(|_| thread < crew) else { return };
            let mut worker = Worker::new(team, thread, crew);
            loop {
                if thread == 0 {
                    team.task.store(next.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
                }
                worker.wait();
                let task = team.task.load(Ordering::Relaxed);
                if task >= tasks {
                    return;
                }
                let replica = &self.replicas[(task % self.replicas.len() as u64) as usize];
                self.train_chunk(replica, &mut worker, end, chunk);
            }
        });
    }

    /// What to do next, of at most `left` steps: what all processes do is chosen by the first.
    fn next_round(&self, left: u64) -> Round {
        let own = self.pace.next(left);
        self.cpu.together.as_ref().map_or(own, |together| together.round(own, self.teams[0].own().len()))
    }

    /// One thread's part of the next `chunk` steps of a replica, but not beyond `end`.
    fn train_chunk(&self, replica: &Replica, worker: &mut Worker<'_>, end: u64, chunk: u64) {
        // The leader holds the replica for its team; a chunk is the next one, whoever comes first.
        let held = worker.is_leader().then(|| replica.step.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(step) = &held {
            worker.team.begin.store(**step, Ordering::Relaxed);
        }
        worker.wait();
        let begin = worker.team.begin.load(Ordering::Relaxed);
        let stop = end.min(begin + chunk);
        let seed = replica.settings.seed;
        worker.plan(|positions, indices| self.fill_indices(indices, seed, begin, positions), self.batch(begin).size);
        for step in begin..stop {
            worker.advance();
            if step + 1 < stop {
                let size = self.batch(step + 1).size;
                worker.plan(|positions, indices| self.fill_indices(indices, seed, step + 1, positions), size);
            }
            let parameters = &replica.parameters;
            let task = self.task(replica, parameters, step);
            let rate_factor = self.settings.schedule.factor(step, self.steps_per_epoch());
            let settings = replica.settings.scaled(rate_factor);
            let is_plain = !self.spec.batch_norm() && settings.count_threshold == 0.0;
            take_step(worker, Step { is_kept: step + 1 == end, ..task }, &settings, step + 1, is_plain);
        }
        worker.wait();
        if let Some(mut step) = held {
            *step = stop;
        }
    }

    /// A step of a replica, of parameters that need not be its own.
    fn task<'a>(&'a self, replica: &Replica, parameters: &'a Parameters, step: u64) -> Step<'a> {
        let ReplicaSettings { seed, dropout, input_dropout, count_threshold, .. } = replica.settings;
        Step {
            simd: self.cpu.simd,
            samples: &self.train,
            parameters,
            size: self.batch(step).size,
            dropout: Dropout::new(dropout, seed, step + 1),
            input_dropout: Dropout::new(input_dropout, seed, step + 1),
            count_threshold,
            is_kept: false,
        }
    }

    /// The batch of a step.
    fn batch(&self, step: u64) -> Batch {
        let (epoch, step) = (step / self.steps_per_epoch(), step % self.steps_per_epoch());
        let position = step as usize * self.settings.batch_size;
        Batch {
            epoch: epoch as u32,
            position: position as u32,
            size: self.settings.batch_size.min(self.train.len() - position),
        }
    }

    /// Which samples are at some positions of a step's batch.
    fn fill_indices(&self, indices: &mut Vec<u32>, seed: u64, step: u64, positions: Range<usize>) {
        let Batch { epoch, position, .. } = self.batch(step);
        let positions = positions.map(|offset| position + offset as u32);
        match self.settings.order {
            Order::Sequential => indices.extend(positions),
            Order::Shuffled => {
                let permutation = Permutation::new(self.train.len() as u32, seed, epoch);
                indices.extend(positions.map(|position| permutation.sample(position)));
            }
        }
    }

    /// What `update` makes of a copy of a replica in the last step.
    fn reduce_again(&self, replica: &Replica, update: impl Update<0>) -> Model {
        let step = self.step - 1;
        let mut model = Model::zeros(&self.spec, 1);
        replica.parameters.write_before_to(&mut model);
        let parameters = Parameters::new(&model, 0, 0, &[Split::whole(&self.spec)]);
        let size = self.batch(step).size;
        let team = Team::new(&self.spec, &self.train, 1, size);
        let mut worker = Worker::new(&team, 0, 1);
        worker.plan(|positions, indices| self.fill_indices(indices, replica.settings.seed, step, positions), size);
        worker.advance();
        worker.step(self.task(replica, &parameters, step), update);
        parameters.write_to(&mut model, 0);
        model
    }
}

impl TrainingEngine for Trainer {
    fn steps_per_epoch(&self) -> u64 {
        (self.train.len() as u64).div_ceil(self.settings.batch_size as u64)
    }

    fn step(&self) -> u64 {
        self.step
    }

    fn resume_at(&mut self, step: u64, moments: &[Model]) -> Result<()> {
        check_moments(&self.spec, &self.settings, moments)?;
        if !moments.is_empty() {
            let replicas = self.replicas.par_iter_mut().enumerate();
            let resume = |(index, replica): (usize, &mut Replica)| replica.parameters.set_moments(moments, index);
            self.cpu.pool.install(|| replicas.for_each(resume));
        }
        self.step = step;
        self.has_stepped = false;
        for replica in &mut self.replicas {
            *replica.step.get_mut().unwrap_or_else(PoisonError::into_inner) = step;
        }
        Ok(())
    }

    fn moments(&self) -> Result<Vec<Model>> {
        let mut moments = vec![Model::zeros(&self.spec, self.replicas.len()); self.settings.moments()];
        for (moment, model) in moments.iter_mut().enumerate() {
            for (index, replica) in self.replicas.iter().enumerate() {
                replica.parameters.write_moment_to(moment, model, index);
            }
        }
        Ok(moments)
    }

    fn set_learning_rates(&mut self, rates: &[f32]) -> Result<()> {
        check_learning_rates(self.replicas.len(), rates)?;
        for (replica, &rate) in self.replicas.iter_mut().zip(rates) {
            replica.settings.learning_rate = rate;
        }
        Ok(())
    }

    fn train_while(&mut self, steps: u64, submitted: &mut dyn FnMut(u64) -> ControlFlow<()>) -> Result<()> {
        let end = self.step.saturating_add(steps);
        while self.step < end {
            let round = self.next_round(end - self.step);
            let begin = Instant::now();
            self.train_round(self.step + round.steps, round.crew);
            self.pace.done(round, begin.elapsed());
            self.step += round.steps;
            self.has_stepped = true;
            let is_over = submitted(round.steps).is_break();
            if self.cpu.any(is_over) {
                break;
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, split: DataSplit) -> Result<Vec<Evaluation>> {
        let samples = match split {
            DataSplit::Train => &self.train,
            DataSplit::Test => &self.test,
            DataSplit::Validation => self.validation.as_ref().ok_or_else(no_validation_set)?,
        };
        if self.spec.batch_norm() {
            let (model, spec) = (self.model()?, self.spec.clone().with_batch_norm(false));
            let parameters = folded(&model);
            let parameters: Vec<&Parameters> = parameters.iter().collect();
            let mut evaluations = evaluate(&self.cpu, &Replicas { spec: &spec, parameters: &parameters }, samples);
            for (evaluation, replica) in evaluations.iter_mut().zip(&self.replicas) {
                // An infinite variance folds to zeros.
                evaluation.has_diverged |= !replica.parameters.are_finite();
            }
            return Ok(evaluations);
        }
        let replicas: Vec<&Parameters> = self.replicas.iter().map(|replica| &replica.parameters).collect();
        Ok(evaluate(&self.cpu, &Replicas { spec: &self.spec, parameters: &replicas }, samples))
    }

    fn model(&self) -> Result<Model> {
        let mut model = Model::zeros(&self.spec, self.replicas.len());
        for (index, replica) in self.replicas.iter().enumerate() {
            replica.parameters.write_to(&mut model, index);
        }
        Ok(model)
    }

    fn last_reduction(&self) -> Result<Option<(Model, AdaptiveBatchSizes)>> {
        if !self.has_stepped {
            return Ok(None);
        }
        let mut sums = Model::zeros(&self.spec, self.replicas.len());
        let mut counts = AdaptiveBatchSizes::zeros(&self.spec, self.replicas.len());
        // Some replicas at a time, so that what they give is not in memory twice.
        let at_once = CHUNKS as usize * self.cpu.threads();
        for (first, replicas) in (0..).step_by(at_once).zip(self.replicas.chunks(at_once)) {
            let both = |replica: &Replica| (self.reduce_again(replica, Sums), self.reduce_again(replica, Counts));
            let reductions: Vec<(Model, Model)> = self.cpu.pool.install(|| replicas.par_iter().map(both).collect());
            for (replica, (own_sums, own_counts)) in (first..).zip(&reductions) {
                for layer in 0..self.spec.layers().len() {
                    sums.weight_mut(layer, replica).copy_from_slice(own_sums.weight(layer, 0));
                    sums.bias_mut(layer, replica).copy_from_slice(own_sums.bias(layer, 0));
                    sums.gamma_mut(layer, replica).copy_from_slice(own_sums.gamma(layer, 0));
                    copy_counts(counts.weight_mut(layer, replica), own_counts.weight(layer, 0));
                    copy_counts(counts.bias_mut(layer, replica), own_counts.bias(layer, 0));
                    copy_counts(counts.gamma_mut(layer, replica), own_counts.gamma(layer, 0));
                }
            }
        }
        Ok(Some((sums, counts)))
    }

    fn mean_adaptive_batch_sizes(&self) -> Result<Option<Vec<Vec<f64>>>> {
        if !self.has_stepped {
            return Ok(None);
        }
        let means = |replica: &Replica| {
            let counts = self.reduce_again(replica, Counts);
            let layers = self.spec.layer_parameters().enumerate().map(|(layer, parameters)| {
                counts.parameters(layer, 0).map(|&count| f64::from(count)).sum::<f64>() / parameters as f64
            });
            layers.collect()
        };
        let means = self.replicas.par_iter().map(means);
        Ok(Some(self.cpu.pool.install(|| means.collect())))
    }
}

/// Step t, from 1, of a replica: SGD, and aSGD of `is_plain` networks, have code of their own, the rest is for any rule.
fn take_step(worker: &Worker<'_>, task: Step<'_>, settings: &ReplicaSettings, t: u64, is_plain: bool) {
    let (ReplicaSettings { optimizer, learning_rate, epsilon, .. }, samples) = (*settings, task.size);
    match optimizer {
        Optimizer::SGD => worker.step(task, Mean { learning_rate, samples: samples as f32 }),
        // With a threshold, or in a normalized network, S need not be 0 where c is.
        Optimizer::ASGD if is_plain => worker.step(task, Effective { learning_rate, epsilon }),
        Optimizer { rule, .. } => {
            worker.propagate(task);
            let gradient = GradientOf::new(&optimizer, epsilon, samples as f32);
            let scale = if optimizer.clips_norm() { worker.clip(task, gradient, optimizer.clip_norm) } else { 1.0 };
            match rule.moments() {
                0 => worker.update(task, Ruled::<0>::at(t, settings, samples, scale)),
                1 => worker.update(task, Ruled::<1>::at(t, settings, samples, scale)),
                _ => worker.update(task, Ruled::<2>::at(t, settings, samples, scale)),
            }
        }
    }
}

/// What is kept of each parameter beside itself: moments, the gradient where its norm is wanted, and during an evaluation the model and
/// the folded networks.
fn others(spec: &NetworkSpec, settings: &TrainSettings) -> usize {
    let of_evaluation = if spec.batch_norm() { 5 } else { 0 };
    settings.moments() + usize::from(settings.clips_norm()) + of_evaluation
}

/// Of a team that spans processes: the batch, and the words that it and evaluations exchange.
fn together_bytes(
    together: &Together,
    spec: &NetworkSpec,
    settings: &TrainSettings,
    replicas: usize,
    largest_set: usize,
) -> u128 {
    let members: usize = together.members(settings.batch_size).iter().sum();
    let blocks = members as u128 * block_bytes(spec, settings.batch_size.div_ceil(members));
    let of_steps = exchanged_words(spec, settings.batch_size, settings.moments(), members);
    let of_block = Totals::words(spec.hidden().iter().sum()) as u128;
    let of_evaluation = replicas as u128 * block_count(largest_set) as u128 * of_block;
    // Of an evaluation, own words and those of all.
    blocks + 4 * (of_steps + 2 * of_evaluation)
}

/// Counts that were computed as floats, which hold them exactly.
fn copy_counts(target: &mut [u32], source: &[f32]) {
    for (target, &count) in target.iter_mut().zip(source) {
        *target = count as u32;
    }
}

/// Threads that share a replica: more than one only where there are fewer replicas than threads, and enough work for each. A
/// normalized network has one: its statistics are of the whole batch.
fn team_size(threads: usize, spec: &NetworkSpec, settings: &TrainSettings, entries: &[f64]) -> usize {
    /// Multiply-adds of a dense step that are worth a member: some 10 microseconds.
    const WORTHWHILE: f64 = 400_000.0;
    /// Samples that are worth a member.
    const SAMPLES: usize = 8;
    /// Products of a layer in a step: forward, deltas, reduction.
    const PRODUCTS: f64 = 3.0;
    if spec.batch_norm() {
        return 1;
    }
    let layers = spec.layers().enumerate().map(|(layer, (inputs, outputs))| {
        let outputs = outputs.next_multiple_of(8) as f64;
        if layer == 0 && !entries.is_empty() {
            // Forward and reduction.
            2.0 * LIST_COST * entries.iter().sum::<f64>() * outputs
        } else {
            PRODUCTS * (settings.batch_size * inputs) as f64 * outputs
        }
    });
    let by_work = (layers.sum::<f64>() / WORTHWHILE) as usize;
    (threads / settings.replicas.len()).min(by_work).min(settings.batch_size / SAMPLES).max(1)
}
