//! Replicas trained side by side, evaluated along the way, and kept on disk so that an interrupted training goes on
//! where it was, bit for bit.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{channel, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail, Context, Result};
use asgd::files::write_atomically;
use asgd::{
    Activity, AdaptiveBatchSizes, Dataset, Evaluation, Gpu, Model, PerParameter, Split, TrainSettings, Trainer,
};
use indicatif::ProgressBar;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::folder::Folder;
use crate::interrupt;
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
    pub save: SaveEvery,
}

/// When a training is saved, besides at its end and when it is interrupted.
#[derive(Debug, Clone, Copy)]
pub enum SaveEvery {
    /// So much time, at the end of a submission.
    Time(Duration),
    /// So many steps.
    Steps(u64),
}

/// One evaluation of one replica.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    pub step: u64,
    pub train: Evaluation,
    /// Without its nodes.
    pub test: Evaluation,
    /// c of the last step, averaged over the parameters of each layer; empty before the first step.
    pub mean_adaptive_batch_sizes: Vec<f64>,
}

/// The evaluations of every replica, in the order of their steps.
pub type Trajectories = Vec<Vec<Point>>;

/// What became of a training.
pub struct Trained {
    pub trajectories: Trajectories,
    pub model: Model,
    /// Of the last step.
    pub counts: AdaptiveBatchSizes,
    pub pace: Pace,
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
    fn seconds_per_replica_step(&self) -> Option<f64> {
        (self.replica_steps > 0.0).then(|| self.seconds / self.replica_steps)
    }
}

/// Who hears of a training on its way.
pub trait Observer {
    /// All replicas of a wave were evaluated; each one's last point is new.
    fn evaluated(&mut self, _progress: &ProgressBar, _wave: &Trajectories) {}

    /// Everything so far was saved: the finished waves and the one on its way.
    fn saved(&mut self, _finished: &Trajectories, _wave: &Trajectories) -> Result<()> {
        Ok(())
    }
}

/// Who does not care.
pub struct Nobody;

impl Observer for Nobody {}

