//! The `asgd` command.

mod answers;
mod bench;
mod commands;
mod compare;
mod confusion;
mod console;
mod data_source;
mod device_args;
mod experiments;
mod figures;
#[cfg(test)]
mod mutated;
mod onnx;
mod ranks;
mod report;
mod residuals;
mod run;
mod statistics;
mod sweep;
mod table;
mod trained;
mod usage;
mod values;

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

use crate::commands::bench::BenchArgs;
use crate::commands::check::CheckArgs;
use crate::commands::compare::CompareArgs;
use crate::commands::devices::DevicesArgs;
use crate::commands::evaluate::EvaluateArgs;
use crate::commands::export::ExportArgs;
use crate::commands::fetch::DataCommand;
use crate::commands::inspect::InspectArgs;
use crate::commands::manual::{CompletionsArgs, ManArgs};
use crate::commands::merge::MergeArgs;
use crate::commands::predict::PredictArgs;
use crate::commands::prune::PruneArgs;
use crate::commands::train::TrainArgs;
use crate::experiments::Experiment;
use crate::ranks::last_line;
use crate::run::interrupt;

/// Trains many small networks side by side on any GPU, with SGD and with aSGD: SGD with an adaptive batch
/// size for every parameter.
#[derive(Debug, Parser)]
#[command(name = "asgd", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train R networks of one shape on a data set.
    Train(Box<TrainArgs>),
    /// Rerun an experiment of the paper, beside the paper's own numbers.
    #[command(
        subcommand,
        subcommand_value_name = "NUMBER",
        subcommand_help_heading = "Experiments",
        disable_help_subcommand = true
    )]
    Experiment(Experiment),
    /// Make one run of the parts that `train --shard` and `experiment --shard` have trained.
    Merge(MergeArgs),
    /// Loss, accuracy, confusion matrix, precision and recall of a trained model.
    Evaluate(EvaluateArgs),
    /// Runs beside each other: settings that differ, accuracies, losses, and a figure of their learning curves.
    Compare(CompareArgs),
    /// The class of every row of a CSV file, and its probability, as CSV on stdout.
    Predict(PredictArgs),
    /// Dummy nodes, adaptive batch sizes, weights and activations, layer by layer.
    Inspect(InspectArgs),
    /// Cut true dummy nodes out of a network, and prove that its outputs stay the same.
    Prune(PruneArgs),
    /// Write a network as ONNX.
    Export(ExportArgs),
    /// Data sets.
    #[command(subcommand)]
    Data(DataCommand),
    /// Print completions for a shell.
    Completions(CompletionsArgs),
    /// Write the manual pages into a folder.
    Man(ManArgs),
    /// List the devices, their limits, and which one would be used.
    Devices(DevicesArgs),
    /// Check the devices: every shader alone, and trainings of both engines against the reference.
    Check(CheckArgs),
    /// Time steps of aSGD beside SGD on standard workloads, and each kernel of a GPU.
    Bench(BenchArgs),
}

fn main() -> ExitCode {
    // Mesa's device-select layer looks for a Wayland display and complains on stderr where there is none, as in
    // containers. This program chooses its device itself.
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: no thread runs yet.
        #[expect(unsafe_code, reason = "the loader of Vulkan reads the environment and nothing else")]
        unsafe {
            std::env::set_var("NODEVICE_SELECT", "1");
        }
    }
    let membership = match ranks::join() {
        Ok(membership) => membership,
        Err((membership, error)) => return membership.leave(end(Err(error))),
    };
    membership.leave(execute())
}

/// Does what the command line says; the exit code.
fn execute() -> u8 {
    let words = usage::with_negative_values(std::env::args_os());
    let cli = match Cli::try_parse_from(&words) {
        Ok(cli) => cli,
        Err(error) if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            return USAGE;
        }
        Err(error) if error.use_stderr() => {
            if last_line::is_mine() {
                console::complain(&usage::explain(&error, &Cli::command(), &words));
            }
            return USAGE;
        }
        Err(_) if !ranks::is_first() => return 0,
        // Help and version, in colours on a terminal.
        Err(help) if std::io::stdout().is_terminal() => {
            let _ = help.print();
            return 0;
        }
        Err(help) => return end(console::print(help.to_string().as_bytes())),
    };
    end(run(cli.command))
}

fn run(command: Command) -> Result<()> {
    if ranks::count() > 1 && !matches!(command, Command::Train(_) | Command::Experiment(_)) {
        bail!("several processes are for train and experiment; start one, without mpirun");
    }
    match command {
        Command::Train(args) => commands::train::run(&args),
        Command::Merge(args) => commands::merge::run(&args),
        Command::Evaluate(args) => commands::evaluate::run(&args),
        Command::Compare(args) => commands::compare::run(&args),
        Command::Predict(args) => commands::predict::run(&args),
        Command::Inspect(args) => commands::inspect::run(&args),
        Command::Prune(args) => commands::prune::run(&args),
        Command::Export(args) => commands::export::run(&args),
        Command::Data(DataCommand::Fetch(args)) => commands::fetch::run(&args),
        Command::Completions(args) => commands::manual::completions(&args, &mut Cli::command()),
        Command::Man(args) => commands::manual::man(&args, Cli::command()),
        Command::Experiment(experiment) => experiments::run(&experiment),
        Command::Devices(args) => commands::devices::run(&args),
        Command::Check(args) => commands::check::run(&args),
        Command::Bench(args) => commands::bench::run(&args),
    }
}

/// What went wrong, and why, whatever is in the files that it is about.
fn line(error: &anyhow::Error) -> String {
    asgd::one_line(&format!("{error:#}"))
}

/// What is given for a wrong command line.
const USAGE: u8 = 2;

/// Says what went wrong, if anything did; the exit code.
fn end(result: Result<()>) -> u8 {
    match result {
        Ok(()) => 0,
        Err(error) if error.is::<console::NobodyReads>() => 0,
        Err(error) => {
            let usage = error.downcast_ref::<asgd::Error>().is_some_and(asgd::Error::is_usage);
            if interrupt::requested() && last_line::is_mine_where_interrupted() {
                console::complain(&format!("error: {}", line(&error)));
            } else if !interrupt::requested() && last_line::is_mine() {
                console::complain(&format!("error: {}{}", last_line::name(), line(&error)));
            }
            if usage { USAGE } else { 1 }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
