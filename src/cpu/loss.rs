//! delta of the output layer: loss.wgsl.

use super::exp::exp;
use super::panels::{Panels, panel_columns};
use super::simd::{Kernel, LANES, Lanes, floats, floats_mut};
use crate::dataset::Targets;
use crate::spec::Loss;

/// The derivative of the loss by every output unit's sum: output - target, times 2 / outputs for the mean squared error. Where the
/// logits were.
pub struct LossDelta<'a> {
    /// Says what the outputs are.
    pub loss: Loss,
    /// Of each sample.
    pub targets: &'a Targets,
    /// The logits, which become delta: (samples, outputs).
    pub logits: &'a mut Panels,
}

impl Kernel for LossDelta<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { loss, targets, logits } = self;
        match (loss, targets) {
            (Loss::BinaryCrossEntropy, Targets::Classes(labels)) => {
                for (z, &label) in floats_mut(logits.panel_mut(0)).iter_mut().step_by(LANES).zip(labels) {
                    *z = sigmoid(*z) - label as f32;
                }
            }
            (Loss::CrossEntropy, Targets::Classes(labels)) => softmax(labels, logits),
            (Loss::MeanSquaredError, Targets::Numbers { values, .. }) => differences(values, logits),
            _ => unreachable!("a training's networks fit its targets: Dataset::check_fits"),
        }
    }
}

/// 2 (output - target) / outputs.
#[inline(always)]
fn differences(values: &[f32], outputs: &mut Panels) {
    let units = outputs.columns();
    let scale = 2.0 / units as f32;
    for panel in 0..outputs.panels() {
        let (width, columns) = (outputs.lanes(panel) * LANES, panel_columns(units, panel));
        let rows = floats_mut(outputs.panel_mut(panel)).chunks_exact_mut(width);
        for (row, targets) in rows.zip(values.chunks_exact(units)) {
            for (output, target) in row.iter_mut().zip(&targets[columns.clone()]) {
                *output = (*output - target) * scale;
            }
        }
    }
}

/// Softmax, less 1 at the label.
#[inline(always)]
fn softmax(labels: &[u32], logits: &mut Panels) {
    for (sample, &label) in labels.iter().enumerate() {
        let highest = highest(logits, sample);
        let mut totals = Lanes::ZERO;
        for panel in 0..logits.panels() {
            let columns = panel_columns(logits.columns(), panel).len();
            for (vector, z) in row_mut(logits, panel, sample).iter_mut().enumerate() {
                *z = z.map(|z| exp(z - highest));
                let inside = columns.saturating_sub(vector * LANES);
                for lane in 0..LANES {
                    // Padding is no unit.
                    z.0[lane] = if lane < inside { z.0[lane] } else { 0.0 };
                }
                totals = totals.zip(*z, |a, b| a + b);
            }
        }
        let total = totals.0.iter().sum::<f32>();
        for panel in 0..logits.panels() {
            for z in row_mut(logits, panel, sample) {
                *z = z.map(|e| e / total);
            }
        }
        logits.add(sample, label as usize, -1.0);
    }
}

/// The highest logit of a sample; NaN where one is NaN first.
#[inline(always)]
pub fn highest(logits: &Panels, sample: usize) -> f32 {
    let mut highest = f32::NEG_INFINITY;
    for panel in 0..logits.panels() {
        let columns = panel_columns(logits.columns(), panel).len();
        let lanes = logits.lanes(panel);
        let row = floats(&logits.panel(panel)[sample * lanes..][..lanes]);
        for &z in &row[..columns] {
            highest = if z > highest { z } else { highest };
        }
    }
    highest
}

#[inline(always)]
fn row_mut(matrix: &mut Panels, panel: usize, row: usize) -> &mut [Lanes] {
    let lanes = matrix.lanes(panel);
    &mut matrix.panel_mut(panel)[row * lanes..][..lanes]
}

/// 1 / (1 + e^-z), without overflow.
#[inline(always)]
fn sigmoid(z: f32) -> f32 {
    let e = exp(-z.abs());
    if z < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) }
}
