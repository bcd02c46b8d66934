//! The networks that every benchmark measures, and the device that it measures them on.

#![allow(dead_code, reason = "each benchmark uses its part of this file")]

use std::time::Instant;

use asgd::dataset::{Circles, Inputs, Samples};
use asgd::{Dataset, Device, Init, Model, NetworkSpec, Optimizer, ReplicaSettings, TrainSettings, Trainer};

/// A shape of work.
#[derive(Clone, Copy)]
pub struct Workload {
    pub name: &'static str,
    pub widths: &'static [usize],
    pub batch_size: usize,
    pub replicas: usize,
}

/// The paper's MNIST network: alone (a step is over before threads have met), twice (a replica a core, on two cores) and
/// 16 times; a wide one, where the step is a matrix product; and the paper's deep one for circles, 100 times, where
/// nothing is large. benches/peers/workloads.py has the same.
pub const WORKLOADS: [Workload; 5] = [
    Workload { name: "mnist-R1", widths: &[784, 30, 20, 10], batch_size: 64, replicas: 1 },
    Workload { name: "mnist-R2", widths: &[784, 30, 20, 10], batch_size: 64, replicas: 2 },
    Workload { name: "mnist-R16", widths: &[784, 30, 20, 10], batch_size: 64, replicas: 16 },
    Workload { name: "wide-R1", widths: &[784, 512, 512, 10], batch_size: 256, replicas: 1 },
    Workload { name: "circles-R100", widths: &[2, 10, 10, 10, 10, 10, 1], batch_size: 128, replicas: 100 },
];

/// What only a real GPU can do in reasonable time.
const WIDE_4096: Workload =
    Workload { name: "wide-4096", widths: &[784, 4096, 4096, 10], batch_size: 4096, replicas: 1 };

/// The device that $ASGD_BENCH_DEVICE names, as `--device` does; without it, the default one.
pub fn device() -> asgd::Result<Device> {
    Device::open(device_name().as_deref())
}

/// $ASGD_BENCH_DEVICE, unless it is empty.
pub fn device_name() -> Option<String> {
    std::env::var("ASGD_BENCH_DEVICE").ok().filter(|name| !name.is_empty())
}

/// Lowest, median, highest.
pub fn spread(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [values[0], values[values.len() / 2], values[values.len() - 1]]
}

/// Microseconds of each of `steps` steps.
pub fn microseconds(trainer: &mut Trainer, steps: u64) -> asgd::Result<f64> {
    let start = Instant::now();
    trainer.train(steps)?;
    Ok(start.elapsed().as_secs_f64() * 1e6 / steps as f64)
}

/// One of [`WORKLOADS`] or [`WIDE_4096`]; -RN at the end of a name stands for any number N of replicas.
pub fn named(name: &str) -> Option<Workload> {
    let mut all = WORKLOADS.into_iter().chain([WIDE_4096]);
    if let Some(workload) = all.clone().find(|workload| workload.name == name) {
        return Some(workload);
    }
    let (family, replicas) = name.rsplit_once("-R")?;
    let of_family = |workload: &Workload| workload.name.split("-R").next() == Some(family);
    Some(Workload { replicas: replicas.parse().ok()?, ..all.find(of_family)? })
}

impl Workload {
    pub fn samples_per_step(&self) -> u64 {
        (self.batch_size * self.replicas) as u64
    }

    /// Useful arithmetic of a step: 6 operations a parameter and sample, as for a network that needs the deltas of its
    /// inputs too.
    pub fn operations_per_step(&self) -> f64 {
        let parameters: usize = self.widths.windows(2).map(|pair| (pair[0] + 1) * pair[1]).sum();
        6.0 * parameters as f64 * self.samples_per_step() as f64
    }

    /// A trainer that has done its first step, so that everything is compiled.
    pub fn trainer(&self, device: &Device, optimizer: Optimizer) -> asgd::Result<Trainer> {
        self.trainer_on(device, optimizer, &self.data()?)
    }

    /// The same on other data.
    pub fn trainer_on(&self, device: &Device, optimizer: Optimizer, data: &Dataset) -> asgd::Result<Trainer> {
        let (start, settings) = self.start(optimizer)?;
        let mut trainer = Trainer::new(device, data, &start, settings)?;
        trainer.train(1)?;
        Ok(trainer)
    }

    fn data(&self) -> asgd::Result<Dataset> {
        if self.widths[0] == 2 {
            // 896 training samples: whole batches only, as the peers have them.
            Circles { samples: 1280, ..Circles::default() }.dataset()
        } else {
            images()
        }
    }

    fn start(&self, optimizer: Optimizer) -> asgd::Result<(Model, TrainSettings)> {
        let learning_rate = if optimizer == Optimizer::ASGD { 0.005 } else { 0.05 };
        let replicas: Vec<_> = (0..self.replicas as u64)
            .map(|seed| ReplicaSettings { seed, optimizer, learning_rate, ..Default::default() })
            .collect();
        let seeds: Vec<u64> = replicas.iter().map(|replica| replica.seed).collect();
        let start = Init::Kaiming.model(&NetworkSpec::new(self.widths)?, &seeds)?;
        Ok((start, TrainSettings { batch_size: self.batch_size, replicas, ..Default::default() }))
    }
}

/// MNIST where $ASGD_DATA_DIR has it, as the peers do; else 60,000 images whose zeros only number as many (80.9 % of
/// the pixels), but stand anywhere, so that every pixel is active in every batch.
pub fn images() -> asgd::Result<Dataset> {
    if let Some(folder) = std::env::var_os("ASGD_DATA_DIR") {
        return Dataset::from_idx_folder(&std::path::Path::new(&folder).join("mnist"), 10);
    }
    let samples = |count: usize| {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 16
        };
        let pixels = (0..count * 784).map(|_| if next() % 1000 < 809 { 0 } else { (1 + next() % 255) as u8 }).collect();
        let labels = (0..count).map(|_| next() % 10).collect();
        Samples::new(784, Inputs::U8(pixels), labels, 10)
    };
    Ok(Dataset {
        name: "images".into(),
        classes: 10,
        class_names: Vec::new(),
        train: samples(60_000)?,
        test: samples(64)?,
        validation: None,
    })
}
