//! What a command says while it works.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::run_folder::Row;

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

    /// Shows the means of one evaluation.
    pub fn evaluation(&self, progress: &ProgressBar, rows: &[Row]) {
        let (Some(first), false) = (rows.first(), self.quiet) else { return };
        let mean = |value: fn(&Row) -> f64| rows.iter().map(value).sum::<f64>() / rows.len() as f64;
        let line = format!(
            "epoch {:>5}  train loss {:.4} accuracy {:.4}  test loss {:.4} accuracy {:.4}",
            (first.epoch * 100.0).round() / 100.0,
            mean(|row| row.train.loss),
            mean(|row| row.train.accuracy),
            mean(|row| row.test.loss),
            mean(|row| row.test.accuracy)
        );
        if progress.is_hidden() {
            eprintln!("{line}");
        } else {
            progress.println(line);
        }
    }
}
