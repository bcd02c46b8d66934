//! The program as its users meet it: what it prints, writes, refuses and survives.

#![allow(missing_docs, reason = "a test binary")]

mod bench;
mod check;
mod cli;
#[path = "../command/mod.rs"]
mod command;
mod compare;
mod daily_work;
mod devices;
mod experiments;
mod fetch;
mod memory;
mod metrics;
#[cfg(feature = "mpi")]
mod ranks;
mod report;
mod resume;
mod shards;
mod stopping;
#[cfg(unix)]
mod streams;
mod sweeps;
mod usage;
