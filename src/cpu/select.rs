//! The batch by feature: select.wgsl. Which samples have an input that is not zero, for every input of a share.

use std::ops::{Deref, Range};

use super::block::Block;
use super::gather::BatchInputs;

/// The entries of a batch's lists, feature by feature.
#[derive(Debug, Default)]
pub struct Columns {
    /// Where each feature's entries begin, and the end.
    start: Vec<u32>,
    /// (sample, value), samples in rising order.
    entries: Vec<(u32, f32)>,
}

impl Columns {
    /// The entries of feature `index` of the share.
    #[inline(always)]
    pub fn of(&self, index: usize) -> &[(u32, f32)] {
        &self.entries[self.start[index] as usize..self.start[index + 1] as usize]
    }

    /// Sorts the entries of the features `features` of all blocks (a counting sort, so that samples keep their order).
    pub fn fill(&mut self, blocks: &[impl Deref<Target = Block>], features: Range<usize>) {
        let Self { start, entries } = self;
        // Counts are kept two places on: after the sums, start[k + 1] is where feature k's entries begin.
        start.clear();
        start.resize(features.len() + 2, 0);
        let counts = &mut start[2..];
        for block in blocks {
            let BatchInputs::Listed(lists) = &block.inputs else { continue };
            if blocks.len() == 1 {
                lists.features[..lists.start[block.samples]].iter().for_each(|&feature| counts[feature as usize] += 1);
            } else {
                for range in lists.start.windows(2).take(block.samples) {
                    for &feature in within(&lists.features[range[0]..range[1]], &features).1 {
                        counts[feature as usize - features.start] += 1;
                    }
                }
            }
        }
        let mut sum = 0;
        for count in start.iter_mut() {
            sum += *count;
            *count = sum;
        }
        if entries.len() < sum as usize {
            entries.resize(sum as usize, (0, 0.0));
        }
        let next = &mut start[1..];
        let entries = &mut entries[..];
        let mut sample = 0;
        for block in blocks {
            let BatchInputs::Listed(lists) = &block.inputs else { continue };
            for range in lists.start.windows(2).take(block.samples) {
                let (features_of, values) = (&lists.features[range[0]..range[1]], &lists.values[range[0]..range[1]]);
                if blocks.len() == 1 {
                    put(entries, next, sample, features_of, values, 0);
                } else {
                    let (first, inside) = within(features_of, &features);
                    put(entries, next, sample, inside, &values[first..], features.start);
                }
                sample += 1;
            }
        }
    }
}

/// Appends a sample's entries to their features.
#[inline(always)]
fn put(entries: &mut [(u32, f32)], next: &mut [u32], sample: u32, features: &[u32], values: &[f32], first: usize) {
    for (&feature, &value) in features.iter().zip(values) {
        let index = &mut next[feature as usize - first];
        entries[*index as usize] = (sample, value);
        *index += 1;
    }
}

/// Those of the features, which rise, that are in `range`, and how many come before.
fn within<'a>(features: &'a [u32], range: &Range<usize>) -> (usize, &'a [u32]) {
    let first = features.partition_point(|&feature| (feature as usize) < range.start);
    let end = features.partition_point(|&feature| (feature as usize) < range.end);
    (first, &features[first..end])
}