impl Training<'_> {
    /// Trains what is not trained yet.
    ///
    /// # Errors
    /// If it is interrupted (what is trained is saved), or what the driver or the file system reported.
    pub fn run(&self, gpu: &Gpu, folder: &Folder, report: &Reporter, observer: &mut impl Observer) -> Result<Trained> {
        let replicas = self.settings.replicas.len();
        let fitting = Trainer::max_replicas(gpu, self.dataset, self.initial.spec(), self.settings.batch_size);
        let wave_size = fitting.clamp(1, replicas);
        if wave_size < replicas {
            let waves = replicas.div_ceil(wave_size);
            report.line(&format!("waves    {waves}, because {wave_size} replicas at a time fit this adapter's limits"));
        }
        let progress = report.progress(self.steps * replicas as u64);
        let mut trajectories = Trajectories::with_capacity(replicas);
        let (mut model, mut counts) = (None, None);
        let mut pace = Pace::default();
        for first in (0..replicas).step_by(wave_size) {
            let range = first..(first + wave_size).min(replicas);
            let path = folder.checkpoint(&format!("{}-{}-{}", self.name, range.start, range.end));
            let initial = self.initial.slice(range.clone());
            let saved = State::load_latest(&path, &initial, report)?;
            let mut state = saved.unwrap_or_else(|| State {
                step: 0,
                model: initial,
                counts: None,
                trajectories: vec![Vec::new(); range.len()],
            });
            progress.set_position((first as u64 * self.steps) + state.step * range.len() as u64);
            progress.reset_eta();
            if state.counts.is_none() {
                let settings =
                    TrainSettings { replicas: self.settings.replicas[range.clone()].to_vec(), ..self.settings.clone() };
                let mut trainer = Trainer::new(gpu, self.dataset, &state.model, settings)?;
                trainer.resume_at(state.step);
                let mut wave =
                    Wave { trainer, state: &mut state, path: &path, finished: &trajectories, progress: &progress };
                pace.add(self.finish(&mut wave, report, observer)?);
            }
            trajectories.extend(state.trajectories);
            append(&mut model, state.model);
            append(&mut counts, state.counts.context("a finished wave keeps its counts")?);
        }
        progress.finish_and_clear();
        let (mut model, counts) = (model.context("no replica")?, counts.context("no replica")?);
        model.class_names = self.initial.class_names.clone();
        Ok(Trained { trajectories, model, counts, pace })
    }

    /// Trains a wave to its end, and keeps it on disk.
    fn finish(&self, wave: &mut Wave<'_>, report: &Reporter, observer: &mut impl Observer) -> Result<Pace> {
        let mut saved = (Instant::now(), wave.state.step);
        let mut begin = Instant::now();
        let mut pace = Pace::default();
        let mut intervals = 0;
        let mut compiling = Some(say_when_slow(report));
        loop {
            let step = wave.trainer.step();
            let is_end = step == self.steps;
            let is_due = is_end || step.is_multiple_of(self.evaluate_every);
            if is_due && wave.state.trajectories[0].last().is_none_or(|point| point.step < step) {
                wave.evaluate()?;
                observer.evaluated(wave.progress, &wave.state.trajectories);
            }
            if step > wave.state.step {
                intervals += 1;
                // The first interval also compiles the kernels.
                if intervals > 1 || is_end {
                    let replica_steps = ((step - wave.state.step) * wave.state.trajectories.len() as u64) as f64;
                    pace.add(Pace { seconds: begin.elapsed().as_secs_f64(), replica_steps });
                }
            }
            begin = Instant::now();
            wave.state.step = step;
            let is_stopped = interrupt::requested();
            let is_save_due = match self.save {
                SaveEvery::Time(time) => saved.0.elapsed() >= time,
                SaveEvery::Steps(steps) => step / steps > saved.1 / steps,
            };
            if is_end || is_save_due || is_stopped {
                wave.save(is_end)?;
                observer.saved(wave.finished, &wave.state.trajectories)?;
                saved = (Instant::now(), step);
            }
            if is_end {
                return Ok(pace);
            }
            if is_stopped {
                wave.progress.finish_and_clear();
                bail!("interrupted at step {step} of {}; what is trained is saved", self.steps);
            }
            let mut next = (step / self.evaluate_every + 1).saturating_mul(self.evaluate_every).min(self.steps);
            if let SaveEvery::Steps(steps) = self.save {
                next = next.min((step / steps + 1).saturating_mul(steps));
            }
            let (progress, replicas) = (wave.progress, wave.state.trajectories.len() as u64);
            let mut submissions = 0;
            wave.trainer.train_while(next - step, |steps| {
                progress.inc(steps * replicas);
                submissions += 1;
                // The first one is done when the second one has been submitted.
                if submissions == 2 {
                    compiling = None;
                }
                let is_time_up = matches!(self.save, SaveEvery::Time(time) if saved.0.elapsed() >= time);
                match interrupt::requested() || is_time_up {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            })?;
            compiling = None;
        }
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
}

/// Drivers compile kernels when they run first, and keep them; software Vulkan may take 20 s. Says so after 2 s, unless
/// what is returned is dropped before.
fn say_when_slow(report: &Reporter) -> Sender<()> {
    let (sender, receiver) = channel();
    let report = Reporter { quiet: report.quiet };
    std::thread::spawn(move || {
        if receiver.recv_timeout(Duration::from_secs(2)) == Err(RecvTimeoutError::Timeout) {
            report.line("kernels  the driver compiles them for their first run; it keeps them for the next time");
        }
    });
    sender
}

/// Replicas that train at once.
struct Wave<'a> {
    trainer: Trainer,
    state: &'a mut State,
    path: &'a Path,
    finished: &'a Trajectories,
    progress: &'a ProgressBar,
}

