//! Replicas trained side by side, evaluated along the way, and kept on disk so that an interrupted training resumes
//! where it was, bit for bit.

use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use asgd::{AdaptiveBatchSizes, Dataset, Device, Model, PerParameter, Split, TrainSettings, Trainer};
use indicatif::ProgressBar;

use super::checkpoint::{Place, State};
use super::chunk::Chunk;
use super::division;
use super::folder::Folder;
use super::interrupt;
use super::metrics::Trajectories;
use super::pace::{Pace, seconds_per_step};
use super::stopping::Rules;
use crate::console::Reporter;
use crate::device_args::Devices;
use crate::ranks;

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
    /// Whether all processes get what becomes of it, and not the first one alone.
    pub is_for_all: bool,
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

/// What became of replicas in a row.
#[derive(Default)]
struct Done {
    trajectories: Trajectories,
    model: Option<Model>,
    counts: Option<AdaptiveBatchSizes>,
    pace: Pace,
}

impl Done {
    fn add(&mut self, state: State) -> Result<()> {
        self.trajectories.extend(state.trajectories);
        append(&mut self.model, state.model);
        append(&mut self.counts, state.counts.context("a finished chunk keeps its counts")?);
        Ok(())
    }

    fn append(&mut self, other: Self) {
        self.trajectories.extend(other.trajectories);
        other.model.into_iter().for_each(|model| append(&mut self.model, model));
        other.counts.into_iter().for_each(|counts| append(&mut self.counts, counts));
        self.pace.add(other.pace);
    }
}

