use crate::cpu::permute::Permutation;
use crate::reference::permute::permute;

#[test]
fn equals_its_twin() {
    for count in (1..70).chain([127, 128, 129, 255, 256, 257, 1000, 60_000]) {
        for (seed, epoch) in [(0, 0), (1, 5), (0x1_0000_0001, 7), (u64::MAX, u32::MAX)] {
            let permutation = Permutation::new(count, seed, epoch);
            let all: Vec<u32> = (0..count).map(|position| permutation.sample(position)).collect();
            let expected: Vec<u32> = (0..count).map(|position| permute(position, count, seed, epoch)).collect();
            assert_eq!(all, expected, "{count} samples, seed {seed}, epoch {epoch}");
        }
    }
}
