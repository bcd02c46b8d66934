use asgd::gpu::kernels::UPDATE;
use asgd::gpu::layout::ReplicaColumns;
use asgd::reference::update::update;
use asgd::reference::{gamma, Sum};
use asgd::{Optimizer, ReplicaSettings};

use crate::fixture::{assert_close, cases, many_workgroups, Fixture};
use crate::reduce::{expected, of_parameter, reduced_buffers, roundings};

/// `Replica` of replica.wgsl.
pub fn columns(settings: &ReplicaSettings) -> ReplicaColumns {
    ReplicaColumns {
        seed_low: settings.seed as u32,
        seed_high: (settings.seed >> 32) as u32,
        optimizer: u32::from(settings.optimizer == Optimizer::ASGD),
        learning_rate: settings.learning_rate,
        epsilon: settings.epsilon,
    }
}

/// theta after the step, with the error of S (`roundings` of its terms), of lr S, of c + epsilon, of the division
/// (2.5 ULP in WGSL) and of the subtraction.
pub fn bounded_update(
    theta: f64,
    sum: Sum,
    roundings: usize,
    count: u32,
    samples: usize,
    settings: &ReplicaSettings,
) -> Sum {
    let value = update(theta, sum.value, count, samples, settings);
    // The step is proportional to S.
    let per_unit = (update(0.0, 1.0, count, samples, settings)).abs();
    let error = per_unit * (gamma(roundings) * sum.magnitude + gamma(8) * sum.value.abs())
        + gamma(1) * (theta.abs() + value.abs());
    Sum { value, magnitude: error / gamma(1) }
}

/// Replicas of both optimizers side by side, parameters updated in place.
#[test]
fn equals_its_twin() {
    for case in cases().iter().chain([&many_workgroups()]) {
        let fixture = Fixture::new(case);
        let expected = expected(&fixture);
        let buffers = reduced_buffers(&fixture);
        let before = fixture.packed_parameters();
        let settings = |round: usize| -> Vec<ReplicaSettings> {
            (0..case.replicas)
                .map(|replica| ReplicaSettings {
                    seed: 0,
                    optimizer: if (replica + round).is_multiple_of(2) { Optimizer::ASGD } else { Optimizer::SGD },
                    learning_rate: [0.1, 0.5, 1.0][(replica + round) % 3],
                    epsilon: [0.0, 1e-8, 1.0][(replica / 2 + round) % 3],
                })
                .collect()
        };
        let rounds = if case.replicas > 1000 { 1 } else { 4 };
        for settings in (0..rounds).map(settings) {
            let columns: Vec<ReplicaColumns> = settings.iter().map(columns).collect();
            let mut storage: Vec<&[u32]> = buffers.iter().map(Vec::as_slice).collect();
            storage.extend([bytemuck::cast_slice(&columns), &before[..]]);
            let results = fixture.run(&UPDATE, fixture.batch(0), fixture.dispatch().reduce(), &storage);
            for (index, parameter) in fixture.parameters().into_iter().enumerate() {
                let what = format!("{case:?} {parameter:?}");
                let (sum, count) = of_parameter(&expected, parameter);
                let theta = f64::from(f32::from_bits(before[index]));
                let settings = &settings[parameter.replica];
                let bounded = bounded_update(theta, sum, roundings(case), count, case.size, settings);
                assert_eq!(bounded.value, update(theta, sum.value, count, case.size, settings));
                assert_close(&what, results[7][index], bounded, 1);
                if count == 0 {
                    assert_eq!(results[7][index], before[index], "{what}: untouched, bit for bit");
                }
            }
        }
    }
}
