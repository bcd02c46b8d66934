//! Trains many small fully connected networks side by side on any GPU, with SGD and with aSGD: stochastic
//! gradient descent with an adaptive batch size for every parameter (Shi, Yang, Tang, Yang, *Mathematics* 2022,
//! 10, 863, doi 10.3390/math10060863).
//!
//! [`Device`] opens what trains, [`Dataset`] holds samples, [`NetworkSpec`] is a shape, [`Init`] makes a [`Model`] of
//! R replicas, and [`Trainer`] trains it. The GPU's kernels are the files of `shaders/`.
//!
//! ```
//! use asgd::dataset::Circles;
//! use asgd::{Device, Init, NetworkSpec, ReplicaSettings, Split, TrainSettings, Trainer};
//!
//! # fn main() -> asgd::Result<()> {
//! let device = Device::open(None)?;
//! let circles = Circles::default().dataset()?;
//! // Two networks that differ in their seeds; the optimizer may differ as well, and every number.
//! let start = Init::Kaiming.model(&NetworkSpec::new(&[2, 10, 10, 1])?, &[1, 2])?;
//! let replica = |seed| ReplicaSettings { seed, learning_rate: 0.05, ..Default::default() };
//! let settings = TrainSettings { replicas: vec![replica(1), replica(2)], ..Default::default() };
//! let mut trainer = Trainer::new(&device, &circles, &start, settings)?;
//! trainer.train(1000)?;
//! for evaluation in trainer.evaluate(Split::Test)? {
//!     assert!(evaluation.score > 0.9);
//!     println!("test loss {:.3}, {} true dummies", evaluation.loss, evaluation.true_dummies());
//! }
//! # Ok(())
//! # }
//! ```

//! Targets that are numbers make a regression: the loss is then the mean squared error, and the score R².
//!
//! ```
//! use asgd::dataset::{Inputs, Samples};
//! use asgd::{Activation, Dataset, Device, Init, Loss, NetworkSpec, Optimizer, ReplicaSettings, Split, TrainSettings, Trainer};
//!
//! # fn main() -> asgd::Result<()> {
//! // y = 2 x, of 40 samples of one feature.
//! let set = |first: usize| {
//!     let x: Vec<f32> = (first..40).map(|i| i as f32 / 20.0 - 1.0).collect();
//!     let y = x.iter().map(|x| 2.0 * x).collect();
//!     Samples::of_numbers(1, Inputs::F32(x), y, 1)
//! };
//! let (train, test, name) = (set(0)?, set(20)?, "line".to_string());
//! let line = Dataset { name, classes: 0, class_names: Vec::new(), train, test, validation: None };
//! let spec = NetworkSpec::with(&[1, 8, 1], Activation::Relu, Loss::MeanSquaredError)?;
//! let replica = ReplicaSettings { optimizer: Optimizer::SGD, learning_rate: 0.1, ..Default::default() };
//! let settings = TrainSettings { batch_size: 20, replicas: vec![replica], ..Default::default() };
//! let mut trainer = Trainer::new(&Device::open(None)?, &line, &Init::Kaiming.model(&spec, &[1])?, settings)?;
//! trainer.train(500)?;
//! assert!(trainer.evaluate(Split::Test)?[0].score > 0.9);
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

pub mod check;
pub mod cpu;
pub mod dataset;
mod device;
pub mod digest;
pub mod engine;
mod error;
mod evaluation;
mod exchange;
pub mod files;
pub mod gpu;
mod init;
pub mod memory;
mod model;
pub mod names;
mod normalization;
mod optimizer;
mod predictor;
pub mod pruning;
mod random;
pub mod reference;
mod rounding;
mod safetensors;
mod schedule;
mod settings;
mod spec;
mod trainer;

pub use dataset::Dataset;
pub use device::{Device, DeviceDescription, DeviceInfo};
pub use engine::KernelTime;
pub use error::{Error, Result, one_line};
pub use evaluation::{Activity, Evaluation, Split, r2};
pub use exchange::Exchange;
pub use init::Init;
pub use model::{AdaptiveBatchSizes, Model, PerParameter};
pub use optimizer::{Gradient, Optimizer, Rule};
pub use predictor::Predictor;
pub use safetensors::Element;
pub use schedule::{Decay, Schedule};
pub use settings::{Order, ReplicaSettings, TrainSettings};
pub use spec::{Activation, ArenaLayer, Loss, NetworkSpec, Task};
pub use trainer::Trainer;
