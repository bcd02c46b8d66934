//! reduce_norms.wgsl, at the end of store.wgsl and of update.wgsl: S and c of beta and gamma, written or used. Everything else stays as it
//! is, bit for bit.

use super::case::Case;
use super::fixture::{Fixture, POISON, Parameter};
use super::kernels::{Kernels, ReplicaColumns, Shader};
use super::reduce::expected;
use super::update::{ROUNDINGS, arena, check_moved, moments, settings};
use crate::check::comparison::Comparison;
use crate::error::Result;
use crate::reference::Sum;
use crate::reference::update::At;

/// S of beta and of gamma of a neuron, as some kernel left them.
fn sums_of(replica: usize, layer: usize, neuron: usize) -> [f32; 2] {
    let number = (replica * 31 + layer * 17 + neuron * 7) % 23;
    [number as f32 - 9.5, 4.25 - number as f32]
}

fn norms(fixture: &Fixture) -> Vec<u32> {
    fixture.packed_norms(|replica, layer, neuron| {
        let [beta, gamma] = sums_of(replica, layer, neuron).map(f32::to_bits);
        [POISON, beta, gamma, POISON]
    })
}

/// S and c of a parameter, if it is beta or gamma.
fn of_norm(fixture: &Fixture, counts: &[Vec<Vec<u32>>], parameter: Parameter) -> Option<(f32, u32)> {
    let Parameter { replica, layer, neuron, column, is_padding } = parameter;
    let row = column.checked_sub(fixture.case.widths[layer]).filter(|&row| row < 2 && fixture.is_normalized(layer))?;
    if is_padding {
        // An invocation owns four neurons, of which the first is one.
        return (neuron / 4 * 4 < fixture.case.widths[layer + 1]).then_some((0.0, 0));
    }
    Some((sums_of(replica, layer, neuron)[row], counts[replica][layer][neuron]))
}

/// c of the biases, by replica and layer.
fn bias_counts(fixture: &Fixture) -> Vec<Vec<Vec<u32>>> {
    let of_replica = |layers: Vec<_>| {
        layers.into_iter().map(|layer: crate::reference::reduce::Reduction| layer.bias_counts).collect()
    };
    expected(fixture).into_iter().map(of_replica).collect()
}

pub fn check_store(kernels: &dyn Kernels, case: &Case, comparison: &mut Comparison) -> Result<()> {
    let fixture = Fixture::normalized(case, 0)?;
    let counts = bias_counts(&fixture);
    let poison = vec![POISON; case.replicas * fixture.network.parameter_stride()];
    let storage = [&fixture.packed_masks()[..], &poison, &poison, &norms(&fixture)];
    let after = fixture.run(kernels, Shader::ReduceNorms, fixture.batch(0), &storage)?;
    for (index, parameter) in fixture.parameters().into_iter().enumerate() {
        let expected = of_norm(&fixture, &counts, parameter);
        let (sum, count) = expected.map_or((POISON, POISON), |(sum, count)| (sum.to_bits(), count));
        let place = |what: &str| format!("{case}; {what} of {parameter:?}");
        comparison.equal(|| place("S, as bits,"), index, after[1][index], sum);
        comparison.equal(|| place("c"), index, after[2][index], count);
    }
    Ok(())
}

pub fn check_update(kernels: &dyn Kernels, case: &Case, comparison: &mut Comparison) -> Result<()> {
    let fixture = Fixture::normalized(case, 2)?;
    let (counts, parameters) = (bias_counts(&fixture), fixture.parameters());
    let rounds = if case.replicas > 1000 { 1 } else { 8 };
    for round in 0..rounds {
        let settings = settings(case, round);
        let before = arena(&fixture, &moments(&fixture, &settings));
        let columns: Vec<ReplicaColumns> = settings.iter().map(ReplicaColumns::from).collect();
        let storage = [&before[..], &fixture.packed_masks(), bytemuck::cast_slice(&columns), &norms(&fixture)];
        let after = fixture.run(kernels, Shader::UpdateNorms, fixture.batch(0), &storage)?;
        let state = |index: usize, replica: usize| {
            let own = of_norm(&fixture, &counts, parameters[index]);
            let (sum, count) = own.unwrap_or((0.0, 0));
            let at = At { count, samples: case.size, t: u64::from(fixture.batch(0).t), scale: 1.0 };
            let settings = &settings[replica];
            let is_updated = own.is_some() && !settings.optimizer.clips_norm() && settings.count_threshold == 0.0;
            (Sum { value: sum.into(), magnitude: 0.0 }, at, is_updated)
        };
        check_moved(&fixture, &settings, [&before, &after[0]], state, (0, ROUNDINGS), comparison);
    }
    Ok(())
}
