//! Runs: replicas trained in chunks, their folder, their checkpoints, their metrics, and what is wrong with the result,
//! and the page that shows it.

pub mod checkpoint;
pub mod chunk;
pub mod chunks;
pub mod curve;
pub mod division;
pub mod facts;
pub mod folder;
pub mod health;
pub mod identity;
pub mod interrupt;
pub mod length;
pub mod memory;
pub mod metrics;
pub mod outcome;
pub mod outputs;
pub mod pace;
pub mod page;
pub mod rates;
pub mod shard;
pub mod signals;
pub mod stopping;
