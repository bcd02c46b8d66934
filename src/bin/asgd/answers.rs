//! What a trained network says of samples, as CSV on stdout, batch by batch.

use anyhow::Result;
use asgd::dataset::Samples;
use asgd::{Device, Model, Predictor, Task};
use indicatif::ProgressBar;

use crate::console::{Reporter, print};
use crate::trained::{class_name, classify, target_names};

/// The answers of one network.
pub struct Answers<'a> {
    device: Device,
    model: &'a Model,
    /// Made with the first samples, and kept.
    predictor: Option<Predictor>,
    report: &'a Reporter,
    progress: ProgressBar,
    rows: u64,
    /// So many rows are worth a line.
    next_line: u64,
}

/// Rows from which on there is something to say of them, where no terminal shows a bar.
const MANY: u64 = 100_000;

impl<'a> Answers<'a> {
    /// Prints the header.
    pub fn begin(device: Device, model: &'a Model, report: &'a Reporter) -> Result<Self> {
        let mut header = csv::Writer::from_writer(Vec::new());
        match model.spec().loss().task() {
            Task::Classification => header.write_record(["class", "probability"])?,
            Task::Regression => header.write_record(target_names(model))?,
        }
        print(&header.into_inner()?)?;
        Ok(Self { device, model, predictor: None, report, progress: report.rows(), rows: 0, next_line: MANY })
    }

    /// Prints a row for each sample.
    pub fn answer(&mut self, samples: &Samples) -> Result<()> {
        let predictor = match &mut self.predictor {
            Some(predictor) => {
                predictor.replace_samples(samples)?;
                predictor
            }
            none => none.insert(Predictor::new(&self.device, self.model, samples)?),
        };
        let logits = predictor.logits()?;
        let mut text = csv::Writer::from_writer(Vec::new());
        let scaling = self.model.data.target_scaling_or_none();
        for logits in logits.chunks_exact(self.model.spec().outputs()) {
            if self.model.spec().loss().is_regression() {
                let targets = logits.iter().enumerate();
                let targets = targets.map(|(target, &output)| scaling.undo(target, f64::from(output)).to_string());
                text.write_record(targets)?;
                continue;
            }
            let (class, probability) = classify(self.model.spec().loss(), logits);
            text.write_record([class_name(&self.model.class_names, class), probability.to_string()])?;
        }
        print(&text.into_inner()?)?;
        self.rows += samples.len() as u64;
        self.progress.set_position(self.rows);
        if self.rows >= self.next_line && self.progress.is_hidden() {
            self.say_rows();
            self.next_line = 2 * self.rows;
        }
        Ok(())
    }

    /// Says how many there were, if many.
    pub fn end(self) {
        self.progress.finish_and_clear();
        if self.rows >= MANY {
            self.say_rows();
        }
    }

    fn say_rows(&self) {
        self.report.line(&format!("rows     {} answered", self.rows));
    }
}
