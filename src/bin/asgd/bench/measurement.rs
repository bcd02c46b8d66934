//! Steps of an optimizer and of SGD timed in turn: on a shared machine only neighbours in time can be compared.

use asgd::{Dataset, Device, KernelTime, Optimizer, Split, Trainer};
use serde_json::{Value, json};

use super::workload::{Workload, microseconds, spread};

/// What was measured of a workload.
pub struct Measurement {
    pub workload: Workload,
    /// What it trained on.
    pub data: String,
    /// Microseconds of a step, a value a round.
    pub us: Vec<f64>,
    /// The same of SGD, each right after the optimizer's.
    pub sgd_us: Vec<f64>,
    /// Of the optimizer's training, on the test set: mean over replicas. It shows that what was timed is a training.
    pub accuracy: f64,
    /// Seconds of each kernel in a step; empty where the device cannot tell.
    pub kernels: Vec<KernelTime>,
}

impl Measurement {
    /// Times `rounds` pairs of `seconds` each.
    pub fn of(
        workload: &Workload,
        optimizer: Optimizer,
        device: &Device,
        data: &Dataset,
        rounds: usize,
        seconds: f64,
    ) -> asgd::Result<Self> {
        let mut own = workload.trainer_on(device, optimizer, data)?;
        let mut sgd = workload.trainer_on(device, Optimizer::SGD, data)?;
        let (own_steps, sgd_steps) = (steps_in(&mut own, seconds)?, steps_in(&mut sgd, seconds)?);
        let (mut us, mut sgd_us) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            us.push(microseconds(&mut own, own_steps)?);
            sgd_us.push(microseconds(&mut sgd, sgd_steps)?);
        }
        let steps = own_steps.min(100);
        let mut kernels = own.kernel_times(steps)?.unwrap_or_default();
        kernels.iter_mut().for_each(|time| time.seconds /= steps as f64);
        let evaluations = own.evaluate(Split::Test)?;
        let accuracy = evaluations.iter().map(|replica| replica.score).sum::<f64>() / evaluations.len() as f64;
        Ok(Self { workload: workload.clone(), data: data.name.clone(), us, sgd_us, accuracy, kernels })
    }

    /// Median microseconds of a step.
    pub fn microseconds(&self) -> f64 {
        spread(self.us.clone())[1]
    }

    /// The optimizer's time over SGD's, pair by pair.
    pub fn ratios(&self) -> Vec<f64> {
        self.us.iter().zip(&self.sgd_us).map(|(own, sgd)| own / sgd).collect()
    }

    pub fn samples_per_second(&self) -> f64 {
        self.workload.samples_per_step() as f64 * 1e6 / self.microseconds()
    }

    /// See [`Workload::operations_per_step`].
    pub fn gflops(&self) -> f64 {
        self.workload.operations_per_step() / self.microseconds() / 1e3
    }

    /// See [`Workload::bytes_per_step`].
    pub fn gigabytes_per_second(&self) -> f64 {
        self.workload.bytes_per_step() / self.microseconds() / 1e3
    }

    pub fn json(&self) -> Value {
        let Self { workload, data, us, sgd_us, accuracy, kernels } = self;
        let kernel = |time: &KernelTime| json!({ "kernel": time.kernel, "us_per_step": time.seconds * 1e6 });
        json!({
            "workload": workload.name,
            "widths": workload.widths,
            "batch_size": workload.batch_size,
            "replicas": workload.replicas,
            "us": us,
            "sgd_us": sgd_us,
            "data": data,
            "samples_per_second": self.samples_per_second(),
            "dense_gflops": self.gflops(),
            "gigabytes_per_second": self.gigabytes_per_second(),
            "accuracy": accuracy,
            "kernels": kernels.iter().map(kernel).collect::<Vec<_>>(),
        })
    }
}

/// How many steps take so long. What is done to find out is a warm-up, in which submissions grow to their size.
fn steps_in(trainer: &mut Trainer, seconds: f64) -> asgd::Result<u64> {
    let mut steps = 1;
    loop {
        let took = microseconds(trainer, steps)? * steps as f64 / 1e6;
        let enough = (steps as f64 * seconds / took.max(1e-9)).clamp(1.0, 1e6) as u64;
        if took > seconds / 5.0 {
            return Ok(enough);
        }
        steps = enough.div_ceil(5).max(steps + 1);
    }
}
