//! count.wgsl: adaptive batch sizes summed by neuron. Outputs are added to.

use super::case::Case;
use super::fixture::Fixture;
use super::kernels::{Kernels, Shader};
use super::reduce::expected;
use crate::check::comparison::Comparison;
use crate::error::Result;
use crate::reference::count::count;

/// A batch whose loops would be too long for Mesa 22.3.6 if an invocation owned all samples.
pub fn long_batch() -> Case {
    Case::new(&[784, 2], 4096, 4000, 1)
}

pub fn check(kernels: &dyn Kernels, case: &Case, comparison: &mut Comparison) -> Result<()> {
    for fixture in [Fixture::new(case)?, Fixture::normalized(case, 0)?] {
        check_one(kernels, &fixture, comparison)?;
    }
    Ok(())
}

fn check_one(kernels: &dyn Kernels, fixture: &Fixture, comparison: &mut Comparison) -> Result<()> {
    let case = &fixture.case;
    let mut sums = vec![7; case.replicas * fixture.network.row_count as usize];
    let storage = [&fixture.packed_input_masks()[..], &fixture.packed_masks(), &sums];
    let buffers = fixture.run(kernels, Shader::Count, fixture.batch(0), &storage)?;
    for (replica, layers) in expected(fixture).iter().enumerate() {
        for (layer, (reduction, shape)) in layers.iter().zip(fixture.network.layers()).enumerate() {
            let row = fixture.flag(replica, shape, 0);
            sums[row..].iter_mut().zip(count(reduction)).for_each(|(sum, count)| *sum += count);
            if fixture.is_normalized(layer) {
                // gamma counts as beta does.
                sums[row..].iter_mut().zip(&reduction.bias_counts).for_each(|(sum, count)| *sum += count);
            }
        }
    }
    comparison.all_equal(|| format!("{case}; counts of all rows"), &buffers[2], &sums);
    Ok(())
}
