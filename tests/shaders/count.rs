use asgd::gpu::kernels::COUNT;
use asgd::gpu::layout::InputFormat;
use asgd::reference::count::count;

use crate::fixture::{cases, many_workgroups, Case, Fixture};
use crate::reduce::expected;

#[test]
fn equals_its_twin() {
    // Its loops would be too long for Mesa 22.3.6 if an invocation owned all samples (see MAX_LOOP_ITERATIONS).
    let long_batch = Case { widths: vec![784, 2], batch_size: 4096, size: 4000, replicas: 1, inputs: InputFormat::U8 };
    for case in cases().iter().chain([&many_workgroups(), &long_batch]) {
        let fixture = Fixture::new(case);
        let expected = expected(&fixture);
        let (inputs, masks) = (fixture.packed_input_masks(), fixture.packed_masks());
        let rows = case.replicas * fixture.network.row_count as usize;
        // Outputs are added to.
        let before = vec![7; rows];
        let storage = [&inputs[..], &masks, &before];
        let buffers = fixture.run(&COUNT, fixture.batch(0), fixture.dispatch().count(), &storage);
        let mut sums = before.clone();
        for (replica, layers) in expected.iter().enumerate() {
            for (reduction, shape) in layers.iter().zip(fixture.network.layers()) {
                let row = fixture.row(replica, shape, 0, 1);
                sums[row..].iter_mut().zip(count(reduction)).for_each(|(sum, count)| *sum += count);
            }
        }
        assert_eq!(buffers[2], sums, "{case:?}");
    }
}