impl Wave<'_> {
    /// Adds a point to every trajectory.
    fn evaluate(&mut self) -> Result<()> {
        let step = self.trainer.step();
        let (train, test) = (self.trainer.evaluate(Split::Train)?, self.trainer.evaluate(Split::Test)?);
        let means = self.trainer.mean_adaptive_batch_sizes()?.unwrap_or_else(|| vec![Vec::new(); train.len()]);
        let points = train.into_iter().zip(test).zip(means);
        for (points, ((train, test), mean_adaptive_batch_sizes)) in self.state.trajectories.iter_mut().zip(points) {
            let test = Evaluation { nodes: Vec::new(), ..test };
            points.push(Point { step, train, test, mean_adaptive_batch_sizes });
        }
        Ok(())
    }

    fn save(&mut self, is_end: bool) -> Result<()> {
        self.state.model = self.trainer.model()?;
        if is_end {
            let counts = self.trainer.adaptive_batch_sizes()?.context("a training has at least one step")?;
            self.state.counts = Some(counts);
        }
        self.state.save(self.path)
    }
}

fn append<T: bytemuck::Pod>(whole: &mut Option<PerParameter<T>>, part: PerParameter<T>) {
    match whole {
        Some(whole) => whole.append(&part),
        None => *whole = Some(part),
    }
}

/// A wave on its way.
struct State {
    step: u64,
    model: Model,
    /// Of the last step, once it is done.
    counts: Option<AdaptiveBatchSizes>,
    trajectories: Trajectories,
}

/// Numbers of an evaluation: loss and accuracy of both parts, and 1 if it has diverged.
const METRICS: usize = 5;

impl State {
    /// One file, so that parameters and evaluations belong together: `step` (1); `steps` (E); `metrics` (E, R, 5);
    /// `nodes` (E, R, hidden nodes; 0 never, 1 sometimes, 2 always active on the training set);
    /// `mean_adaptive_batch_sizes` (E, R, layers; NaN before the first step); `model` and, at the end, `counts`: the
    /// bytes of such files. The file before is kept as .previous.
    fn save(&self, path: &Path) -> Result<()> {
        let evaluations = self.trajectories[0].len();
        let replicas = self.trajectories.len();
        let layers = self.model.spec().layers().len();
        let (mut metrics, mut nodes, mut means) = (Vec::new(), Vec::new(), Vec::new());
        for evaluation in 0..evaluations {
            for points in &self.trajectories {
                let Point { train, test, mean_adaptive_batch_sizes, .. } = &points[evaluation];
                let has_diverged = f64::from(u8::from(train.has_diverged || test.has_diverged));
                metrics.extend([train.loss, train.accuracy, test.loss, test.accuracy, has_diverged]);
                nodes.extend(train.nodes.iter().map(|&node| node as u8));
                means
                    .extend((0..layers).map(|layer| mean_adaptive_batch_sizes.get(layer).copied().unwrap_or(f64::NAN)));
            }
        }
        let steps: Vec<u64> = self.trajectories[0].iter().map(|point| point.step).collect();
        let model = self.model.to_bytes()?;
        let counts = self.counts.as_ref().map(PerParameter::to_bytes).transpose()?;
        let of_each = |length: usize| vec![evaluations, replicas, length];
        let view = TensorView::new;
        let mut tensors = BTreeMap::from([
            ("step", view(Dtype::U64, vec![1], bytemuck::bytes_of(&self.step))?),
            ("steps", view(Dtype::U64, vec![evaluations], bytemuck::cast_slice(&steps))?),
            ("metrics", view(Dtype::F64, of_each(METRICS), bytemuck::cast_slice(&metrics))?),
            ("nodes", view(Dtype::U8, of_each(hidden_nodes(&self.model)), &nodes)?),
            ("mean_adaptive_batch_sizes", view(Dtype::F64, of_each(layers), bytemuck::cast_slice(&means))?),
            ("model", view(Dtype::U8, vec![model.len()], &model)?),
        ]);
        if let Some(counts) = &counts {
            tensors.insert("counts", view(Dtype::U8, vec![counts.len()], counts)?);
        }
        let bytes = safetensors::serialize(tensors, None)?;
        if path.exists() {
            let previous = previous(path);
            std::fs::rename(path, &previous).with_context(|| format!("{}: cannot be replaced", previous.display()))?;
        }
        Ok(write_atomically(path, &bytes)?)
    }

