//! Files that are either whole or not there.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use crate::error::{Error, Result};

/// Writes to a temporary file beside `path`, then renames it.
///
/// # Errors
/// [`Error::Io`]; then whatever was at `path` is still there.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    });
    written.map_err(|error| {
        // Best effort: the first error is the one to report.
        let _ = std::fs::remove_file(&temporary);
        Error::io(path, "write", error)
    })
}
