//! normalize.wgsl: a normalized layer's activations from its sums, their masks, x^, and the running statistics.

use super::case::Case;
use super::fixture::{Fixture, POISON, floats, untouched};
use super::kernels::{Kernels, Shader};
use crate::check::comparison::Comparison;
use crate::error::Result;
use crate::reference::Sum;
use crate::reference::activation::activate;
use crate::reference::gather::mask;
use crate::reference::normalize::bounded;

/// Roundings of an operation: some are no more exact on a GPU than 3 ULP.
pub const ROUNDINGS: usize = 8;

pub fn check(kernels: &dyn Kernels, case: &Case, comparison: &mut Comparison) -> Result<()> {
    let mut fixture = Fixture::normalized(case, 0)?;
    // Sums have both signs.
    fixture.activations = fixture.deltas.clone();
    for layer in fixture.normalized_layers() {
        check_one(kernels, &fixture, layer, comparison)?;
    }
    if fixture.normalized_layers().is_empty() {
        comparison.equal(|| format!("{case}; normalized layers"), 0, fixture.network.has_norms(), false);
    }
    Ok(())
}

fn check_one(kernels: &dyn Kernels, fixture: &Fixture, layer: usize, comparison: &mut Comparison) -> Result<()> {
    let (case, size) = (&fixture.case, fixture.case.size);
    let shape = &fixture.network.layers()[layer];
    let (parameters, mut sums) = (fixture.packed_parameters(), fixture.packed_activations());
    fixture.poison_sums(&mut sums, shape);
    let (mut masks, mut values) = (fixture.packed_masks(), vec![0; sums.len()]);
    fixture.poison_masks(&mut masks, shape, false);
    fixture.poison_rows(&mut values, shape);
    let norms = fixture.packed_norms(|_, own, _| [if own == layer { POISON } else { 0 }; 4]);
    let storage = [&parameters[..], &sums, &masks, &fixture.packed_dropout(), &values, &norms];
    let after = fixture.run(kernels, Shader::Normalize, fixture.batch(layer), &storage)?;
    let mut statistics = parameters.clone();
    for replica in 0..case.replicas {
        for neuron in 0..shape.outputs as usize {
            let place = |what: &str| format!("{case}; {what}, layer {layer}, replica {replica}, neuron {neuron}");
            let row = fixture.row(replica, shape, neuron);
            let z = floats(&sums[row..row + size]);
            let (gamma, beta) =
                (fixture.model.gamma(layer, replica)[neuron], fixture.model.bias(layer, replica)[neuron]);
            let expected = bounded(&z, gamma, beta, ROUNDINGS);
            for sample in 0..size {
                let actual = f32::from_bits(after[4][row + sample]);
                comparison.close(|| place("x^"), row + sample, actual, expected.values[sample], 1);
                if case.activation.keeps_sums() {
                    let (own, y) = (fixture.kept(row + sample), expected.outputs[sample]);
                    comparison.close(|| place("y, which is kept,"), own, f32::from_bits(after[1][own]), y, 1);
                }
                let actual = f32::from_bits(after[1][row + sample]);
                match fixture.dropout(replica, layer, neuron, sample) {
                    (true, scale) => {
                        let a = activate(case.activation, expected.outputs[sample]).scaled(scale);
                        // The scale is rounded, and so is the product.
                        let a = Sum { magnitude: a.magnitude + 2.0 * a.value.abs(), ..a };
                        comparison.close(|| place("activations"), row + sample, actual, a, 1);
                    }
                    (false, _) => {
                        comparison.equal(|| place("activations of silent neurons"), row + sample, actual, 0.0)
                    }
                }
            }
            let nothing = vec![0; fixture.stride() - size];
            comparison.all_equal(
                || place("x^ past the batch"),
                &after[4][row + size..row + fixture.stride()],
                &nothing,
            );
            let own = mask(&floats(&after[1][row..row + fixture.stride()]));
            let found = fixture.mask_of(&after[2], replica, shape, neuron, false);
            comparison.all_equal(|| place("masks"), &found, &own);

            let found = &after[5][4 * fixture.flag(replica, shape, neuron)..][..4];
            comparison.close(|| place("1 / sqrt(variance)"), neuron, f32::from_bits(found[0]), expected.inverse, 1);
            comparison.all_equal(|| place("sums, which come later"), &found[1..], &[0; 3]);

            let statistics_place = fixture.statistics_place(replica, layer) + neuron;
            let running = [fixture.model.running_mean(layer, replica), fixture.model.running_variance(layer, replica)];
            let running = running.map(|values| f64::from(values[neuron]));
            for (column, moved) in expected.moved_statistics(running, size, ROUNDINGS).into_iter().enumerate() {
                let index = statistics_place + column * 4 * shape.weight_stride as usize;
                comparison.close(|| place("running statistics"), index, f32::from_bits(after[0][index]), moved, 1);
                if size > 1 || column == 0 {
                    statistics[index] = POISON;
                }
            }
        }
    }
    untouched(comparison, || format!("{case}; parameters, layer {layer}"), &after[0], &statistics);
    let mut activations = sums;
    fixture.poison_rows(&mut activations, shape);
    untouched(comparison, || format!("{case}; activations, layer {layer}"), &after[1], &activations);
    untouched(comparison, || format!("{case}; masks, layer {layer}"), &after[2], &masks);
    untouched(comparison, || format!("{case}; x^, layer {layer}"), &after[4], &values);
    untouched(comparison, || format!("{case}; norms, layer {layer}"), &after[5], &norms);
    Ok(())
}
