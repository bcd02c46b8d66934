//! The `asgd` command.

mod commands;
mod compare;
mod confusion;
mod console;
mod data_source;
mod device_args;
mod experiments;
mod figures;
mod onnx;
mod report;
mod run;
mod statistics;
mod table;
mod trained;
mod values;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

use crate::commands::compare::CompareArgs;
use crate::commands::devices::DevicesArgs;
use crate::commands::evaluate::EvaluateArgs;
use crate::commands::export::ExportArgs;
use crate::commands::fetch::DataCommand;
use crate::commands::inspect::InspectArgs;
use crate::commands::manual::{CompletionsArgs, ManArgs};
use crate::commands::predict::PredictArgs;
use crate::commands::prune::PruneArgs;
use crate::commands::train::TrainArgs;
use crate::experiments::Experiment;

/// Trains many small ReLU networks side by side on any GPU, with SGD and with aSGD: SGD with an adaptive batch
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
}

fn main() -> ExitCode {
    // Mesa's device-select layer looks for a Wayland display and complains on stderr where there is none, as in
    // containers. This program chooses its device itself. (No thread runs yet; set_var is safe in edition 2021.)
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        std::env::set_var("NODEVICE_SELECT", "1");
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            return ExitCode::from(2);
        }
        Err(error) if error.use_stderr() => {
            // One line: what is wrong, without clap's usage paragraph.
            let message = error.to_string();
            let first: Vec<&str> = message.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
            eprintln!("{} (see asgd --help)", first.join(" "));
            return ExitCode::from(2);
        }
        Err(help) => {
            // Help and version go to stdout; a closed pipe is no failure.
            let _ = help.print();
            return ExitCode::SUCCESS;
        }
    };
    let result = match cli.command {
        Command::Train(args) => commands::train::run(&args),
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
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let usage = error.downcast_ref::<asgd::Error>().is_some_and(asgd::Error::is_usage);
            eprintln!("error: {error:#}");
            ExitCode::from(if usage { 2 } else { 1 })
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
