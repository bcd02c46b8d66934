//! Whatever is in a file, its reader survives it. See `harness.rs`.

#![allow(missing_docs, reason = "a test binary")]

mod arrays;
mod harness;
mod memory;
mod models;
mod tables;
