//! forward.wgsl: a layer's activations and their masks. NaN must not be swallowed by the ReLU: it is how a diverged replica
//! shows.

use super::case::Case;
use super::fixture::{Fixture, floats, packed_settings, untouched};
use super::kernels::{Kernels, Layer, Shader};
use crate::check::comparison::Comparison;
use crate::error::Result;
use crate::reference::activation::activate;
use crate::reference::forward::forward;
use crate::reference::gather::mask;
use crate::settings::ReplicaSettings;

pub fn check(kernels: &dyn Kernels, case: &Case, comparison: &mut Comparison) -> Result<()> {
    let mut fixture = Fixture::new(case)?;
    for layer in 0..=fixture.last() {
        check_one(kernels, &fixture, layer, comparison)?;
    }
    let normalized = Fixture::normalized(case, 0)?;
    for layer in normalized.normalized_layers() {
        check_one(kernels, &normalized, layer, comparison)?;
    }
    nan_stays_nan(kernels, &mut fixture, comparison)
}

fn check_one(kernels: &dyn Kernels, fixture: &Fixture, layer: usize, comparison: &mut Comparison) -> Result<()> {
    let case = &fixture.case;
    let shape = &fixture.network.layers()[layer];
    let (mut activations, mut masks) = (fixture.packed_activations(), fixture.packed_masks());
    fixture.poison_rows(&mut activations, shape);
    // normalize.wgsl keeps those of normalized layers.
    let keeps_sums = !fixture.is_normalized(layer);
    if keeps_sums {
        fixture.poison_sums(&mut activations, shape);
    }
    fixture.poison_masks(&mut masks, shape, false);
    let buffers = run(kernels, fixture, layer, [&activations, &masks, &fixture.packed_dropout()])?;
    let below = |replica: usize| fixture.below(replica, layer).to_vec();
    check_layer(fixture, layer, below, &buffers[2], &buffers[3], comparison);
    if keeps_sums {
        check_sums(fixture, layer, below, &buffers[2], comparison);
    }
    untouched(comparison, || format!("{case}; activations, layer {layer}"), &buffers[2], &activations);
    untouched(comparison, || format!("{case}; masks, layer {layer}"), &buffers[3], &masks);
    Ok(())
}

fn run(
    kernels: &dyn Kernels,
    fixture: &Fixture,
    layer: usize,
    [activations, masks, settings]: [&[u32]; 3],
) -> Result<Vec<Vec<u32>>> {
    let (parameters, inputs) = (fixture.packed_parameters(), fixture.packed_inputs());
    let storage = [&parameters[..], &inputs, activations, masks, &fixture.packed_features(), settings];
    fixture.run(kernels, Shader::Forward, fixture.batch(layer), &storage)
}

/// Holds the activations of one layer and their masks against what `below` it gives, by replica.
pub fn check_layer(
    fixture: &Fixture,
    layer: usize,
    below: impl Fn(usize) -> Vec<f32>,
    activations: &[u32],
    masks: &[u32],
    comparison: &mut Comparison,
) {
    let (case, size) = (&fixture.case, fixture.case.size);
    let shape = &fixture.network.layers()[layer];
    let roundings = roundings(shape);
    for replica in 0..case.replicas {
        let (weight, bias) = (fixture.model.weight(layer, replica), fixture.model.bias(layer, replica));
        // A normalized layer has none yet, nor an activation.
        let is_normalized = fixture.is_normalized(layer);
        let bias = if is_normalized { &vec![0.0; bias.len()][..] } else { bias };
        let expected = forward(weight, bias, &below(replica), size);
        for neuron in 0..shape.outputs as usize {
            let place = |what: &str| format!("{case}; {what}, layer {layer}, replica {replica}, neuron {neuron}");
            let row = fixture.row(replica, shape, neuron);
            for sample in 0..size {
                let z = expected[neuron * size + sample];
                let actual = f32::from_bits(activations[row + sample]);
                let a = match fixture.dropout(replica, layer, neuron, sample) {
                    _ if shape.is_output == 1 || is_normalized => z,
                    (true, scale) => activate(case.activation, z).scaled(scale),
                    (false, _) => {
                        comparison.equal(|| place("activations of silent neurons"), row + sample, actual, 0.0);
                        continue;
                    }
                };
                comparison.close(|| place("activations"), row + sample, actual, a, roundings);
            }
            // The mask belongs to what was really computed, padding included.
            let expected = mask(&floats(&activations[row..row + fixture.stride()]));
            let found = fixture.mask_of(masks, replica, shape, neuron, false);
            comparison.all_equal(|| place("masks"), &found, &expected);
        }
    }
}

/// A term an input, one for the bias, two in the scale of 8-bit inputs, and two in that of dropout.
pub fn roundings(shape: &Layer) -> usize {
    shape.inputs as usize + 1 + 2 + 2
}

/// Holds the sums of a layer, where they are kept beside the activations, against what `below` it gives.
pub fn check_sums(
    fixture: &Fixture,
    layer: usize,
    below: impl Fn(usize) -> Vec<f32>,
    activations: &[u32],
    comparison: &mut Comparison,
) {
    let (case, size) = (&fixture.case, fixture.case.size);
    let shape = &fixture.network.layers()[layer];
    if !case.activation.keeps_sums() {
        return;
    }
    for replica in 0..case.replicas {
        let (weight, bias) = (fixture.model.weight(layer, replica), fixture.model.bias(layer, replica));
        for (index, z) in forward(weight, bias, &below(replica), size).into_iter().enumerate() {
            let own = fixture.kept(fixture.row(replica, shape, index / size)) + index % size;
            let place = || format!("{case}; sums that are kept, layer {layer}, replica {replica}");
            comparison.close(place, own, f32::from_bits(activations[own]), z, roundings(shape));
        }
    }
}

/// A bias that is NaN shows in its own neuron, and in no other.
fn nan_stays_nan(kernels: &dyn Kernels, fixture: &mut Fixture, comparison: &mut Comparison) -> Result<()> {
    let shape = fixture.network.layers()[0];
    let (replica, spoilt) = (fixture.case.replicas - 1, (shape.outputs as usize - 1).min(3));
    fixture.model.bias_mut(0, replica)[spoilt] = f32::NAN;
    let settings = packed_settings((0..fixture.case.replicas).map(|_| ReplicaSettings::default()));
    let state = [&fixture.packed_activations()[..], &fixture.packed_masks(), &settings];
    let buffers = run(kernels, fixture, 0, state)?;
    for neuron in 0..shape.outputs as usize {
        let index = fixture.row(replica, &shape, neuron);
        let value = f32::from_bits(buffers[2][index]);
        let (rule, is_so) = match neuron == spoilt {
            true => ("NaN, from a bias that is", value.is_nan()),
            false => ("a number, beside a neuron that is NaN", !value.is_nan()),
        };
        comparison.holds(|| format!("{}; activations, layer 0", fixture.case), index, value, rule, is_so);
    }
    Ok(())
}
