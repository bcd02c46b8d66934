//! `asgd completions` and `asgd man`

use std::path::Path;

use anyhow::{Context, Result};
use clap_complete::Shell;

/// Prints the completions of a shell.
pub fn completions(shell: Shell, command: &mut clap::Command) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, command, "asgd", &mut script);
    std::io::Write::write_all(&mut std::io::stdout(), &script).context("stdout cannot be written")
}

/// Writes asgd.1, asgd-train.1 and so on.
pub fn man(folder: &Path, command: clap::Command) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("{}: cannot be made", folder.display()))?;
    clap_mangen::generate_to(command, folder).with_context(|| format!("{}: cannot be written", folder.display()))
}
