//! Twin of permute.wgsl: the same integers.

const ROUNDS: u32 = 6;

/// The finalizer of MurmurHash3.
pub(super) fn mix(value: u32) -> u32 {
    let x = (value ^ (value >> 16)).wrapping_mul(0x85eb_ca6b);
    let x = (x ^ (x >> 13)).wrapping_mul(0xc2b2_ae35);
    x ^ (x >> 16)
}

/// The sample at `position` of an epoch of `count` samples.
pub fn permute(position: u32, count: u32, seed: u64, epoch: u32) -> u32 {
    let key = mix(mix(mix(seed as u32).wrapping_add((seed >> 32) as u32)).wrapping_add(epoch));
    let bits = 32 - (count - 1).max(3).leading_zeros();
    let low_bits = bits / 2;
    let low_mask = (1u32 << low_bits) - 1;
    let high_mask = (1u32 << (bits - low_bits)) - 1;
    let mut low = position & low_mask;
    let mut high = position >> low_bits;
    loop {
        for round in (0..ROUNDS).step_by(2) {
            low = (low ^ mix(high ^ mix(key.wrapping_add(round)))) & low_mask;
            high = (high ^ mix(low ^ mix(key.wrapping_add(round + 1)))) & high_mask;
        }
        let index = high << low_bits | low;
        if index < count {
            return index;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_bijection_for_every_size() {
        for count in (1..70).chain([127, 128, 129, 700, 1000, 60_000]) {
            for (seed, epoch) in [(0, 0), (1, 5), (u64::MAX, 499)] {
                let mut seen = vec![false; count as usize];
                for position in 0..count {
                    let index = permute(position, count, seed, epoch) as usize;
                    assert!(!std::mem::replace(&mut seen[index], true), "{index} twice for {count}, {seed}, {epoch}");
                }
            }
        }
    }

    /// Over many epochs every sample must come equally often to every index: chi-squared of index by sample.
    #[test]
    fn indices_are_uniform_over_epochs_and_seeds() {
        for count in [10u32, 37] {
            for by_seed in [false, true] {
                let draws = 20_000u32;
                let mut table = vec![0u32; (count * count) as usize];
                for draw in 0..draws {
                    let (seed, epoch) = if by_seed { (u64::from(draw), 0) } else { (3, draw) };
                    for position in 0..count {
                        table[(position * count + permute(position, count, seed, epoch)) as usize] += 1;
                    }
                }
                let expected = f64::from(draws) / f64::from(count);
                let chi_squared: f64 = table.iter().map(|&n| (f64::from(n) - expected).powi(2) / expected).sum();
                let freedom = f64::from((count - 1) * (count - 1));
                // Six standard deviations of a chi-squared with that many degrees of freedom.
                assert!(
                    (chi_squared - freedom).abs() < 6.0 * (2.0 * freedom).sqrt(),
                    "{count} {by_seed}: {chi_squared} for {freedom}"
                );
            }
        }
    }

    /// Neighbours must not stay neighbours: consecutive positions land one apart as seldom as chance has it.
    #[test]
    fn neighbours_are_separated() {
        let (count, epochs) = (1000u32, 200);
        let mut adjacent = 0;
        for epoch in 0..epochs {
            for position in 0..count - 1 {
                let distance = permute(position, count, 9, epoch).abs_diff(permute(position + 1, count, 9, epoch));
                adjacent += u32::from(distance == 1);
            }
        }
        // Poisson with mean 2 a permutation: within six standard deviations.
        let expected = 2.0 * f64::from(epochs);
        assert!((f64::from(adjacent) - expected).abs() < 6.0 * expected.sqrt(), "{adjacent} for {expected}");
    }
}
