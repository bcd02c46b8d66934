//! A replica alone is, bit for bit, the replica among others.

use super::Engine;
use super::course::Course;
use crate::check::comparison::Comparison;
use crate::engine::TrainingEngine;
use crate::error::Result;
use crate::evaluation::Split;
use crate::model::PerParameter;
use crate::settings::TrainSettings;

/// Trains the last replica alone as far as `together` is, and compares parameters, S, c and evaluations.
///
/// # Errors
/// What the driver reported.
pub fn check(
    engine: &dyn Engine,
    together: &mut dyn TrainingEngine,
    course: &Course,
    comparison: &mut Comparison,
) -> Result<()> {
    let last = course.initial.replicas() - 1;
    let own = last..last + 1;
    let settings =
        TrainSettings { replicas: course.settings.replicas[own.clone()].to_vec(), ..course.settings.clone() };
    let mut alone = engine.trainer(&course.dataset, &course.initial.slice(own.clone()), settings)?;
    alone.train(together.step())?;
    let models = [alone.model()?, together.model()?.slice(own.clone())];
    compare(&models, f32::to_bits, "parameters", comparison);
    if let (Some((sums, counts)), Some((all_sums, all_counts))) = (alone.last_reduction()?, together.last_reduction()?)
    {
        compare(&[sums, all_sums.slice(own.clone())], f32::to_bits, "S", comparison);
        compare(&[counts, all_counts.slice(own.clone())], |count| count, "c", comparison);
    }
    for split in [Split::Train, Split::Test] {
        let evaluations = [alone.evaluate(split)?, together.evaluate(split)?[own.clone()].to_vec()];
        comparison.all_equal(|| format!("evaluation, {split:?}"), &evaluations[0], &evaluations[1]);
    }
    Ok(())
}

/// Holds every layer of the first replica of one against that of the other.
fn compare<T: bytemuck::Pod>(
    [alone, together]: &[PerParameter<T>; 2],
    bits: impl Fn(T) -> u32,
    what: &str,
    comparison: &mut Comparison,
) {
    let bits = |values: &[T]| values.iter().map(|&value| bits(value)).collect::<Vec<u32>>();
    type Values<T> = fn(&PerParameter<T>, usize) -> &[T];
    let kinds: [(&str, Values<T>); 5] = [
        ("weights", |model, layer| model.weight(layer, 0)),
        ("biases", |model, layer| model.bias(layer, 0)),
        ("gammas", |model, layer| model.gamma(layer, 0)),
        ("running means", |model, layer| model.running_mean(layer, 0)),
        ("running variances", |model, layer| model.running_variance(layer, 0)),
    ];
    for (layer, (kind, of)) in (0..alone.spec().layers().len()).flat_map(|layer| kinds.map(|kind| (layer, kind))) {
        let values = [alone, together].map(|model| bits(of(model, layer)));
        comparison.all_equal(|| format!("{what}, as bits, {kind} of layer {layer}"), &values[0], &values[1]);
    }
}
