//! Submissions sized by measured time: long enough that their overhead vanishes, short enough that no
//! watchdog kills them and that progress can be shown.

use std::time::{Duration, Instant};

use wgpu::SubmissionIndex;

use super::adapter::Gpu;
use crate::error::Result;

const TARGET: Duration = Duration::from_millis(100);

/// Sizes submissions of one kind of work, and keeps one in flight while the next is encoded.
#[derive(Debug)]
pub(crate) struct Pacer {
    /// Units of work that a submission should hold now.
    units: u64,
    max_units: u64,
    in_flight: Option<(SubmissionIndex, u64)>,
    /// When the GPU began with what is in flight.
    began: Instant,
}

impl Pacer {
    pub fn new(max_units: u64) -> Self {
        Self { units: 1, max_units, in_flight: None, began: Instant::now() }
    }

    /// Units of work that the next submission should hold.
    pub fn units(&self) -> u64 {
        self.units
    }

    /// Submits `units` of work, and waits for the submission before.
    pub fn submit(&mut self, gpu: &Gpu, commands: wgpu::CommandBuffer, units: u64) -> Result<()> {
        if self.in_flight.is_none() {
            self.began = Instant::now();
        }
        let submission = gpu.queue.submit([commands]);
        let previous = self.in_flight.replace((submission, units));
        self.wait_for(gpu, previous)
    }

    /// Waits for all that was submitted.
    pub fn finish(&mut self, gpu: &Gpu) -> Result<()> {
        let last = self.in_flight.take();
        self.wait_for(gpu, last)
    }

    fn wait_for(&mut self, gpu: &Gpu, submission: Option<(SubmissionIndex, u64)>) -> Result<()> {
        let Some((index, units)) = submission else { return Ok(()) };
        gpu.wait(index)?;
        let elapsed = self.began.elapsed();
        self.began = Instant::now();
        let fitting = units as f64 * TARGET.as_secs_f64() / elapsed.as_secs_f64().max(1e-6);
        // The first submissions are slow (compilation, page faults): grow step by step, shrink at once.
        self.units = (fitting as u64).clamp(1, (self.units * 4).min(self.max_units));
        Ok(())
    }
}
