//! Twin of dropout.wgsl: the same integers.

use super::permute::mix;

/// The inputs, as a layer.
pub const INPUTS: usize = u32::MAX as usize;

/// Whether a neuron of layer `layer` (from 0, or [`INPUTS`]) is not silent for sample `sample` of the batch of step `t` (from 1), where the
/// replica of this seed has dropout `p`.
pub fn is_kept(p: f32, seed: u64, t: u64, layer: usize, neuron: usize, sample: usize) -> bool {
    let threshold = (f64::from(p) * 2f64.powi(32)).round();
    let [low, high] = [seed as u32, (seed >> 32) as u32];
    let of_step = mix(mix(mix(low).wrapping_add(high)).wrapping_sub(t as u32));
    let of_layer = mix(of_step.wrapping_add(layer as u32));
    let of_neuron = mix(of_layer.wrapping_add(neuron as u32));
    f64::from(mix(of_neuron.wrapping_add(sample as u32))) >= threshold
}

/// What a neuron or an input that is not silent is multiplied by.
pub fn scale(p: f32) -> f64 {
    1.0 / (1.0 - f64::from(p))
}

/// What the network sees of input `input`, which is `x` in the data: a number in f32, as the data's.
pub fn input(p: f32, seed: u64, t: u64, input: usize, sample: usize, x: f32) -> f32 {
    if is_kept(p, seed, t, INPUTS, input, sample) { x * scale(p) as f32 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of 32 samples of 32 neurons of 4 layers in 8 steps of 3 seeds, in that order from the last to the first.
    fn masks(p: f32) -> Vec<bool> {
        let mut masks = Vec::new();
        for seed in [0, 1, 1 << 32] {
            for index in 0..8 * 4 * 32 * 32 {
                let (t, layer, neuron, sample) = (index >> 12, index >> 10 & 3, index >> 5 & 31, index & 31);
                masks.push(is_kept(p, seed, 1 + t as u64, layer, neuron, sample));
            }
        }
        masks
    }

    /// Binomial: within five standard deviations of its mean. So are the pairs of masks that are one apart in one respect: they
    /// agree as often as chance has it.
    #[test]
    fn masks_are_independent_and_of_the_right_density() {
        for p in [0.1, 0.5, 0.9f32] {
            let masks = masks(p);
            let is_near = |share: f64, expected: f64, count: usize| {
                (share - expected).abs() < 5.0 * (expected * (1.0 - expected) / count as f64).sqrt()
            };
            let kept = masks.iter().filter(|&&is_kept| is_kept).count() as f64 / masks.len() as f64;
            assert!(is_near(kept, 1.0 - f64::from(p), masks.len()), "{p}: {kept}");
            let by_chance = f64::from(p).powi(2) + (1.0 - f64::from(p)).powi(2);
            for (what, distance) in
                [("sample", 1), ("neuron", 1 << 5), ("layer", 1 << 10), ("step", 1 << 12), ("seed", 1 << 15)]
            {
                let pairs = masks.iter().zip(&masks[distance..]);
                let count = pairs.len();
                let alike = pairs.filter(|(a, b)| a == b).count() as f64 / count as f64;
                // Neighbouring pairs share a mask, which may double the variance.
                assert!(is_near(alike, by_chance, count / 2), "{p}: {what}: {alike} of {by_chance}");
            }
        }
    }

    #[test]
    fn a_layer_without_dropout_is_whole() {
        assert!(masks(0.0).into_iter().all(|is_kept| is_kept));
        assert_eq!((scale(0.0), scale(0.5), scale(0.75)), (1.0, 2.0, 4.0));
    }
}
