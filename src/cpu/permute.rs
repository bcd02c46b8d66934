//! Which sample is where in an epoch: the integers of permute.wgsl.

/// Rounds of the Feistel network.
const ROUNDS: usize = 6;

/// The finalizer of MurmurHash3: every input bit reaches every output bit.
#[inline(always)]
pub(super) fn mix(value: u32) -> u32 {
    let x = (value ^ (value >> 16)).wrapping_mul(0x85eb_ca6b);
    let x = (x ^ (x >> 13)).wrapping_mul(0xc2b2_ae35);
    x ^ (x >> 16)
}

/// The order of one epoch: a bijection on 0..count, computed position by position.
#[derive(Debug, Clone, Copy)]
pub struct Permutation {
    count: u32,
    low_bits: u32,
    low_mask: u32,
    high_mask: u32,
    keys: [u32; ROUNDS],
}

impl Permutation {
    /// The order in which the epoch of a seed takes `count` samples.
    pub fn new(count: u32, seed: u64, epoch: u32) -> Self {
        let key = mix(mix(mix(seed as u32).wrapping_add((seed >> 32) as u32)).wrapping_add(epoch));
        let bits = 32 - (count - 1).max(3).leading_zeros();
        let low_bits = bits / 2;
        Self {
            count,
            low_bits,
            low_mask: (1 << low_bits) - 1,
            high_mask: (1 << (bits - low_bits)) - 1,
            keys: std::array::from_fn(|round| mix(key.wrapping_add(round as u32))),
        }
    }

    /// The sample at `position`.
    pub fn sample(&self, position: u32) -> u32 {
        let mut low = position & self.low_mask;
        let mut high = position >> self.low_bits;
        loop {
            for keys in self.keys.chunks_exact(2) {
                low = (low ^ mix(high ^ keys[0])) & self.low_mask;
                high = (high ^ mix(low ^ keys[1])) & self.high_mask;
            }
            // Cycle walking: positions beyond the last sample are permuted on.
            let index = high << self.low_bits | low;
            if index < self.count {
                return index;
            }
        }
    }
}
