//! update.wgsl: parameters from S and c. c = 0 leaves a parameter untouched, bit for bit, for every epsilon.

use super::case::Case;
use super::fixture::{bits, signed, Fixture};
use super::kernels::{InputFormat, Kernels, ReplicaColumns, Shader};
use crate::check::comparison::Comparison;
use crate::error::Result;
use crate::optimizer::Optimizer;
use crate::random::Random;
use crate::reference::update::update;
use crate::reference::{gamma, Sum};
use crate::settings::ReplicaSettings;

/// So many replicas that the dispatch passes 65,535 workgroups.
pub fn many_workgroups() -> Case {
    Case { widths: vec![1, 1], batch_size: 2, size: 2, replicas: 530_000, inputs: InputFormat::F32 }
}

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

/// Holds a parameter after the step, from (S, c), against the reference, given the bits after and before.
#[allow(clippy::too_many_arguments, reason = "a value and all that decides it, in one place")]
pub fn check_parameter(
    place: impl Fn() -> String,
    index: usize,
    [after, before]: [u32; 2],
    reduction: (Sum, u32),
    roundings: usize,
    samples: usize,
    settings: &ReplicaSettings,
    comparison: &mut Comparison,
) {
    let theta = f64::from(f32::from_bits(before));
    let expected = bounded_update(theta, reduction, roundings, samples, settings);
    comparison.close(&place, index, f32::from_bits(after), expected, 1);
    if reduction.1 == 0 {
        comparison.equal(|| format!("{}; bits, where c = 0", place()), index, after, before);
    }
}

pub fn check(kernels: &dyn Kernels, case: &Case, comparison: &mut Comparison) -> Result<()> {
    let fixture = Fixture::new(case)?;
    let parameters = fixture.packed_parameters();
    let counts: Vec<u32> = fixture.arena(|p| ((p.column + p.replica) % (case.size + 1)) as u32);
    let mut random = Random::new(11, 3);
    let mut sum = |&count: &u32| if count == 0 { 0.0 } else { signed(&mut random) * count as f32 };
    let sums: Vec<f32> = counts.iter().map(&mut sum).collect();
    for (optimizer, learning_rate, epsilon) in [
        (Optimizer::ASGD, 0.01, 1e-8),
        (Optimizer::ASGD, 0.5, 0.0),
        (Optimizer::ASGD, 1.0, 1.0),
        (Optimizer::SGD, 0.1, 1e-8),
    ] {
        let settings = ReplicaSettings { seed: 0, optimizer, learning_rate, epsilon };
        let columns = vec![ReplicaColumns::from(&settings); case.replicas];
        let storage = [bytemuck::cast_slice(&columns), &bits(&sums)[..], &counts, &parameters];
        let buffers = fixture.run(kernels, Shader::Update, fixture.batch(0), &storage)?;
        for (index, &before) in parameters.iter().enumerate() {
            let reduction = (Sum { value: f64::from(sums[index]), magnitude: 0.0 }, counts[index]);
            let place = || format!("{case}; parameters with {settings:?}");
            let values = [buffers[3][index], before];
            check_parameter(place, index, values, reduction, 0, case.size, &settings, comparison);
        }
    }
    Ok(())
}
