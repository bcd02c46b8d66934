use asgd::gpu::kernels::UPDATE;
use asgd::gpu::layout::{InputFormat, ReplicaColumns};
use asgd::reference::update::update;
use asgd::reference::{gamma, Sum};
use asgd::{Optimizer, ReplicaSettings};

use crate::fixture::{assert_close, bits, cases, Case, Fixture, Numbers};

/// `Replica` of common.wgsl.
pub fn columns(settings: &ReplicaSettings) -> ReplicaColumns {
    ReplicaColumns {
        seed_low: settings.seed as u32,
        seed_high: (settings.seed >> 32) as u32,
        optimizer: u32::from(settings.optimizer == Optimizer::ASGD),
        learning_rate: settings.learning_rate,
        epsilon: settings.epsilon,
        pad: [0; 3],
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

fn check(case: &Case) {
    let fixture = Fixture::new(case);
    let mut numbers = Numbers::new(11);
    let parameters = fixture.packed_parameters();
    let counts: Vec<u32> = fixture.arena(|_, _, column, replica| ((column + replica) as u32) % (case.size as u32 + 1));
    let sums: Vec<f32> =
        counts.iter().map(|&count| if count == 0 { 0.0 } else { numbers.signed() * count as f32 }).collect();
    for (optimizer, learning_rate, epsilon) in [
        (Optimizer::ASGD, 0.01, 1e-8),
        (Optimizer::ASGD, 0.5, 0.0),
        (Optimizer::ASGD, 1.0, 1.0),
        (Optimizer::SGD, 0.1, 1e-8),
    ] {
        let settings = ReplicaSettings { seed: 0, optimizer, learning_rate, epsilon };
        let columns = vec![columns(&settings); case.replicas];
        let storage = [bytemuck::cast_slice(&columns), &bits(&sums)[..], &counts, &parameters];
        let buffers = fixture.run(&UPDATE, fixture.batch(0), fixture.dispatch().update(), &storage);
        for offset in 0..parameters.len() {
            let theta = f64::from(f32::from_bits(parameters[offset]));
            let sum = Sum { value: f64::from(sums[offset]), magnitude: 0.0 };
            let expected = bounded_update(theta, sum, 0, counts[offset], case.size, &settings);
            assert_close(&format!("{case:?} {settings:?} index {offset}"), buffers[3][offset], expected, 1);
            if counts[offset] == 0 {
                assert_eq!(
                    buffers[3][offset], parameters[offset],
                    "c = 0 leaves theta untouched, bit for bit, for every epsilon"
                );
            }
        }
    }
}

#[test]
fn equals_its_twin() {
    for case in cases() {
        check(&case);
    }
}

#[test]
fn passes_65535_workgroups() {
    check(&Case { widths: vec![1, 1], batch_size: 2, size: 2, replicas: 530_000, inputs: InputFormat::F32 });
}
