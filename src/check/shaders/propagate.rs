//! propagate.wgsl: forward, loss and delta of all layers. Each layer is held against its twin on what the kernel itself left
//! below or above it.

use super::case::Case;
use super::delta::dropped;
use super::fixture::{Fixture, POISON, floats, untouched};
use super::forward::{check_layer, check_sums, roundings};
use super::kernels::{Kernels, Shader};
use super::loss::{bounded_loss, check_deltas};
use crate::check::comparison::Comparison;
use crate::error::Result;
use crate::reference::Sum;
use crate::reference::activation::differentiate;
use crate::reference::delta::{delta, relu_delta};
use crate::reference::forward::forward;
use crate::spec::Activation;

pub fn check(kernels: &dyn Kernels, case: &Case, comparison: &mut Comparison) -> Result<()> {
    let fixture = Fixture::new(case)?;
    let state = poisoned_state(&fixture);
    let (parameters, inputs) = (fixture.packed_parameters(), fixture.packed_inputs());
    let [activations, masks, deltas] = &state;
    let (features, labels, settings) = (fixture.packed_features(), fixture.packed_labels(), fixture.packed_dropout());
    let storage = [&parameters[..], &inputs, activations, masks, deltas, &features, &labels, &settings];
    let buffers = fixture.run(kernels, Shader::Propagate, fixture.batch(0), &storage)?;
    check_propagated(&fixture, &state, [&buffers[2], &buffers[3], &buffers[4]], comparison);
    for layer in 0..=fixture.last() {
        check_sums(&fixture, layer, |replica| below(&fixture, &buffers[2], replica, layer), &buffers[2], comparison);
    }
    Ok(())
}

/// What a kernel left below a layer.
fn below(fixture: &Fixture, activations: &[u32], replica: usize, layer: usize) -> Vec<f32> {
    match layer {
        0 => fixture.inputs_of(replica).to_vec(),
        _ => values(fixture, activations, replica, layer - 1),
    }
}

/// Activations, masks and deltas in which all that a kernel must write is poison.
pub fn poisoned_state(fixture: &Fixture) -> [Vec<u32>; 3] {
    let (mut activations, mut masks) = (fixture.packed_activations(), fixture.packed_masks());
    for shape in fixture.network.layers() {
        fixture.poison_rows(&mut activations, shape);
        fixture.poison_sums(&mut activations, shape);
        fixture.poison_masks(&mut masks, shape, false);
        fixture.poison_masks(&mut masks, shape, true);
    }
    let deltas = vec![POISON; fixture.kept(0)];
    [activations, masks, deltas]
}

/// The samples of all neurons of a layer.
pub fn values(fixture: &Fixture, buffer: &[u32], replica: usize, layer: usize) -> Vec<f32> {
    let shape = &fixture.network.layers()[layer];
    let rows = (0..shape.outputs as usize).flat_map(|neuron| {
        let row = fixture.row(replica, shape, neuron);
        floats(&buffer[row..row + fixture.case.size])
    });
    rows.collect()
}

/// Holds activations, masks and deltas, which were [`poisoned_state`] before, against the reference.
pub fn check_propagated(
    fixture: &Fixture,
    before: &[Vec<u32>; 3],
    [activations, masks, deltas]: [&[u32]; 3],
    comparison: &mut Comparison,
) {
    let (case, layers) = (&fixture.case, fixture.network.layers());
    let values = |buffer: &[u32], replica: usize, layer: usize| values(fixture, buffer, replica, layer);
    for layer in 0..layers.len() {
        let below = |replica: usize| below(fixture, activations, replica, layer);
        check_layer(fixture, layer, below, activations, masks, comparison);
    }
    for replica in 0..case.replicas {
        for (layer, shape) in layers.iter().enumerate() {
            let own = values(activations, replica, layer);
            let (expected, roundings) = if shape.is_output == 1 {
                let logits: Vec<f64> = own.into_iter().map(f64::from).collect();
                (bounded_loss(case, &logits, fixture.labels_of(replica)), 1)
            } else {
                let above = values(deltas, replica, layer + 1);
                let weight = fixture.model.weight(layer + 1, replica);
                let expected: Vec<Sum> = match case.activation {
                    Activation::Relu => relu_delta(weight, &above, &own, case.size),
                    activation => {
                        let (weight_below, bias) =
                            (fixture.model.weight(layer, replica), fixture.model.bias(layer, replica));
                        let z = forward(weight_below, bias, &below(fixture, activations, replica, layer), case.size);
                        let sums = delta(weight, &above, case.size).into_iter().zip(z);
                        let of =
                            |(sum, z): (Sum, Sum)| differentiate(activation, sum, z.value, z.bound(roundings(shape)));
                        sums.map(of).collect()
                    }
                };
                (dropped(fixture, replica, layer, expected.into_iter()), layers[layer + 1].outputs as usize + 2)
            };
            check_deltas(fixture, layer, replica, &expected, roundings, deltas, masks, comparison);
        }
    }
    untouched(comparison, || format!("{case}; activations"), activations, &before[0]);
    untouched(comparison, || format!("{case}; masks"), masks, &before[1]);
    for row in fixture.padding_rows() {
        let words = &deltas[row * fixture.stride()..][..fixture.stride()];
        let place = || format!("{case}; deltas, row {row}, which is no neuron");
        comparison.all_equal(place, words, &vec![POISON; words.len()]);
    }
}
