//! Which samples are not zero, a bit each: 32 samples are a word, and the adaptive batch size of a weight is the number of
//! bits that the mask of its input and the mask of its delta share.

use super::panels::{FULL, Panels, panel_lanes};
use super::simd::{Kernel, LANES, Lanes, with_lanes};
use super::threshold::{bounds_of, counts};

/// Samples of a word.
const WORD: usize = 32;

/// The words of eight columns.
pub type Words = [u32; LANES];

/// Masks of a matrix of samples: for each panel (words, lanes).
#[derive(Debug, Clone, Default)]
pub struct Masks {
    columns: usize,
    words: usize,
    data: Vec<Words>,
}

impl Masks {
    /// Room for the masks of `samples` rows of `columns`.
    pub fn new(samples: usize, columns: usize) -> Self {
        let words = samples.div_ceil(WORD);
        Self { columns, words, data: vec![[0; LANES]; words * columns.div_ceil(LANES)] }
    }

    /// The rows of panel `panel`, a row a word, of `P` vectors each.
    #[inline(always)]
    pub fn rows_of<const P: usize>(&self, panel: usize) -> &[[Words; P]] {
        let start = panel * FULL * self.words;
        self.data[start..start + P * self.words].as_chunks().0
    }

    /// The words of column `column` of panel `panel`.
    #[inline(always)]
    pub fn words_of(&self, panel: usize, column: usize) -> impl Iterator<Item = u32> + '_ {
        let lanes = panel_lanes(self.columns, panel);
        let start = panel * FULL * self.words + column / LANES;
        self.data[start..].iter().step_by(lanes).take(self.words).map(move |words| words[column % LANES])
    }
}

/// Fills the masks of the first `samples` rows of a matrix; further bits are 0.
pub struct FillMasks<'a> {
    /// (samples, columns)
    pub values: &'a Panels,
    /// How many rows count.
    pub samples: usize,
    /// What the columns must exceed, if it is not 0.
    pub bounds: Option<&'a [Lanes]>,
    /// Of the same columns.
    pub masks: &'a mut Masks,
}

impl Kernel for FillMasks<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { values, samples, bounds, masks } = self;
        for panel in 0..values.panels() {
            let start = panel * FULL * masks.words;
            with_lanes!(values.lanes(panel), P => {
                let words = masks.data[start..start + P * masks.words].as_chunks_mut::<P>().0;
                let rows = &values.rows_of::<P>(panel)[..samples];
                let words = words.iter_mut().zip(rows.chunks(WORD).chain(std::iter::repeat(&[][..])));
                if bounds.is_none() {
                    words.for_each(|(word, rows)| *word = pack(rows, |_, _, value| value != 0.0));
                } else {
                    let own = bounds_of::<P>(bounds, panel);
                    words.for_each(|(word, rows)| *word = pack(rows, |vector, lane, value| counts(value, own[vector].0[lane])));
                }
            });
        }
    }
}

/// A bit for each value that `is_counted` of its vector and lane.
#[inline(always)]
fn pack<const P: usize>(rows: &[[Lanes; P]], is_counted: impl Fn(usize, usize, f32) -> bool) -> [Words; P] {
    let mut words = [[0; LANES]; P];
    // The last sample first, so that the first ends up in the lowest bit.
    for row in rows.iter().rev() {
        for vector in 0..P {
            for lane in 0..LANES {
                words[vector][lane] =
                    words[vector][lane] << 1 | u32::from(is_counted(vector, lane, row[vector].0[lane]));
            }
        }
    }
    words
}

/// Adds the bits that a column's words share with each of the `P` vectors of columns of a panel.
#[inline(always)]
pub fn count_shared<const P: usize>(counts: &mut [Words; P], input: impl Iterator<Item = u32>, deltas: &[[Words; P]]) {
    for (input, deltas) in input.zip(deltas) {
        for vector in 0..P {
            for lane in 0..LANES {
                counts[vector][lane] += (input & deltas[vector][lane]).count_ones();
            }
        }
    }
}
