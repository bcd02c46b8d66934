//! Experiment 4: what the paper leaves open. aSGD "can be unstable in the later stages of training and needs to be used with other
//! optimization methods" (section 4): is the late rise of its test loss cured, and by what (cures.rs)? And does the effective
//! gradient still win once the rule adapts by itself (rules.rs)?
//!
//! The paper's network and settings for MNIST. A sixth of the training images is set aside for validation, by which whatever is
//! chosen is chosen; the test images choose nothing.

mod cures;
mod rules;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use asgd::dataset::ValidationShare;
use asgd::{Dataset, Init, NetworkSpec, ReplicaSettings, Schedule, TrainSettings};
use clap::Args;
use maud::html;
use serde_json::json;

use super::bench::{Bench, CommonArgs, check_seed, device_line};
use super::curves;
use super::mnist::{BATCH_SIZE, WIDTHS, steps_per_epoch};
use crate::data_source::open_known;
use crate::report::Report;
use crate::run::chunks::{Nobody, SaveEvery, Training};
use crate::run::metrics::Trajectories;
use crate::values::{at_least_one, drawn_init, seconds};

#[derive(Debug, Args)]
#[command(after_help = "\
The report in docs/: asgd experiment 4 --replicas 10 --epochs 200 --rule-epochs 50
A first look:        asgd experiment 4 --replicas 2 --epochs 2")]
pub struct ExtensionsArgs {
    #[command(flatten)]
    pub common: CommonArgs,
    /// Trainings of each row.
    #[arg(long, value_name = "R", default_value_t = 3, value_parser = at_least_one::<usize>)]
    pub replicas: usize,
    /// Passes over the training set of aSGD alone and with what may cure its late rise.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub epochs: u64,
    /// Passes over the training set of each gradient under each rule. [default: as --epochs]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub rule_epochs: Option<u64>,
    /// Trainings of each learning rate of the sweep that finds the best one; their seeds are after those of the rows.
    #[arg(long, value_name = "R", default_value_t = 2, value_parser = at_least_one::<usize>)]
    pub sweep_replicas: usize,
    /// Passes over the training set in the sweep.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub sweep_epochs: u64,
    /// Initial weights: kaiming, glorot, pytorch or normal:STD. N(0, 1) reproduces the paper's figures.
    #[arg(long, value_name = "INIT", default_value = "normal:1", value_parser = drawn_init)]
    pub init: Init,
    /// Seconds from one save of what is trained to the next; that much is lost if the program is killed.
    #[arg(long, value_name = "SECONDS", default_value = "15", value_parser = seconds)]
    pub save_every: Duration,
    /// Folder that holds mnist/. [default: $ASGD_DATA_DIR, else the user's data folder]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

impl ExtensionsArgs {
    fn rule_epochs(&self) -> u64 {
        self.rule_epochs.unwrap_or(self.epochs)
    }
}

/// A sixth: 10,000 of MNIST's 60,000 training images.
const VALIDATION: ValidationShare = ValidationShare { fraction: 1.0 / 6.0, seed: 0 };

pub fn run(args: &ExtensionsArgs) -> Result<()> {
    check_seed(args.common.seed, args.replicas.saturating_add(args.sweep_replicas))?;
    let data = open_known("mnist", args.data_dir.as_deref(), 10)?.with_validation(VALIDATION)?;
    let own = json!({
        "replicas": args.replicas, "epochs": args.epochs, "rule_epochs": args.rule_epochs(),
        "sweep_replicas": args.sweep_replicas, "sweep_epochs": args.sweep_epochs,
        "seed": args.common.seed, "init": args.init.to_string(),
    });
    let bench = Bench::open(4, &args.common, None, &[&data], own)?;
    let laboratory = Laboratory { args, bench: &bench, data: &data };
    let cures = cures::train(&laboratory)?;
    let choices = rules::sweep(&laboratory)?;
    let rows = rules::train(&laboratory, &choices)?;

    let mut report = introduction(args, &bench, &data);
    cures::report(&mut report, &cures, steps_per_epoch(&data))?;
    rules::report(&mut report, &choices, &rows, steps_per_epoch(&data))?;
    let all: Vec<_> = cures::labelled(&cures).chain(rules::labelled(&choices, &rows)).collect();
    let columns = ["row", "learning_rate"];
    bench.folder.write("curves.csv", &curves::csv(&columns, &all, args.common.seed, steps_per_epoch(&data))?)?;
    bench.finish(&report)
}

/// What all trainings of the experiment share.
struct Laboratory<'a> {
    args: &'a ExtensionsArgs,
    bench: &'a Bench,
    data: &'a Dataset,
}

