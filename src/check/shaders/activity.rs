//! activity.wgsl: which neurons some sample activates, and which some sample does not. Bits are added to those of the blocks
//! before.

use super::case::Case;
use super::fixture::Fixture;
use super::kernels::{Kernels, Shader};
use crate::check::comparison::Comparison;
use crate::error::Result;
use crate::reference::activity::activity;

pub fn check(kernels: &dyn Kernels, case: &Case, comparison: &mut Comparison) -> Result<()> {
    let mut fixture = Fixture::new(case)?;
    // Some neurons are true dummies, some pseudo dummies.
    for values in fixture.activations.iter_mut().flatten() {
        for (neuron, row) in values.chunks_mut(case.size).enumerate().filter(|(neuron, _)| neuron % 3 > 0) {
            row.fill((neuron % 3 - 1) as f32);
        }
    }
    let rows = case.replicas * fixture.network.row_count as usize;
    let before: Vec<u32> = (0..rows).map(|row| u32::from(row % 5 == 0)).collect();
    let storage = [&fixture.packed_masks()[..], &before];
    let buffers = fixture.run(kernels, Shader::Activity, fixture.batch(0), &storage)?;
    for replica in 0..case.replicas {
        for (layer, shape) in fixture.network.layers().iter().enumerate() {
            let expected = activity(&fixture.activations[replica][layer], case.size);
            for (neuron, bits) in expected.into_iter().enumerate() {
                let index = fixture.flag(replica, shape, neuron);
                let place = || format!("{case}; activity, layer {layer}, replica {replica}, neuron {neuron}");
                comparison.equal(place, index, buffers[1][index], bits | before[index]);
            }
        }
    }
    Ok(())
}
