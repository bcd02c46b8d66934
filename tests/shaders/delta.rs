use asgd::gpu::kernels::DELTA;
use asgd::reference::delta::delta;
use asgd::reference::gather::mask;

use crate::fixture::{assert_close, bits, cases, many_workgroups, Fixture, POISON};

#[test]
fn equals_its_twin() {
    for case in cases().iter().chain([&many_workgroups()]) {
        let fixture = Fixture::new(case);
        let (parameters, activations) = (fixture.packed_parameters(), bits(&fixture.packed_activations()));
        let (deltas, masks) = (bits(&fixture.packed_deltas()), fixture.packed_masks());
        for (index, shape) in fixture.network.layers().iter().enumerate().skip(1) {
            let below = fixture.network.layers()[index - 1];
            let (mut poisoned, mut poisoned_masks) = (deltas.clone(), masks.clone());
            for replica in 0..case.replicas {
                let row = fixture.row(replica, &below, 0, fixture.stride());
                let length = below.outputs as usize * fixture.stride();
                poisoned[row..row + length].fill(POISON);
            }
            fixture.poison_masks(&mut poisoned_masks, &below, true);
            let storage = [&parameters[..], &activations, &poisoned_masks, &poisoned];
            let workgroups = fixture.dispatch().delta(shape);
            let buffers = fixture.run(&DELTA, fixture.batch(index), workgroups, &storage);
            for replica in 0..case.replicas {
                let (weight, above) = (fixture.model.weight(index, replica), &fixture.deltas[replica][index]);
                let expected = delta(weight, above, &fixture.activations[replica][index - 1], case.size);
                for neuron in 0..below.outputs as usize {
                    let row = fixture.row(replica, &below, neuron, fixture.stride());
                    for sample in 0..case.size {
                        let what = format!("{case:?} layer {index} replica {replica} neuron {neuron} sample {sample}");
                        let sum = expected[neuron * case.size + sample];
                        assert_close(&what, buffers[3][row + sample], sum, shape.outputs as usize);
                    }
                    let values: Vec<f32> =
                        buffers[3][row..][..fixture.stride()].iter().map(|&word| f32::from_bits(word)).collect();
                    assert!(values[case.size..].iter().all(|&delta| delta == 0.0), "{case:?}: samples past the batch");
                    assert_eq!(
                        fixture.mask_of(&buffers[2], replica, &below, neuron, true),
                        mask(&values),
                        "{case:?} mask"
                    );
                }
            }
            for (buffer, poisoned) in [(2, &poisoned_masks), (3, &poisoned)] {
                for (offset, (&after, &before)) in buffers[buffer].iter().zip(poisoned).enumerate() {
                    assert!(
                        before == POISON || after == before,
                        "{case:?}: layer {index} touched index {offset} of buffer {buffer}"
                    );
                }
            }
        }
    }
}
