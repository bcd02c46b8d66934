//! Loss, hits and dummies of networks over a data set.

use super::Engine;
use super::course::Course;
use crate::check::comparison::Comparison;
use crate::engine::TrainingEngine;
use crate::error::Result;
use crate::evaluation::{Split, r2};
use crate::reference::step::Training;

/// How far a mean loss may be off, relatively.
const LOSS_ERROR: f64 = 1e-5;

/// Holds what a trainer makes of its initial networks, and a predictor of the same, against the reference.
///
/// # Errors
/// What the driver reported.
pub fn check(
    engine: &dyn Engine,
    trainer: &mut dyn TrainingEngine,
    course: &Course,
    comparison: &mut Comparison,
) -> Result<()> {
    let mut predictor = engine.predictor(&course.initial, &course.dataset.train)?;
    for (split, samples) in [(Split::Train, &course.dataset.train), (Split::Test, &course.dataset.test)] {
        let evaluations = trainer.evaluate(split)?;
        predictor.replace_samples(samples)?;
        let alone = predictor.evaluate()?;
        comparison.all_equal(|| format!("a predictor beside a trainer, {split:?}"), &alone, &evaluations);
        let all: Vec<u32> = (0..samples.len() as u32).collect();
        for (replica, (evaluation, settings)) in evaluations.iter().zip(&course.settings.replicas).enumerate() {
            let place = |what: &str| format!("{what} of replica {replica}, {split:?}");
            let exact = Training::new(&course.initial, replica, *settings, |value| value);
            let loss = exact.loss(samples, &all) / samples.len() as f64;
            comparison.within(|| place("loss"), replica, evaluation.loss, loss, LOSS_ERROR * loss);
            if course.dataset.loss().is_regression() {
                let r2 = r2(loss, samples.targets().variance());
                comparison.within(|| place("R^2"), replica, evaluation.score, r2, LOSS_ERROR * (1.0 - r2));
            } else {
                let hits = (evaluation.score * samples.len() as f64).round() as usize;
                comparison.equal(|| place("hits"), replica, hits, exact.hits(samples, &all));
            }
            let dummies = (evaluation.true_dummies(), evaluation.pseudo_dummies());
            comparison.equal(|| place("(true, pseudo) dummies"), replica, dummies, exact.dummies(samples, &all));
            comparison.equal(|| place("whether it has diverged"), replica, evaluation.has_diverged, false);
        }
    }
    Ok(())
}