    /// The last state that is whole, or `None` before the first.
    fn load_latest(path: &Path, initial: &Model, report: &Reporter) -> Result<Option<Self>> {
        match Self::load(path, initial) {
            Ok(Some(state)) => Ok(Some(state)),
            // Killed between moving the old one away and moving the new one in.
            Ok(None) => Self::load(&previous(path), initial),
            Err(error) => match Self::load(&previous(path), initial) {
                Ok(Some(state)) => {
                    report.line(&format!("{error:#}; going on from the one before, step {}", state.step));
                    // Else the next save would put it in the place of the one that is whole.
                    let damaged = path.with_extension("damaged");
                    std::fs::rename(path, &damaged)
                        .with_context(|| format!("{}: cannot be written", damaged.display()))?;
                    Ok(Some(state))
                }
                _ => Err(error.context("no checkpoint is whole; delete the folder to begin anew")),
            },
        }
    }

    fn load(path: &Path, initial: &Model) -> Result<Option<Self>> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("{}: cannot be read", path.display())),
        };
        let state = Self::parse(&bytes, path, initial);
        state.map(Some).with_context(|| format!("{}: the checkpoint is damaged", path.display()))
    }

    fn parse(bytes: &[u8], path: &Path, initial: &Model) -> Result<Self> {
        let file = SafeTensors::deserialize(bytes)?;
        let data = |name: &str| -> Result<Vec<u8>> { Ok(file.tensor(name)?.data().to_vec()) };
        let numbers = |name: &str| -> Result<Vec<f64>> { Ok(bytemuck::pod_collect_to_vec(&data(name)?)) };
        let steps: Vec<u64> = bytemuck::pod_collect_to_vec(&data("steps")?);
        let (metrics, means, nodes) = (numbers("metrics")?, numbers("mean_adaptive_batch_sizes")?, data("nodes")?);
        let (replicas, layers, hidden) = (initial.replicas(), initial.spec().layers().len(), hidden_nodes(initial));
        let expected = steps.len() * replicas;
        if metrics.len() != expected * METRICS || nodes.len() != expected * hidden || means.len() != expected * layers {
            bail!("it holds other replicas");
        }
        let model = Model::from_bytes(&data("model")?, path)?;
        if model.spec() != initial.spec() || model.replicas() != replicas {
            bail!("it holds other networks");
        }
        let counts = file.tensor("counts").ok();
        let counts = counts.map(|counts| AdaptiveBatchSizes::from_bytes(counts.data(), path)).transpose()?;
        let step = *bytemuck::pod_collect_to_vec::<u8, u64>(&data("step")?).first().context("no step")?;
        let mut trajectories = vec![Vec::with_capacity(steps.len()); replicas];
        for (index, values) in metrics.chunks_exact(METRICS).enumerate() {
            let nodes = nodes[index * hidden..][..hidden].iter().map(|&node| match node {
                0 => Ok(Activity::Never),
                1 => Ok(Activity::Sometimes),
                2 => Ok(Activity::Always),
                _ => Err(anyhow!("a node's activity is {node}")),
            });
            let has_diverged = values[4] != 0.0;
            let means = means[index * layers..][..layers].to_vec();
            trajectories[index % replicas].push(Point {
                step: steps[index / replicas],
                train: Evaluation {
                    loss: values[0],
                    accuracy: values[1],
                    nodes: nodes.collect::<Result<_>>()?,
                    has_diverged,
                },
                test: Evaluation { loss: values[2], accuracy: values[3], nodes: Vec::new(), has_diverged },
                mean_adaptive_batch_sizes: if means.iter().all(|mean| mean.is_nan()) { Vec::new() } else { means },
            });
        }
        Ok(Self { step, model, counts, trajectories })
    }
}

fn hidden_nodes(model: &Model) -> usize {
    let widths = model.spec().widths();
    widths[1..widths.len() - 1].iter().sum()
}

/// Where the checkpoint before stands.
fn previous(path: &Path) -> PathBuf {
    path.with_extension("previous.safetensors")
}
