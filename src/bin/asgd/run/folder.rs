//! The folder of a run or an experiment: its settings, its checkpoints, its results.

use std::fs::{File, TryLockError};
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::shard::Shard;
use crate::ranks::{self, last_line};

/// Held by one process at a time. Its settings stay as they are, so that what is trained in it belongs together; only its
/// end may be put off: [`Folder::change_settings`].
pub struct Folder {
    path: PathBuf,
    /// Whether nothing was there before.
    is_new: bool,
    /// Of what decides the results, but for their length and the device: what is trained in it belongs to that.
    fingerprint: String,
    /// Where only a part of the run is trained in it.
    shard: Option<Shard>,
    /// Held by the first process. Unlocked when it ends, however it ends.
    _lock: Option<File>,
}

/// What to do with what is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// Resume if it has the same settings.
    Continue,
    /// The same for `--resume`, and `--force` lets the device be another one.
    Resume { any_device: bool },
    /// Begin anew.
    Replace,
}

const SETTINGS: &str = "settings.json";
const LOCK: &str = "lock";
const CHECKPOINTS: &str = "checkpoints";
/// Of a shard that is trained to its end: which one it is, and the SHA-256 of each of its checkpoints.
const SHARD: &str = "shard.json";

/// What a run may leave in its folder; run.json, which says that the others belong together, first.
const RESULTS: [&str; 12] = [
    "run.json",
    SHARD,
    "metrics.csv",
    "model.safetensors",
    "counts.safetensors",
    "learning_curve.svg",
    "report.html",
    "models",
    "counts",
    "best.safetensors",
    "sweep.csv",
    "sweep.svg",
];

/// The next free runs/NAME-NUMBER.
pub fn free(name: &str) -> PathBuf {
    let numbered = (1u64..).map(|number| Path::new("runs").join(format!("{name}-{number}")));
    numbered.into_iter().find(|path| !path.exists()).unwrap_or_else(|| Path::new("runs").join(name))
}

/// The folder that the first process means: others may be elsewhere.
///
/// # Errors
/// If the working directory is gone.
pub fn of_first(path: PathBuf) -> Result<PathBuf> {
    if ranks::count() == 1 {
        return Ok(path);
    }
    let path = std::path::absolute(&path).with_context(|| format!("{}: no path", path.display()))?;
    Ok(ranks::from_first(path.to_string_lossy().into()).into())
}

/// Refuses to write where something else is, before any work is done.
///
/// # Errors
/// If it is a file, or a folder that holds something else than a run.
pub fn check(path: &Path) -> Result<()> {
    if path.exists() && !path.is_dir() {
        bail!("{}: is a file; --out names a folder", path.display());
    }
    if path.is_dir() && !path.join(SETTINGS).exists() && holds_other_things(path)? {
        bail!("{}: is not empty and holds no run; choose another --out", path.display());
    }
    Ok(())
}

