//! The trainings that benchmarks time: `asgd bench`, and those in benches/, which take this file as it is.

#![allow(dead_code, reason = "each benchmark uses its part of this file")]

use std::path::Path;
use std::time::Instant;

use asgd::dataset::{Circles, Inputs, Samples};
use asgd::{Dataset, Device, Init, Model, NetworkSpec, Optimizer, ReplicaSettings, TrainSettings, Trainer};

/// A shape of work.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    pub name: String,
    pub widths: Vec<usize>,
    pub batch_size: usize,
    pub replicas: usize,
}

/// Widths and batch size of all workloads of a name: the paper's MNIST network and its deep one for circles; wider ones, whose
/// steps are matrix products. benches/peers/workloads.py has the first three.
const FAMILIES: [(&str, &[usize], usize); 4] = [
    ("mnist", &[784, 30, 20, 10], 64),
    ("circles", &[2, 10, 10, 10, 10, 10, 1], 128),
    ("wide", &[784, 512, 512, 10], 256),
    ("wide-4096", &[784, 4096, 4096, 10], 1024),
];

/// What `asgd bench` times unless told otherwise: from one network, whose step is over before many threads have met, to thousands.
pub const STANDARD: [&str; 8] =
    ["mnist-R1", "mnist-R16", "mnist-R100", "mnist-R1000", "circles-R100", "circles-R10000", "wide-R1", "wide-4096-R1"];

/// NAME-RN: N replicas of a family.
impl std::str::FromStr for Workload {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let expected =
            || format!("expected NAME-RN with a number N of replicas, as {} or mnist-R7", STANDARD.join(", "));
        let (family, replicas) = name.rsplit_once("-R").ok_or_else(expected)?;
        let &(_, widths, batch_size) = FAMILIES.iter().find(|(name, ..)| *name == family).ok_or_else(expected)?;
        let replicas = replicas.parse().ok().filter(|&replicas| replicas > 0).ok_or_else(expected)?;
        Ok(Self { name: format!("{family}-R{replicas}"), widths: widths.to_vec(), batch_size, replicas })
    }
}

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
    let last = values.len() - 1;
    [values[0], (values[last / 2] + values[last.div_ceil(2)]) / 2.0, values[last]]
}

/// Microseconds of each of `steps` steps.
pub fn microseconds(trainer: &mut Trainer, steps: u64) -> asgd::Result<f64> {
    let start = Instant::now();
    trainer.train(steps)?;
    Ok(start.elapsed().as_secs_f64() * 1e6 / steps as f64)
}

impl Workload {
    /// Whether it trains on images; else on circles.
    pub fn is_of_images(&self) -> bool {
        self.widths[0] == 784
    }

    pub fn samples_per_step(&self) -> u64 {
        (self.batch_size * self.replicas) as u64
    }

    /// Floating-point operations of a step where no zero is skipped: a multiplication and an addition for each weight and sample
    /// forward, as many for the gradients and, after the first layer, as many for the deltas.
    pub fn operations_per_step(&self) -> f64 {
        let layers = self.widths.windows(2).enumerate();
        let of_layers: usize =
            layers.map(|(layer, pair)| (pair[0] + 1) * pair[1] * if layer == 0 { 4 } else { 6 }).sum();
        of_layers as f64 * self.samples_per_step() as f64
    }

    /// Bytes that a step would move where nothing stayed on the chip from kernel to kernel and no zero was skipped: parameters
    /// are read forward, read backward after the first layer, read and written by the update; inputs are read forward and for the
    /// gradients; activations and deltas are written once and read twice.
    pub fn bytes_per_step(&self) -> f64 {
        let input_bytes = if self.is_of_images() { 1 } else { 4 };
        let layers = self.widths.windows(2).enumerate();
        let parameters: usize =
            layers.map(|(layer, pair)| (pair[0] + 1) * pair[1] * if layer == 0 { 12 } else { 16 }).sum();
        let neurons: usize = self.widths[1..].iter().sum();
        let of_sample = 2 * input_bytes * self.widths[0] + 2 * 3 * 4 * neurons;
        (self.replicas * (parameters + self.batch_size * of_sample)) as f64
    }

    /// A trainer that has done its first step, so that everything is compiled. Data of circles are made here; images are MNIST
    /// where $ASGD_DATA_DIR has it.
    pub fn trainer(&self, device: &Device, optimizer: Optimizer) -> asgd::Result<Trainer> {
        let data = if self.is_of_images() {
            let folder = std::env::var_os("ASGD_DATA_DIR").map(|folder| Path::new(&folder).join("mnist"));
            images(folder.as_deref())?
        } else {
            circles()?
        };
        self.trainer_on(device, optimizer, &data)
    }

    /// The same on other data.
    pub fn trainer_on(&self, device: &Device, optimizer: Optimizer, data: &Dataset) -> asgd::Result<Trainer> {
        let (start, settings) = self.start(optimizer)?;
        let mut trainer = Trainer::new(device, data, &start, settings)?;
        trainer.train(1)?;
        Ok(trainer)
    }

    /// Initial networks and settings.
    ///
    /// # Errors
    /// [`asgd::Error::Memory`] if they are too many.
    fn start(&self, optimizer: Optimizer) -> asgd::Result<(Model, TrainSettings)> {
        // The initial parameters twice, and those in training of two trainers, one of each optimizer.
        let bytes = 4 * 4 * NetworkSpec::new(&self.widths)?.arena_stride() as u128 * self.replicas as u128;
        asgd::memory::require("this workload", bytes, "use fewer replicas")?;
        let learning_rate = match optimizer {
            Optimizer::ASGD => 0.005,
            Optimizer::SGD => 0.05,
            _ => 0.001,
        };
        let replicas: Vec<_> = (0..self.replicas as u64)
            .map(|seed| ReplicaSettings { seed, optimizer, learning_rate, ..Default::default() })
            .collect();
        let seeds: Vec<u64> = replicas.iter().map(|replica| replica.seed).collect();
        let start = Init::Kaiming.model(&NetworkSpec::new(&self.widths)?, &seeds)?;
        Ok((start, TrainSettings { batch_size: self.batch_size, replicas, ..Default::default() }))
    }
}

/// 896 training samples: whole batches only, as the peers have them.
pub fn circles() -> asgd::Result<Dataset> {
    Circles { samples: 1280, ..Circles::default() }.dataset()
}

/// MNIST from a folder; without one, 60,000 images whose zeros only number as many (80.9 % of the pixels), but are anywhere, so
/// that every pixel is active in every batch.
pub fn images(folder: Option<&Path>) -> asgd::Result<Dataset> {
    if let Some(folder) = folder {
        return Dataset::from_idx_folder(folder, 10);
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
        name: "made-up images".into(),
        classes: 10,
        class_names: Vec::new(),
        train: samples(60_000)?,
        test: samples(64)?,
        validation: None,
    })
}
