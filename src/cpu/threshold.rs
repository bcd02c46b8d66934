//! What deltas must exceed to count, where a replica has a threshold T: T times the largest of each neuron in the batch, whatever
//! blocks it is cut into. threshold.wgsl.

use super::panels::{FULL, Panels};
use super::simd::{Kernel, Lanes, with_lanes};

/// Finds the largest magnitude of each column. NaN is left out.
pub struct FindLargest<'a> {
    /// (samples, columns)
    pub values: &'a Panels,
    /// How many rows count.
    pub samples: usize,
    /// The columns' vectors.
    pub largest: &'a mut [Lanes],
}

impl Kernel for FindLargest<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { values, samples, largest } = self;
        for (panel, largest) in largest.chunks_mut(FULL).enumerate() {
            with_lanes!(values.lanes(panel), P => {
                let mut own = [Lanes::ZERO; P];
                for row in &values.rows_of::<P>(panel)[..samples] {
                    for vector in 0..P {
                        own[vector] = own[vector].zip(row[vector], |largest, x| if x.abs() > largest { x.abs() } else { largest });
                    }
                }
                largest.copy_from_slice(&own);
            });
        }
    }
}

/// The larger ones of two blocks.
pub fn merge(largest: &mut [Lanes], others: &[Lanes]) {
    for (largest, others) in largest.iter_mut().zip(others) {
        *largest = largest.zip(*others, |a, b| if b > a { b } else { a });
    }
}

/// Whether a value counts. With a bound of 0, whether it is not 0. NaN counts.
#[inline(always)]
#[allow(clippy::neg_cmp_op_on_partial_ord, reason = "NaN counts")]
pub fn counts(value: f32, bound: f32) -> bool {
    !(value.abs() <= bound)
}

/// The bounds of the columns of a panel; without a threshold, 0.
#[inline(always)]
pub fn bounds_of<const P: usize>(bounds: Option<&[Lanes]>, panel: usize) -> [Lanes; P] {
    bounds.map_or([Lanes::ZERO; P], |bounds| std::array::from_fn(|vector| bounds[FULL * panel + vector]))
}
