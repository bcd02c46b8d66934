//! `asgd merge`: parts of a run that were trained apart become the run.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Parser};
use serde_json::{Value, json};

use super::train::{self, TrainArgs};
use crate::console::Reporter;
use crate::experiments;
use crate::run::folder::{self, Folder, Opening};
use crate::run::shard::Shard;

#[derive(Debug, Args)]
#[command(after_help = "\
Every byte but those of times and machines is what one run would have written.

Examples:
  for k in 1 2 3 4; do asgd train mnist --replicas 100 --shard $k/4 --out part-$k; done
  asgd merge part-1 part-2 part-3 part-4 --out whole
  asgd merge part-* --out whole")]
pub struct MergeArgs {
    /// Folders of all parts of a run, in any order.
    #[arg(required = true, value_name = "DIR")]
    pub parts: Vec<PathBuf>,
    /// Folder of the run. An earlier run there is replaced.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Print nothing but errors.
    #[arg(long, short)]
    pub quiet: bool,
}

/// A finished shard in its folder.
struct Part {
    path: PathBuf,
    settings: Value,
    shard: Shard,
}

impl Part {
    fn read(path: &Path) -> Result<Self> {
        let settings = folder::settings(path)?;
        if let Some(shard) = folder::finished_shard(path)? {
            return Ok(Self { path: path.into(), settings, shard });
        }
        let name = path.display();
        match words(&settings).iter().any(|word| word == OPTION || word.starts_with(OPTION_IS)) {
            true if settings["experiment"].is_null() => {
                bail!("{name}: its part is not trained to the end; resume it with: asgd train --resume {name}")
            }
            true => bail!("{name}: its part is not trained to the end; the command that began it resumes it"),
            false => bail!("{name}: holds no part of a run; --shard K/N trains one"),
        }
    }
}

const OPTION: &str = "--shard";
const OPTION_IS: &str = "--shard=";

/// The command line that began a run.
fn words(settings: &Value) -> Vec<String> {
    let words = settings["arguments"]["command"].as_array().into_iter().flatten();
    words.filter_map(Value::as_str).map(String::from).collect()
}

/// The command line of the whole, of that of a part.
fn without_shard(words: Vec<String>) -> Vec<String> {
    let mut kept = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        if word == OPTION {
            words.next();
        } else if !word.starts_with(OPTION_IS) {
            kept.push(word);
        }
    }
    kept
}

pub fn run(args: &MergeArgs) -> Result<()> {
    let parts = args.parts.iter().map(|path| Part::read(path)).collect::<Result<Vec<_>>>()?;
    check(&parts)?;
    let out = std::path::absolute(&args.out).with_context(|| format!("{}: no path", args.out.display()))?;
    if let Some(part) = parts.iter().find(|part| std::path::absolute(&part.path).is_ok_and(|path| path == out)) {
        bail!("{}: is one of the parts; choose another --out", part.path.display());
    }
    // Nothing is written before everything is sound.
    for part in &parts {
        folder::shard_checkpoints(&part.path)?.try_for_each(|checkpoint| checkpoint.map(drop))?;
    }
    let mut settings = parts[0].settings.clone();
    let command = without_shard(words(&settings));
    settings["arguments"]["command"] = json!(command);
    let folder = Folder::open(out.clone(), &settings, Opening::Replace)?;
    let report = Reporter { quiet: args.quiet };
    for part in &parts {
        folder.take_checkpoints(&part.path)?;
        report.line(&format!("part     {} from {}", part.shard, part.path.display()));
    }
    drop(folder);
    if !settings["experiment"].is_null() {
        return experiments::complete(&command, out, args.quiet);
    }
    let resume = ["train".as_ref(), "--resume".as_ref(), out.as_os_str()];
    let quiet = args.quiet.then_some("--quiet".as_ref());
    train::run(&TrainArgs::try_parse_from(resume.into_iter().chain(quiet))?)
}

/// Refuses parts that do not belong together, are there twice, or do not make a whole.
fn check(parts: &[Part]) -> Result<()> {
    let first = &parts[0];
    for part in &parts[1..] {
        let name = part.path.display();
        if let Some(difference) = folder::difference(&first.settings, &part.settings, &["arguments", "machine"]) {
            bail!("{name}: is of another run than {} ({difference})", first.path.display());
        }
        if part.shard.count != first.shard.count {
            bail!("{name}: is part {} and {} is part {}", part.shard, first.path.display(), first.shard);
        }
    }
    let mut of_numbers: Vec<Option<&Part>> = vec![None; first.shard.count];
    for part in parts {
        if let Some(other) = of_numbers[part.shard.number - 1].replace(part) {
            bail!("{} and {} are both part {}", other.path.display(), part.path.display(), part.shard);
        }
    }
    let missing = (1..).zip(&of_numbers).filter(|(_, part)| part.is_none());
    let missing: Vec<String> =
        missing.map(|(number, _)| Shard { number, count: first.shard.count }.to_string()).collect();
    match missing.len() {
        0 => Ok(()),
        1 => bail!("part {} is missing", missing[0]),
        _ => bail!("parts {} are missing", missing.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_is_asked_for_without_its_part() {
        let of = |line: &str| without_shard(line.split(' ').map(String::from).collect()).join(" ");
        assert_eq!(of("asgd train --shard 2/3 --out a"), "asgd train --out a");
        assert_eq!(of("asgd train --out a --shard=2/3"), "asgd train --out a");
        assert_eq!(of("asgd train x --shard 1/1"), "asgd train x");
    }
}
