//! Random numbers for initial parameters and made-up data sets: SplitMix64 (Steele, Lea, Flood 2014).
//!
//! Written out rather than taken from a crate because a seed must mean the same numbers in every version; logarithm and
//! cosine come from libm because it gives the same bits on every platform.

/// A stream of random numbers.
pub(crate) struct Random {
    state: u64,
}

impl Random {
    /// The stream of `seed` for one purpose; streams of different purposes are independent.
    pub fn new(seed: u64, purpose: u64) -> Self {
        let mut random = Self { state: seed };
        random.state = random.next_u64() ^ purpose;
        random
    }

    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Normal with mean 0 and standard deviation 1 (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.uniform()));
        radius * libm::cos(std::f64::consts::TAU * self.uniform())
    }

    /// Fisher-Yates.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, (self.uniform() * (last + 1) as f64) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First outputs of SplitMix64 for seed 1234567, as published with the algorithm.
    #[test]
    fn matches_the_published_sequence() {
        let mut random = Random { state: 1_234_567 };
        let expected = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!(expected.map(|_| random.next_u64()), expected);
    }

    /// A seed means the same bits on every platform: those that an x86-64 gave.
    #[test]
    fn normal_has_the_same_bits_everywhere() {
        let mut random = Random::new(1, 2);
        let bits: Vec<u64> = (0..4).map(|_| random.normal().to_bits()).collect();
        let expected = [
            4_608_226_367_101_489_178,
            13_826_880_132_391_061_567,
            4_609_029_494_591_087_808,
            13_831_485_489_586_750_651,
        ];
        assert_eq!(bits, expected);
    }

    #[test]
    fn normal_has_mean_0_and_variance_1() {
        let mut random = Random::new(7, 0);
        let sample: Vec<f64> = (0..100_000).map(|_| random.normal()).collect();
        let mean = sample.iter().sum::<f64>() / sample.len() as f64;
        let variance = sample.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / sample.len() as f64;
        // Five standard errors: 1 / sqrt(n) and sqrt(2 / n).
        assert!(mean.abs() < 5.0 * 0.0032, "{mean}");
        assert!((variance - 1.0).abs() < 5.0 * 0.0045, "{variance}");
    }

    #[test]
    fn shuffle_keeps_every_item() {
        let mut items: Vec<u32> = (0..1000).collect();
        Random::new(3, 0).shuffle(&mut items);
        assert_ne!(items, (0..1000).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..1000).collect::<Vec<_>>());
    }

    /// Each order of three items comes as often as any other.
    #[test]
    fn all_orders_are_equally_likely() {
        const SHUFFLES: usize = 60_000;
        let mut random = Random::new(5, 0);
        let mut found = std::collections::HashMap::new();
        for _ in 0..SHUFFLES {
            let mut items = [0, 1, 2];
            random.shuffle(&mut items);
            *found.entry(items).or_insert(0usize) += 1;
        }
        assert_eq!(found.len(), 6);
        // Five standard deviations of a binomial count.
        let (mean, share) = (SHUFFLES as f64 / 6.0, 1.0 / 6.0);
        let bound = 5.0 * (SHUFFLES as f64 * share * (1.0 - share)).sqrt();
        assert!(found.values().all(|&count| (count as f64 - mean).abs() < bound), "{found:?}");
    }
}
