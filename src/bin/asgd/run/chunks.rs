//! Replicas trained side by side, evaluated along the way, and kept on disk so that an interrupted training resumes
//! where it was, bit for bit.

use std::ops::ControlFlow;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use asgd::{AdaptiveBatchSizes, Dataset, Device, Model, PerParameter, Split, TrainSettings, Trainer};
use indicatif::ProgressBar;

use super::checkpoint::{Place, State};
use super::chunk::Chunk;
use super::folder::Folder;
use super::interrupt;
use super::metrics::Trajectories;
use super::stopping::Rules;
use crate::console::Reporter;

/// Replicas of one network on one data set.
pub struct Training<'a> {
    /// Names its files.
    pub name: String,
    pub dataset: &'a Dataset,
    pub initial: Model,
    pub settings: TrainSettings,
    pub steps: u64,
    /// Evaluations are at step 0, at the multiples of this, and at the last step.
    pub evaluate_every: u64,
    /// What evaluations decide, if anything.
    pub rules: Option<Rules>,
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

/// What became of a training.
pub struct Trained {
    pub trajectories: Trajectories,
    /// Of each replica, the index of the evaluation of its network in `model`.
    pub kept: Vec<usize>,
    pub model: Model,
    /// Of the last step of each network in `model`.
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
    /// All replicas of a chunk were evaluated; each one's last point is new.
    fn evaluated(&mut self, _progress: &ProgressBar, _wave: &Trajectories) {}

    /// Everything so far was saved: the finished chunks and the one on its way.
    fn saved(&mut self, _finished: &Trajectories, _wave: &Trajectories) -> Result<()> {
        Ok(())
    }
}

/// Ignores everything.
pub struct Nobody;

impl Observer for Nobody {}

