//! step.wgsl: a whole step of small networks. Each layer is held against its twin on what the kernel itself left below or above it,
//! and the parameters against what its activations and deltas make of those before.

use super::case::Case;
use super::fixture::Fixture;
use super::kernels::{InputFormat, Kernels, ReplicaColumns, Shader, is_small};
use super::propagate::{check_propagated, poisoned_state, values};
use super::update::{arena, check_updated, moments, settings};
use crate::check::comparison::Comparison;
use crate::error::Result;
use crate::spec::{Activation, Loss};

/// Near as many rows and tiles as there may be, and as many samples.
pub fn extremes() -> Vec<Case> {
    let extremes: [(&[usize], usize, usize); 4] = [
        (&[6, 60, 1], 256, 256),
        (&[35, 40, 10, 3], 128, 100),
        (&[36, 20, 20, 2], 256, 225),
        (&[3, 30, 30, 1], 256, 1),
    ];
    let case = |(widths, batch_size, size): (&[usize], usize, usize)| Case {
        widths: widths.to_vec(),
        batch_size,
        size,
        replicas: 2,
        inputs: InputFormat::U8,
        activation: Activation::Relu,
        loss: Loss::for_units(widths[widths.len() - 1]),
    };
    let extremes = extremes.map(case);
    let of_numbers = extremes.clone().map(|case| Case { loss: Loss::MeanSquaredError, ..case });
    [Case::many_workgroups()].into_iter().chain(extremes).chain(of_numbers).chain(Case::activations()).collect()
}

pub fn check(kernels: &dyn Kernels, case: &Case, comparison: &mut Comparison) -> Result<()> {
    let mut fixture = Fixture::with_moments(case, 2)?;
    let batch = fixture.batch(0);
    if !is_small(kernels, &fixture.network, case.activation, &batch) {
        return Ok(());
    }
    let mut state = poisoned_state(&fixture);
    // It keeps them to itself.
    state[0].truncate(fixture.kept(0));
    let settings = settings(case, 0);
    let columns: Vec<ReplicaColumns> = settings.iter().map(ReplicaColumns::from).collect();
    let (parameters, inputs) = (arena(&fixture, &moments(&fixture, &settings)), fixture.packed_inputs());
    let labels = fixture.packed_labels();
    let [activations, masks, deltas] = &state;
    let columns = bytemuck::cast_slice(&columns);
    let storage = [&parameters[..], &inputs, activations, masks, deltas, &labels, columns];
    let buffers = fixture.run(kernels, Shader::Step, batch, &storage)?;
    check_propagated(&fixture, &state, [&buffers[2], &buffers[3], &buffers[4]], comparison);
    for replica in 0..case.replicas {
        for layer in 0..=fixture.last() {
            fixture.activations[replica][layer] = values(&fixture, &buffers[2], replica, layer);
            fixture.deltas[replica][layer] = values(&fixture, &buffers[4], replica, layer);
        }
    }
    check_updated(&fixture, &settings, &parameters, &buffers[0], comparison);
    Ok(())
}
