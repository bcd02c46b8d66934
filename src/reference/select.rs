//! Twin of select.wgsl: the same integers.

/// How many features have a non-zero mask word, and all features: those first in their order, the others from the
/// end backwards. `masks` holds the words of each feature, an equal number of each.
pub fn select(masks: &[Vec<u32>]) -> (u32, Vec<u32>) {
    let is_active = |&feature: &u32| masks[feature as usize].iter().any(|&word| word != 0);
    let (mut features, others): (Vec<u32>, Vec<u32>) = (0..masks.len() as u32).partition(is_active);
    let count = features.len() as u32;
    features.extend(others.into_iter().rev());
    (count, features)
}