/// Trainings that differ in what a replica can differ in.
struct Plan<'a> {
    /// Names its checkpoint.
    name: &'a str,
    spec: NetworkSpec,
    /// Whatever their seeds: each is trained with all of `seeds`.
    rows: Vec<ReplicaSettings>,
    /// All rows start from the same networks.
    seeds: Vec<u64>,
    epochs: u64,
    schedule: Schedule,
    /// Or at the start and the end alone.
    is_evaluated_every_epoch: bool,
}

impl Laboratory<'_> {
    fn spec(&self) -> Result<NetworkSpec> {
        Ok(NetworkSpec::new(&WIDTHS)?)
    }

    /// Of the trainings of each row.
    fn seeds(&self) -> Vec<u64> {
        (0..self.args.replicas as u64).map(|repeat| self.args.common.seed + repeat).collect()
    }

    /// What became of each row: (rows, seeds, evaluations).
    fn train(&self, plan: Plan<'_>) -> Result<Vec<Trajectories>> {
        let Plan { name, spec, rows, seeds, epochs, schedule, is_evaluated_every_epoch } = plan;
        let start = self.args.init.model(&spec, &seeds)?;
        let of_row =
            |row: &ReplicaSettings| seeds.iter().map(|&seed| ReplicaSettings { seed, ..*row }).collect::<Vec<_>>();
        let replicas: Vec<ReplicaSettings> = rows.iter().flat_map(of_row).collect();
        let steps = epochs * steps_per_epoch(self.data);
        let training = Training {
            name: name.into(),
            dataset: self.data,
            initial: start.repeat(replicas.len()),
            settings: TrainSettings {
                batch_size: BATCH_SIZE,
                replicas,
                schedule: Schedule { steps, ..schedule },
                ..Default::default()
            },
            steps,
            evaluate_every: if is_evaluated_every_epoch { steps_per_epoch(self.data) } else { steps },
            rules: None,
            save: SaveEvery::Time(self.args.save_every),
            // Each decides by them what is trained next.
            is_for_all: true,
        };
        let Bench { devices, folder, report } = self.bench;
        report.line(&format!("training {} networks, {epochs} epochs: {name}", training.settings.replicas.len()));
        let trained = training.run(devices, folder, report, &mut Nobody)?.context("no part of a run")?;
        Ok(trained.trajectories.chunks(seeds.len()).map(<[_]>::to_vec).collect())
    }
}

fn introduction(args: &ExtensionsArgs, bench: &Bench, data: &Dataset) -> Report {
    let validation = data.validation.as_ref().map_or(0, |samples| samples.len());
    let mut report = Report::new("Experiment 4: aSGD with other methods and under other rules");
    report.text(html! {
        p { "Shi, Yang, Tang, Yang, Mathematics 2022, 10, 863, ends with questions: aSGD \"can be unstable in the later stages of training and needs to "
            "be used with other optimization methods\" (early stopping, learning rate schedules, dropout, batch normalization), and its gradient may go "
            "with other rules. Here they are asked of the paper's network for MNIST, 784-30-20-10, batches of " (BATCH_SIZE) ", pixels / 255, initial "
            "weights " (args.init.to_string()) ", biases 0." }
        p { "Of the 60,000 training images " (validation) " are set aside for validation, by which learning rates, epochs and early stopping are chosen; "
            (data.train.len()) " are trained on. The " (data.test.len()) " test images choose nothing. " (args.replicas) " trainings a row; training r of "
            "every row starts from the same network and sees the same batches." }
    });
    report.text(device_line(bench.device()));
    report
}
