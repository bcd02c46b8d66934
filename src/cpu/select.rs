//! The batch by feature: for every input, the samples in which it is not zero. What select.wgsl lists for a whole batch.

use super::gather::BatchLists;

/// What is not zero in some samples, feature by feature.
#[derive(Debug, Default)]
pub struct Columns {
    /// Where each feature's entries begin, and the end.
    start: Vec<u32>,
    /// (sample of the batch, value), samples in rising order.
    entries: Vec<(u32, f32)>,
}

impl Columns {
    /// The entries of an input.
    #[inline(always)]
    pub fn of(&self, feature: usize) -> &[(u32, f32)] {
        &self.entries[self.start[feature] as usize..self.start[feature + 1] as usize]
    }

    /// Sorts the entries of `samples` samples by feature: a counting sort, so that samples keep their order.
    pub fn fill(&mut self, features: usize, lists: &BatchLists, samples: usize) {
        let Self { start, entries } = self;
        // Counts are kept two places on: after the sums, start[k + 1] is where feature k's entries begin.
        start.clear();
        start.resize(features + 2, 0);
        let counts = &mut start[2..];
        lists.features[..lists.start[samples]].iter().for_each(|&feature| counts[feature as usize] += 1);
        let mut sum = 0;
        for count in start.iter_mut() {
            sum += *count;
            *count = sum;
        }
        if entries.len() < sum as usize {
            entries.resize(sum as usize, (0, 0.0));
        }
        let (places, entries) = (&mut start[1..], &mut entries[..]);
        for sample in 0..samples {
            let (features, values) = lists.of(sample);
            for (&feature, &value) in features.iter().zip(values) {
                let place = &mut places[feature as usize];
                entries[*place as usize] = (sample as u32, value);
                *place += 1;
            }
        }
    }
}
