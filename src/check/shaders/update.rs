//! update.wgsl: reduce.wgsl, where it updates the parameters in place; replicas of both optimizers side by side. c = 0 leaves a
//! parameter untouched, bit for bit, for every epsilon.

use super::case::Case;
use super::fixture::Fixture;
use super::kernels::{Kernels, ReplicaColumns, Shader};
use super::reduce::{expected, of_parameter, reduced_buffers, roundings};
use crate::check::comparison::Comparison;
use crate::error::Result;
use crate::optimizer::Optimizer;
use crate::reference::update::update;
use crate::reference::{Sum, gamma};
use crate::settings::ReplicaSettings;

/// theta after the step, with the error of S (`roundings` of its terms), of lr S, of c + epsilon, of the division
/// (2.5 ULP in WGSL) and of the subtraction; for one rounding.
fn bounded_update(
    theta: f64,
    (sum, count): (Sum, u32),
    roundings: usize,
    samples: usize,
    settings: &ReplicaSettings,
) -> Sum {
    let value = update(theta, sum.value, count, samples, settings);
    // The step is proportional to S.
    let per_unit = update(0.0, 1.0, count, samples, settings).abs();
    let error = per_unit * (gamma(roundings) * sum.magnitude + gamma(8) * sum.value.abs())
        + gamma(1) * (theta.abs() + value.abs());
    Sum { value, magnitude: error / gamma(1) }
}

/// Settings that differ from replica to replica and from round to round.
pub fn settings(case: &Case, round: usize) -> Vec<ReplicaSettings> {
    let of_replica = |replica: usize| ReplicaSettings {
        seed: 0,
        optimizer: if (replica + round).is_multiple_of(2) { Optimizer::ASGD } else { Optimizer::SGD },
        learning_rate: [0.1, 0.5, 1.0][(replica + round) % 3],
        epsilon: [0.0, 1e-8, 1.0][(replica / 2 + round) % 3],
    };
    (0..case.replicas).map(of_replica).collect()
}

/// Holds updated parameters against what S and c of the fixture's activations and deltas make of those before.
pub fn check_updated(fixture: &Fixture, settings: &[ReplicaSettings], updated: &[u32], comparison: &mut Comparison) {
    let (case, expected, before) = (&fixture.case, expected(fixture), fixture.packed_parameters());
    for (index, parameter) in fixture.parameters().into_iter().enumerate() {
        let (sum, count) = of_parameter(&expected, parameter);
        let settings = &settings[parameter.replica];
        let place = || format!("{case}; {parameter:?} with {settings:?}");
        let theta = f64::from(f32::from_bits(before[index]));
        let bounded = bounded_update(theta, (sum, count), roundings(case), case.size, settings);
        comparison.close(place, index, f32::from_bits(updated[index]), bounded, 1);
        if count == 0 {
            let place = || format!("{}; bits, where c = 0", place());
            comparison.equal(place, index, updated[index], before[index]);
        }
    }
}

pub fn check(kernels: &dyn Kernels, case: &Case, comparison: &mut Comparison) -> Result<()> {
    let fixture = Fixture::new(case)?;
    let (parameters, buffers) = (fixture.packed_parameters(), reduced_buffers(&fixture));
    // So many replicas have all settings among them.
    let rounds = if case.replicas > 1000 { 1 } else { 4 };
    for round in 0..rounds {
        let settings = settings(case, round);
        let columns: Vec<ReplicaColumns> = settings.iter().map(ReplicaColumns::from).collect();
        let mut storage = vec![&parameters[..]];
        storage.extend(buffers.iter().map(Vec::as_slice));
        storage.push(bytemuck::cast_slice(&columns));
        let results = fixture.run(kernels, Shader::Update, fixture.batch(0), &storage)?;
        check_updated(&fixture, &settings, &results[0], comparison);
    }
    Ok(())
}