impl Training<'_> {
    /// Trains what is not trained yet. `None` where the folder is a shard's: then its part is trained.
    ///
    /// # Errors
    /// If it is interrupted (what is trained is saved), or what the driver or the file system reported.
    pub fn run(
        &self,
        device: &Device,
        folder: &Folder,
        report: &Reporter,
        observer: &mut impl Observer,
    ) -> Result<Option<Trained>> {
        let _hearing = interrupt::Hearing::begin();
        let replicas = self.settings.replicas.len();
        let part = folder.shard().map_or(0..replicas, |shard| shard.range(replicas));
        let fitting = device.max_replicas(self.dataset, self.initial.spec(), &self.settings).max(1);
        if fitting < part.len() {
            let chunks = part.len().div_ceil(fitting);
            report.line(&format!("chunks   {chunks}, because {fitting} replicas at a time fit this device's limits"));
        }
        let progress = report.progress(self.steps * part.len() as u64);
        // Replicas are numbered as in the whole.
        let mut trajectories = vec![Vec::new(); part.start];
        let (mut model, mut counts) = (None, None);
        let mut pace = Pace::default();
        let mut next = part.start;
        while next < part.end {
            // What was begun is finished in the same chunks, though this machine may hold more or fewer replicas.
            let end = folder.begun_chunk(&self.name, next).unwrap_or(next.saturating_add(fitting)).min(part.end);
            let range = next..end;
            next = end;
            let place = Place {
                path: folder.checkpoint(&format!("{}-{}-{}", self.name, range.start, range.end)),
                fingerprint: folder.fingerprint().into(),
                steps: self.steps,
            };
            let initial = self.initial.slice(range.clone());
            let saved = State::load_latest(&place, &initial, self.settings.moments(), report)?;
            let mut state = saved.unwrap_or_else(|| State {
                step: 0,
                model: initial,
                moments: self.no_moments(range.len()),
                counts: None,
                kept: None,
                trajectories: vec![Vec::new(); range.len()],
            });
            // Where evaluations decide, a run keeps its end.
            if state.step < self.steps && self.rules.is_none() {
                state.continue_to(self.steps, self.evaluate_every);
            }
            progress.set_position((range.start - part.start) as u64 * self.steps + state.step * range.len() as u64);
            progress.reset_eta();
            if state.counts.is_none() {
                let settings =
                    TrainSettings { replicas: self.settings.replicas[range.clone()].to_vec(), ..self.settings.clone() };
                if self.rules.is_some() && state.step > 0 && state.kept.is_none() {
                    bail!(
                        "{}: the checkpoint holds no networks that are kept; delete the folder to begin anew",
                        place.path.display()
                    );
                }
                let mut chunk = Chunk::new(device, self.dataset, settings, self.rules, state);
                let surroundings = Surroundings {
                    place: &place,
                    finished: &trajectories,
                    progress: &progress,
                    compiles_kernels: device.compiles_kernels(),
                    report,
                };
                pace.add(self.finish(&mut chunk, &surroundings, observer)?);
                state = chunk.state;
            }
            trajectories.extend(state.trajectories);
            if folder.shard().is_some() {
                continue;
            }
            append(&mut model, state.model);
            append(&mut counts, state.counts.context("a finished chunk keeps its counts")?);
        }
        progress.finish_and_clear();
        if folder.shard().is_some() {
            return Ok(None);
        }
        let (mut model, counts) = (model.context("no replica")?, counts.context("no replica")?);
        model.class_names = self.initial.class_names.clone();
        model.data = self.initial.data.clone();
        let last = |points: &Vec<_>| points.len().saturating_sub(1);
        let kept = trajectories.iter().map(|points| self.rules.map_or(last(points), |rules| rules.kept(points)));
        Ok(Some(Trained { kept: kept.collect(), trajectories, model, counts, pace }))
    }

    /// Those of the rules before the first step.
    fn no_moments(&self, replicas: usize) -> Vec<Model> {
        vec![Model::zeros(self.initial.spec(), replicas); self.settings.moments()]
    }

    /// Trains a chunk to its end, and keeps it on disk.
    fn finish(
        &self,
        chunk: &mut Chunk<'_>,
        surroundings: &Surroundings<'_>,
        observer: &mut impl Observer,
    ) -> Result<Pace> {
        let Surroundings { place, finished, progress, compiles_kernels, report } = *surroundings;
        let mut trainer = chunk.trainer()?;
        let mut saved = (Instant::now(), chunk.state.step);
        let mut begin = Instant::now();
        let mut pace = Pace::default();
        let mut intervals = 0;
        let mut compiling = compiles_kernels.then(|| say_when_slow(report));
        loop {
            let step = trainer.step();
            let is_due = step == self.steps || step.is_multiple_of(self.evaluate_every);
            if is_due && chunk.last_evaluation().is_none_or(|last| last < step) {
                chunk.evaluate(&mut trainer)?;
                observer.evaluated(progress, &chunk.state.trajectories);
            }
            let is_end = step == self.steps || chunk.have_all_stopped();
            if step > chunk.state.step {
                intervals += 1;
                // The first interval also compiles the kernels.
                if intervals > 1 || is_end {
                    let replica_steps = ((step - chunk.state.step) * chunk.members() as u64) as f64;
                    pace.add(Pace { seconds: begin.elapsed().as_secs_f64(), replica_steps });
                }
            }
            begin = Instant::now();
            chunk.state.step = step;
            let is_stopped = interrupt::requested();
            let is_save_due = match self.save {
                SaveEvery::Time(time) => saved.0.elapsed() >= time,
                SaveEvery::Steps(steps) => step / steps > saved.1 / steps,
            };
            if is_end || is_save_due || is_stopped {
                chunk.update(&trainer)?;
                if is_end {
                    chunk.conclude(&trainer)?;
                }
                chunk.save(place)?;
                observer.saved(finished, &chunk.state.trajectories)?;
                saved = (Instant::now(), step);
            }
            if is_end {
                return Ok(pace);
            }
            if is_stopped {
                progress.finish_and_clear();
                bail!("interrupted at step {step} of {}; what is trained is saved", self.steps);
            }
            if chunk.is_sparse() {
                chunk.update(&trainer)?;
                chunk.leave_out_stopped();
                // Room for the one before the other is made.
                drop(trainer);
                trainer = chunk.trainer()?;
            }
            let mut next = (step / self.evaluate_every + 1).saturating_mul(self.evaluate_every).min(self.steps);
            if let SaveEvery::Steps(steps) = self.save {
                next = next.min((step / steps + 1).saturating_mul(steps));
            }
            let replicas = chunk.replicas() as u64;
            let mut submissions = 0;
            trainer.train_while(next - step, |steps| {
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

    /// Seconds that a step of a replica takes when `replicas` train, or as many of them as fit. On the CPU that does not
    /// depend on their number, and `pace`, measured while training, says it; else it is measured now.
    pub fn seconds_per_replica_step(&self, device: &Device, pace: Pace, replicas: usize) -> Result<f64> {
        if let (true, Some(seconds)) = (device.runs_on_cpu(), pace.seconds_per_replica_step()) {
            return Ok(seconds);
        }
        let spec = self.initial.spec();
        let fitting = device.max_replicas(self.dataset, spec, &self.settings);
        let replicas =
            if device.runs_on_cpu() { self.settings.replicas.len() } else { replicas }.clamp(1, fitting.max(1));
        let settings = self.settings.replicas.iter().cycle().take(replicas).copied().collect();
        let settings = TrainSettings { replicas: settings, ..self.settings.clone() };
        let mut trainer = Trainer::new(device, self.dataset, &self.initial.repeat(replicas), settings)?;
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

/// What is around a chunk while it trains.
struct Surroundings<'a> {
    place: &'a Place,
    /// Those of the chunks before.
    finished: &'a Trajectories,
    progress: &'a ProgressBar,
    /// Whether the first steps may have to wait for a compiler.
    compiles_kernels: bool,
    report: &'a Reporter,
}

fn append<T: bytemuck::Pod>(whole: &mut Option<PerParameter<T>>, part: PerParameter<T>) {
    match whole {
        Some(whole) => whole.append(&part),
        None => *whole = Some(part),
    }
}
