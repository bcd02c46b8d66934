//! Many replicas trained side by side, evaluated along the way, and kept on disk so that an interrupted training goes
//! on where it was.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{anyhow, Context, Result};
use asgd::files::write_atomically;
use asgd::{Activity, Dataset, Evaluation, Gpu, Model, Split, TrainSettings, Trainer};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::folder::Folder;
use crate::report::Reporter;

/// Replicas of one network on one data set.
pub struct Training<'a> {
    /// Names its files.
    pub name: &'static str,
    pub dataset: &'a Dataset,
    pub initial: Model,
    pub settings: TrainSettings,
    pub steps: u64,
    /// Evaluations are at step 0, at the multiples of this, and at the last step.
    pub evaluate_every: u64,
    /// A killed process loses at most this, and the time from one evaluation to the next.
    pub save_every: Duration,
}

/// One evaluation of one replica.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    pub step: u64,
    pub train: Evaluation,
    pub test: Evaluation,
}

/// What was measured while training.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace {
    pub seconds: f64,
    /// Steps times replicas, evaluations included.
    pub replica_steps: f64,
}

impl Pace {
    pub fn add(&mut self, other: Self) {
        self.seconds += other.seconds;
        self.replica_steps += other.replica_steps;
    }

    /// Of one step of one replica with its share of the evaluations; `None` if nothing had to be trained.
    pub fn seconds_per_replica_step(&self) -> Option<f64> {
        (self.replica_steps > 0.0).then(|| self.seconds / self.replica_steps)
    }
}

impl Training<'_> {
    /// Trains what is not trained yet. Returns every replica's evaluations, in the order of their steps.
    pub fn run(&self, gpu: &Gpu, folder: &Folder, report: &Reporter) -> Result<(Vec<Vec<Point>>, Pace)> {
        let replicas = self.settings.replicas.len();
        let fitting = Trainer::max_replicas(gpu, self.dataset, self.initial.spec(), self.settings.batch_size);
        let wave_size = fitting.clamp(1, replicas);
        if wave_size < replicas {
            let waves = replicas.div_ceil(wave_size);
            report.line(&format!("waves    {waves}, because {wave_size} replicas at a time fit this adapter's limits"));
        }
        let progress = report.progress(self.steps * replicas as u64);
        let mut trajectories = Vec::with_capacity(replicas);
        let mut pace = Pace::default();
        for first in (0..replicas).step_by(wave_size) {
            let range = first..(first + wave_size).min(replicas);
            let path = folder.training(&format!("{}-{}-{}", self.name, range.start, range.end));
            let initial = self.initial.slice(range.clone());
            let hidden_nodes: usize = initial.spec().widths()[1..initial.spec().widths().len() - 1].iter().sum();
            let mut state = match State::load(&path, range.len(), hidden_nodes)? {
                Some(state) => state,
                None => State { step: 0, model: initial, trajectories: vec![Vec::new(); range.len()] },
            };
            progress.inc(state.step * range.len() as u64);
            if !self.is_finished(&state) {
                let settings =
                    TrainSettings { replicas: self.settings.replicas[range.clone()].to_vec(), ..self.settings.clone() };
                let mut trainer = Trainer::new(gpu, self.dataset, &state.model, settings)?;
                trainer.resume_at(state.step);
                pace.add(self.finish(&mut trainer, &mut state, &path, |steps| {
                    progress.inc(steps * range.len() as u64);
                })?);
            }
            trajectories.extend(state.trajectories);
        }
        progress.finish_and_clear();
        Ok((trajectories, pace))
    }

    /// Seconds that a step of a replica takes when `replicas` train, or as many of them as fit. On software Vulkan that
    /// does not depend on their number, and `pace`, measured while training, says it; else it is measured now.
    pub fn seconds_per_replica_step(&self, gpu: &Gpu, pace: Pace, replicas: usize) -> Result<f64> {
        if let (true, Some(seconds)) = (gpu.is_software(), pace.seconds_per_replica_step()) {
            return Ok(seconds);
        }
        let spec = self.initial.spec();
        let fitting = Trainer::max_replicas(gpu, self.dataset, spec, self.settings.batch_size);
        let replicas = if gpu.is_software() { self.settings.replicas.len() } else { replicas }.clamp(1, fitting.max(1));
        let settings = self.settings.replicas.iter().cycle().take(replicas).copied().collect();
        let settings = TrainSettings { replicas: settings, ..self.settings.clone() };
        let mut trainer = Trainer::new(gpu, self.dataset, &self.initial.repeat(replicas), settings)?;
        let mut steps = 1;
        trainer.train(steps)?;
        let seconds_per_step = loop {
            let start = Instant::now();
            trainer.train(steps)?;
            let seconds = start.elapsed().as_secs_f64();
            if seconds > 0.5 {
                break seconds / steps as f64;
            }
            steps *= 2;
        };
        trainer.evaluate(Split::Test)?;
        let start = Instant::now();
        trainer.evaluate(Split::Train)?;
        trainer.evaluate(Split::Test)?;
        let seconds_per_evaluation = start.elapsed().as_secs_f64();
        Ok((seconds_per_step + seconds_per_evaluation / self.evaluate_every as f64) / replicas as f64)
    }

    fn is_finished(&self, state: &State) -> bool {
        state.step == self.steps
            && state.trajectories.iter().all(|points| points.last().is_some_and(|point| point.step == self.steps))
    }

    /// Trains a wave to its end, and keeps it on disk.
    fn finish(
        &self,
        trainer: &mut Trainer,
        state: &mut State,
        path: &Path,
        mut progress: impl FnMut(u64),
    ) -> Result<Pace> {
        let mut saved = Instant::now();
        let mut begin = Instant::now();
        let mut pace = Pace::default();
        let mut intervals = 0;
        loop {
            let step = trainer.step();
            if state.trajectories[0].last().is_none_or(|point| point.step < step) {
                let (train, test) = (trainer.evaluate(Split::Train)?, trainer.evaluate(Split::Test)?);
                for ((points, train), test) in state.trajectories.iter_mut().zip(train).zip(test) {
                    // Of the test set only loss and accuracy are kept.
                    points.push(Point { step, train, test: Evaluation { nodes: Vec::new(), ..test } });
                }
            }
            if step > state.step {
                intervals += 1;
                // The first interval also compiles the kernels.
                if intervals > 1 || step == self.steps {
                    let replica_steps = ((step - state.step) * state.trajectories.len() as u64) as f64;
                    pace.add(Pace { seconds: begin.elapsed().as_secs_f64(), replica_steps });
                }
            }
            state.step = step;
            if step == self.steps || saved.elapsed() >= self.save_every {
                state.model = trainer.model()?;
                state.save(path)?;
                saved = Instant::now();
            }
            if step >= self.steps {
                return Ok(pace);
            }
            begin = Instant::now();
            let next = ((step / self.evaluate_every + 1) * self.evaluate_every).min(self.steps);
            trainer.train_with_progress(next - step, &mut progress)?;
        }
    }
}