/// The settings of the run in a folder.
///
/// # Errors
/// If there is none, or it is damaged.
pub fn settings(path: &Path) -> Result<Value> {
    let settings = path.join(SETTINGS);
    let text = std::fs::read_to_string(&settings)
        .with_context(|| format!("{}: holds no run that could be resumed", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{}: is damaged; choose another --out", settings.display()))
}

/// run.json of the finished run in a folder.
///
/// # Errors
/// If there is none, or it is damaged.
pub fn result(path: &Path) -> Result<Value> {
    let result = path.join("run.json");
    if let Some(shard) = settings(path).ok().as_ref().and_then(shard_of) {
        bail!("{}: is part {shard} of a run; asgd merge makes one run of all parts", path.display());
    }
    let text =
        std::fs::read_to_string(&result).with_context(|| format!("{}: holds no finished run", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{}: is damaged; train the run again", result.display()))
}

impl Folder {
    /// Makes the folder, or opens it. Of the settings, `arguments` and `machine` may differ.
    ///
    /// # Errors
    /// If it holds something else, other settings, or another process works in it.
    pub fn open(path: PathBuf, now: &Value, opening: Opening) -> Result<Self> {
        let folder = match ranks::is_first() {
            true => Self::open_first(path, now, opening)?,
            false => Self { path, is_new: false, fingerprint: fingerprint(now), shard: None, _lock: None },
        };
        last_line::set_lock(folder.path.join(LOCK));
        ranks::wait()?;
        let first: Value = serde_json::from_str(&ranks::from_first(now.to_string()))?;
        if let Some(difference) = difference(&first, now, &["arguments", "machine"]) {
            bail!("other settings, data or devices than those of rank 0 ({difference})");
        }
        Ok(folder)
    }

    fn open_first(path: PathBuf, now: &Value, opening: Opening) -> Result<Self> {
        check(&path)?;
        std::fs::create_dir_all(&path).with_context(|| format!("{}: cannot be made", path.display()))?;
        let lock_path = path.join(LOCK);
        let lock = File::create(&lock_path).with_context(|| format!("{}: cannot be written", lock_path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!("{}: another process works in this folder; wait for it, or choose another --out", path.display())
            }
            // A file system without locks is no reason to refuse.
            Err(TryLockError::Error(_)) => {}
        }
        let is_new = !path.join(SETTINGS).exists();
        let folder = Self { path, is_new, fingerprint: fingerprint(now), shard: None, _lock: Some(lock) };
        for part in ["", CHECKPOINTS, "models", "counts"] {
            asgd::files::remove_unfinished(&folder.path.join(part))?;
        }
        if !is_new && opening != Opening::Replace {
            let any_device = opening == Opening::Resume { any_device: true };
            let ignored: &[&str] =
                if any_device { &["arguments", "machine", "device"] } else { &["arguments", "machine"] };
            if let Some(difference) = difference(&settings(&folder.path)?, now, ignored) {
                let mend = match opening {
                    Opening::Resume { .. } if difference.starts_with("device ") => "--force resumes all the same",
                    Opening::Resume { .. } => "train again, or bring back what has changed",
                    _ => "choose another --out, or delete it",
                };
                bail!("{}: holds a run with other settings ({difference}); {mend}", folder.path.display());
            }
        } else {
            folder.clear()?;
            folder.write(SETTINGS, &(serde_json::to_string_pretty(now)? + "\n"))?;
        }
        let checkpoints = folder.path.join(CHECKPOINTS);
        std::fs::create_dir_all(&checkpoints).with_context(|| format!("{}: cannot be made", checkpoints.display()))?;
        Ok(folder)
    }

    /// The same, for a part of the run, or the whole.
    ///
    /// # Errors
    /// If another part is trained in it.
    pub fn of_shard(self, shard: Option<Shard>) -> Result<Self> {
        if !ranks::is_first() {
            return Ok(Self { shard, ..self });
        }
        let name = |shard: Option<Shard>| shard.map_or("a whole run".into(), |shard| format!("part {shard} of a run"));
        let earlier = shard_of(&settings(&self.path)?);
        if earlier != shard {
            let (holds, wanted) = (name(earlier), name(shard));
            bail!("{}: holds {holds}, not {wanted}; choose another --out", self.path.display());
        }
        // What is trained again, or further, is not finished.
        self.remove([SHARD].into_iter())?;
        Ok(Self { shard, ..self })
    }

    /// Where it is a part of the run's that is trained here, which one.
    pub fn shard(&self) -> Option<Shard> {
        self.shard
    }

    /// Says that the part is trained to its end.
    pub fn finish_shard(&self, shard: Shard) -> Result<()> {
        if !ranks::is_first() {
            return Ok(());
        }
        let mut digests = serde_json::Map::new();
        for name in checkpoints(&self.path)? {
            digests
                .insert(name.clone(), asgd::digest::sha256([read(&self.path.join(CHECKPOINTS).join(&name))?]).into());
        }
        let document = json!({ "shard": shard.to_string(), "checkpoints": digests });
        self.write(SHARD, &(serde_json::to_string_pretty(&document)? + "\n"))
    }

    /// Takes over the checkpoints of a finished shard.
    ///
    /// # Errors
    /// As [`shard_checkpoints`].
    pub fn take_checkpoints(&self, shard: &Path) -> Result<()> {
        for checkpoint in shard_checkpoints(shard)? {
            let (name, bytes) = checkpoint?;
            asgd::files::write_atomically(&self.path.join(CHECKPOINTS).join(name), &bytes)?;
        }
        Ok(())
    }

    /// Takes an earlier run away. Its settings stay until others take their place, so that whenever this should be
    /// killed, the folder holds a run that can be resumed or be replaced.
    fn clear(&self) -> Result<()> {
        // What is left would be taken for results of the run that begins.
        self.remove(RESULTS.into_iter().chain([CHECKPOINTS]))
    }

    /// Removes files and folders that may be there.
    fn remove(&self, names: impl Iterator<Item = &'static str>) -> Result<()> {
        if !ranks::is_first() {
            return Ok(());
        }
        for name in names {
            let path = self.path.join(name);
            let removed = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
            match removed {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("{}: cannot be replaced", path.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Takes a new folder away if nothing was saved in it: what failed at once leaves nothing behind.
    pub fn discard_if_empty(self) {
        if !self.is_new {
            return;
        }
        let checkpoints = self.path.join(CHECKPOINTS);
        // remove_dir() refuses where there is something; then all stays as it is. Best effort: an error is on its way.
        if std::fs::remove_dir(&checkpoints).is_ok() {
            let _ = std::fs::remove_file(self.path.join(SETTINGS));
            let _ = std::fs::remove_file(self.path.join(LOCK));
            let _ = std::fs::remove_dir(&self.path);
        }
    }

    /// Other settings from now on: the run in it goes on under them, and is not finished any more.
    pub fn change_settings(&self, settings: &Value) -> Result<()> {
        // Results first: without them the folder holds a run on its way, under the one settings or the others.
        self.remove(RESULTS.into_iter())?;
        self.write(SETTINGS, &(serde_json::to_string_pretty(settings)? + "\n"))
    }

    /// A folder within it, made if it is not there.
    pub fn subfolder(&self, name: &str) -> Result<PathBuf> {
        let path = self.path.join(name);
        std::fs::create_dir_all(&path).with_context(|| format!("{}: cannot be made", path.display()))?;
        Ok(path)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What its checkpoints are known by.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The chunks of training `name` that were begun, in their order.
    pub fn begun_chunks(&self, name: &str) -> Vec<Range<usize>> {
        let range = |file: &str| {
            // Files that are damaged have been replaced.
            let (chunk, _) = file.split_once('.').filter(|(_, ending)| *ending != "damaged")?;
            let (start, end) = chunk.strip_prefix(name)?.strip_prefix('-')?.split_once('-')?;
            let range = start.parse().ok()?..end.parse().ok()?;
            (!range.is_empty()).then_some(range)
        };
        let entries = std::fs::read_dir(self.path.join(CHECKPOINTS)).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut chunks: Vec<Range<usize>> = names.filter_map(|file| range(&file)).collect();
        chunks.sort_by_key(|chunk| (chunk.start, chunk.end));
        chunks.dedup();
        chunks
    }

    /// Where a training keeps the state of a chunk.
    pub fn checkpoint(&self, name: &str, Range { start, end }: &Range<usize>) -> PathBuf {
        self.path.join(CHECKPOINTS).join(format!("{name}-{start}-{end}.safetensors"))
    }

    /// Removes the states of a chunk, the last one at last.
    pub fn remove_checkpoint(&self, name: &str, chunk: &Range<usize>) -> Result<()> {
        let path = self.checkpoint(name, chunk);
        for path in [path.with_extension("damaged"), path.with_extension("previous.safetensors"), path] {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("{}: cannot be removed", path.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Writes a file, whole or not at all; the first process does.
    pub fn write(&self, name: &str, contents: &str) -> Result<()> {
        if !ranks::is_first() {
            return Ok(());
        }
        Ok(asgd::files::write_atomically(&self.path.join(name), contents.as_bytes())?)
    }
}

/// Which part of a run is trained under these settings, as the command line says; `None` for a whole run.
pub fn shard_of(settings: &Value) -> Option<Shard> {
    const OPTION: &str = "--shard";
    let words = settings["arguments"]["command"].as_array()?;
    let mut words = words.iter().filter_map(Value::as_str).skip_while(|word| !word.starts_with(OPTION));
    match words.next()?.strip_prefix(OPTION)? {
        "" => words.next()?.parse().ok(),
        value => value.strip_prefix('=')?.parse().ok(),
    }
}

/// Which shard the one in a folder is, if it is finished.
///
/// # Errors
/// If the file that says so is damaged.
pub fn finished_shard(path: &Path) -> Result<Option<Shard>> {
    let file = path.join(SHARD);
    if !file.exists() {
        return Ok(None);
    }
    let shard = json_of(&file)?["shard"].as_str().and_then(|shard| shard.parse().ok());
    Ok(Some(shard.with_context(|| format!("{}: is damaged; resume its training", file.display()))?))
}

/// The checkpoints of a finished shard, one after the other.
///
/// # Errors
/// If one is not what it was when the shard was finished.
pub fn shard_checkpoints(path: &Path) -> Result<impl Iterator<Item = Result<(String, Vec<u8>)>>> {
    let Value::Object(digests) = json_of(&path.join(SHARD))?["checkpoints"].take() else {
        bail!("{}: is damaged; resume its training", path.join(SHARD).display());
    };
    let folder = path.join(CHECKPOINTS);
    Ok(digests.into_iter().map(move |(name, digest)| {
        let file = folder.join(&name);
        if file.file_name() != Some(name.as_ref()) {
            bail!("{name}: is no name of a checkpoint");
        }
        let bytes = read(&file)?;
        if digest.as_str() != Some(&asgd::digest::sha256([&bytes])) {
            bail!("{}: is not what it was when its part was finished; copy it again", file.display());
        }
        Ok((name, bytes))
    }))
}

/// The names of the last checkpoints.
fn checkpoints(path: &Path) -> Result<Vec<String>> {
    let folder = path.join(CHECKPOINTS);
    let entries = std::fs::read_dir(&folder).with_context(|| format!("{}: cannot be read", folder.display()))?;
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    // Those before them are called NAME.previous.safetensors.
    let is_last = |name: &String| name.strip_suffix(".safetensors").is_some_and(|stem| !stem.contains('.'));
    let mut names: Vec<String> = names.filter(is_last).collect();
    names.sort();
    Ok(names)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{}: cannot be read", path.display()))
}

fn json_of(path: &Path) -> Result<Value> {
    serde_json::from_slice(&read(path)?).with_context(|| format!("{}: is damaged", path.display()))
}

/// What a killed process may have left does not count.
fn holds_other_things(path: &Path) -> Result<bool> {
    let entries = std::fs::read_dir(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    let known = [LOCK, CHECKPOINTS, "run.json"];
    let is_known = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        known.contains(&&*name) || (name.starts_with("settings.json.") && asgd::files::is_unfinished(path))
    };
    Ok(entries.flatten().any(|entry| !is_known(&entry.path())))
}

/// SHA-256 of settings without what may differ where a run is resumed: how it was called, where it runs, and how long it is.
fn fingerprint(settings: &Value) -> String {
    const FREE: [&str; 6] = ["arguments", "machine", "device", "steps", "epochs", "evaluate_every_steps"];
    fn without_free(value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                let kept = fields.iter().filter(|(key, _)| !FREE.contains(&key.as_str()));
                kept.map(|(key, value)| (key.clone(), without_free(value))).collect()
            }
            Value::Array(values) => values.iter().map(without_free).collect(),
            other => other.clone(),
        }
    }
    asgd::digest::sha256([without_free(settings).to_string()])
}

/// The first setting that differs, as people read it; the keys in `ignored` may.
pub fn difference(earlier: &Value, now: &Value, ignored: &[&str]) -> Option<String> {
    if earlier == now {
        return None;
    }
    let (a, b) = match (earlier, now) {
        (Value::Object(a), Value::Object(b)) => (a, b),
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let differing = a.iter().zip(b).enumerate();
            let mut differing = differing.filter_map(|(index, (a, b))| Some((index + 1, difference(a, b, &[])?)));
            return differing.next().map(|(number, difference)| format!("{number} {difference}"));
        }
        _ => return Some(format!("{earlier}, not {now}")),
    };
    let mut keys = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
    keys.find_map(|key| {
        if ignored.contains(&key.as_str()) {
            return None;
        }
        let missing = Value::Null;
        let inner = difference(a.get(key).unwrap_or(&missing), b.get(key).unwrap_or(&missing), &[])?;
        Some(format!("{key} {inner}").replace('"', ""))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever decides a result is in the fingerprint; how long it trains, where and how it was called is not.
    #[test]
    fn fingerprints() {
        let settings = json!({"settings": {"cells": [{"lr": 0.1, "steps": 5}], "seed": 3}, "device": {"name": "a"}, "arguments": ["x"]});
        let with = |pointer: &str, value: Value| {
            let mut other = settings.clone();
            *other.pointer_mut(pointer).unwrap() = value;
            fingerprint(&other)
        };
        for (pointer, value) in
            [("/settings/cells/0/steps", json!(6)), ("/device/name", json!("b")), ("/arguments", json!([]))]
        {
            assert_eq!(with(pointer, value), fingerprint(&settings), "{pointer}");
        }
        for (pointer, value) in
            [("/settings/cells/0/lr", json!(0.2)), ("/settings/seed", json!(4)), ("/settings/cells", json!([]))]
        {
            assert_ne!(with(pointer, value), fingerprint(&settings), "{pointer}");
        }
    }

    #[test]
    fn a_folder_keeps_to_its_settings_and_to_one_process() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("e");
        let open = |now: &Value| {
            Folder::open(path.clone(), now, Opening::Continue).map(drop).map_err(|error| format!("{error:#}"))
        };
        let settings = json!({"replicas": 3, "data": {"sha256": "ab"}, "arguments": ["x"], "device": 1});
        let held = Folder::open(path.clone(), &settings, Opening::Continue).unwrap();
        assert!(open(&settings).unwrap_err().contains("another process"));
        drop(held);
        open(&settings).unwrap();
        let with = |key: &str, value: Value| {
            let mut other = settings.clone();
            other[key] = value;
            other
        };
        open(&with("arguments", json!(["y"]))).unwrap();
        assert!(open(&with("replicas", json!(4))).unwrap_err().contains("(replicas 3, not 4)"));
        assert!(open(&with("cells", json!([1, {"lr": 2}]))).is_err());
        let other_data = open(&with("data", json!({"sha256": "cd"}))).unwrap_err();
        assert!(other_data.contains("(data sha256 ab, not cd)"), "{other_data}");
        assert!(open(&with("device", json!(2))).is_err());
        Folder::open(path.clone(), &with("device", json!(2)), Opening::Resume { any_device: true }).map(drop).unwrap();

        // Nothing of the earlier run is there beside the settings of the next one.
        let old = [&RESULTS[..], &["checkpoints/a"]].concat();
        old.iter().for_each(|name| std::fs::write(path.join(name), "old").unwrap());
        Folder::open(path.clone(), &with("replicas", json!(4)), Opening::Replace).map(drop).unwrap();
        assert!(!old.iter().any(|name| path.join(name).exists()) && open(&settings).is_err());

        std::fs::write(path.join(SETTINGS), "{").unwrap();
        assert!(open(&settings).unwrap_err().contains("damaged"));
        let other = parent.path().join("other");
        std::fs::create_dir(&other).unwrap();
        for name in ["thesis.tex", "thesis.tmp", "thesis.17.tmp"] {
            std::fs::write(other.join(name), "x").unwrap();
            let error = Folder::open(other.clone(), &settings, Opening::Replace).map(drop).unwrap_err().to_string();
            assert!(error.contains("holds no run"), "{error}");
            std::fs::remove_file(other.join(name)).unwrap();
        }
        std::fs::write(other.join("settings.json.17.tmp"), "{").unwrap();
        Folder::open(other.clone(), &settings, Opening::Replace).map(drop).unwrap();
        assert!(!other.join("settings.json.17.tmp").exists());
    }
}
