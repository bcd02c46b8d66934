//! Twin of select.wgsl: the same integers.

/// Mask words that it looks at in all.
const LOOKED_AT: usize = 60_000;

/// How many features have a non-zero mask word, and all features: those first in their order, the others from the
/// end backwards. `masks` holds the words of each feature, an equal number of each. In a batch with more words than
/// it looks at, every feature counts as active.
pub fn select(masks: &[Vec<u32>]) -> (u32, Vec<u32>) {
    let looked_at = (LOOKED_AT / (masks.len() / 4)).max(1);
    let is_active = |&feature: &u32| {
        masks[feature as usize].len() > looked_at || masks[feature as usize].iter().any(|&word| word != 0)
    };
    let (mut features, others): (Vec<u32>, Vec<u32>) = (0..masks.len() as u32).partition(is_active);
    let count = features.len() as u32;
    features.extend(others.into_iter().rev());
    (count, features)
}
