//! update.wgsl: reduce.wgsl, where it updates the parameters and their moments in place; replicas of all rules and both gradients
//! side by side. With the effective gradient, c = 0 leaves a parameter and its moments untouched, bit for bit, for every epsilon.

use super::case::Case;
use super::fixture::{Fixture, with_dropout};
use super::kernels::{Kernels, ReplicaColumns, Shader};
use super::reduce::{expected, of_parameter, reduced_buffers, roundings};
use crate::check::comparison::Comparison;
use crate::error::Result;
use crate::optimizer::{Gradient, Optimizer, Rule};
use crate::random::Random;
use crate::reference::Sum;
use crate::reference::update::{self as reference, At, bounded};
use crate::settings::ReplicaSettings;

/// Settings that differ from replica to replica and from round to round.
pub fn settings(case: &Case, round: usize) -> Vec<ReplicaSettings> {
    let optimizers: Vec<Optimizer> = Optimizer::all().collect();
    let of_replica = |replica: usize| ReplicaSettings {
        optimizer: Optimizer {
            weight_decay: [0.0, 0.02][(replica + round) / 3 % 2],
            clip_value: [f32::INFINITY, 0.1][(replica + round) / 2 % 2],
            // Such a replica is left for clip.wgsl.
            clip_norm: if (replica + round) % 5 == 4 { 1.0 } else { f32::INFINITY },
            ..optimizers[(replica + round * 5) % optimizers.len()]
        },
        learning_rate: [0.1, 0.5, 1.0][(replica + round) % 3],
        epsilon: [0.0, 1e-8, 1.0][(replica / 2 + round) % 3],
        // And such a one, after threshold.wgsl.
        count_threshold: if (replica + round) % 7 == 3 { 0.3 } else { 0.0 },
        ..with_dropout(replica)
    };
    (0..case.replicas).map(of_replica).collect()
}

/// Moments as of some training, each (R, P): the first may be negative where it is no sum of squares.
pub fn moments(fixture: &Fixture, settings: &[ReplicaSettings]) -> [Vec<f32>; 2] {
    let mut random = Random::new(7, 0);
    let mut of = |may_be_negative: &dyn Fn(&ReplicaSettings) -> bool| -> Vec<f32> {
        let numbers = fixture.parameters().into_iter().map(|parameter| {
            let number = 0.1 * random.normal() as f32;
            let number = if may_be_negative(&settings[parameter.replica]) { number } else { number.abs() };
            if parameter.is_padding { 0.0 } else { number }
        });
        numbers.collect()
    };
    let is_signed = |settings: &ReplicaSettings| {
        !matches!(settings.optimizer.rule, Rule::Adagrad { .. } | Rule::Adadelta { .. } | Rule::RmsProp { .. })
    };
    [of(&is_signed), of(&|_| false)]
}

/// (R, 3, P): parameters and both moments, as the GPU keeps them.
pub fn arena(fixture: &Fixture, moments: &[Vec<f32>; 2]) -> Vec<u32> {
    let parameters = fixture.packed_parameters();
    let stride = parameters.len() / fixture.case.replicas;
    let mut arena = Vec::new();
    for replica in 0..fixture.case.replicas {
        let own = replica * stride..(replica + 1) * stride;
        arena.extend_from_slice(&parameters[own.clone()]);
        moments.iter().for_each(|moment| arena.extend(moment[own.clone()].iter().map(|value| value.to_bits())));
    }
    arena
}

/// Roundings of a rule's operations: some are no more exact on a GPU than 3 ULP.
pub const ROUNDINGS: usize = 32;

/// Holds updated parameters and moments, (R, 3, P), against what S and c of the fixture's activations and deltas make of those
/// before.
pub fn check_updated(
    fixture: &Fixture,
    settings: &[ReplicaSettings],
    before: &[u32],
    updated: &[u32],
    comparison: &mut Comparison,
) {
    let (case, expected, parameters) = (&fixture.case, expected(fixture), fixture.parameters());
    let state = |index: usize, replica: usize| {
        let (sum, count) = of_parameter(&expected, parameters[index]);
        let at = At { count, samples: case.size, t: u64::from(fixture.batch(0).t), scale: 1.0 };
        (sum, at, !settings[replica].optimizer.clips_norm() && settings[replica].count_threshold == 0.0)
    };
    check_moved(fixture, settings, [before, updated], state, (roundings(case), ROUNDINGS), comparison);
}

/// Holds parameters and moments after an update, (R, 3, P), against those before. Of a parameter's index in (R, P) and its replica,
/// `state` tells S, the rest of what decides, and whether the kernel updates it at all; the roundings are those in S and those after it.
pub fn check_moved(
    fixture: &Fixture,
    settings: &[ReplicaSettings],
    [before, after]: [&[u32]; 2],
    state: impl Fn(usize, usize) -> (Sum, At, bool),
    (sum_roundings, roundings): (usize, usize),
    comparison: &mut Comparison,
) {
    let case = &fixture.case;
    let stride = before.len() / case.replicas / 3;
    for (index, parameter) in fixture.parameters().into_iter().enumerate() {
        let (sum, at, is_updated) = state(index, parameter.replica);
        let settings = &settings[parameter.replica].scaled(fixture.rate_factor());
        let place_of = |part: usize| parameter.replica * 3 * stride + part * stride + index % stride;
        let number = |part: usize| f64::from(f32::from_bits(before[place_of(part)]));
        let own = reference::Parameter { theta: number(0), moments: [number(1), number(2)] };
        let all = bounded(own, sum, sum_roundings, roundings, at, settings);
        let is_still = !is_updated || at.count == 0 && settings.optimizer.gradient == Gradient::Effective;
        for (part, bounded) in all.into_iter().enumerate() {
            let (index, place) =
                (place_of(part), || format!("{case}; {parameter:?}, number {part} of it, with {settings:?}"));
            if is_still || part > settings.optimizer.rule.moments() {
                let place = || format!("{}; bits, which stay", place());
                comparison.equal(place, index, after[index], before[index]);
            } else {
                comparison.close(place, index, f32::from_bits(after[index]), bounded, 1);
            }
        }
    }
}

pub fn check(kernels: &dyn Kernels, case: &Case, comparison: &mut Comparison) -> Result<()> {
    let fixture = Fixture::with_moments(case, 2)?;
    let buffers = reduced_buffers(&fixture);
    // So many replicas have all settings among them.
    let rounds = if case.replicas > 1000 { 1 } else { 8 };
    for round in 0..rounds {
        let settings = settings(case, round);
        let before = arena(&fixture, &moments(&fixture, &settings));
        let columns: Vec<ReplicaColumns> = settings.iter().map(ReplicaColumns::from).collect();
        let mut storage = vec![&before[..]];
        storage.extend(buffers.iter().map(Vec::as_slice));
        storage.push(bytemuck::cast_slice(&columns));
        let results = fixture.run(kernels, Shader::Update, fixture.batch(0), &storage)?;
        check_updated(&fixture, &settings, &before, &results[0], comparison);
    }
    Ok(())
}
