//! Matrices in panels of 32 columns, so that what a kernel walks through is contiguous.
//!
//! A matrix of r rows and c columns is stored panel by panel; a panel holds r rows of its (at most 32) columns, padded
//! with zeros to whole vectors.

use std::ops::Range;

use super::simd::{LANES, Lanes};

/// Columns of a panel.
pub const PANEL: usize = 32;

/// Vectors in a row of a full panel.
pub const FULL: usize = PANEL / LANES;

/// Panels of `columns` columns.
pub fn panel_count(columns: usize) -> usize {
    columns.div_ceil(PANEL)
}

/// The columns of panel `panel` of `columns`.
pub fn panel_columns(columns: usize, panel: usize) -> Range<usize> {
    panel * PANEL..columns.min((panel + 1) * PANEL)
}

/// Vectors in a row of panel `panel` of `columns` columns: 1 to 4.
pub fn panel_lanes(columns: usize, panel: usize) -> usize {
    panel_columns(columns, panel).len().div_ceil(LANES)
}

/// A matrix.
#[derive(Debug, Clone, Default)]
pub struct Panels {
    rows: usize,
    columns: usize,
    data: Vec<Lanes>,
}

impl Panels {
    /// A matrix of zeros.
    pub fn zeros(rows: usize, columns: usize) -> Self {
        Self { rows, columns, data: vec![Lanes::ZERO; rows * columns.div_ceil(LANES)] }
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns, padding not included.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Panels.
    pub fn panels(&self) -> usize {
        panel_count(self.columns)
    }

    /// Vectors in a row of panel `panel`.
    pub fn lanes(&self, panel: usize) -> usize {
        panel_lanes(self.columns, panel)
    }

    /// All vectors of panel `panel`: rows x lanes.
    pub fn panel(&self, panel: usize) -> &[Lanes] {
        &self.data[self.range(panel)]
    }

    /// All vectors of panel `panel`: rows x lanes.
    pub fn panel_mut(&mut self, panel: usize) -> &mut [Lanes] {
        let range = self.range(panel);
        &mut self.data[range]
    }

    /// All vectors, in the order of the panels.
    pub fn data_mut(&mut self) -> &mut [Lanes] {
        &mut self.data
    }

    fn range(&self, panel: usize) -> Range<usize> {
        let start = panel * FULL * self.rows;
        start..start + self.lanes(panel) * self.rows
    }

    /// The rows of panel `panel` of `P` vectors each.
    #[inline(always)]
    pub fn rows_of<const P: usize>(&self, panel: usize) -> &[[Lanes; P]] {
        self.panel(panel).as_chunks().0
    }

    /// The rows of panel `panel` of `P` vectors each.
    #[inline(always)]
    pub fn rows_of_mut<const P: usize>(&mut self, panel: usize) -> &mut [[Lanes; P]] {
        self.panel_mut(panel).as_chunks_mut().0
    }

    /// One number.
    pub fn get(&self, row: usize, column: usize) -> f32 {
        let (panel, within) = (column / PANEL, column % PANEL);
        self.panel(panel)[row * self.lanes(panel) + within / LANES].0[within % LANES]
    }

    /// Sets one number.
    pub fn set(&mut self, row: usize, column: usize, value: f32) {
        let (panel, within) = (column / PANEL, column % PANEL);
        let lanes = self.lanes(panel);
        self.panel_mut(panel)[row * lanes + within / LANES].0[within % LANES] = value;
    }

    /// Adds to one number.
    pub fn add(&mut self, row: usize, column: usize, term: f32) {
        self.set(row, column, self.get(row, column) + term);
    }

    /// All vectors, in the order of the panels.
    pub fn data(&self) -> &[Lanes] {
        &self.data
    }
}
