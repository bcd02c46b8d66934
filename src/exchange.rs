//! How processes that train one network together tell each other what they found. What carries it, MPI for instance, is the caller's
//! affair.

use std::fmt;

/// Processes that train one network together: what they tell each other. See [`Device::together`](crate::Device::together).
///
/// All of them make the same calls in the same order. In each process one thread at a time makes them, and not always the same one.
pub trait Exchange: Send + Sync + fmt::Debug {
    /// Which of the processes this is, from 0.
    fn rank(&self) -> usize;

    /// How many there are.
    fn ranks(&self) -> usize;

    /// Gives the others this rank's part of `all`, and fills in theirs, bit for bit. Parts are in the order of the ranks, of
    /// `lengths[rank]` words each, which are the same on all ranks and may be 0.
    ///
    /// There is no error: without the others nothing can go on, so an implementation that loses one ends its process.
    fn all_gather(&self, all: &mut [u32], lengths: &[usize]);
}
