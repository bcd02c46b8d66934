//! What memory there is, so that what cannot fit is refused before any of it is allocated.

use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System, get_current_pid};

use crate::error::{Error, Result};

/// Bytes that this process can still allocate: the machine's free memory, or what is left of its cgroup's or of its address space
/// (ulimit -v).
pub fn available() -> u64 {
    let mut system = System::new();
    system.refresh_memory();
    let of_machine = system.available_memory();
    let of_cgroup = system.cgroup_limits().map_or(of_machine, |limits| limits.free_memory);
    of_machine.min(of_cgroup).min(address_space().unwrap_or(u64::MAX))
}

/// Bytes of this process that are in memory; 0 where the system does not say so.
pub fn resident() -> u64 {
    let Ok(own) = get_current_pid() else { return 0 };
    let mut system = System::new();
    let kind = ProcessRefreshKind::nothing().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[own]), false, kind);
    system.process(own).map_or(0, sysinfo::Process::memory)
}

/// The most bytes of this process that were ever in memory, where the system says so as Linux does.
pub fn peak() -> Option<u64> {
    Some(1024 * field("/proc/self/status", "VmHWM:", 1)?)
}

/// A number of a file of lines that begin with labels.
fn field(file: &str, label: &str, field: usize) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    text.lines().find(|line| line.starts_with(label))?.split_whitespace().nth(field)?.parse().ok()
}

/// What is left of a limited address space; `None` where it is not, or the system does not say so as Linux does.
fn address_space() -> Option<u64> {
    let limit = field("/proc/self/limits", "Max address space", 3)?;
    Some(limit.saturating_sub(1024 * field("/proc/self/status", "VmSize:", 1)?))
}

/// Refuses what takes more than that. `mend` says how to take less.
///
/// # Errors
/// [`Error::Memory`].
pub fn require(what: &str, bytes: u128, mend: &'static str) -> Result<()> {
    let available = available();
    if bytes > u128::from(available) {
        return Err(Error::Memory {
            what: what.into(),
            needed: gibibytes(bytes),
            available: gibibytes(available),
            mend,
        });
    }
    Ok(())
}

fn gibibytes(bytes: impl Into<u128>) -> f64 {
    bytes.into() as f64 / f64::from(1 << 30)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_fit_is_refused() {
        assert!(available() > 1 << 20);
        assert!(resident() > 1 << 20 && peak().is_none_or(|peak| peak >= resident() / 2));
        require("nothing", 0, "").unwrap();
        let error = require("a planet", u128::MAX, "use a moon").unwrap_err().to_string();
        assert!(error.contains("a planet") && error.contains("use a moon"), "{error}");
    }
}
