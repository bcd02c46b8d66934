//! What can go wrong, each in one line that says what, where and how to mend it.

use std::path::{Path, PathBuf};

/// The library's error. Its text is meant for the user as it is.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The machine has no adapter that wgpu can use.
    #[error(
        "no GPU adapter found: install your GPU's Vulkan driver, or software Vulkan \
         (Debian, Ubuntu: apt-get install mesa-vulkan-drivers libvulkan1)"
    )]
    NoAdapter,

    /// `--device` names none of the devices.
    #[error("--device: no device is called '{wanted}'; there is: {available}{hint} (see `asgd devices`)")]
    UnknownDevice {
        /// What was asked for.
        wanted: String,
        /// What was probably meant, to be put behind the message.
        hint: String,
        /// The devices' names, separated by commas.
        available: String,
    },

    /// A buffer or dispatch is larger than the device allows.
    #[error("{what} needs {needed} {unit}, but {limit} of this device is {available}; {mend}")]
    Limit {
        /// What was to be made.
        what: String,
        /// The limit's name in WebGPU.
        limit: &'static str,
        /// What it counts: bytes, invocations or iterations.
        unit: &'static str,
        /// What it would take.
        needed: u64,
        /// What the device allows.
        available: u64,
        /// How to stay below.
        mend: &'static str,
    },

    /// It would take more memory than there is.
    #[error("{what} would take {needed:.1} GiB of memory, but {available:.1} GiB are free; {mend}")]
    Memory {
        /// What was to be made.
        what: String,
        /// GiB that it would take.
        needed: f64,
        /// GiB that are free.
        available: f64,
        /// How to take less.
        mend: &'static str,
    },

    /// The device's memory is used up.
    #[error("the device is out of memory ({0}); use fewer replicas or a smaller batch")]
    OutOfMemory(String),

    /// The device went away: a driver reset, a watchdog, an unplugged GPU.
    #[error("the GPU was lost ({0}); run again, if need be with another --device")]
    DeviceLost(String),

    /// wgpu refused something that this program should not have asked for.
    #[error("internal GPU error, please report it: {0}")]
    Gpu(String),

    /// A setting that makes no sense.
    #[error("{setting}: {problem}")]
    Setting {
        /// The option's name.
        setting: &'static str,
        /// What is wrong and what would be right.
        problem: String,
    },

    /// A data file that is missing, damaged or of another kind.
    #[error("{}: {problem}", path.display())]
    Data {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong and how to mend it.
        problem: String,
    },

    /// A model file that is missing, damaged or of another shape.
    #[error("{}: {problem}", path.display())]
    Model {
        /// The file.
        path: PathBuf,
        /// What is wrong and how to mend it.
        problem: String,
    },

    /// The operating system refused to read or write.
    #[error("{}: cannot {action}: {reason}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The system's reason.
        reason: String,
    },
}

/// `Result` with the library's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn setting(setting: &'static str, problem: impl Into<String>) -> Self {
        Self::Setting { setting, problem: one_line(&problem.into()) }
    }

    pub(crate) fn data(path: impl AsRef<Path>, problem: impl Into<String>) -> Self {
        Self::Data { path: path.as_ref().to_path_buf(), problem: one_line(&problem.into()) }
    }

    pub(crate) fn model(path: impl AsRef<Path>, problem: impl Into<String>) -> Self {
        Self::Model { path: path.as_ref().to_path_buf(), problem: one_line(&problem.into()) }
    }

    pub(crate) fn io(path: impl AsRef<Path>, action: &'static str, reason: impl ToString) -> Self {
        Self::Io { path: path.as_ref().to_path_buf(), action, reason: reason.to_string() }
    }

    /// Whether the command line was at fault (exit code 2) rather than the world (exit code 1).
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Setting { .. } | Self::UnknownDevice { .. })
    }
}

/// A message without what a terminal obeys: files may hold names with line ends and escape sequences, which are shown, not printed.
pub fn one_line(text: &str) -> String {
    let shown = |c: char| if c.is_control() { c.escape_default().collect() } else { String::from(c) };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_holds_is_no_command_to_a_terminal() {
        let error = Error::data("a.npz", "holds x\n\u{1b}[2Jy, größer").to_string();
        assert_eq!(error, "a.npz: holds x\\n\\u{1b}[2Jy, größer");
    }
}
