//! How people's tables and arrays are read, scaled and scored: nothing is guessed in silence. The cases are public reports
//! of people who do this job, tried on asgd.

#![allow(missing_docs, reason = "a test binary")]

mod arrays;
#[cfg(feature = "parquet")]
mod columnar;
#[path = "../command/mod.rs"]
mod command;
mod reading;
mod regression;
mod scaling;
mod scoring;
mod support;