/// A wave on its way.
struct State {
    step: u64,
    model: Model,
    /// (replicas, evaluations)
    trajectories: Vec<Vec<Point>>,
}

/// Numbers of an evaluation: loss and accuracy of both parts.
const METRICS: usize = 4;

impl State {
    /// One file, so that parameters and evaluations belong together: `steps` (E), `metrics` (E, R, 4), `nodes`
    /// (E, R, hidden nodes; 0 never, 1 sometimes, 2 always active on the training set), `step` (1), and `model`, the
    /// bytes of a model.safetensors.
    fn save(&self, path: &Path) -> Result<()> {
        let evaluations = self.trajectories[0].len();
        let replicas = self.trajectories.len();
        let mut metrics = Vec::with_capacity(evaluations * replicas * METRICS);
        let mut nodes = Vec::new();
        for evaluation in 0..evaluations {
            for points in &self.trajectories {
                let Point { train, test, .. } = &points[evaluation];
                metrics.extend([train.loss, train.accuracy, test.loss, test.accuracy]);
                nodes.extend(train.nodes.iter().map(|&node| node as u8));
            }
        }
        let steps: Vec<u64> = self.trajectories[0].iter().map(|point| point.step).collect();
        let model = self.model.to_bytes()?;
        let hidden = nodes.len() / (evaluations * replicas).max(1);
        let view = TensorView::new;
        let tensors = BTreeMap::from([
            ("step", view(Dtype::U64, vec![1], bytemuck::bytes_of(&self.step))?),
            ("steps", view(Dtype::U64, vec![evaluations], bytemuck::cast_slice(&steps))?),
            ("metrics", view(Dtype::F64, vec![evaluations, replicas, METRICS], bytemuck::cast_slice(&metrics))?),
            ("nodes", view(Dtype::U8, vec![evaluations, replicas, hidden], &nodes)?),
            ("model", view(Dtype::U8, vec![model.len()], &model)?),
        ]);
        Ok(write_atomically(path, &safetensors::serialize(tensors, None)?)?)
    }

    /// What [`Self::save`] wrote, or `None` before the first time.
    fn load(path: &Path, replicas: usize, hidden: usize) -> Result<Option<Self>> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("{}: cannot be read", path.display())),
        };
        let state = Self::parse(&bytes, path, replicas, hidden);
        state.map(Some).with_context(|| format!("{}: is damaged; delete it to train this part anew", path.display()))
    }

    fn parse(bytes: &[u8], path: &Path, replicas: usize, hidden: usize) -> Result<Self> {
        let file = SafeTensors::deserialize(bytes)?;
        let data = |name: &str| -> Result<Vec<u8>> { Ok(file.tensor(name)?.data().to_vec()) };
        let steps: Vec<u64> = bytemuck::pod_collect_to_vec(&data("steps")?);
        let metrics: Vec<f64> = bytemuck::pod_collect_to_vec(&data("metrics")?);
        let nodes = data("nodes")?;
        let expected = steps.len() * replicas;
        if metrics.len() != expected * METRICS || nodes.len() != expected * hidden {
            return Err(anyhow!("it holds other replicas"));
        }
        let model = Model::from_bytes(&data("model")?, path)?;
        let step = *bytemuck::pod_collect_to_vec::<u8, u64>(&data("step")?).first().context("no step")?;
        let mut trajectories = vec![Vec::with_capacity(steps.len()); replicas];
        for (index, values) in metrics.chunks_exact(METRICS).enumerate() {
            let nodes = nodes[index * hidden..][..hidden].iter().map(|&node| match node {
                0 => Ok(Activity::Never),
                1 => Ok(Activity::Sometimes),
                2 => Ok(Activity::Always),
                _ => Err(anyhow!("a node's activity is {node}")),
            });
            let train = Evaluation { loss: values[0], accuracy: values[1], nodes: nodes.collect::<Result<_>>()? };
            let test = Evaluation { loss: values[2], accuracy: values[3], nodes: Vec::new() };
            trajectories[index % replicas].push(Point { step: steps[index / replicas], train, test });
        }
        Ok(Self { step, model, trajectories })
    }
}
