//! Without MPI.

use std::sync::Arc;

use anyhow::{Result, bail};
use asgd::Exchange;

/// No others.
pub struct World;

impl World {
    pub fn join() -> Result<Self> {
        bail!(
            "several processes were started together, but this asgd was built without MPI: build it with --features mpi, or start one"
        );
    }

    pub fn place(&self) -> (usize, usize) {
        (0, 1)
    }
}

pub fn abort(_code: i32) {}

pub fn wait(_has_ended: impl Fn() -> bool) -> bool {
    true
}

pub fn from_first(text: String) -> String {
    text
}

pub fn gather(own: &[u64]) -> Vec<Vec<u64>> {
    vec![own.to_vec()]
}

/// Nobody to tell anything.
#[derive(Debug)]
struct Alone;

impl Exchange for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn ranks(&self) -> usize {
        1
    }

    fn all_gather(&self, _all: &mut [u32], _lengths: &[usize]) {}
}

pub fn exchange() -> Arc<dyn Exchange> {
    Arc::new(Alone)
}
