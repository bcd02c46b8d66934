//! Trains many small fully connected ReLU networks side by side on any GPU, with SGD and with aSGD: stochastic
//! gradient descent with an adaptive batch size for every parameter (Shi, Yang, Tang, Yang, *Mathematics* 2022,
//! 10, 863, doi 10.3390/math10060863).
//!
//! [`Gpu`] opens an adapter, [`Dataset`] holds samples, [`NetworkSpec`] is a shape, [`Init`] makes a [`Model`] of
//! R replicas, and [`Trainer`] trains it. The kernels are the files of `shaders/`.
//!
//! ```
//! use asgd::dataset::Circles;
//! use asgd::{Gpu, Init, NetworkSpec, Optimizer, Order, ReplicaSettings, Split, TrainSettings, Trainer};
//!
//! # fn main() -> asgd::Result<()> {
//! let gpu = Gpu::new(None)?;
//! let circles = Circles::default().dataset()?;
//! // Two networks that differ in their seeds; the optimizer may differ as well, and every number.
//! let start = Init::Kaiming.model(&NetworkSpec::new(&[2, 10, 10, 1])?, &[1, 2])?;
//! let replica = |seed| ReplicaSettings { seed, optimizer: Optimizer::Asgd, learning_rate: 0.05, epsilon: 1e-8 };
//! let settings = TrainSettings {
//!     batch_size: 64,
//!     order: Order::Shuffled,
//!     replicas: vec![replica(1), replica(2)],
//!     form: None,
//! };
//! let mut trainer = Trainer::new(&gpu, &circles, &start, settings)?;
//! trainer.train(1000)?;
//! for evaluation in trainer.evaluate(Split::Test)? {
//!     assert!(evaluation.accuracy > 0.9);
//!     println!("test loss {:.3}, {} true dummies", evaluation.loss, evaluation.true_dummies());
//! }
//! # Ok(())
//! # }
//! ```

mod batches;
pub mod dataset;
mod device_trainer;
pub mod dispatch;
mod error;
mod evaluator;
pub mod files;
pub mod gpu;
mod init;
pub mod kernels;
mod model;
pub mod network;
mod pacing;
mod predictor;
pub mod pruning;
mod random;
pub mod reference;
mod settings;
mod state;
mod trainer;

pub use dataset::Dataset;
pub use error::{Error, Result};
pub use evaluator::{Activity, Evaluation, Split};
pub use gpu::Gpu;
pub use init::Init;
pub use model::{AdaptiveBatchSizes, Element, Model, PerParameter};
pub use network::NetworkSpec;
pub use predictor::Predictor;
pub use settings::{Optimizer, Order, ReplicaSettings, StepForm, TrainSettings};
pub use trainer::Trainer;
