//! What a command says while it works, on stderr, and what it prints, on stdout; and what it means when nobody takes it.
//!
//! Progress and messages never stop the work: those that cannot be written are dropped. Where the product is a set of
//! files, so are the lines that tell of them. Where the product is what is printed, a reader that has gone away (`| head`)
//! ends the command quietly, and any other failure (a full disk) is an error.

use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::ranks;

/// Messages and progress, on stderr.
pub struct Reporter {
    pub quiet: bool,
}

impl Reporter {
    /// Says something, unless quiet.
    pub fn line(&self, line: &str) {
        if !self.quiet && ranks::is_first() {
            complain(line);
        }
    }

    /// A bar below the lines of the evaluations; elsewhere than on a terminal there are only the lines.
    pub fn progress(&self, length: u64) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(Some(length), self.target());
        styled(bar, "{bar:30} {percent:>3} %  {rate} steps/s  left {eta}")
    }

    /// A bar of bytes; without end where the server does not say how many.
    pub fn download(&self, bytes: Option<u64>) -> ProgressBar {
        let template = "{bar:30} {bytes} of {total_bytes}  {bytes_per_sec}  left {eta}";
        styled(ProgressBar::with_draw_target(bytes, self.target()), template)
    }

    /// Rows answered so far, without an end. Hidden where the answers themselves are on the terminal.
    pub fn rows(&self) -> ProgressBar {
        let target = if std::io::stdout().is_terminal() { ProgressDrawTarget::hidden() } else { self.target() };
        styled(ProgressBar::with_draw_target(None, target), "{human_pos} rows answered  {rate} rows/s")
    }

    /// Says something above a bar that keeps moving.
    pub fn above(&self, progress: &ProgressBar, line: &str) {
        if progress.is_hidden() {
            self.line(line);
        } else {
            progress.println(line);
        }
    }

    fn target(&self) -> ProgressDrawTarget {
        if self.quiet || !ranks::is_first() { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() }
    }
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    let rate = |state: &ProgressState, text: &mut dyn std::fmt::Write| {
        // A bar that cannot be written is no reason to fail.
        let _ = write!(text, "{:.0}", state.per_sec());
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.with_key("rate", rate)),
        Err(_) => bar,
    }
}

/// A line on stderr, dropped where it cannot be written. (`eprintln!` panics there.)
pub fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Nobody reads stdout any more: a reason to end, but no failure.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads stdout any more")]
pub struct NobodyReads;

/// Prints the product of a command, or the next part of it.
///
/// # Errors
/// [`NobodyReads`], or what the system says.
pub fn print(text: &[u8]) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    // What is not flushed here would be lost without an error at the end of the process.
    match stdout.write_all(text).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(NobodyReads.into()),
        result => result.context("stdout cannot be written"),
    }
}

/// Prints a line of what is the product of a command.
///
/// # Errors
/// As [`print`].
pub fn print_line(line: &str) -> Result<()> {
    print(format!("{line}\n").as_bytes())
}

/// Tells on stdout of work whose product is files: they are what counts. Once stdout has failed, it is left alone.
pub fn announce(line: &str) {
    static HAS_FAILED: AtomicBool = AtomicBool::new(false);
    if HAS_FAILED.load(Ordering::Relaxed) || !ranks::is_first() {
        return;
    }
    if let Err(error) = print_line(line) {
        HAS_FAILED.store(true, Ordering::Relaxed);
        if !error.is::<NobodyReads>() {
            complain(&format!("warning  {error:#}"));
        }
    }
}
