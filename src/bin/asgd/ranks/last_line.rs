//! The line that says how a job ended: one of its processes says it, once. Those that another one has ended are silent.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{count, is_first, rank};

/// The lock of the folder in which all work. The first process holds it; who says the last line writes into it.
static LOCK: OnceLock<PathBuf> = OnceLock::new();

/// Whether this process has said it.
static IS_SAID: AtomicBool = AtomicBool::new(false);

/// All work in a folder from now on, whose lock this is.
pub fn set_lock(path: PathBuf) {
    let _ = LOCK.set(path);
}

/// Whether this process says what went wrong with it.
pub fn is_mine() -> bool {
    /// If it is wrong everywhere, the first process says it, and ends all others.
    const PATIENCE: Duration = Duration::from_secs(1);
    if !is_first() {
        std::thread::sleep(PATIENCE);
    }
    take()
}

/// Whether this process says that the job was interrupted: the first one does, or the second one where the first has gone.
pub fn is_mine_where_interrupted() -> bool {
    let is_left = || LOCK.get().and_then(|lock| File::open(lock).ok()).is_some_and(|lock| lock.try_lock().is_ok());
    (is_first() || (rank() == 1 && is_left())) && take()
}

fn take() -> bool {
    if IS_SAID.swap(true, Ordering::Relaxed) {
        return false;
    }
    let Some(lock) = LOCK.get().filter(|_| count() > 1) else { return true };
    if lock.metadata().is_ok_and(|lock| lock.len() > 0) {
        return false;
    }
    // Best effort: at worst, two say it.
    let _ = OpenOptions::new().append(true).open(lock).and_then(|mut lock| lock.write_all(b"ended\n"));
    true
}

/// Whose error it is, before a message, unless that does not matter.
pub fn name() -> String {
    if is_first() { String::new() } else { format!("rank {}: ", rank()) }
}
