//! Which samples a model was trained on, kept with it, so that it is scored on others.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::random::Random;

/// What is set aside of a data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SplitRecord {
    /// SHA-256 of the data that the training set was taken from, in hexadecimal.
    pub sha256: String,
    /// What became of the samples that were not trained on.
    pub held_out: HeldOut,
    /// What else was set aside of the training set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<ValidationShare>,
    /// The training rows of a table; empty for a data set with a test set of its own.
    pub trained: Sketch,
}

/// A share of the training samples that is set aside to choose settings or models by. The test samples are no part of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ValidationShare {
    /// Above 0 and below 1.
    pub fraction: f64,
    /// Chooses the samples.
    pub seed: u64,
}

/// Where the test samples came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeldOut {
    /// This share of the rows, after a shuffle with this seed.
    Share {
        /// Above 0 and below 1.
        fraction: f64,
        /// Of the shuffle.
        seed: u64,
    },
    /// Another file.
    File {
        /// Of its data, in hexadecimal.
        sha256: String,
    },
    /// The data set's own test set.
    Own,
}

/// Hashes of samples, by which they are known again: all of few, of many those that are smallest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sketch {
    /// How many samples.
    pub samples: usize,
    /// Whether all hashes are there.
    is_whole: bool,
    /// 12 hexadecimal digits each, ascending.
    hashes: String,
}

/// How many samples were trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Samples known from the training.
    pub count: usize,
    /// Whether that is certain rather than an estimate from some of them.
    pub is_exact: bool,
}

/// Hashes that a sketch keeps.
const KEPT: usize = 2048;
const DIGITS: usize = 12;

impl Sketch {
    /// Of samples with these hashes, of 48 bits each.
    pub fn new(hashes: impl Iterator<Item = u64>) -> Self {
        let mut hashes: Vec<u64> = hashes.collect();
        let samples = hashes.len();
        hashes.sort_unstable();
        hashes.dedup();
        let is_whole = hashes.len() <= KEPT;
        hashes.truncate(KEPT);
        Self { samples, is_whole, hashes: hashes.iter().map(|hash| format!("{hash:012x}")).collect() }
    }

    /// How many of the samples with these hashes are in it.
    pub fn count(&self, hashes: impl Iterator<Item = u64>) -> Seen {
        let kept: Vec<u64> = self
            .hashes
            .as_bytes()
            .chunks(DIGITS)
            .filter_map(|digits| u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok())
            .collect();
        let highest = if self.is_whole { u64::MAX } else { kept.last().copied().unwrap_or(0) };
        let (mut all, mut comparable, mut found) = (0, 0, 0);
        for hash in hashes {
            all += 1;
            comparable += usize::from(hash <= highest);
            found += usize::from(kept.binary_search(&hash).is_ok());
        }
        let count = if comparable == 0 { 0 } else { (found as f64 * all as f64 / comparable as f64).round() as usize };
        Seen { count, is_exact: self.is_whole }
    }
}

/// Training rows and test rows: the share `fraction` of the rows, after a shuffle.
///
/// # Errors
/// [`Error::Setting`] if the fraction is not between 0 and 1, or leaves none for one of the two sets.
pub fn split_rows(rows: usize, fraction: f64, seed: u64) -> Result<(Vec<usize>, Vec<usize>)> {
    cut("--test-fraction", rows, fraction, Random::new(seed, 0x6373_7621))
}

impl ValidationShare {
    /// Which of so many training samples stay, and which are set aside; both in their order.
    ///
    /// # Errors
    /// [`Error::Setting`] if the fraction is not between 0 and 1, or leaves none for one of the two sets.
    pub fn cut(self, samples: usize) -> Result<(Vec<usize>, Vec<usize>)> {
        let (mut train, mut validation) =
            cut("--validation", samples, self.fraction, Random::new(self.seed, 0x7661_6c69))?;
        train.sort_unstable();
        validation.sort_unstable();
        Ok((train, validation))
    }
}

/// Shuffles and cuts the share `fraction` off the end.
fn cut(setting: &'static str, rows: usize, fraction: f64, mut random: Random) -> Result<(Vec<usize>, Vec<usize>)> {
    if !(fraction > 0.0 && fraction < 1.0) {
        return Err(Error::setting(setting, format!("{fraction} is not between 0 and 1")));
    }
    let mut order: Vec<usize> = (0..rows).collect();
    random.shuffle(&mut order);
    let count = (rows as f64 * fraction).round() as usize;
    if count == 0 || count == rows {
        let problem = format!("{fraction} of {rows} samples leaves none for one of the two sets");
        return Err(Error::setting(setting, problem));
    }
    let rest = order.split_off(rows - count);
    Ok((order, rest))
}

/// 48 bits of a hash.
pub(super) fn short_hash(hash: &[u8]) -> u64 {
    hash.iter().take(6).fold(0, |number, &byte| number << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: u64) -> u64 {
        Random::new(number, 1).next_u64() >> 16
    }

    #[test]
    fn few_samples_are_known_again_exactly_and_many_nearly() {
        let small = Sketch::new((0..100).map(hash));
        assert_eq!(small.count((50..150).map(hash)), Seen { count: 50, is_exact: true });
        assert_eq!(small.count((200..300).map(hash)).count, 0);
        let large = Sketch::new((0..100_000).map(hash));
        let seen = large.count((50_000..150_000).map(hash));
        assert!(!seen.is_exact && (45_000..55_000).contains(&seen.count), "{seen:?}");
        assert_eq!(large.count((200_000..300_000).map(hash)).count, 0);
        assert_eq!(large.count((0..100_000).map(hash)).count, 100_000);
        assert_eq!(Sketch::new([7, 7, 7].into_iter()).count([7, 8].into_iter()), Seen { count: 1, is_exact: true });
    }

    #[test]
    fn every_row_is_in_one_of_the_two_sets() {
        let (train, test) = split_rows(60, 0.3, 5).unwrap();
        assert_eq!((train.len(), test.len()), (42, 18));
        let mut all = [train.clone(), test].concat();
        all.sort_unstable();
        assert_eq!(all, (0..60).collect::<Vec<_>>());
        assert_ne!(split_rows(60, 0.3, 6).unwrap().0, train);
        let (stays, validation) = ValidationShare { fraction: 0.25, seed: 5 }.cut(60).unwrap();
        assert_eq!((stays.len(), validation.len()), (45, 15));
        assert!(stays.is_sorted() && validation.is_sorted() && !stays.iter().any(|row| validation.contains(row)));
        assert!(split_rows(60, 1.0, 0).is_err() && split_rows(1, 0.3, 0).is_err() && split_rows(60, 0.001, 0).is_err());
    }
}
