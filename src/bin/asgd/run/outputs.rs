//! What a finished run is known by: the SHA-256 of what it has trained, which anyone can compute with `cat` and `sha256sum`.

use std::path::Path;

use anyhow::{Context, Result};

/// The files of the networks of each cell and of their counts, within the folder of a run.
pub fn network_files(cells: usize) -> impl Iterator<Item = (String, String)> {
    (1..=cells).map(move |number| match cells {
        1 => ("model.safetensors".into(), "counts.safetensors".into()),
        _ => (format!("models/cell-{number}.safetensors"), format!("counts/cell-{number}.safetensors")),
    })
}

/// SHA-256 of the networks of all cells, one after the other, and of metrics.csv.
///
/// # Errors
/// If one of them cannot be read.
pub fn sha256(folder: &Path, cells: usize) -> Result<String> {
    let names = network_files(cells).map(|(model, _)| model).chain(["metrics.csv".into()]);
    let read = |name: String| {
        let path = folder.join(name);
        std::fs::read(&path).with_context(|| format!("{}: cannot be read", path.display()))
    };
    Ok(asgd::digest::sha256(names.map(read).collect::<Result<Vec<_>>>()?))
}

/// Of which files, as a shell has them.
pub fn files(cells: usize) -> String {
    match cells {
        1 => "model.safetensors metrics.csv".into(),
        _ => format!("models/cell-{{1..{cells}}}.safetensors metrics.csv"),
    }
}
