use asgd::gpu::kernels::SELECT;
use asgd::gpu::layout::{Batch, InputFormat};
use asgd::reference::select::select;

use crate::fixture::{cases, many_batches, Case, Fixture, Numbers, POISON};

#[test]
fn equals_its_twin() {
    // Many mask words, and several times the features that a workgroup takes at once.
    let long = Case { widths: vec![784, 1], batch_size: 9632, size: 9600, replicas: 1, inputs: InputFormat::U8 };
    for case in cases().into_iter().chain([long, many_batches()]) {
        let fixture = Fixture::new(&case);
        let (rows, words, steps) = (fixture.network.input_rows as usize, fixture.stride() / 32, 3);
        for active_in_ten in [0, 3, 10] {
            let mut numbers = Numbers::new(active_in_ten.into());
            let mut mask = || if numbers.below(10) < active_in_ten { numbers.below(u32::MAX) } else { 0 };
            let masks: Vec<u32> = (0..steps * case.replicas * words * rows).map(|_| mask()).collect();
            let poison = vec![POISON; steps * case.replicas * (4 + rows)];
            let batch = Batch { steps: steps as u32, ..fixture.batch(0) };
            let workgroups = fixture.dispatch().select(steps as u32, case.replicas as u32);
            let buffers = fixture.run(&SELECT, batch, workgroups, &[&masks, &poison]);
            for (index, list) in buffers[1].chunks(4 + rows).enumerate() {
                let of_row = |row: usize| (0..words).map(|word| masks[(index * words + word) * rows + row]).collect();
                let (count, features) = select(&(0..rows).map(of_row).collect::<Vec<_>>());
                assert_eq!(list[..4], [count, 0, 0, 0], "{case:?} batch {index}");
                assert_eq!(list[4..], features, "{case:?} batch {index}");
            }
        }
    }
}
