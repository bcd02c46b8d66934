//! What a command says while it works.

use std::io::Write;

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Messages and progress, on stderr.
pub struct Reporter {
    pub quiet: bool,
}

impl Reporter {
    /// Says something, unless quiet.
    pub fn line(&self, line: &str) {
        if !self.quiet {
            eprintln!("{line}");
        }
    }

    /// A bar below the lines of the evaluations; elsewhere than on a terminal there are only the lines.
    pub fn progress(&self, length: u64) -> ProgressBar {
        let target = if self.quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let style = ProgressStyle::with_template("{bar:30} {percent:>3} %  {per_sec}  left {eta}");
        let bar = ProgressBar::with_draw_target(Some(length), target);
        match style {
            Ok(style) => bar.with_style(style.with_key(
                "per_sec",
                |state: &indicatif::ProgressState, text: &mut dyn std::fmt::Write| {
                    // A bar that cannot be written is no reason to fail.
                    let _ = write!(text, "{:.0} steps/s", state.per_sec());
                },
            )),
            Err(_) => bar,
        }
    }

    /// A bar of bytes; without end where the server does not say how many.
    pub fn download(&self, bytes: Option<u64>) -> ProgressBar {
        let target = if self.quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let template = "{bar:30} {bytes} of {total_bytes}  {bytes_per_sec}  left {eta}";
        let bar = ProgressBar::with_draw_target(bytes, target);
        match ProgressStyle::with_template(template) {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        }
    }

    /// Says something above a bar that keeps moving.
    pub fn above(&self, progress: &ProgressBar, line: &str) {
        if self.quiet {
            return;
        }
        if progress.is_hidden() {
            eprintln!("{line}");
        } else {
            progress.println(line);
        }
    }
}

/// Prints a line to stdout; a closed pipe is an error, not a panic.
pub fn print_line(line: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").context("stdout cannot be written")
}
