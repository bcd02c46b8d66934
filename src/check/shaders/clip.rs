//! clip.wgsl: the update of replicas that clip their gradient by its norm or count above a threshold, from S and c as they are given:
//! S need not be 0 where c is. The other replicas stay as
//! they are, bit for bit.

use super::case::Case;
use super::fixture::Fixture;
use super::kernels::{Kernels, ReplicaColumns, Shader};
use super::reduce::{expected, of_parameter};
use super::update::{ROUNDINGS, arena, check_moved, moments, settings};
use crate::check::comparison::Comparison;
use crate::error::Result;
use crate::reference::Sum;
use crate::reference::clip::scale;
use crate::reference::update::At;
use crate::settings::ReplicaSettings;

pub fn check(kernels: &dyn Kernels, case: &Case, comparison: &mut Comparison) -> Result<()> {
    for fixture in [Fixture::with_moments(case, 2)?, Fixture::normalized(case, 2)?] {
        check_one(kernels, &fixture, comparison)?;
    }
    Ok(())
}

fn check_one(kernels: &dyn Kernels, fixture: &Fixture, comparison: &mut Comparison) -> Result<()> {
    let case = &fixture.case;
    let reductions = expected(fixture);
    // Running statistics, which are neither in the norm nor moved, have the numbers of biases here.
    // As f32 holds them: what rounding did to S before is reduce.wgsl's.
    let reduced: Vec<(f32, u32)> = (fixture.parameters().into_iter())
        .map(|parameter| {
            let (sum, count) = of_parameter(&reductions, parameter);
            (sum.value as f32, if parameter.neuron % 5 == 3 { 0 } else { count })
        })
        .collect();
    let sums: Vec<u32> = reduced.iter().map(|(sum, _)| sum.to_bits()).collect();
    let counts: Vec<u32> = reduced.iter().map(|&(_, count)| count).collect();
    let stride = fixture.network.parameter_stride();
    let moved = 4 * fixture.network.moved_vec4s as usize;
    let rounds = if case.replicas > 1000 { 1 } else { 4 };
    for round in 0..rounds {
        let mut settings = settings(case, round);
        // Bounds below the norm and, far above, one that clips nothing; every third replica has none.
        for (replica, settings) in settings.iter_mut().enumerate() {
            settings.optimizer.clip_norm = [f32::INFINITY, 0.01, 1e6][(replica + round) % 3];
            settings.count_threshold = [0.0, 0.3][(replica + round) / 3 % 2];
        }
        let before = arena(fixture, &moments(fixture, &settings));
        let columns: Vec<ReplicaColumns> = settings.iter().map(ReplicaColumns::from).collect();
        let storage = [&before[..], bytemuck::cast_slice(&columns), &sums, &counts];
        let results = fixture.run(kernels, Shader::Clip, fixture.batch(0), &storage)?;
        let scales: Vec<f64> = (settings.iter().zip(reduced.chunks(stride)))
            .map(|(settings, reduced)| {
                scale(reduced[..moved].iter().map(|&(sum, count)| (sum.into(), count)), case.size, settings)
            })
            .collect();
        // Squares of one invocation, in vec4s, and the pairs.
        let roundings = ROUNDINGS + stride / 4 / 256 + 4 + 8;
        let state = |index: usize, replica: usize| {
            let (sum, count) = reduced[index];
            let at = At { count, samples: case.size, t: u64::from(fixture.batch(0).t), scale: scales[replica] };
            let is_deferred = |own: &ReplicaSettings| own.optimizer.clips_norm() || own.count_threshold > 0.0;
            let is_updated = is_deferred(&settings[replica]) && index % stride < moved;
            (Sum { value: sum.into(), magnitude: 0.0 }, at, is_updated)
        };
        check_moved(fixture, &settings, [&before, &results[0]], state, (0, roundings), comparison);
    }
    Ok(())
}
