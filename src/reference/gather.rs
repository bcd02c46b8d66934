//! Twin of gather.wgsl.

use crate::dataset::Samples;

/// The samples at `indices`, transposed: (features, samples). An index past the end is a sample of zeros.
pub fn gather(samples: &Samples, indices: &[u32]) -> Vec<f32> {
    let mut inputs = vec![0.0; samples.features() * indices.len()];
    for (column, &index) in indices.iter().enumerate() {
        if (index as usize) < samples.len() {
            for (row, value) in samples.sample(index as usize).into_iter().enumerate() {
                inputs[row * indices.len() + column] = value;
            }
        }
    }
    inputs
}

/// One bit a sample: which values of a row are not zero.
pub fn mask(row: &[f32]) -> Vec<u32> {
    let word =
        |values: &[f32]| values.iter().enumerate().fold(0, |word, (bit, &value)| word | u32::from(value != 0.0) << bit);
    row.chunks(32).map(word).collect()
}
