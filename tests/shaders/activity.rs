use asgd::gpu::kernels::ACTIVITY;
use asgd::reference::activity::activity;

use crate::fixture::{cases, many_workgroups, Fixture};

#[test]
fn equals_its_twin() {
    for case in cases().iter().chain([&many_workgroups()]) {
        let mut fixture = Fixture::new(case);
        // Some neurons are true dummies, some pseudo dummies.
        for layers in &mut fixture.activations {
            for values in layers {
                for (neuron, row) in values.chunks_mut(case.size).enumerate().filter(|(neuron, _)| neuron % 3 > 0) {
                    row.fill((neuron % 3 - 1) as f32);
                }
            }
        }
        let masks = fixture.packed_masks();
        let rows = case.replicas * fixture.network.row_count as usize;
        // Bits are added to those of the blocks before.
        let before: Vec<u32> = (0..rows as u32).map(|row| u32::from(row % 5 == 0)).collect();
        let buffers = fixture.run(&ACTIVITY, fixture.batch(0), fixture.dispatch().activity(), &[&masks, &before]);
        for replica in 0..case.replicas {
            for (layer, shape) in fixture.network.layers().iter().enumerate() {
                let expected = activity(&fixture.activations[replica][layer], case.size);
                for (neuron, bits) in expected.into_iter().enumerate() {
                    let row = fixture.row(replica, shape, neuron, 1);
                    assert_eq!(
                        buffers[1][row],
                        bits | before[row],
                        "{case:?} replica {replica} layer {layer} neuron {neuron}"
                    );
                }
            }
        }
    }
}
