//! With MPI.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use asgd::Exchange;
use mpi::Threading;
use mpi::datatype::PartitionMut;
use mpi::environment::Universe;
use mpi::topology::{Communicator, SimpleCommunicator};
use mpi::traits::{CommunicatorCollectives, Root};

use crate::console::complain;

/// All of them.
pub struct World {
    _universe: Universe,
}

fn world() -> SimpleCommunicator {
    SimpleCommunicator::world()
}

impl World {
    pub fn join() -> Result<Self> {
        let joined = mpi::initialize_with_threading(Threading::Serialized);
        let (universe, _) = joined.context("MPI has been initialized already")?;
        Ok(Self { _universe: universe })
    }

    /// This process, and how many there are.
    pub fn place(&self) -> (usize, usize) {
        (world().rank() as usize, world().size() as usize)
    }
}

/// Ends all processes, this one too.
pub fn abort(code: i32) {
    world().abort(code)
}

/// Waits until all are here, without keeping a core busy, or until `has_ended`: then it is false.
pub fn wait(has_ended: impl Fn() -> bool) -> bool {
    let mut request = world().immediate_barrier();
    loop {
        request = match request.test() {
            Ok(_) => return true,
            Err(request) => request,
        };
        if has_ended() {
            // One that is dropped before its end aborts the process.
            std::mem::forget(request);
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

pub fn from_first(text: String) -> String {
    let world = world();
    let first = world.process_at_rank(0);
    let mut length = text.len() as u64;
    first.broadcast_into(&mut length);
    let mut bytes = text.into_bytes();
    bytes.resize(length as usize, 0);
    first.broadcast_into(&mut bytes[..]);
    String::from_utf8_lossy(&bytes).into_owned()
}

pub fn gather(own: &[u64]) -> Vec<Vec<u64>> {
    let count = world().size() as usize;
    let mut lengths = vec![0i32; count];
    world().all_gather_into(&(own.len() as i32), &mut lengths[..]);
    let starts = starts(&lengths);
    let mut all = vec![0u64; lengths.iter().sum::<i32>() as usize];
    world().all_gather_varcount_into(own, &mut PartitionMut::new(&mut all[..], &lengths[..], &starts[..]));
    lengths.iter().zip(starts).map(|(&length, start)| all[start as usize..][..length as usize].to_vec()).collect()
}

/// Where each rank's part of them all begins.
fn starts(lengths: &[i32]) -> Vec<i32> {
    lengths.iter().scan(0, |end, length| Some(std::mem::replace(end, *end + length))).collect()
}

/// All processes of this job.
#[derive(Debug)]
struct All;

impl Exchange for All {
    fn rank(&self) -> usize {
        world().rank() as usize
    }

    fn ranks(&self) -> usize {
        world().size() as usize
    }

    fn all_gather(&self, all: &mut [u32], lengths: &[usize]) {
        // MPI counts in 32 bits: a step that exchanges more than 8 GB is not for this.
        let Ok(counts) = lengths.iter().map(|&length| i32::try_from(length)).collect::<Result<Vec<i32>, _>>() else {
            complain("error: the network is too large for MPI");
            world().abort(1);
        };
        let starts = starts(&counts);
        let start = starts[self.rank()] as usize;
        let own = all[start..start + lengths[self.rank()]].to_vec();
        world().all_gather_varcount_into(&own[..], &mut PartitionMut::new(all, &counts[..], &starts[..]));
    }
}

pub fn exchange() -> Arc<dyn Exchange> {
    Arc::new(All)
}