impl Training<'_> {
    /// Trains what is not trained yet: each device its share of the replicas, in each process. `None` where the results are
    /// elsewhere: where the folder is a shard's, and in all processes but the first one, unless they are for all.
    ///
    /// # Errors
    /// If it is interrupted (what is trained is saved), or what the driver or the file system reported.
    pub fn run(
        &self,
        devices: &Devices,
        folder: &Folder,
        report: &Reporter,
        observer: &mut impl Observer,
    ) -> Result<Option<Trained>> {
        let _hearing = interrupt::Hearing::begin();
        let replicas = self.settings.replicas.len();
        let part = folder.shard().map_or(0..replicas, |shard| shard.range(replicas));
        let (parts, own_part) = ranks::parts();
        let shares = division::shares(part.clone(), &devices.weights().repeat(parts));
        let begun = self.cut(folder, &shares, report)?;
        let own = &shares[own_part * devices.count()..][..devices.count()];
        let chunks: Vec<Vec<Range<usize>>> = own
            .iter()
            .zip(devices.iter())
            .map(|(share, device)| division::chunks(&begun, share.clone(), self.fitting(device)))
            .collect();
        if let [own_chunks] = &chunks[..]
            && own_chunks.len() > 1
            && begun.is_empty()
        {
            let (count, most) = (own_chunks.len(), own_chunks[0].len());
            report.line(&format!("chunks   {count}, because {most} replicas at a time fit this device's limits"));
        }

        let is_whole = folder.shard().is_none();
        let progress = report.progress(self.steps * own.iter().map(|share| share.len() as u64).sum::<u64>());
        let has_failed = AtomicBool::new(false);
        let surroundings = Surroundings {
            folder,
            progress: &progress,
            report,
            has_failed: &has_failed,
            is_alone: shares.len() == 1,
            is_kept: is_whole && parts == 1,
        };
        let mut whole = self.train_on_all(devices, &chunks, &surroundings, observer)?;
        progress.finish_and_clear();
        ranks::wait()?;
        let all = to_ranges(&ranks::gather(&to_numbers(&chunks.concat())).concat());
        if parts > 1 && !division::are_whole(&all, &part) {
            bail!("{}: processes have trained other networks than they should", folder.path().display());
        }
        if !is_whole || !(ranks::is_first() || self.is_for_all) {
            return Ok(None);
        }
        if parts > 1 {
            whole = Done { pace: whole.pace, ..self.load(folder, &all, report)? };
        }
        let Done { trajectories, model, counts, pace } = whole;
        let (mut model, counts) = (model.context("no replica")?, counts.context("no replica")?);
        model.class_names = self.initial.class_names.clone();
        model.data = self.initial.data.clone();
        let last = |points: &Vec<_>| points.len().saturating_sub(1);
        let kept = trajectories.iter().map(|points| self.rules.map_or(last(points), |rules| rules.kept(points)));
        Ok(Some(Trained { kept: kept.collect(), trajectories, model, counts, pace }))
    }

    /// Trains the chunks of each device, in a thread of its own. If one fails, the others end.
    fn train_on_all(
        &self,
        devices: &Devices,
        chunks: &[Vec<Range<usize>>],
        surroundings: &Surroundings<'_>,
        observer: &mut impl Observer,
    ) -> Result<Done> {
        let train = |device: &Device, chunks: &[Range<usize>], observer: &mut dyn Observer| {
            let done = self.train(device, chunks, surroundings, observer);
            surroundings.has_failed.fetch_or(done.is_err(), Ordering::Relaxed);
            done
        };
        let done: Vec<Result<Done>> = std::thread::scope(|scope| {
            let others = devices.iter().zip(chunks).skip(1);
            let others: Vec<_> =
                others.map(|(device, chunks)| scope.spawn(move || train(device, chunks, &mut Nobody))).collect();
            let first = train(devices.first(), &chunks[0], observer);
            let others = others.into_iter().map(|other| other.join().unwrap_or_else(|_| bail!("a thread panicked")));
            [first].into_iter().chain(others).collect()
        });
        // What is wrong with one device, and not that the others have ended for it.
        let (failed, done): (Vec<_>, Vec<_>) = done.into_iter().partition(Result::is_err);
        if let Some(error) = failed.into_iter().filter_map(Result::err).min_by_key(|error| error.is::<Ended>()) {
            return Err(error);
        }
        let mut whole = Done::default();
        done.into_iter().flatten().for_each(|done| whole.append(done));
        Ok(whole)
    }

    /// How many replicas train at a time.
    fn fitting(&self, device: &Device) -> usize {
        device.max_replicas(self.dataset, self.initial.spec(), &self.settings).max(1)
    }

    fn place(&self, folder: &Folder, range: &Range<usize>) -> Place {
        Place {
            path: folder.checkpoint(&self.name, range),
            fingerprint: folder.fingerprint().into(),
            steps: self.steps,
        }
    }

    /// Cuts chunks that were begun in other shares, and says which there are.
    fn cut(&self, folder: &Folder, shares: &[Range<usize>], report: &Reporter) -> Result<Vec<Range<usize>>> {
        let mut numbers = Vec::new();
        if ranks::is_first() {
            for leftover in division::leftovers(&folder.begun_chunks(&self.name)) {
                folder.remove_checkpoint(&self.name, &leftover)?;
            }
            for chunk in folder.begun_chunks(&self.name) {
                let pieces = division::pieces(&chunk, shares);
                if pieces.is_empty() {
                    continue;
                }
                let (place, initial) = (self.place(folder, &chunk), self.initial.slice(chunk.clone()));
                let Some(state) = State::load_latest(&place, &initial, self.settings.moments(), report)? else {
                    continue;
                };
                for piece in pieces {
                    let own = state.slice(piece.start - chunk.start..piece.end - chunk.start);
                    own.save(&self.place(folder, &piece))?;
                }
                // Until here the whole counts, and pieces are leftovers.
                folder.remove_checkpoint(&self.name, &chunk)?;
            }
            numbers = to_numbers(&folder.begun_chunks(&self.name));
        }
        ranks::wait()?;
        // Other machines may see the folder as it was a while ago.
        Ok(to_ranges(&ranks::gather(&numbers)[0]))
    }

    /// What became of chunks that other processes have trained.
    fn load(&self, folder: &Folder, chunks: &[Range<usize>], report: &Reporter) -> Result<Done> {
        let mut done = Done::default();
        for range in chunks {
            let place = self.place(folder, range);
            let initial = self.initial.slice(range.clone());
            let state = State::load_latest(&place, &initial, self.settings.moments(), report)?;
            done.add(state.with_context(|| format!("{}: is not there", place.path.display()))?)?;
        }
        Ok(done)
    }

    /// Trains chunk after chunk on a device.
    fn train(
        &self,
        device: &Device,
        chunks: &[Range<usize>],
        surroundings: &Surroundings<'_>,
        observer: &mut dyn Observer,
    ) -> Result<Done> {
        let Surroundings { folder, progress, report, is_kept, .. } = *surroundings;
        // Replicas are numbered as in the whole.
        let mut done = Done::default();
        let mut finished = vec![Vec::new(); chunks.first().map_or(0, |chunk| chunk.start)];
        for range in chunks {
            let place = self.place(folder, range);
            let initial = self.initial.slice(range.clone());
            let load = || State::load_latest(&place, &initial, self.settings.moments(), report);
            let saved = ranks::first_before_others(load)?;
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
            progress.inc(state.step * range.len() as u64);
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
                let compiles_kernels = device.compiles_kernels();
                done.pace.add(self.finish(&mut chunk, &place, &finished, compiles_kernels, surroundings, observer)?);
                state = chunk.state;
            }
            progress.inc((self.steps - state.step) * range.len() as u64);
            if surroundings.is_alone {
                finished.extend(state.trajectories.iter().cloned());
            }
            if is_kept {
                done.add(state)?;
            }
        }
        Ok(done)
    }

    /// Those of the rules before the first step.
    fn no_moments(&self, replicas: usize) -> Vec<Model> {
        vec![Model::zeros(self.initial.spec(), replicas); self.settings.moments()]
    }

    /// Trains a chunk to its end, and keeps it on disk.
    fn finish(
        &self,
        chunk: &mut Chunk<'_>,
        place: &Place,
        finished: &Trajectories,
        compiles_kernels: bool,
        surroundings: &Surroundings<'_>,
        observer: &mut dyn Observer,
    ) -> Result<Pace> {
        let Surroundings { progress, report, has_failed, is_alone, .. } = *surroundings;
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
            let is_ended = has_failed.load(Ordering::Relaxed);
            let is_stopped = ranks::agree(interrupt::requested() || is_ended);
            let is_save_due = match self.save {
                SaveEvery::Time(time) => ranks::agree(saved.0.elapsed() >= time),
                SaveEvery::Steps(steps) => step / steps > saved.1 / steps,
            };
            if is_end || is_save_due || is_stopped {
                chunk.update(&trainer)?;
                if is_end {
                    chunk.conclude(&trainer)?;
                }
                if ranks::saves() {
                    chunk.save(place)?;
                }
                if is_alone && ranks::is_first() {
                    observer.saved(finished, &chunk.state.trajectories)?;
                }
                saved = (Instant::now(), step);
            }
            if is_end {
                return Ok(pace);
            }
            if is_ended {
                return Err(Ended.into());
            }
            if is_stopped {
                interrupt::request();
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
                match interrupt::requested() || has_failed.load(Ordering::Relaxed) || is_time_up {
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
        let seconds_per_step = seconds_per_step(&mut trainer, 0.5)?;
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

/// Chunks as processes tell each other of them.
fn to_numbers(chunks: &[Range<usize>]) -> Vec<u64> {
    chunks.iter().flat_map(|chunk| [chunk.start as u64, chunk.end as u64]).collect()
}

fn to_ranges(numbers: &[u64]) -> Vec<Range<usize>> {
    numbers.chunks_exact(2).map(|bounds| bounds[0] as usize..bounds[1] as usize).collect()
}

/// Another device has failed.
#[derive(Debug, thiserror::Error)]
#[error("ended, because another device has failed; what is trained is saved")]
struct Ended;

/// What is around chunks while they train.
struct Surroundings<'a> {
    folder: &'a Folder,
    progress: &'a ProgressBar,
    report: &'a Reporter,
    /// One of the devices.
    has_failed: &'a AtomicBool,
    /// Whether one device trains all.
    is_alone: bool,
    /// Whether what becomes of them is kept in memory.
    is_kept: bool,
}

fn append<T: bytemuck::Pod>(whole: &mut Option<PerParameter<T>>, part: PerParameter<T>) {
    match whole {
        Some(whole) => whole.append(&part),
        None => *whole = Some(part),
    }
}
