//! Deltas with a byte for each that says whether it counts: beside the lists of the first layer, where adding bytes is the
//! cheapest way to count.

use super::panels::{PANEL, Panels};
use super::simd::{Kernel, LANES, Lanes, with_lanes};
use super::threshold::{bounds_of, counts};

/// Vectors in a row of a full panel, and one for the flags.
const FULL: usize = PANEL / LANES + 1;

/// delta of the first layer, in panels whose rows have one more vector: its bytes are the flags of the others.
#[derive(Debug, Clone, Default)]
pub struct MarkedDeltas {
    rows: usize,
    data: Vec<Lanes>,
}

impl MarkedDeltas {
    /// Room for `rows` samples of `columns` units.
    pub fn new(rows: usize, columns: usize) -> Self {
        let panels = columns.div_ceil(PANEL);
        Self { rows, data: vec![Lanes::ZERO; rows * (columns.div_ceil(LANES) + panels)] }
    }

    /// The rows of panel `panel` of `Q` vectors each, the flags included.
    #[inline(always)]
    pub fn rows_of<const Q: usize>(&self, panel: usize) -> &[[Lanes; Q]] {
        let start = panel * FULL * self.rows;
        self.data[start..start + Q * self.rows].as_chunks().0
    }
}

/// A byte for each unit of a panel, eight in a word.
pub type Flags = [u64; PANEL / 8];

/// The flags of a row: 1 where a delta counts.
#[inline(always)]
pub fn flags(vector: &Lanes) -> &Flags {
    bytemuck::cast_ref(vector)
}

/// Fills the deltas of a block.
pub struct Mark<'a> {
    /// delta of the first layer: (samples, outputs).
    pub deltas: &'a Panels,
    /// What is not zero counts: the same, or dy where the layer is normalized.
    pub counted: &'a Panels,
    /// Of the same shape.
    pub marked: &'a mut MarkedDeltas,
    /// How many rows count.
    pub samples: usize,
    /// What the deltas of each column must exceed to count, if it is not 0.
    pub bounds: Option<&'a [Lanes]>,
}

impl Kernel for Mark<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { deltas, counted, marked, samples, bounds } = self;
        for panel in 0..deltas.panels() {
            let start = panel * FULL * marked.rows;
            with_lanes!(deltas.lanes(panel), P, Q => {
                let rows = marked.data[start..start + Q * marked.rows].as_chunks_mut::<Q>().0;
                let sources = deltas.rows_of::<P>(panel).iter().zip(counted.rows_of::<P>(panel));
                let rows = rows[..samples].iter_mut().zip(sources);
                if bounds.is_none() {
                    rows.for_each(|(row, (delta, counted))| mark(row, delta, counted, |_, _, value| value != 0.0));
                } else {
                    let own = bounds_of::<P>(bounds, panel);
                    let is_counted = |vector: usize, lane: usize, value| counts(value, own[vector].0[lane]);
                    rows.for_each(|(row, (delta, counted))| mark(row, delta, counted, is_counted));
                }
            });
        }
    }
}

/// A row of deltas, and a flag for each value of another that `is_counted` of its vector and lane.
#[inline(always)]
fn mark<const P: usize, const Q: usize>(
    row: &mut [Lanes; Q],
    delta: &[Lanes; P],
    counted: &[Lanes; P],
    is_counted: impl Fn(usize, usize, f32) -> bool,
) {
    row[..P].copy_from_slice(delta);
    let flags: &mut [[u8; LANES]; 4] = bytemuck::cast_mut(&mut row[P]);
    for vector in 0..P {
        let mut wide = [0u32; LANES];
        for lane in 0..LANES {
            wide[lane] = u32::from(is_counted(vector, lane, counted[vector].0[lane]));
        }
        flags[vector] = wide.map(|flag| flag as u8);
    }
}
