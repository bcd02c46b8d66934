//! Where the reference is after some steps: in f64, and in f32 with a rounding after every operation. Rounding alone carries
//! the second away from the first; an engine rounds as often, in another order, so it may be as far from the exact
//! trajectory, times a margin for that order.

use rayon::prelude::*;

use super::course::Course;
use crate::check::comparison::Comparison;
use crate::engine::TrainingEngine;
use crate::error::{Error, Result};
use crate::reference::step::{Training, to_f32};

/// For the other order of an engine's operations.
const MARGIN: f64 = 8.0;

/// u, the unit roundoff of f32.
const U: f64 = 1.0 / (1 << 24) as f64;

/// The reference after some step.
pub struct Stop {
    /// Steps done.
    pub step: u64,
    replicas: Vec<Position>,
}

/// One replica: exact values, and how far each kind may be away from them.
struct Position {
    parameters: Vec<f64>,
    parameters_bound: f64,
    /// S and c of the last step.
    sums: Vec<f64>,
    sums_bound: f64,
    counts: Vec<u32>,
    counts_with_rounding: Vec<u32>,
    /// How near the training came to where a rounding decides.
    nearest: f64,
}

/// What a network's step leaves.
#[derive(Clone)]
struct Step {
    parameters: Vec<f64>,
    sums: Vec<f64>,
    counts: Vec<u32>,
    /// What exp may be off by, in the sums.
    exp_error: f64,
    nearest: f64,
}

impl Stop {
    /// Trains the reference from the start of a course, stopping after each of these steps, which ascend.
    pub fn all(course: &Course, steps: &[u64]) -> Vec<Self> {
        let replicas = course.settings.replicas.len();
        let runs: Vec<Vec<Step>> = (0..replicas * 2)
            .into_par_iter()
            .map(|run| train(course, run / 2, if run.is_multiple_of(2) { |value| value } else { to_f32 }, steps))
            .collect();
        let stop = |(index, &step): (usize, &u64)| Self {
            step,
            replicas: runs.chunks(2).map(|runs| Position::new(&runs[0][index], &runs[1][index])).collect(),
        };
        steps.iter().enumerate().map(stop).collect()
    }

    /// Trains an engine up to here, and holds S, c and the parameters against the reference.
    ///
    /// # Errors
    /// What the driver reported.
    pub fn check(&self, engine: &mut dyn TrainingEngine, comparison: &mut Comparison) -> Result<()> {
        engine.train(self.step - engine.step())?;
        let model = engine.model()?;
        let (sums, counts) =
            engine.last_reduction()?.ok_or_else(|| Error::Gpu("a step left no gradient sums".into()))?;
        for (replica, position) in self.replicas.iter().enumerate() {
            let place = |what: &str| format!("{what}, replica {replica}, after step {}", self.step);
            comparison.all_equal(
                || place("c of the rounded reference, which came too near a kink"),
                &position.counts_with_rounding,
                &position.counts,
            );
            let own = Training::flatten_counts(&counts, replica).concat();
            comparison.all_equal(|| place("c"), &own, &position.counts);
            for (what, own, exact, bound) in [
                ("S", &sums, &position.sums, position.sums_bound),
                ("parameters", &model, &position.parameters, position.parameters_bound),
            ] {
                let own = Training::flatten(own, replica).concat();
                comparison.equal(|| place("how many values"), 0, own.len(), exact.len());
                for (index, (&own, &exact)) in own.iter().zip(exact).enumerate() {
                    comparison.within(|| place(what), index, own, exact, bound);
                }
            }
        }
        Ok(())
    }

    /// How far the nearest value stayed from a kink or a threshold, in units of what rounding moved a parameter by: below [`MARGIN`],
    /// an engine may be on the other side.
    pub fn clearance(&self) -> f64 {
        let of = |position: &Position| position.nearest / (position.parameters_bound / MARGIN);
        self.replicas.iter().map(of).fold(f64::INFINITY, f64::min)
    }
}

impl Position {
    fn new(exact: &Step, rounded: &Step) -> Self {
        let distance = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        Self {
            parameters_bound: MARGIN * distance(&rounded.parameters, &exact.parameters),
            sums_bound: MARGIN * distance(&rounded.sums, &exact.sums) + exact.exp_error,
            parameters: exact.parameters.clone(),
            sums: exact.sums.clone(),
            counts: exact.counts.clone(),
            counts_with_rounding: rounded.counts.clone(),
            nearest: exact.nearest,
        }
    }
}

/// One replica's training.
fn train(course: &Course, replica: usize, round: fn(f64) -> f64, stops: &[u64]) -> Vec<Step> {
    let settings = course.settings.replicas[replica];
    let samples = &course.dataset.train;
    let mut training = Training::new(&course.initial, replica, settings, round);
    let mut steps = Vec::new();
    for step in 0..stops.last().copied().unwrap_or(0) {
        let batch = course.batch(settings.seed, step);
        let reduced = stops.contains(&(step + 1)).then(|| {
            let mut before = training.clone();
            (before.reduce(samples, &batch).concat(), exp_error(&before, course, &batch))
        });
        let steps_per_epoch = samples.len().div_ceil(course.settings.batch_size) as u64;
        training.scaled_step(samples, &batch, course.settings.schedule.factor(step, steps_per_epoch));
        if let Some((sums, exp_error)) = reduced {
            let (parameters, counts) = (training.parameters.concat(), training.counts.concat());
            steps.push(Step { parameters, sums, counts, exp_error, nearest: training.nearest });
        }
    }
    steps
}

/// What exp, of which WGSL requires no more than 3 + 2 |x| ULP, may do to S: its relative error, above and below the bar of a
/// softmax, times the sum of the magnitudes of the samples' gradients, at the parameter where that is largest. Nothing where the loss needs no exp.
fn exp_error(training: &Training, course: &Course, batch: &[u32]) -> f64 {
    if course.dataset.loss().is_regression() {
        return 0.0;
    }
    let (magnitudes, largest_x) = training.magnitudes(&course.dataset.train, batch);
    let relative = (2.0 * (3.0 + 2.0 * largest_x) + largest_x) * U;
    2.0 * relative * magnitudes.into_iter().flatten().fold(0.0, f64::max)
}
