//! The CPU engine: trains and evaluates with native code, a file a stage, named as the shaders.
//!
//! Made for many small networks on few cores: a thread trains a replica; where there are more threads than replicas, a
//! team of threads shares one (team.rs). Inputs that are zero cost nothing: they are in no list (samples.rs).
//!
//! **The same bits on every machine.** Every sum is a chain of fused multiply-adds in the order of its terms, whatever the
//! width of the machine's vectors and the number of threads; exp is this engine's own (exp.rs). A term that is zero leaves
//! its sum as it is, so it may be skipped or not.

#![allow(clippy::needless_range_loop, reason = "loops over lanes are what the compiler turns into vectors")]

mod activation;
mod block;
mod clip;
mod delta;
mod dropout;
mod evaluate;
mod evaluator;
mod exp;
mod forward;
mod gather;
mod loss;
mod marked;
mod masks;
mod normalize;
mod normalize_back;
mod optimizer;
mod pace;
mod panels;
mod parameters;
mod permute;
mod product;
mod reduce;
mod samples;
pub(crate) mod simd;
mod team;
#[cfg(test)]
mod tests;
mod threshold;
mod together;
mod trainer;

use std::sync::Arc;

use rayon::ThreadPool;
use sysinfo::{CpuRefreshKind, RefreshKind, System};

pub use evaluator::Predictor;
pub use trainer::Trainer;

use self::simd::InstructionSet;
use self::together::Together;
use crate::error::{Error, Result};
use crate::exchange::Exchange;

/// More threads than any machine has.
const MAX_THREADS: usize = 65_536;

/// Threads and the instruction set of this machine. Cheap to clone: clones share the threads.
#[derive(Clone)]
pub struct Cpu {
    pool: Arc<ThreadPool>,
    simd: InstructionSet,
    /// Where other processes take part.
    together: Option<Arc<Together>>,
}

impl Cpu {
    /// Starts `threads` threads, or as many as this process may use (its affinity and its cgroup's quota respected).
    ///
    /// # Errors
    /// [`Error::Setting`] if the system does not allow so many.
    pub fn new(threads: Option<usize>) -> Result<Self> {
        let threads = threads.unwrap_or_else(available_threads);
        if threads == 0 || threads > MAX_THREADS {
            return Err(Error::setting("--threads", format!("{threads}; 1 to {MAX_THREADS} are possible")));
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(|index| format!("asgd-{index}"));
        let pool = pool
            .build()
            .map_err(|error| Error::setting("--threads", format!("{threads} cannot be started ({error})")))?;
        Ok(Self { pool: Arc::new(pool), simd: InstructionSet::detect(), together: None })
    }

    /// The same, as one of the processes that train one network together.
    ///
    /// # Errors
    /// [`Error::Setting`] for an exchange that contradicts itself.
    pub fn together(self, exchange: Arc<dyn Exchange>) -> Result<Self> {
        Ok(Self { together: Together::new(exchange, self.threads())?, ..self })
    }

    /// The same without other processes.
    fn alone(&self) -> Self {
        Self { together: None, ..self.clone() }
    }

    /// Whether any of the processes says so.
    fn any(&self, own: bool) -> bool {
        self.together.as_ref().map_or(own, |together| together.any(own))
    }

    /// How many threads.
    pub fn threads(&self) -> usize {
        self.pool.current_num_threads()
    }
}

/// The vector instructions that kernels use on this machine.
pub fn instruction_set() -> String {
    InstructionSet::detect().to_string()
}

/// What this machine's processor calls itself.
pub fn processor() -> String {
    let refresh = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing());
    let system = System::new_with_specifics(refresh);
    system.cpus().first().map_or_else(String::new, |cpu| cpu.brand().trim().to_string())
}

/// Threads that this process may use.
pub fn available_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |threads| threads.get())
}
