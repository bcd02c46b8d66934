//! `asgd merge`: parts of a run that were trained apart become the run.

use std::collections::BTreeMap;
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
    /// Folder of the run, in which is nothing else.
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
        let name = path.display();
        match (folder::finished_shard(path)?, folder::shard_of(&settings)) {
            (Some(shard), Some(own)) if shard == own => Ok(Self { path: path.into(), settings, shard }),
            (_, Some(_)) if settings["experiment"].is_null() => {
                bail!("{name}: its part is not trained to the end; resume it with: asgd train --resume {name}")
            }
            (_, Some(_)) => bail!("{name}: its part is not trained to the end; the command that began it resumes it"),
            (_, None) => bail!("{name}: holds no part of a run; --shard K/N trains one"),
        }
    }
}

/// The command line of the whole, of that of a part.
fn of_whole(settings: &Value, out: &Path) -> Vec<String> {
    let words = settings["arguments"]["command"].as_array().into_iter().flatten();
    let mut words = words.filter_map(Value::as_str);
    let mut kept = Vec::new();
    while let Some(word) = words.next() {
        let is_either =
            |option: &str| word == option || word.strip_prefix(option).is_some_and(|rest| rest.starts_with('='));
        if !["--shard", "--out"].into_iter().any(is_either) {
            kept.push(word.to_string());
        } else if !word.contains('=') {
            words.next();
        }
    }
    kept.extend(["--out".into(), out.to_string_lossy().into_owned()]);
    kept
}

pub fn run(args: &MergeArgs) -> Result<()> {
    let parts = args.parts.iter().map(|path| Part::read(path)).collect::<Result<Vec<_>>>()?;
    check(&parts)?;
    // Nothing is written before everything is sound.
    let mut names = Vec::new();
    for part in &parts {
        for checkpoint in folder::shard_checkpoints(&part.path)? {
            names.push(checkpoint?.0);
        }
    }
    check_coverage(&parts[0].settings, &names)?;
    let out = std::path::absolute(&args.out).with_context(|| format!("{}: no path", args.out.display()))?;
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    if let Some(part) = parts.iter().find(|part| real(&out).is_some_and(|out| real(&part.path) == Some(out))) {
        bail!("{}: is one of the parts; choose another --out", part.path.display());
    }
    let mut settings = parts[0].settings.clone();
    let command = of_whole(&settings, &out);
    settings["arguments"]["command"] = json!(command);
    // What another merging has begun is ended; another run is not replaced, because this one's data may not be at hand.
    let folder = Folder::open(out.clone(), &settings, Opening::Continue)?.of_shard(None)?;
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
    let directory = settings["arguments"]["directory"].as_str().unwrap_or("where it was begun").to_string();
    train::run(&TrainArgs::try_parse_from(resume.into_iter().chain(quiet))?).with_context(|| {
        let name = args.out.display();
        format!(
            "{name}: has all parts, but is not a whole yet; merge again (its files are looked for from {directory})"
        )
    })
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
    let mut of_numbers: BTreeMap<usize, &Part> = BTreeMap::new();
    for part in parts {
        if let Some(other) = of_numbers.insert(part.shard.number, part) {
            bail!("{} and {} are both part {}", other.path.display(), part.path.display(), part.shard);
        }
    }
    let missing = (1..=first.shard.count).filter(|number| !of_numbers.contains_key(number));
    let missing: Vec<String> = missing.map(|number| Shard { number, ..first.shard }.to_string()).collect();
    const NAMED: usize = 10;
    let more = if missing.len() > NAMED { ", ..." } else { "" };
    match missing.len() {
        0 => Ok(()),
        1 => bail!("part {} is missing", missing[0]),
        _ => bail!("parts {}{more} are missing", missing[..missing.len().min(NAMED)].join(", ")),
    }
}

/// Refuses checkpoints, called NAME-FIRST-END, that leave networks out or have some twice: what they lack would be trained here.
fn check_coverage(settings: &Value, names: &[String]) -> Result<()> {
    let mut trainings: BTreeMap<&str, Vec<(usize, usize)>> = BTreeMap::new();
    for name in names {
        let mut words = name.strip_suffix(".safetensors").unwrap_or(name).rsplitn(3, '-');
        let mut number = || words.next().and_then(|word| word.parse().ok());
        let (Some(end), Some(first)) = (number(), number()) else { bail!("{name}: is no name of a checkpoint") };
        trainings.entry(words.next().unwrap_or_default()).or_default().push((first, end));
    }
    let mut total = 0;
    for (name, ranges) in &mut trainings {
        ranges.sort_unstable();
        let mut next = 0;
        for &(first, end) in &*ranges {
            if first != next {
                let what = if first > next { "in no part" } else { "in two parts" };
                bail!("networks {} to {} of {name} are {what}", next.min(first), next.max(first).saturating_sub(1));
            }
            next = end;
        }
        total += next;
    }
    if !settings["experiment"].is_null() {
        // How many networks an experiment has is in no setting.
        return Ok(());
    }
    let settings = &settings["settings"];
    let cells = settings["cells"].as_array().map_or(1, Vec::len);
    let all = settings["replicas"].as_u64().unwrap_or(0).saturating_mul(cells as u64);
    if total as u64 != all {
        bail!("the parts have {total} of {all} networks");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_is_asked_for_without_its_part() {
        let of = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            of_whole(&json!({ "arguments": { "command": words } }), Path::new("w")).join(" ")
        };
        assert_eq!(of("asgd train --shard 2/3 --out a x"), "asgd train x --out w");
        assert_eq!(of("asgd train --out=a --shard=2/3"), "asgd train --out w");
        assert_eq!(of("asgd train x --shard 1/1"), "asgd train x --out w");
    }

    #[test]
    fn every_network_is_in_one_part() {
        let check = |replicas: usize, names: &[&str]| {
            let settings = json!({ "settings": { "replicas": replicas } });
            let names: Vec<String> = names.iter().map(|name| format!("{name}.safetensors")).collect();
            check_coverage(&settings, &names).map_err(|error| error.to_string())
        };
        assert_eq!(check(5, &["replicas-3-5", "replicas-0-2", "replicas-2-3"]), Ok(()));
        assert_eq!(
            check(5, &["replicas-3-5", "replicas-0-2"]),
            Err("networks 2 to 2 of replicas are in no part".into())
        );
        assert_eq!(check(5, &["replicas-1-5"]), Err("networks 0 to 0 of replicas are in no part".into()));
        assert_eq!(
            check(5, &["replicas-0-3", "replicas-2-5"]),
            Err("networks 2 to 2 of replicas are in two parts".into())
        );
        assert_eq!(check(5, &["replicas-0-4"]), Err("the parts have 4 of 5 networks".into()));
        assert_eq!(check(5, &["a-b-0-2", "a-c-0-3"]), Ok(()));
        assert!(check(usize::MAX, &["replicas-0-4"]).is_err());
        assert!(check(5, &["replicas"]).is_err());
    }
}
