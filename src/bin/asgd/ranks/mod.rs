//! Processes that `mpirun` has started together: ranks. Each trains its part of the networks; the first one (rank 0) speaks, and writes
//! what becomes of all. Where nobody has started several there is one, and nothing here does anything.
//!
//! All ranks do the same in the same order: whoever waits for the others does so in each of them. A rank that fails ends all.

pub mod last_line;
#[cfg_attr(feature = "mpi", path = "mpi.rs")]
#[cfg_attr(not(feature = "mpi"), path = "alone.rs")]
mod world;

use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Error, Result, anyhow, bail};
use asgd::Device;

use self::world::World;
use crate::run::interrupt;
use crate::usage;

/// This process among the others.
#[derive(Debug, Clone, Copy)]
struct Place {
    rank: usize,
    count: usize,
    /// How many of those before it are on its machine.
    before_on_machine: usize,
    /// How many may run on the cores that it may run on.
    sharing_cores: usize,
}

static PLACE: OnceLock<Place> = OnceLock::new();

fn place() -> Place {
    PLACE.get().copied().unwrap_or(Place { rank: 0, count: 1, before_on_machine: 0, sharing_cores: 1 })
}

/// Being one of them, until it is left.
pub struct Membership {
    world: Option<World>,
}

/// Variables of the environment by which launchers say how many processes they have started: Open MPI, and MPICH with its relatives.
const COUNTS: [&str; 2] = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE"];

/// Joins the others, if a launcher has started any.
///
/// # Errors
/// If there are others, but this program cannot talk with them, or they are to do something else.
pub fn join() -> Result<Membership, (Membership, Error)> {
    let started = COUNTS.into_iter().find_map(|name| std::env::var(name).ok()?.parse::<usize>().ok());
    if started.is_none_or(|count| count <= 1) {
        return Ok(Membership { world: None });
    }
    let world = World::join().map_err(|error| (Membership { world: None }, error))?;
    let (rank, count) = world.place();
    let machine = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let cores = status.lines().find(|line| line.starts_with("Cpus_allowed_list")).unwrap_or_default();
    let alike = |words: &[&str]| {
        let own = number(words);
        let all = world::gather(&[own]).concat();
        let count = |words: &[u64]| words.iter().filter(|&&other| other == own).count();
        (count(&all[..rank]), count(&all))
    };
    let (before_on_machine, sharing_cores) = (alike(&[&machine]).0, alike(&[&machine, cores]).1);
    let _ = PLACE.set(Place { rank, count, before_on_machine, sharing_cores });
    // What all wait for would depend on it.
    let command: Vec<String> = usage::words().into_iter().skip(1).collect();
    if alike(&command.iter().map(String::as_str).collect::<Vec<_>>()).1 < count {
        let membership = Membership { world: Some(world) };
        let error = anyhow!("processes were started with different command lines; start all with the same one");
        return Err((membership, error));
    }
    Ok(Membership { world: Some(world) })
}

/// Tells words apart.
fn number(words: &[&str]) -> u64 {
    let digest = asgd::digest::sha256(words.iter().flat_map(|word| [word.as_bytes(), b"\0"]));
    u64::from_str_radix(&digest[..16], 16).unwrap_or(0)
}

impl Membership {
    /// Ends this process: with all others, or, where it failed, all others with it.
    pub fn leave(self, code: u8) -> ExitCode {
        // Until all are here.
        let Some(_world) = self.world else { return ExitCode::from(code) };
        if code != 0 {
            world::abort(code.into());
        }
        // Whatever signal comes now, the work is done.
        while !world::wait(|| false) {}
        ExitCode::SUCCESS
    }
}

/// Which one this is, from 0.
pub fn rank() -> usize {
    place().rank
}

/// How many there are.
pub fn count() -> usize {
    place().count
}

/// Whether it is the one that speaks and writes.
pub fn is_first() -> bool {
    rank() == 0
}

/// Whether all train each network together.
static SHARES_BATCHES: AtomicBool = AtomicBool::new(false);

/// From now on all of them train each network together, instead of each its own.
///
/// # Errors
/// If the device is a GPU.
pub fn share_batches(device: Device) -> Result<Device> {
    if count() == 1 {
        return Ok(device);
    }
    SHARES_BATCHES.store(true, Ordering::Relaxed);
    Ok(device.together(world::exchange())?)
}

/// Whether they do.
pub fn shares_batches() -> bool {
    SHARES_BATCHES.load(Ordering::Relaxed)
}

/// Among how many the networks are dealt, and which of them this one is.
pub fn parts() -> (usize, usize) {
    if shares_batches() { (1, 0) } else { (count(), rank()) }
}

/// Whether this one saves what it trains.
pub fn saves() -> bool {
    is_first() || !shares_batches()
}

/// Whether any says so, where all train together; else what this one says.
pub fn agree(own: bool) -> bool {
    if shares_batches() { gather(&[own.into()]).concat().contains(&1) } else { own }
}

/// Does something where all train together: the first one before the others.
///
/// # Errors
/// What it says; if the user wants to stop.
pub fn first_before_others<T>(action: impl FnOnce() -> Result<T>) -> Result<T> {
    if !shares_batches() {
        return action();
    }
    if !is_first() {
        wait()?;
    }
    let done = action()?;
    if is_first() {
        wait()?;
    }
    Ok(done)
}

/// Waits until all are here.
///
/// # Errors
/// If the user wants to stop.
pub fn wait() -> Result<()> {
    if count() > 1 && !world::wait(interrupt::requested) {
        bail!("interrupted while waiting for the other processes; what is trained is saved");
    }
    Ok(())
}

/// What the first one says.
pub fn from_first(text: String) -> String {
    if count() == 1 { text } else { world::from_first(text) }
}

/// What each of them says, in the order of ranks.
pub fn gather(own: &[u64]) -> Vec<Vec<u64>> {
    if count() == 1 { vec![own.to_vec()] } else { world::gather(own) }
}

/// How many of them may run on the cores that this one may run on.
pub fn sharing_cores() -> usize {
    place().sharing_cores
}

/// How many of those before this one are on this machine.
pub fn before_on_this_machine() -> usize {
    place().before_on_machine
}
