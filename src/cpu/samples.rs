//! A data set as the engine keeps it: lists of what is not zero, or, where little is zero, all of it.

use crate::dataset::{Inputs, Samples};

/// Samples are kept as lists where at most this share of their inputs is not zero. An entry of a list costs about three times
/// what an input costs in a dense layer.
const MAX_LISTED: f64 = 0.35;

/// Samples and their labels.
#[derive(Debug)]
pub struct StoredSamples {
    /// The inputs.
    pub inputs: StoredInputs,
    /// (samples)
    pub labels: Vec<u32>,
    /// Inputs of a sample.
    pub features: usize,
}

/// Inputs of all samples.
#[derive(Debug)]
pub enum StoredInputs {
    /// What is not zero, sample by sample.
    Listed {
        /// Where each sample's entries begin, and the end: (samples + 1).
        start: Vec<usize>,
        /// Which inputs they are, in rising order within a sample.
        features: Features,
        /// Their values.
        values: Values,
    },
    /// All inputs: (samples, features).
    Dense(Values),
}

/// Numbers of inputs, as small as they allow.
#[derive(Debug)]
pub enum Features {
    /// Up to 65,536 features.
    U16(Vec<u16>),
    /// More.
    U32(Vec<u32>),
}

/// Inputs as the data set has them.
#[derive(Debug)]
pub enum Values {
    /// 255 stands for 1.0.
    U8(Vec<u8>),
    /// As they are.
    F32(Vec<f32>),
}

impl StoredSamples {
    /// Lists the inputs that are not zero, once.
    pub fn new(samples: &Samples) -> Self {
        let features = samples.features();
        let inputs = match samples.inputs() {
            Inputs::U8(values) => stored(values, features, |&value| value != 0, Values::U8),
            Inputs::F32(values) => stored(values, features, |&value| value != 0.0, Values::F32),
        };
        Self { inputs, labels: samples.labels().to_vec(), features }
    }

    /// How many samples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// In how many samples each input is not zero; empty where samples are kept dense.
    pub fn entries_per_feature(&self) -> Vec<u64> {
        let mut counts = vec![0; self.features];
        match &self.inputs {
            StoredInputs::Dense(_) => return Vec::new(),
            StoredInputs::Listed { features: Features::U16(features), .. } => {
                features.iter().for_each(|&feature| counts[usize::from(feature)] += 1);
            }
            StoredInputs::Listed { features: Features::U32(features), .. } => {
                features.iter().for_each(|&feature| counts[feature as usize] += 1);
            }
        }
        counts
    }
}

fn stored<T: Copy>(
    values: &[T],
    features: usize,
    is_entry: impl Fn(&T) -> bool,
    wrap: fn(Vec<T>) -> Values,
) -> StoredInputs {
    let total = values.iter().filter(|value| is_entry(value)).count();
    if total as f64 > MAX_LISTED * values.len() as f64 {
        return StoredInputs::Dense(wrap(values.to_vec()));
    }
    let mut start = Vec::with_capacity(values.len() / features + 1);
    let mut entries = Vec::with_capacity(total);
    let listed = match features {
        0..=65_536 => {
            let mut numbers = Vec::with_capacity(total);
            list(values, features, is_entry, &mut start, &mut entries, |feature| numbers.push(feature as u16));
            Features::U16(numbers)
        }
        _ => {
            let mut numbers = Vec::with_capacity(total);
            list(values, features, is_entry, &mut start, &mut entries, |feature| numbers.push(feature as u32));
            Features::U32(numbers)
        }
    };
    StoredInputs::Listed { start, features: listed, values: wrap(entries) }
}

fn list<T: Copy>(
    values: &[T],
    features: usize,
    is_entry: impl Fn(&T) -> bool,
    start: &mut Vec<usize>,
    entries: &mut Vec<T>,
    mut push: impl FnMut(usize),
) {
    start.push(0);
    for sample in values.chunks_exact(features) {
        for (feature, value) in sample.iter().enumerate() {
            if is_entry(value) {
                push(feature);
                entries.push(*value);
            }
        }
        start.push(entries.len());
    }
}
