//! What tells runs apart, and what they are called.

use std::path::Path;

use asgd::Rule;

use super::runs::PastRun;
use crate::run::facts;

/// What some runs share and what they do not.
pub struct Differences {
    /// Short names, run by run: the ends of their paths.
    pub names: Vec<String>,
    /// Settings that differ.
    pub keys: Vec<String>,
    /// Settings that all have in common, with their value.
    pub common: Vec<(String, String)>,
}

/// A setting that a run does not have.
pub const NONE: &str = "–";

impl Differences {
    pub fn of(runs: &[PastRun]) -> Self {
        let mut all: Vec<&String> = Vec::new();
        for (key, _) in runs.iter().flat_map(|run| &run.settings) {
            if !all.contains(&key) {
                all.push(key);
            }
        }
        let (mut keys, mut common) = (Vec::new(), Vec::new());
        for key in all {
            // That SGD has no epsilon and no beta1 is no difference of its own.
            let mut values = runs.iter().map(|run| value(run, key)).filter(|&value| value != NONE || !is_of_some(key));
            let first = values.next().unwrap_or(NONE);
            match values.all(|value| value == first) {
                true => common.push((key.clone(), first.to_string())),
                false => keys.push(key.clone()),
            }
        }
        Self { names: names(runs), keys, common }
    }

    /// Name of a run and the settings that tell what its networks are and how they were trained.
    pub fn legend(&self, index: usize, run: &PastRun) -> String {
        let is_size = |key: &str| matches!(key, "replicas" | "epochs" | "seed" | "scale" | "device");
        let words = self.keys.iter().filter(|key| !is_size(key)).map(|key| (key, value(run, key)));
        let words = words.filter(|(_, value)| *value != NONE).map(|(key, value)| match key.as_str() {
            "dataset" | "widths" | "hidden" | "optimizer" | "init" | "order" => value.to_string(),
            key => format!("{} {value}", facts::label(key)),
        });
        let words: Vec<String> = words.collect();
        match words.is_empty() {
            true => self.names[index].clone(),
            false => format!("{}: {}", self.names[index], words.join(", ")),
        }
    }
}

/// Whether only some optimizers have such a setting.
fn is_of_some(key: &str) -> bool {
    key == "epsilon" || Rule::all().any(|rule| rule.hyperparameters().iter().any(|(name, _)| *name == key))
}

/// A setting of a run.
pub fn value<'r>(run: &'r PastRun, key: &str) -> &'r str {
    run.settings.iter().find(|(other, _)| other == key).map_or(NONE, |(_, value)| value)
}

/// As many last parts of the paths as tell them apart.
fn names(runs: &[PastRun]) -> Vec<String> {
    let parts = |path: &Path, count: usize| {
        let all: Vec<String> = path.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
        all[all.len().saturating_sub(count)..].join("/")
    };
    let named = |run: &PastRun, count| match &run.cell {
        Some(cell) => format!("{}/cell-{cell}", parts(&run.folder, count)),
        None => parts(&run.folder, count),
    };
    let longest = runs.iter().map(|run| run.folder.components().count()).max().unwrap_or(1);
    let tried = (1..=longest).map(|count| runs.iter().map(|run| named(run, count)).collect::<Vec<_>>());
    let are_unique = |names: &Vec<String>| names.iter().enumerate().all(|(index, name)| !names[..index].contains(name));
    tried.into_iter().find(are_unique).unwrap_or_else(|| runs.iter().map(|run| named(run, longest)).collect())
}
