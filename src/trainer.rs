//! Training, on one device or, on software Vulkan, on a device for each core.

use std::ops::{ControlFlow, Range};
use std::thread;
use std::time::{Duration, Instant};

use crate::dataset::Dataset;
use crate::device_trainer::DeviceTrainer;
use crate::evaluator::{Evaluation, Split};
use crate::gpu::Gpu;
use crate::model::{AdaptiveBatchSizes, Model, PerParameter};
use crate::network::NetworkSpec;
use crate::settings::{check, TrainSettings};
use crate::{Error, Result};

/// Where several devices train, they meet about this often, so that progress shows and all can stop at one step.
const ROUND: Duration = Duration::from_millis(200);

/// Trains R replicas of a network side by side.
pub struct Trainer {
    /// Each has the next replicas.
    parts: Vec<DeviceTrainer>,
    /// Steps of a round of several parts.
    round: u64,
}

impl Trainer {
    /// Uploads data and initial parameters (one network a replica), and compiles the kernels.
    ///
    /// # Errors
    /// [`Error::Setting`] for settings that make no sense, [`Error::Limit`] if R replicas do not fit the adapter
    /// (see [`Self::max_replicas`]), or what the driver reported.
    pub fn new(gpu: &Gpu, dataset: &Dataset, initial: &Model, settings: TrainSettings) -> Result<Self> {
        check(dataset, initial.spec(), &settings, initial.replicas())?;
        let devices = gpu.devices(settings.replicas.len(), dataset.bytes())?;
        let part = |(index, device): (usize, &Gpu)| {
            let range = share(settings.replicas.len(), devices.len(), index);
            let settings = TrainSettings { replicas: settings.replicas[range.clone()].to_vec(), ..settings.clone() };
            DeviceTrainer::new(device, dataset, &initial.slice(range), settings)
        };
        Ok(Self { parts: devices.iter().enumerate().map(part).collect::<Result<_>>()?, round: 1 })
    }

    /// How many replicas of `spec` fit the adapter's limits at once.
    pub fn max_replicas(gpu: &Gpu, dataset: &Dataset, spec: &NetworkSpec, batch_size: usize) -> usize {
        DeviceTrainer::max_replicas(gpu, dataset, spec, batch_size)
    }

    /// Steps of an epoch: the last batch may be short.
    pub fn steps_per_epoch(&self) -> u64 {
        self.parts[0].steps_per_epoch()
    }

    /// Steps done so far.
    pub fn step(&self) -> u64 {
        self.parts[0].step()
    }

    /// Goes on as if `step` steps had been done: with the parameters that stood there as the initial ones, what
    /// follows is bit for bit what an uninterrupted training would have done.
    pub fn resume_at(&mut self, step: u64) {
        for part in &mut self.parts {
            part.resume_at(step);
        }
    }

    /// Does `steps` steps of every replica.
    ///
    /// # Errors
    /// What the driver reported.
    pub fn train(&mut self, steps: u64) -> Result<()> {
        self.train_while(steps, |_| ControlFlow::Continue(()))
    }

