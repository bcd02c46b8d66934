//! The library: what both engines train, against the reference, against PyTorch, and against themselves.

#![allow(missing_docs, reason = "a test binary")]

mod activations;
mod batch_norm;
mod combinations;
#[path = "../command/mod.rs"]
mod command;
mod common;
mod cpu;
mod dropout;
mod extremes;
mod invariance;
mod layout;
mod mnist;
mod regression;
mod resources;
mod rules;
mod schedules;
mod support;
mod together;
mod training;
mod widths;
