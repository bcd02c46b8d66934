//! A part of a run, trained by itself: by a job of a scheduler's array, or on another machine.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// Parts that a run may have.
const MOST: usize = 1_000_000;

/// The K-th of N parts of all replicas, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    pub number: usize,
    pub count: usize,
}

impl Shard {
    /// Which of so many replicas it trains: parts differ by one at most, and some are empty where there are more parts than replicas.
    pub fn range(self, replicas: usize) -> Range<usize> {
        let bound = |number: usize| (number as u128 * replicas as u128 / self.count as u128) as usize;
        bound(self.number - 1)..bound(self.number)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.number, self.count)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers =
            text.split_once('/').and_then(|(number, count)| Some((number.parse().ok()?, count.parse().ok()?)));
        match numbers {
            Some((number, count)) if (1..=count).contains(&number) && count <= MOST => Ok(Self { number, count }),
            _ => Err(format!("expected K/N, part K of N, as 2/8: K from 1 to N, and N at most {MOST}")),
        }
    }
}