    /// Does `steps` steps of every replica; `submitted` hears about every submission with the steps in it, and may end
    /// the training there.
    ///
    /// # Errors
    /// What the driver reported.
    pub fn train_while(&mut self, steps: u64, mut submitted: impl FnMut(u64) -> ControlFlow<()>) -> Result<()> {
        if let [part] = &mut self.parts[..] {
            return part.train_while(steps, submitted);
        }
        let end = self.step() + steps;
        while self.step() < end {
            let steps = self.round.min(end - self.step());
            let begin = Instant::now();
            on_each(&mut self.parts, |part| part.train_while(steps, |_| ControlFlow::Continue(())))?;
            if steps == self.round {
                let fitting = steps as f64 * ROUND.as_secs_f64() / begin.elapsed().as_secs_f64().max(1e-6);
                self.round = (fitting as u64).clamp(1, self.round * 4);
            }
            if submitted(steps).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Loss, accuracy and dummies of every replica over one part of the data set.
    ///
    /// # Errors
    /// What the driver reported.
    pub fn evaluate(&mut self, split: Split) -> Result<Vec<Evaluation>> {
        Ok(on_each(&mut self.parts, |part| part.evaluate(split))?.concat())
    }

    /// The parameters of every replica now.
    ///
    /// # Errors
    /// What the driver reported.
    pub fn model(&self) -> Result<Model> {
        joined(self.parts.iter().map(DeviceTrainer::model))
    }

    /// The gradient sum S and the adaptive batch size c of every parameter of every replica in the last step,
    /// or `None` before the first.
    ///
    /// # Errors
    /// [`Error::Limit`] or [`Error::OutOfMemory`] if there is no room for them, or what the driver reported.
    pub fn last_reduction(&self) -> Result<Option<(Model, AdaptiveBatchSizes)>> {
        let parts = self.parts.iter().map(DeviceTrainer::last_reduction).collect::<Result<Option<Vec<_>>>>()?;
        let Some(parts) = parts else { return Ok(None) };
        let (sums, counts): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        Ok(Some((joined(sums.into_iter().map(Ok))?, joined(counts.into_iter().map(Ok))?)))
    }

    /// The adaptive batch size c of every parameter of every replica in the last step, or `None` before the first.
    ///
    /// # Errors
    /// What the driver reported.
    pub fn adaptive_batch_sizes(&self) -> Result<Option<AdaptiveBatchSizes>> {
        let parts = self.parts.iter().map(DeviceTrainer::adaptive_batch_sizes).collect::<Result<Option<Vec<_>>>>()?;
        parts.map(|parts| joined(parts.into_iter().map(Ok))).transpose()
    }

    /// Adaptive batch sizes of the last step, averaged over the parameters of each layer: (replicas, layers).
    /// `None` before the first step.
    ///
    /// # Errors
    /// What the driver reported.
    pub fn mean_adaptive_batch_sizes(&self) -> Result<Option<Vec<Vec<f64>>>> {
        let parts = self.parts.iter().map(DeviceTrainer::mean_adaptive_batch_sizes);
        Ok(parts.collect::<Result<Option<Vec<_>>>>()?.map(|parts| parts.concat()))
    }

    /// The kernels of a step, in their order.
    pub fn kernels(&self) -> Vec<&'static str> {
        self.parts[0].kernels()
    }

    /// Runs one of [`Self::kernels`] `times` times on the last step's batch and waits for it, all layers each time.
    /// For benchmarks: parameters are updated anew each time, so that what is trained is of no further use.
    ///
    /// # Errors
    /// [`Error::Setting`] before the first step or for another name, or what the driver reported.
    pub fn repeat_kernel(&mut self, name: &str, times: u32) -> Result<()> {
        on_each(&mut self.parts, |part| part.repeat_kernel(name, times)).map(drop)
    }
}

/// The replicas of device `index` of `devices`: neighbours, as many as the others have, or one more.
fn share(replicas: usize, devices: usize, index: usize) -> Range<usize> {
    index * replicas / devices..(index + 1) * replicas / devices
}

/// What `work` gives for each part, in their order; they work at the same time.
fn on_each<T: Send>(
    parts: &mut [DeviceTrainer],
    work: impl Fn(&mut DeviceTrainer) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    if let [part] = parts {
        return Ok(vec![work(part)?]);
    }
    thread::scope(|scope| {
        let threads: Vec<_> = parts.iter_mut().map(|part| scope.spawn(|| work(part))).collect();
        let panicked = |_| Error::Gpu("a device's thread panicked".into());
        threads.into_iter().map(|thread| thread.join().map_err(panicked)?).collect()
    })
}

/// One after the other.
fn joined<T: bytemuck::Pod>(mut parts: impl Iterator<Item = Result<PerParameter<T>>>) -> Result<PerParameter<T>> {
    let mut whole = parts.next().unwrap_or_else(|| Err(Error::setting("--replicas", "there is none")))?;
    for part in parts {
        whole.append(&part?);
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn every_replica_is_some_devices() {
        for (replicas, devices) in [(1, 1), (2, 2), (3, 2), (16, 3), (100, 64)] {
            let ranges: Vec<_> = (0..devices).map(|index| share(replicas, devices, index)).collect();
            assert_eq!(ranges.iter().cloned().flatten().collect::<Vec<_>>(), (0..replicas).collect::<Vec<_>>());
            assert!(ranges.iter().all(|range| range.len().abs_diff(replicas / devices) <= 1));
        }
    }
}
