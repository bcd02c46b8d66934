//! normalize_back.wgsl: dz of a normalized layer from dy, and the gradient sums of beta and gamma.

use super::case::Case;
use super::fixture::{Fixture, POISON, floats, signed, untouched};
use super::kernels::{Kernels, Shader};
use super::normalize::ROUNDINGS;
use crate::check::comparison::Comparison;
use crate::error::Result;
use crate::random::Random;
use crate::reference::normalize_back::bounded;

pub fn check(kernels: &dyn Kernels, case: &Case, comparison: &mut Comparison) -> Result<()> {
    let fixture = Fixture::normalized(case, 0)?;
    let (size, stride) = (case.size, fixture.stride());
    let mut random = Random::new(3, case.size as u64);
    let numbers = |random: &mut Random, count: usize| (0..count).map(|_| signed(random)).collect::<Vec<f32>>();
    let of_layer = |random: &mut Random, width: usize| numbers(random, width * size);
    let mut values = Vec::new();
    for _ in 0..case.replicas {
        values.push(case.widths[1..].iter().map(|&width| of_layer(&mut random, width)).collect());
    }
    let values = fixture.packed(&values, false);
    let inverse = |replica: usize, layer: usize, neuron: usize| 0.1 + ((replica + 3 * layer + 7 * neuron) % 11) as f32;
    let dy = fixture.packed_deltas();
    for layer in fixture.normalized_layers() {
        let shape = &fixture.network.layers()[layer];
        let norms = fixture.packed_norms(|replica, own, neuron| {
            let rest = if own == layer { POISON } else { 0 };
            [inverse(replica, own, neuron).to_bits(), rest, rest, rest]
        });
        let storage = [&fixture.packed_parameters()[..], &dy, &values, &norms];
        let after = fixture.run(kernels, Shader::NormalizeBack, fixture.batch(layer), &storage)?;
        for (replica, neuron) in
            (0..case.replicas).flat_map(|replica| (0..shape.outputs as usize).map(move |j| (replica, j)))
        {
            let place = |what: &str| format!("{case}; {what}, layer {layer}, replica {replica}, neuron {neuron}");
            let row = fixture.row(replica, shape, neuron);
            let own = row..row + size;
            let gamma = fixture.model.gamma(layer, replica)[neuron];
            let [of_samples, of_values] = [&dy, &values].map(|all| floats(&all[own.clone()]));
            let inverse = inverse(replica, layer, neuron);
            let expected = bounded(&of_samples, &of_values, gamma, inverse, ROUNDINGS);
            for (sample, &expected) in expected.deltas.iter().enumerate() {
                let actual = f32::from_bits(after[1][row + sample]);
                comparison.close(|| place("dz"), row + sample, actual, expected, 1);
            }
            comparison.all_equal(
                || place("dz past the batch"),
                &after[1][row + size..row + stride],
                &vec![0; stride - size],
            );
            let found = &after[3][4 * fixture.flag(replica, shape, neuron)..][..4];
            comparison.close(|| place("S of beta"), neuron, f32::from_bits(found[1]), expected.beta, 1);
            comparison.close(|| place("S of gamma"), neuron, f32::from_bits(found[2]), expected.gamma, 1);
            comparison.all_equal(|| place("what is beside them"), &[found[0], found[3]], &[inverse.to_bits(), 0]);
        }
        let mut others = dy.clone();
        fixture.poison_rows(&mut others, shape);
        untouched(comparison, || format!("{case}; deltas, layer {layer}"), &after[1], &others);
        untouched(comparison, || format!("{case}; norms, layer {layer}"), &after[3], &norms);
    }
    if fixture.normalized_layers().is_empty() {
        comparison.equal(|| format!("{case}; normalized layers"), 0, fixture.network.has_norms(), false);
    }
    Ok(())
}
