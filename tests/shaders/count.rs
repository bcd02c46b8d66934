use asgd::kernels::COUNT;
use asgd::reference::count::count;

use crate::fixture::{cases, many_workgroups, variants, Fixture, POISON};
use crate::reduce::expected;

#[test]
fn equals_its_twin() {
    for case in cases().iter().chain([&many_workgroups()]) {
        let fixture = Fixture::new(case);
        let expected = expected(&fixture);
        let (inputs, masks) = (fixture.packed_input_masks(), fixture.packed_masks());
        let rows = case.replicas * fixture.network.row_count as usize;
        let poison = vec![POISON; rows];
        for variant in variants(case.inputs) {
            let storage = [&inputs[..], &masks, &poison];
            let buffers = fixture.run(&COUNT, variant, fixture.batch(0), fixture.dispatch(variant).rows(), &storage);
            let mut sums = vec![0; rows];
            for (replica, layers) in expected.iter().enumerate() {
                for (reduction, shape) in layers.iter().zip(fixture.network.layers()) {
                    let row = fixture.row(replica, shape, 0, 1);
                    sums[row..row + shape.outputs as usize].copy_from_slice(&count(reduction));
                }
            }
            assert_eq!(buffers[2], sums, "{case:?} {variant:?}");
        }
    }
}
