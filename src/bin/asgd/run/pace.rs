//! How long trainings take.

use std::time::Instant;

use anyhow::Result;
use asgd::{Dataset, Device, Model, TrainSettings, Trainer};

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

/// Steps times replicas that a device does in a second, as some tenths of a second tell.
pub fn speed(device: &Device, dataset: &Dataset, initial: &Model, settings: &TrainSettings) -> Result<f64> {
    let replicas = device.max_replicas(dataset, initial.spec(), settings).clamp(1, settings.replicas.len());
    let settings = TrainSettings { replicas: settings.replicas[..replicas].to_vec(), ..settings.clone() };
    let mut trainer = Trainer::new(device, dataset, &initial.slice(0..replicas), settings)?;
    Ok(replicas as f64 / seconds_per_step(&mut trainer, 0.2)?)
}

/// As measured in a round of `at_least` seconds.
pub fn seconds_per_step(trainer: &mut Trainer, at_least: f64) -> Result<f64> {
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
