//! step.wgsl: a whole step of small networks. Each layer is held against its twin on what the kernel itself left below or above it,
//! and the parameters against what its activations and deltas make of those before.

use super::case::Case;
use super::fixture::Fixture;
use super::kernels::{InputFormat, Kernels, ReplicaColumns, Shader, is_small};
use super::propagate::{check_propagated, poisoned_state, values};
use super::update::{arena, check_updated, moments, settings};
use crate::check::comparison::Comparison;
use crate::error::Result;

/// As many rows and as many samples as there may be; more tiles than a workgroup has invocations.
pub fn extremes() -> Vec<Case> {
    let case = |widths: &[usize], size| Case {
        widths: widths.to_vec(),
        batch_size: 256,
        size,
        replicas: 2,
        inputs: InputFormat::U8,
    };
    vec![Case::many_workgroups(), case(&[6, 60, 1], 256), case(&[36, 20, 20, 2], 250), case(&[3, 30, 30, 1], 225)]
}

pub fn check(kernels: &dyn Kernels, case: &Case, comparison: &mut Comparison) -> Result<()> {
    let mut fixture = Fixture::with_moments(case, 2)?;
    let batch = fixture.batch(0);
    if !is_small(&fixture.network, &batch) {
        return Ok(());
    }
    let state = poisoned_state(&fixture);
    let settings = settings(case, 0);
    let columns: Vec<ReplicaColumns> = settings.iter().map(ReplicaColumns::from).collect();
    let (parameters, inputs) = (arena(&fixture, &moments(&fixture, &settings)), fixture.packed_inputs());
    let (labels, input_masks) = (fixture.packed_labels(), fixture.packed_input_masks());
    let [activations, masks, deltas] = &state;
    let columns = bytemuck::cast_slice(&columns);
    let storage = [&parameters[..], &inputs, activations, masks, deltas, &labels, &input_masks, columns];
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
