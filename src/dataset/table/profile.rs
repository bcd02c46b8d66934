//! What the columns of a table hold, from one pass over its rows.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::cells;

/// What a column holds below the first row, which may be a header.
#[derive(Default)]
pub struct Profile {
    /// Rows.
    pub rows: usize,
    /// Cells that are finite numbers, or true and false.
    pub numbers: usize,
    /// Numbers that are spelled with a fraction.
    pub fractions: usize,
    /// Cells without anything.
    pub empty: usize,
    /// Cells that say that their value is missing, empty ones included.
    pub missing: usize,
    /// Different texts, at most three.
    pub examples: Vec<String>,
    /// Numbers that cannot be read for their decimal comma.
    commas: usize,
    texts: Distinct,
    values: Distinct,
    /// The first number, while every next one is greater by one.
    counts_from: Option<f64>,
    is_whole: bool,
}

/// Whether values are all different.
#[derive(Default)]
struct Distinct {
    seen: HashSet<u64>,
    has_duplicate: bool,
}

impl Distinct {
    fn add(&mut self, value: impl Hash) {
        if !self.has_duplicate {
            let mut hasher = DefaultHasher::new();
            value.hash(&mut hasher);
            if !self.seen.insert(hasher.finish()) {
                self.has_duplicate = true;
                self.seen = HashSet::new();
            }
        }
    }
}

impl Profile {
    /// Adds a cell; `may_count` where the column may be one that counts the rows.
    pub fn add(&mut self, cell: &str, may_count: bool) {
        if self.rows == 0 {
            self.is_whole = true;
        }
        self.rows += 1;
        self.empty += usize::from(cell.is_empty());
        if cells::is_missing(cell) {
            self.missing += 1;
            self.counts_from = None;
            self.is_whole = false;
            return;
        }
        match cells::feature(cell) {
            Some(value) => {
                self.numbers += 1;
                self.fractions += usize::from(cells::has_fraction(cell));
                if may_count {
                    let is_next = self.counts_from.is_some_and(|from| value == from + (self.rows - 1) as f64);
                    self.counts_from = if self.rows == 1 { Some(value) } else { self.counts_from.filter(|_| is_next) };
                    self.is_whole &= value >= 0.0 && value.fract() == 0.0;
                    self.values.add(value.to_bits());
                }
            }
            None => {
                self.counts_from = None;
                self.is_whole = false;
                self.commas += usize::from(cells::has_decimal_comma(cell));
                self.texts.add(cell);
                if self.examples.len() < 3 && !self.examples.iter().any(|example| example == cell) {
                    self.examples.push(cell.to_string());
                }
            }
        }
    }

    /// Cells that are text.
    pub fn texts(&self) -> usize {
        self.rows - self.numbers - self.missing
    }

    /// Whether it holds text rather than numbers with a mistake among them.
    pub fn is_text(&self) -> bool {
        let texts = self.texts() - self.commas;
        texts > 0 && texts >= self.numbers + self.commas
    }

    /// Whether it holds anything.
    pub fn is_empty(&self) -> bool {
        self.empty == self.rows
    }

    /// Whether its texts all differ.
    pub fn all_differ(&self) -> bool {
        self.rows > 1 && self.texts() > 1 && !self.texts.has_duplicate
    }

    /// The number that it counts the rows from.
    pub fn counts_from(&self) -> Option<f64> {
        self.counts_from.filter(|_| self.rows > 1)
    }

    /// Whether it holds whole numbers from 0 that are all different, as an index that was shuffled.
    pub fn is_shuffled_index(&self) -> bool {
        self.rows > 1 && self.is_whole && self.numbers == self.rows && !self.values.has_duplicate
    }
}
