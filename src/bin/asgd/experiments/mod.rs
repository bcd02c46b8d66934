//! `asgd experiment`: the three experiments of Shi et al. 2022, beside the paper's own numbers, and one on what it leaves open.

mod bench;
mod claims;
mod curves;
mod dummies;
mod extensions;
mod learning_rates;
mod mnist;
mod paths;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use crate::run::signals;

/// The experiments of Shi et al. 2022 by their numbers.
#[derive(Debug, Subcommand)]
pub enum Experiment {
    /// Sections 2.2 and 3.1: what each sample contributes, and the path of every parameter of a small network.
    #[command(name = "1")]
    Paths(paths::PathsArgs),
    /// Section 3.2: true dummy nodes and convergence on circles and spirals, many times over.
    #[command(name = "2")]
    Dummies(Box<dummies::DummiesArgs>),
    /// Section 3.3: MNIST at the learning rates of tables 1 and 2.
    #[command(name = "3")]
    LearningRates(learning_rates::LearningRatesArgs),
    /// What the paper leaves open: aSGD with schedules, dropout, batch normalization and early stopping, and its gradient under other rules.
    #[command(name = "4")]
    Extensions(extensions::ExtensionsArgs),
}

/// An experiment by its number, as its command line has it.
#[derive(Debug, Parser)]
struct ByNumber {
    #[command(subcommand)]
    experiment: Experiment,
}

/// Ends an experiment whose parts are all trained, in their folder.
///
/// # Errors
/// If the command line that began its parts is none of an experiment with parts; or as [`run`].
pub fn complete(words: &[String], out: PathBuf, is_quiet: bool) -> Result<()> {
    let parsed = ByNumber::try_parse_from(words.iter().skip(1)).ok().context("settings.json names no experiment")?;
    let mut experiment = parsed.experiment;
    let common = match &mut experiment {
        Experiment::Paths(args) => &mut args.common,
        Experiment::Dummies(args) => &mut args.common,
        Experiment::LearningRates(args) => &mut args.common,
        Experiment::Extensions(args) => &mut args.common,
    };
    (common.out, common.quiet) = (Some(out), is_quiet);
    run(&experiment)
}

pub fn run(experiment: &Experiment) -> Result<()> {
    signals::install();
    match experiment {
        Experiment::Paths(args) => paths::run(args),
        Experiment::Dummies(args) => dummies::run(args),
        Experiment::LearningRates(args) => learning_rates::run(args),
        Experiment::Extensions(args) => extensions::run(args),
    }
}
