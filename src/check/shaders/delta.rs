//! delta.wgsl: deltas of a hidden layer from those of the layer above, and their masks.

use super::case::Case;
use super::fixture::{Fixture, untouched};
use super::kernels::{Kernels, Shader};
use super::loss::check_deltas;
use crate::check::comparison::Comparison;
use crate::error::Result;
use crate::reference::activation::differentiate;
use crate::reference::delta::{delta, relu_delta};
use crate::reference::{Sum, dropout};
use crate::spec::Activation;

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
            let given = &fixture.deltas[replica][layer];
            let expected = match case.activation {
                Activation::Relu => {
                    let own = &fixture.activations[replica][layer - 1];
                    // That of a silent neuron is 0 by its activation, so that here it need not be silent.
                    let scale = dropout::scale(super::fixture::with_dropout(replica).dropout);
                    let deltas = relu_delta(weight, given, own, case.size).into_iter();
                    deltas.map(|delta| delta.scaled(scale)).collect()
                }
                activation => {
                    let deltas = delta(weight, given, case.size).into_iter().zip(&fixture.sums[replica][layer - 1]);
                    let deltas = deltas.map(|(sum, &z)| differentiate(activation, sum, z.into(), 0.0));
                    dropped(&fixture, replica, layer - 1, deltas)
                }
            };
            let roundings = above.outputs as usize + 2;
            check_deltas(&fixture, layer - 1, replica, &expected, roundings, &buffers[3], &buffers[2], comparison);
        }
        untouched(comparison, || format!("{case}; masks, layer {layer}"), &buffers[2], &masks);
        untouched(comparison, || format!("{case}; deltas, layer {layer}"), &buffers[3], &deltas);
    }
    Ok(())
}

/// The deltas of a replica's hidden neurons with its dropout, which is two roundings more.
pub fn dropped(fixture: &Fixture, replica: usize, layer: usize, deltas: impl Iterator<Item = Sum>) -> Vec<Sum> {
    let size = fixture.case.size;
    let drop_out = |(index, delta): (usize, Sum)| match fixture.dropout(replica, layer, index / size, index % size) {
        (true, scale) => delta.scaled(scale),
        (false, _) => Sum::default(),
    };
    deltas.enumerate().map(drop_out).collect()
}
