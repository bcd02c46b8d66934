//! The fused kernel against the staged ones: the same functions, so the same numbers to rounding.

use asgd::gpu::kernels::PROPAGATE;
use asgd::reference::delta::delta;
use asgd::reference::gather::mask;

use crate::fixture::{assert_close, bits, cases, many_workgroups, Fixture, POISON};
use crate::forward::check_layer;
use crate::loss::bounded_loss;

#[test]
fn equals_its_twins() {
    for case in cases().iter().chain([&many_workgroups()]) {
        let fixture = Fixture::new(case);
        let stride = fixture.stride();
        let (parameters, inputs, labels) =
            (fixture.packed_parameters(), fixture.packed_inputs(), fixture.packed_labels());
        // Poison everything but the rows of ones.
        let mut activations = bits(&fixture.packed_activations());
        let mut masks = fixture.packed_masks();
        let features = fixture.packed_features();
        let padding = fixture.padding_rows();
        let is_padding: std::collections::HashSet<usize> = padding.iter().copied().collect();
        for row in (0..activations.len() / stride).filter(|row| !is_padding.contains(row)) {
            activations[row * stride..][..stride].fill(POISON);
        }
        for shape in fixture.network.layers() {
            fixture.poison_masks(&mut masks, shape, false);
            fixture.poison_masks(&mut masks, shape, true);
        }
        let deltas = vec![POISON; activations.len()];
        let storage = [&parameters[..], &inputs, &activations, &masks, &deltas, &features, &labels];
        let buffers = fixture.run(&PROPAGATE, fixture.batch(0), fixture.dispatch().propagate(), &storage);
        let what = format!("{case:?}");
        // Each layer is held against its twin on what the kernel itself left below (or above) it.
        let values = |buffer: &[u32], replica: usize, layer: usize| -> Vec<f32> {
            let shape = &fixture.network.layers()[layer];
            let rows = (0..shape.outputs as usize).flat_map(|neuron| {
                let row = fixture.row(replica, shape, neuron, stride);
                buffer[row..row + case.size].to_vec()
            });
            rows.map(f32::from_bits).collect()
        };
        let layers = fixture.network.layers();
        for (index, shape) in layers.iter().enumerate() {
            let below = |replica: usize| match index {
                0 => fixture.inputs_of(replica).to_vec(),
                _ => values(&buffers[2], replica, index - 1),
            };
            check_layer(&fixture, index, shape, below, &buffers[2], &buffers[3], &what);
        }
        for replica in 0..case.replicas {
            for (index, shape) in layers.iter().enumerate() {
                let (expected, roundings) = if shape.is_output == 1 {
                    let logits: Vec<f64> = values(&buffers[2], replica, index).into_iter().map(f64::from).collect();
                    (bounded_loss(&logits, fixture.labels_of(replica)), 1)
                } else {
                    let weight = fixture.model.weight(index + 1, replica);
                    let above = values(&buffers[4], replica, index + 1);
                    (
                        delta(weight, &above, &values(&buffers[2], replica, index), case.size),
                        layers[index + 1].outputs as usize,
                    )
                };
                for (offset, &actual) in values(&buffers[4], replica, index).iter().enumerate() {
                    assert_close(
                        &format!("{what} delta of layer {index} index {offset}"),
                        actual.to_bits(),
                        expected[offset],
                        roundings,
                    );
                }
                for neuron in 0..shape.outputs as usize {
                    let row = fixture.row(replica, shape, neuron, stride);
                    let row_values: Vec<f32> =
                        buffers[4][row..row + stride].iter().map(|&word| f32::from_bits(word)).collect();
                    assert!(
                        row_values[case.size..].iter().all(|&delta| delta == 0.0),
                        "{what}: samples past the batch"
                    );
                    assert_eq!(
                        fixture.mask_of(&buffers[3], replica, shape, neuron, true),
                        mask(&row_values),
                        "{what}: delta mask"
                    );
                }
            }
        }
        for row in &padding {
            assert_eq!(
                buffers[2][row * stride..][..stride],
                activations[row * stride..][..stride],
                "{what}: row {row}"
            );
            assert!(buffers[4][row * stride..][..stride].iter().all(|&word| word == POISON), "{what}: delta row {row}");
        }
    }
}
