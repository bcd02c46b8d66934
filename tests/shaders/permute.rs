use asgd::gpu::kernels::PERMUTE;
use asgd::gpu::layout::{Batch, ReplicaColumns};
use asgd::reference::permute::permute;

use crate::fixture::{cases, many_workgroups, Fixture, POISON};

#[test]
fn equals_its_twin() {
    for case in cases().iter().chain([&many_workgroups()]) {
        let fixture = Fixture::new(case);
        let replicas = case.replicas;
        let seeds: Vec<u64> = (0..replicas as u64).map(|replica| replica.wrapping_mul(0x1_0000_0001_0003)).collect();
        let columns: Vec<ReplicaColumns> = seeds
            .iter()
            .map(|&seed| ReplicaColumns {
                seed_low: seed as u32,
                seed_high: (seed >> 32) as u32,
                optimizer: 1,
                learning_rate: 0.1,
                epsilon: 0.0,
            })
            .collect();
        // The last of three batches is short.
        let count = case.batch_size as u32 * 3 - case.batch_size as u32 / 2;
        let labels: Vec<u32> = (0..count).map(|index| index * 7 % 10).collect();
        for (shuffled, epoch, first_step) in [(1, 0, 0), (1, 7, 1), (0, 3, 1)] {
            let steps = 3 - first_step;
            let position = first_step * case.batch_size as u32;
            let batch = Batch { steps, position, epoch, sample_count: count, shuffled, ..fixture.batch(0) };
            let samples = steps as usize * replicas * fixture.stride();
            let poison = vec![POISON; samples];
            let storage = [bytemuck::cast_slice(&columns), &labels[..], &poison, &poison];
            let workgroups = fixture.dispatch().permute(steps, replicas as u32);
            let buffers = fixture.run(&PERMUTE, batch, workgroups, &storage);
            for (offset, (&actual_index, &actual_label)) in buffers[2].iter().zip(&buffers[3]).enumerate() {
                let (sample, replica) = (offset % fixture.stride(), offset / fixture.stride() % replicas);
                let step = (offset / fixture.stride() / replicas) as u32;
                let at = position + step * case.batch_size as u32 + sample as u32;
                let (index, label) = if sample >= case.batch_size || at >= count {
                    (count, 0)
                } else {
                    let index = if shuffled == 1 { permute(at, count, seeds[replica], epoch) } else { at };
                    (index, labels[index as usize])
                };
                assert_eq!((actual_index, actual_label), (index, label), "{case:?} index {offset}");
            }
        }
    }
}
