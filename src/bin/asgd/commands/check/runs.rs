//! `asgd check --runs`: finished runs trained once more, and compared bit for bit.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::commands::train;
use crate::console::print_line;
use crate::device_args::DeviceArgs;
use crate::run::{folder, outputs};

/// What became of one run.
struct Checked {
    folder: PathBuf,
    expected: String,
    found: String,
    /// What may be the reason for other bits.
    difference: Option<String>,
}

impl Checked {
    fn passed(&self) -> bool {
        self.expected == self.found
    }

    fn line(&self) -> String {
        let Self { folder, expected, found, difference } = self;
        match (self.passed(), difference) {
            (true, _) => format!("  the same bits: sha256 {expected}"),
            (false, None) => format!("  OTHER BITS: sha256 {found} instead of {expected} of {}", folder.display()),
            (false, Some(difference)) => {
                format!("  OTHER BITS: sha256 {found} instead of {expected}, but it is not the same work: {difference}")
            }
        }
    }

    fn document(&self) -> Value {
        let Self { folder, expected, found, difference } = self;
        json!({ "run": folder, "passed": self.passed(), "sha256": expected, "found": found, "difference": difference })
    }
}

/// Trains each run again and compares; fails if one differs, after all of them.
pub fn run(runs: &[PathBuf], device: &DeviceArgs, is_json: bool) -> Result<()> {
    // A run's own data are looked for from where it was started.
    let runs = runs.iter().map(std::path::absolute).collect::<std::io::Result<Vec<_>>>()?;
    let documents = runs.iter().map(|run| recorded(run)).collect::<Result<Vec<_>>>()?;
    let mut checked = Vec::new();
    for (run, document) in runs.iter().zip(&documents) {
        if !is_json {
            let seconds = document["result"]["seconds"].as_f64().unwrap_or(f64::NAN);
            print_line(&format!("{}: is trained again, which took {seconds:.1} s", run.display()))?;
        }
        let again = check(run, document, device).with_context(|| run.display().to_string())?;
        if !is_json {
            print_line(&again.line())?;
        }
        checked.push(again);
    }
    let failed: Vec<String> =
        checked.iter().filter(|run| !run.passed()).map(|run| run.folder.display().to_string()).collect();
    if is_json {
        let runs: Vec<Value> = checked.iter().map(Checked::document).collect();
        print_line(&json!({ "passed": failed.is_empty(), "runs": runs }).to_string())?;
    }
    if !failed.is_empty() {
        bail!("{} of {} runs gave other bits: {}", failed.len(), checked.len(), failed.join(", "));
    }
    Ok(())
}

/// run.json of a finished run whose files are those that it was finished with.
fn recorded(run: &Path) -> Result<Value> {
    let document = folder::result(run)?;
    let expected = document["result"]["sha256"].as_str();
    let expected = expected.with_context(|| {
        format!("{}: its run.json has no sha256, as those of earlier versions; train it again", run.display())
    })?;
    let found = outputs::sha256(run, cells(&document))?;
    if found != expected {
        bail!(
            "{}: its networks or its metrics.csv were changed after it was finished: sha256 {found} instead of {expected}",
            run.display()
        );
    }
    Ok(document)
}

fn cells(document: &Value) -> usize {
    document["result"]["cells"].as_array().map_or(1, Vec::len)
}

fn check(run: &Path, document: &Value, device: &DeviceArgs) -> Result<Checked> {
    let parent = tempfile::tempdir().context("the temporary folder cannot be written to")?;
    let out = parent.path().join("again");
    train::again(run, device, out.clone())?;
    let now = folder::result(&out)?;
    let text = |document: &Value| document["result"]["sha256"].as_str().unwrap_or_default().to_string();
    let difference =
        folder::difference(document, &now, &["arguments", "machine", "finished_unix_seconds", "memory", "result"]);
    Ok(Checked { folder: run.into(), expected: text(document), found: text(&now), difference })
}
