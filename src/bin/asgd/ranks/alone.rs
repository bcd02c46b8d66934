//! Without MPI.

use anyhow::{Result, bail};

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
