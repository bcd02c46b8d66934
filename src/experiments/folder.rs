//! The folder of an experiment: its settings, what is trained so far, and the report.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{bail, Context, Result};
use serde_json::Value;

/// Held by one process at a time. Its settings never change, so that what is trained in it belongs together.
pub struct Folder {
    path: PathBuf,
    /// Unlocked when the process ends, however it ends.
    _lock: File,
}

const SETTINGS: &str = "settings.json";

impl Folder {
    /// Makes the folder, or goes on in one of the same settings.
    ///
    /// # Errors
    /// If it holds something else, other settings, or another process works in it.
    pub fn open(path: PathBuf, settings: &Value) -> Result<Self> {
        if path.exists() && !path.is_dir() {
            bail!("{}: is a file; --out names a folder", path.display());
        }
        let settings_path = path.join(SETTINGS);
        let found = match std::fs::read_to_string(&settings_path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(|| format!("{}: cannot be read", settings_path.display())),
        };
        if let Some(text) = &found {
            let damaged = || format!("{}: is damaged; choose another --out", settings_path.display());
            let earlier: Value = serde_json::from_str(text).with_context(damaged)?;
            if let Some(difference) = difference(&earlier, settings) {
                bail!(
                    "{}: holds this experiment with other settings ({difference}); choose another --out, or delete it",
                    path.display()
                );
            }
        } else if path.is_dir() && holds_other_things(&path)? {
            bail!("{}: is not empty and holds no experiment; choose another --out", path.display());
        }
        std::fs::create_dir_all(path.join("trainings"))
            .with_context(|| format!("{}: cannot be made", path.display()))?;
        let lock_path = path.join("lock");
        let lock = File::create(&lock_path).with_context(|| format!("{}: cannot be written", lock_path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!("{}: another process works in this folder; wait for it, or choose another --out", path.display())
            }
            // A file system without locks is no reason to refuse.
            Err(TryLockError::Error(_)) => {}
        }
        let folder = Self { path, _lock: lock };
        if found.is_none() {
            folder.write(SETTINGS, &(serde_json::to_string_pretty(settings)? + "\n"))?;
        }
        Ok(folder)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a training keeps its state.
    pub fn training(&self, name: &str) -> PathBuf {
        self.path.join("trainings").join(format!("{name}.safetensors"))
    }

    /// Writes a file, whole or not at all.
    pub fn write(&self, name: &str, contents: &str) -> Result<()> {
        Ok(asgd::files::write_atomically(&self.path.join(name), contents.as_bytes())?)
    }
}

/// What a killed process may have left does not count.
fn holds_other_things(path: &Path) -> Result<bool> {
    let entries = std::fs::read_dir(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    let known = ["lock", "trainings", "settings.json.tmp"];
    Ok(entries.flatten().any(|entry| !known.contains(&entry.file_name().to_string_lossy().as_ref())))
}

/// The first setting that differs, as people read it.
fn difference(earlier: &Value, now: &Value) -> Option<String> {
    if earlier == now {
        return None;
    }
    let (Value::Object(a), Value::Object(b)) = (earlier, now) else { return Some(format!("{earlier}, not {now}")) };
    let keys = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
    keys.into_iter().find_map(|key| {
        let missing = Value::Null;
        let inner = difference(a.get(key).unwrap_or(&missing), b.get(key).unwrap_or(&missing))?;
        Some(format!("{key} {inner}").replace('"', ""))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_folder_keeps_to_its_settings_and_to_one_process() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("e");
        let settings = json!({"replicas": 3, "data": {"sha256": "ab"}});
        let open = |settings: &Value| Folder::open(path.clone(), settings).map(drop).map_err(|error| error.to_string());
        let held = Folder::open(path.clone(), &settings).unwrap();
        assert!(open(&settings).unwrap_err().contains("another process"));
        drop(held);
        open(&settings).unwrap();
        assert!(open(&json!({"replicas": 4, "data": {"sha256": "ab"}})).unwrap_err().contains("(replicas 3, not 4)"));
        let other_data = open(&json!({"replicas": 3, "data": {"sha256": "cd"}})).unwrap_err();
        assert!(other_data.contains("(data sha256 ab, not cd)"), "{other_data}");

        std::fs::write(path.join(SETTINGS), "{").unwrap();
        assert!(open(&settings).unwrap_err().contains("damaged"));
        let other = parent.path().join("other");
        std::fs::create_dir(&other).unwrap();
        std::fs::write(other.join("thesis.tex"), "x").unwrap();
        assert!(Folder::open(other, &settings).map(drop).unwrap_err().to_string().contains("holds no experiment"));
    }
}
