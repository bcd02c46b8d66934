//! The `asgd` command.

mod cli;
mod commands;
mod data_source;
mod experiments;
mod figures;
mod folder;
mod interrupt;
mod metrics;
mod onnx;
mod report;
mod statistics;
mod table;
mod training;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::Parser;

use crate::cli::{Cli, Command, DataCommand};

fn main() -> ExitCode {
    // Mesa's device-select layer looks for a Wayland display and complains on stderr where there is none, as in
    // containers. This program chooses its adapter itself. (No thread runs yet; set_var is safe in edition 2021.)
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
        Command::Predict(args) => commands::predict::run(&args),
        Command::Inspect(args) => commands::inspect::run(&args),
        Command::Prune(args) => commands::prune::run(&args),
        Command::Export(args) => commands::export::run(&args),
        Command::Data(DataCommand::Fetch(args)) => commands::fetch::run(&args),
        Command::Completions { shell } => commands::manual::completions(shell),
        Command::Man { folder } => commands::manual::man(&folder),
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
