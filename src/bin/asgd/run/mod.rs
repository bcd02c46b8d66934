//! Runs: replicas trained in chunks, their folder, their checkpoints and their metrics.

pub mod checkpoint;
pub mod chunks;
pub mod curve;
pub mod folder;
pub mod interrupt;
pub mod metrics;
