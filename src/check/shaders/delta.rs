//! delta.wgsl: deltas of a hidden layer from those of the layer above, and their masks.

use super::case::Case;
use super::fixture::{Fixture, untouched, with_dropout};
use super::kernels::{Kernels, Shader};
use super::loss::check_deltas;
use crate::check::comparison::Comparison;
use crate::error::Result;
use crate::reference::delta::delta;
use crate::reference::{Sum, dropout};

pub fn check(kernels: &dyn Kernels, case: &Case, comparison: &mut Comparison) -> Result<()> {
    let fixture = Fixture::new(case)?;
    let (parameters, activations) = (fixture.packed_parameters(), fixture.packed_activations());
    let settings = fixture.packed_dropout();
    for layer in 1..fixture.network.layers().len() {
        let [below, above] = [layer - 1, layer].map(|layer| &fixture.network.layers()[layer]);
        let (mut deltas, mut masks) = (fixture.packed_deltas(), fixture.packed_masks());
        fixture.poison_rows(&mut deltas, below);
        fixture.poison_masks(&mut masks, below, true);
        let storage = [&parameters[..], &activations, &masks, &deltas, &settings];
        let buffers = fixture.run(kernels, Shader::Delta, fixture.batch(layer), &storage)?;
        for replica in 0..case.replicas {
            let weight = fixture.model.weight(layer, replica);
            let (own, given) = (&fixture.activations[replica][layer - 1], &fixture.deltas[replica][layer]);
            let expected = scaled(replica, delta(weight, given, own, case.size));
            let roundings = above.outputs as usize + 2;
            check_deltas(&fixture, layer - 1, replica, &expected, roundings, &buffers[3], &buffers[2], comparison);
        }
        untouched(comparison, || format!("{case}; masks, layer {layer}"), &buffers[2], &masks);
        untouched(comparison, || format!("{case}; deltas, layer {layer}"), &buffers[3], &deltas);
    }
    Ok(())
}

/// The deltas of a replica's hidden neurons with its dropout, which is two roundings more.
pub fn scaled(replica: usize, deltas: Vec<Sum>) -> Vec<Sum> {
    let scale = dropout::scale(with_dropout(replica).dropout);
    deltas.into_iter().map(|delta| delta.scaled(scale)).collect()
}
