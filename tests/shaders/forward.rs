use asgd::gpu::kernels::FORWARD;
use asgd::gpu::layout::{Batch, Layer};
use asgd::reference::forward::{forward, relu};
use asgd::reference::gather::mask;

use crate::fixture::{assert_close, bits, cases, many_workgroups, Fixture, POISON};

/// Checks the activations of one layer and their masks, for all samples that are really in the batch.
#[track_caller]
pub fn check_layer(
    fixture: &Fixture,
    index: usize,
    shape: &Layer,
    below: impl Fn(usize) -> Vec<f32>,
    activations: &[u32],
    masks: &[u32],
    what: &str,
) {
    let size = fixture.case.size;
    for replica in 0..fixture.case.replicas {
        let (weight, bias) = (fixture.model.weight(index, replica), fixture.model.bias(index, replica));
        let expected = forward(weight, bias, &below(replica), size);
        for neuron in 0..shape.outputs as usize {
            let row = fixture.row(replica, shape, neuron, fixture.stride());
            for sample in 0..size {
                let z = expected[neuron * size + sample];
                let a = if shape.is_output == 1 { z } else { relu(z) };
                // A term an input, one for the bias, and up to three in the division by 255 (2.5 ULP in WGSL).
                let roundings = shape.inputs as usize + 1 + 5;
                assert_close(
                    &format!("{what}: layer {index} replica {replica} neuron {neuron} sample {sample}"),
                    activations[row + sample],
                    a,
                    roundings,
                );
            }
            // The mask belongs to what was really computed, padding included.
            let values: Vec<f32> =
                activations[row..row + fixture.stride()].iter().map(|&word| f32::from_bits(word)).collect();
            assert_eq!(
                fixture.mask_of(masks, replica, shape, neuron, false),
                mask(&values),
                "{what}: mask of layer {index} replica {replica} neuron {neuron}"
            );
        }
    }
}

#[test]
fn equals_its_twin() {
    for case in cases().iter().chain([&many_workgroups()]) {
        let fixture = Fixture::new(case);
        let (parameters, inputs) = (fixture.packed_parameters(), fixture.packed_inputs());
        let features = fixture.packed_features();
        let before = bits(&fixture.packed_activations());
        let masks = fixture.packed_masks();
        for (index, shape) in fixture.network.layers().iter().enumerate() {
            let mut poisoned = before.clone();
            let mut poisoned_masks = masks.clone();
            for replica in 0..case.replicas {
                let row = fixture.row(replica, shape, 0, fixture.stride());
                let length = shape.outputs as usize * fixture.stride();
                poisoned[row..row + length].fill(POISON);
            }
            fixture.poison_masks(&mut poisoned_masks, shape, false);
            let storage = [&parameters[..], &inputs, &poisoned, &poisoned_masks, &features];
            let batch: Batch = fixture.batch(index);
            let workgroups = fixture.dispatch().forward(shape);
            let buffers = fixture.run(&FORWARD, batch, workgroups, &storage);
            let what = format!("{case:?}");
            check_layer(
                &fixture,
                index,
                shape,
                |replica| fixture.below(replica, index).to_vec(),
                &buffers[2],
                &buffers[3],
                &what,
            );
            // Everything else is as it was: other layers, rows of ones, rows of zeros.
            for (offset, (&after, &before)) in buffers[2].iter().zip(&poisoned).enumerate() {
                assert!(before == POISON || after == before, "{what}: layer {index} touched index {offset}");
            }
            for (offset, (&after, &before)) in buffers[3].iter().zip(&poisoned_masks).enumerate() {
                assert!(before == POISON || after == before, "{what}: layer {index} touched mask word {offset}");
            }
        }
    }
}

/// NaN must not be swallowed by the ReLU: it is how a diverged replica shows.
#[test]
fn nan_stays_nan() {
    let case = cases().into_iter().nth(4).unwrap();
    let mut fixture = Fixture::new(&case);
    fixture.model.bias_mut(0, 1)[3] = f32::NAN;
    let (parameters, inputs) = (fixture.packed_parameters(), fixture.packed_inputs());
    let (before, masks) = (bits(&fixture.packed_activations()), fixture.packed_masks());
    let features = fixture.packed_features();
    let shape = fixture.network.layers()[0];
    let storage = [&parameters[..], &inputs, &before, &masks, &features];
    let buffers = fixture.run(&FORWARD, fixture.batch(0), fixture.dispatch().forward(&shape), &storage);
    for neuron in 0..shape.outputs as usize {
        let value = f32::from_bits(buffers[2][fixture.row(1, &shape, neuron, fixture.stride())]);
        assert_eq!(value.is_nan(), neuron == 3, "neuron {neuron}: {value}");
    }
}
