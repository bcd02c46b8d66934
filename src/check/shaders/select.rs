//! select.wgsl: the features that are active in a batch, in their order.

use super::case::Case;
use super::fixture::{Fixture, POISON, below};
use super::kernels::{Batch, Kernels, Shader};
use crate::check::comparison::Comparison;
use crate::error::Result;
use crate::random::Random;
use crate::reference::select::select;

/// Many mask words, and several times the features that a workgroup takes at once.
pub fn long_batch() -> Case {
    Case::new(&[784, 1], 9632, 9600, 1)
}

pub fn check(kernels: &dyn Kernels, case: &Case, comparison: &mut Comparison) -> Result<()> {
    let fixture = Fixture::new(case)?;
    let (rows, words, steps) = (fixture.network.input_rows as usize, fixture.stride() / 32, 3);
    let batches = steps * case.replicas;
    for active_in_ten in [0, 3, 10] {
        let mut random = Random::new(active_in_ten.into(), 2);
        let mut mask = || if below(&mut random, 10) < active_in_ten { below(&mut random, u32::MAX) } else { 0 };
        let masks: Vec<u32> = (0..batches * words * rows).map(|_| mask()).collect();
        let batch = Batch { steps: steps as u32, ..fixture.batch(0) };
        let storage = [&masks[..], &vec![POISON; batches * (4 + rows)]];
        let buffers = fixture.run(kernels, Shader::Select, batch, &storage)?;
        for (index, list) in buffers[1].chunks(4 + rows).enumerate() {
            let of_row = |row: usize| (0..words).map(|word| masks[(index * words + word) * rows + row]).collect();
            let (count, features) = select(&(0..rows).map(of_row).collect::<Vec<_>>());
            let expected = [vec![count, 0, 0, 0], features].concat();
            let place = || format!("{case}; features of batch {index}, {active_in_ten} of ten mask words not zero");
            comparison.all_equal(place, list, &expected);
        }
    }
    Ok(())
}
