//! propagate.wgsl: forward, loss and delta of all layers. Each layer is held against its twin on what the kernel itself left
//! below or above it.

use super::case::Case;
use super::fixture::{Fixture, POISON, floats, untouched};
use super::forward::check_layer;
use super::kernels::{Kernels, Shader};
use super::loss::{bounded_loss, check_deltas};
use crate::check::comparison::Comparison;
use crate::error::Result;
use crate::reference::delta::delta;

pub fn check(kernels: &dyn Kernels, case: &Case, comparison: &mut Comparison) -> Result<()> {
    let fixture = Fixture::new(case)?;
    let layers = fixture.network.layers();
    let (parameters, inputs, labels) = (fixture.packed_parameters(), fixture.packed_inputs(), fixture.packed_labels());
    let (mut activations, mut masks) = (fixture.packed_activations(), fixture.packed_masks());
    for shape in layers {
        fixture.poison_rows(&mut activations, shape);
        fixture.poison_masks(&mut masks, shape, false);
        fixture.poison_masks(&mut masks, shape, true);
    }
    let deltas = vec![POISON; activations.len()];
    let storage = [&parameters[..], &inputs, &activations, &masks, &deltas, &fixture.packed_features(), &labels];
    let buffers = fixture.run(kernels, Shader::Propagate, fixture.batch(0), &storage)?;

    let values = |buffer: &[u32], replica: usize, layer: usize| -> Vec<f32> {
        let shape = &layers[layer];
        let rows = (0..shape.outputs as usize).flat_map(|neuron| {
            let row = fixture.row(replica, shape, neuron);
            floats(&buffer[row..row + case.size])
        });
        rows.collect()
    };
    for layer in 0..layers.len() {
        let below = |replica: usize| match layer {
            0 => fixture.inputs_of(replica).to_vec(),
            _ => values(&buffers[2], replica, layer - 1),
        };
        check_layer(&fixture, layer, below, &buffers[2], &buffers[3], comparison);
    }
    for replica in 0..case.replicas {
        for (layer, shape) in layers.iter().enumerate() {
            let own = values(&buffers[2], replica, layer);
            let (expected, roundings) = if shape.is_output == 1 {
                let logits: Vec<f64> = own.into_iter().map(f64::from).collect();
                (bounded_loss(&logits, fixture.labels_of(replica)), 1)
            } else {
                let above = values(&buffers[4], replica, layer + 1);
                let expected = delta(fixture.model.weight(layer + 1, replica), &above, &own, case.size);
                (expected, layers[layer + 1].outputs as usize)
            };
            check_deltas(&fixture, layer, replica, &expected, roundings, &buffers[4], &buffers[3], comparison);
        }
    }
    untouched(comparison, || format!("{case}; activations"), &buffers[2], &activations);
    untouched(comparison, || format!("{case}; masks"), &buffers[3], &masks);
    for row in fixture.padding_rows() {
        let words = &buffers[4][row * fixture.stride()..][..fixture.stride()];
        let place = || format!("{case}; deltas, row {row}, which is no neuron");
        comparison.all_equal(place, words, &vec![POISON; words.len()]);
    }
    Ok(())
}
