//! The GPU engine: a thin host around the kernels of `shaders/`.

mod adapter;
pub mod buffers;
mod commands;
pub mod dispatch;
mod evaluator;
mod folded;
pub mod kernels;
pub mod layout;
mod pacing;
mod predictor;
mod step_kernels;
mod trainer;

pub use adapter::{Adapter, Gpu, adapters, kind};
pub use predictor::Predictor;
pub use trainer::Trainer;
