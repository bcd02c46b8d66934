//! What a command says while it works.

use std::io::Write;

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::training::Point;

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

    /// Shows the means of one evaluation of every replica of a wave.
    pub fn evaluation(&self, progress: &ProgressBar, steps_per_epoch: u64, points: &[&Point]) {
        let (Some(first), false) = (points.first(), self.quiet) else { return };
        let mean =
            |value: fn(&Point) -> f64| points.iter().map(|point| value(point)).sum::<f64>() / points.len() as f64;
        let line = format!(
            "epoch {:>5}  train loss {:.4} accuracy {:.4}  test loss {:.4} accuracy {:.4}",
            (first.step as f64 / steps_per_epoch as f64 * 100.0).round() / 100.0,
            mean(|point| point.train.loss),
            mean(|point| point.train.accuracy),
            mean(|point| point.test.loss),
            mean(|point| point.test.accuracy)
        );
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
