//! How long trainings take.

use std::time::Instant;

use anyhow::Result;
use asgd::{Dataset, Device, Model, Split, TrainSettings, Trainer};

use super::chunks::Training;

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

impl Training<'_> {
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

/// Steps times replicas that a device does in a second, as some tenths of a second tell.
pub fn speed(device: &Device, dataset: &Dataset, initial: &Model, settings: &TrainSettings) -> Result<f64> {
    let replicas = device.max_replicas(dataset, initial.spec(), settings).clamp(1, settings.replicas.len());
    let settings = TrainSettings { replicas: settings.replicas[..replicas].to_vec(), ..settings.clone() };
    let mut trainer = Trainer::new(device, dataset, &initial.slice(0..replicas), settings)?;
    Ok(replicas as f64 / seconds_per_step(&mut trainer, 0.2)?)
}

/// As measured in a round of `at_least` seconds.
fn seconds_per_step(trainer: &mut Trainer, at_least: f64) -> Result<f64> {
    let mut steps = 1;
    trainer.train(steps)?;
    loop {
        let start = Instant::now();
        trainer.train(steps)?;
        let seconds = start.elapsed().as_secs_f64();
        if seconds > at_least {
            return Ok(seconds / steps as f64);
        }
        steps *= 2;
    }
}
