//! Files that are either whole or not there.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use crate::error::{Error, Result};

/// Writes to a temporary file beside `path`, then renames it. Two processes that write the same file take turns: each one's is
/// whole.
///
/// # Errors
/// [`Error::Io`]; then whatever was at `path` is still there.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        rename(&temporary, path)
    });
    written.map_err(|error| {
        // Best effort: the first error is the one to report.
        let _ = std::fs::remove_file(&temporary);
        Error::io(path, "write", error)
    })
}

/// Renames within a folder, so that a power cut does not undo it.
///
/// # Errors
/// What the operating system reports.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)?;
    // Not every system opens folders; where it cannot be asked for, the file system decides when the name is written.
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

/// Removes what killed processes have left of files that they were writing into a folder.
///
/// # Errors
/// [`Error::Io`] if one cannot be removed.
pub fn remove_unfinished(folder: &Path) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    for path in entries.flatten().map(|entry| entry.path()).filter(|path| is_unfinished(path)) {
        std::fs::remove_file(&path).map_err(|error| Error::io(&path, "remove", error))?;
    }
    Ok(())
}

/// Whether a file is one that [`write_atomically`] never finished: NAME.PROCESS.tmp. Other people's .tmp files are none.
pub fn is_unfinished(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let process = name.strip_suffix(".tmp").and_then(|name| name.rsplit_once('.')).map(|(_, process)| process);
    process.is_some_and(|process| !process.is_empty() && process.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What cannot be written as a whole leaves what was there.
    #[test]
    fn a_file_is_the_old_one_or_the_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write_atomically(&path, b"old").unwrap();
        // Somebody who reads meanwhile has the old one whole.
        let before = File::open(&path).unwrap();
        write_atomically(&path, b"newer").unwrap();
        assert_eq!(io::read_to_string(before).unwrap(), "old");
        assert_eq!(std::fs::read(&path).unwrap(), b"newer");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

        for name in ["file.17.tmp", "thesis.tmp", "17.tmp", "a..tmp", "file.17.tmp.old"] {
            std::fs::write(folder.path().join(name), "ha").unwrap();
        }
        remove_unfinished(folder.path()).unwrap();
        assert!(!folder.path().join("file.17.tmp").exists());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 5);
        remove_unfinished(&folder.path().join("nowhere")).unwrap();
        let error = write_atomically(&folder.path().join("nowhere/file"), b"new").unwrap_err().to_string();
        assert!(error.contains("nowhere/file: cannot write"), "{error}");
    }
}
