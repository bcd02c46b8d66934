//! Processes that `mpirun` has started together: ranks. Each trains its part of the networks; the first one (rank 0) speaks, and writes
//! what becomes of all. Where nobody has started several there is one, and nothing here does anything.
//!
//! All ranks do the same in the same order: whoever waits for the others does so in each of them. A rank that fails ends all.

#[cfg_attr(feature = "mpi", path = "mpi.rs")]
#[cfg_attr(not(feature = "mpi"), path = "alone.rs")]
mod world;

use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use asgd::Device;

use self::world::World;
use crate::run::interrupt;

/// This process among the others.
#[derive(Debug, Clone, Copy)]
struct Place {
    rank: usize,
    count: usize,
}

static PLACE: OnceLock<Place> = OnceLock::new();

fn place() -> Place {
    PLACE.get().copied().unwrap_or(Place { rank: 0, count: 1 })
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
/// If there are others, but this program cannot talk with them.
pub fn join() -> Result<Membership> {
    let started = COUNTS.into_iter().find_map(|name| std::env::var(name).ok()?.parse::<usize>().ok());
    if started.is_none_or(|count| count <= 1) {
        return Ok(Membership { world: None });
    }
    let world = World::join()?;
    let (rank, count) = world.place();
    let _ = PLACE.set(Place { rank, count });
    Ok(Membership { world: Some(world) })
}

impl Membership {
    /// Ends this process: with all others, or, where it failed, all others with it.
    pub fn leave(self, code: u8) -> ExitCode {
        let Some(world) = self.world else { return ExitCode::from(code) };
        if code != 0 {
            world::abort(code.into());
        }
        // Whatever signal comes now, the work is done.
        while !world::wait(|| false) {}
        drop(world);
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

/// Whether the first one has gone, and this one speaks in its place.
static IS_HEIR: AtomicBool = AtomicBool::new(false);

/// The first one has gone: this one speaks in its place.
pub fn inherit() {
    IS_HEIR.store(true, Ordering::Relaxed);
}

/// Before this one says what is wrong: if it is wrong everywhere, the first one says it, and ends all others.
pub fn let_first_speak() {
    const PATIENCE: Duration = Duration::from_secs(1);
    if !is_first() && !IS_HEIR.load(Ordering::Relaxed) {
        std::thread::sleep(PATIENCE);
    }
}

/// Whose error it is, before a message, unless that does not matter.
pub fn name() -> String {
    match is_first() || IS_HEIR.load(Ordering::Relaxed) {
        true => String::new(),
        false => format!("rank {}: ", rank()),
    }
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
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let cores = status.lines().find(|line| line.starts_with("Cpus_allowed_list"));
    alike(&[&machine(), cores.unwrap_or_default()]).1
}

/// How many of those before this one are on this machine.
pub fn before_on_this_machine() -> usize {
    alike(&[&machine()]).0
}

/// Of those that say the same as this one, how many are before it, and how many they are.
fn alike(words: &[&str]) -> (usize, usize) {
    let digest = asgd::digest::sha256(words);
    let own = u64::from_str_radix(&digest[..16], 16).unwrap_or(0);
    let all = gather(&[own]).concat();
    let count = |words: &[u64]| words.iter().filter(|&&other| other == own).count();
    (count(&all[..rank()]), count(&all))
}

/// What tells machines apart.
fn machine() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}
