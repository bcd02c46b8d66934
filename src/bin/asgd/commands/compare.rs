//! `asgd compare`

use std::path::PathBuf;

use anyhow::Result;
use asgd::Error;
use asgd::files::write_atomically;
use clap::Args;
use serde_json::json;

use crate::compare::{self, Axis, Differences, PastRun};
use crate::console::print_line;
use crate::figures::lines;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  asgd compare runs/circles-1 runs/circles-2
  asgd compare runs/* --by step --figure curves.svg --report runs.html")]
pub struct CompareArgs {
    /// Folders of runs, finished or not; of a sweep, each of its cells is a run.
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// What the curves run over.
    #[arg(long, value_enum, default_value = "epoch")]
    pub by: Axis,
    /// The figure: learning curves on the test set.
    #[arg(long, value_name = "FILE.svg", default_value = "compare.svg")]
    pub figure: PathBuf,
    /// Write a page with table and figure as well.
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,
    /// Compare runs on different data all the same.
    #[arg(long)]
    pub any_data: bool,
    /// Print one line of JSON.
    #[arg(long)]
    pub json: bool,
}

pub fn run(args: &CompareArgs) -> Result<()> {
    let runs = read(args)?;
    let differences = Differences::of(&runs);
    let names: Vec<String> = runs.iter().enumerate().map(|(index, run)| differences.legend(index, run)).collect();
    let (panels, size) = compare::panels(&runs, &names, args.by);
    write_atomically(&args.figure, lines("", &panels, 2, size)?.as_bytes())?;
    if let Some(path) = &args.report {
        write_atomically(path, compare::page(&runs, &differences, args.by)?.html().as_bytes())?;
    }
    if args.json {
        let mut document = compare::json(&runs, &differences);
        document["figure"] = json!(args.figure);
        document["report"] = json!(args.report);
        return print_line(&document.to_string());
    }
    let table = compare::table(&runs, &differences).text();
    print_line(&format!("{}\n\n{table}\n", compare::common(&differences)))?;
    for note in compare::notes(&runs) {
        print_line(&note)?;
    }
    let written: Vec<String> = [Some(&args.figure), args.report.as_ref()]
        .into_iter()
        .flatten()
        .map(|path| path.display().to_string())
        .collect();
    print_line(&written.join(", "))
}

/// All runs, which must be two at least, each once, and on the same data.
fn read(args: &CompareArgs) -> Result<Vec<PastRun>> {
    let refuse = |problem: String| Err(Error::Setting { setting: "RUN", problem }.into());
    let mut folders = Vec::new();
    let mut runs = Vec::new();
    for path in &args.runs {
        let folder = path.canonicalize().unwrap_or_else(|_| path.clone());
        if folders.contains(&folder) {
            return refuse(format!("{} is named twice", path.display()));
        }
        folders.push(folder);
        runs.extend(compare::read(path)?);
    }
    if runs.len() < 2 {
        return refuse(format!("{} alone has nothing beside it; name two runs or more", args.runs[0].display()));
    }
    if let Some(other) = runs.iter().find(|run| run.task() != runs[0].task()) {
        let [first, second] = [&runs[0], other].map(|run| format!("{} is a {}", run.folder.display(), run.task()));
        return refuse(format!("{first}, but {second}: their losses and scores have nothing in common"));
    }
    let other = runs.iter().find(|run| !run.has_data_of(&runs[0]));
    if let (Some(other), false) = (other, args.any_data) {
        let [first, second] = [&runs[0], other].map(|run| {
            let data = &run.data;
            let name = data["name"].as_str().unwrap_or("?");
            format!("{} ({name}, {} + {} samples)", run.folder.display(), data["train_samples"], data["test_samples"])
        });
        return refuse(format!(
            "{first} and {second} were trained on different data; --any-data compares them all the same"
        ));
    }
    Ok(runs)
}
