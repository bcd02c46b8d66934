//! A data set as the engine keeps it: lists of what is not zero, or, where little is zero, all of it.

use prefetch_index::prefetch_index;

use crate::dataset::{Inputs, Samples, Targets};

/// Samples are kept as lists where at most this share of their inputs is not zero. An entry of a list costs about three times
/// what an input costs in a dense layer.
const MAX_LISTED: f64 = 0.35;

/// Samples and their targets.
#[derive(Debug)]
pub struct StoredSamples {
    /// The inputs.
    pub inputs: StoredInputs,
    /// Of each sample.
    pub targets: Targets,
    /// [`Targets::variance`].
    pub variance: f64,
    /// Inputs of a sample.
    pub features: usize,
}

/// Inputs of all samples.
#[derive(Debug)]
pub enum StoredInputs {
    /// What is not zero, sample by sample.
    Listed(Lists),
    /// All inputs: (samples, features).
    Dense(Values),
}

/// What is not zero, sample by sample.
#[derive(Debug)]
pub struct Lists {
    /// Where each sample's entries begin, and the end: (samples + 1).
    pub start: Vec<usize>,
    /// Which inputs they are, in rising order within a sample.
    pub features: Features,
    /// Their values.
    pub values: Values,
}

/// The same, with the types of its numbers.
#[derive(Clone, Copy)]
pub struct TypedLists<'a, K, V> {
    start: &'a [usize],
    features: &'a [K],
    values: &'a [V],
}

impl<'a, K: Feature, V: Value> TypedLists<'a, K, V> {
    /// These lists.
    pub fn new(start: &'a [usize], features: &'a [K], values: &'a [V]) -> Self {
        Self { start, features, values }
    }

    /// The inputs of a sample that are not zero, and their values.
    #[inline(always)]
    pub fn of(self, sample: u32) -> (&'a [K], &'a [V]) {
        let range = self.start[sample as usize]..self.start[sample as usize + 1];
        (&self.features[range.clone()], &self.values[range])
    }

    /// Asks for the cache lines of a sample.
    #[inline(always)]
    pub fn fetch(self, sample: u32) {
        /// Bytes of a cache line.
        const LINE: usize = 64;
        let range = self.start[sample as usize]..self.start[sample as usize + 1];
        range.clone().step_by(LINE / size_of::<K>()).for_each(|place| prefetch_index(self.features, place));
        range.step_by(LINE / size_of::<V>()).for_each(|place| prefetch_index(self.values, place));
    }
}

/// Runs `$body` with `$typed`, the lists with the types of their numbers.
macro_rules! with_types {
    ($lists:expr, $typed:ident => $body:expr) => {{
        use $crate::cpu::samples::{Features, Lists, TypedLists, Values};
        let Lists { start, features, values } = $lists;
        match (features, values) {
            (Features::U16(features), Values::U8(values)) => {
                let $typed = TypedLists::new(start, features, values);
                $body
            }
            (Features::U32(features), Values::U8(values)) => {
                let $typed = TypedLists::new(start, features, values);
                $body
            }
            (Features::U16(features), Values::F32(values)) => {
                let $typed = TypedLists::new(start, features, values);
                $body
            }
            (Features::U32(features), Values::F32(values)) => {
                let $typed = TypedLists::new(start, features, values);
                $body
            }
        }
    }};
}
pub(crate) use with_types;

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

/// A number of an input.
pub trait Feature: Copy {
    /// As an index.
    fn index(self) -> usize;
}

impl Feature for u16 {
    #[inline(always)]
    fn index(self) -> usize {
        self.into()
    }
}

impl Feature for u32 {
    #[inline(always)]
    fn index(self) -> usize {
        self as usize
    }
}

/// An input as the data set has it.
pub trait Value: Copy {
    /// As the network sees it: of bytes, 255 is 1.
    fn to_f32(self) -> f32;
}

impl Value for u8 {
    #[inline(always)]
    fn to_f32(self) -> f32 {
        f32::from(self) / 255.0
    }
}

impl Value for f32 {
    #[inline(always)]
    fn to_f32(self) -> f32 {
        self
    }
}

impl StoredSamples {
    /// Lists the inputs that are not zero, once.
    pub fn new(samples: &Samples) -> Self {
        let features = samples.features();
        let inputs = match samples.inputs() {
            Inputs::U8(values) => stored(values, features, |&value| value != 0, Values::U8),
            Inputs::F32(values) => stored(values, features, |&value| value != 0.0, Values::F32),
        };
        let targets = samples.targets().clone();
        Self { inputs, variance: targets.variance(), targets, features }
    }

    /// Bytes that [`Self::new`] will take for such samples, by every n-th of them.
    pub fn bytes(samples: &Samples) -> u64 {
        fn share<T>(values: &[T], features: usize, is_entry: impl Fn(&T) -> bool) -> f64 {
            /// Values that are looked at: their share of zeros is known to some percent.
            const LOOKED_AT: usize = 100_000;
            let stride = values.len() / LOOKED_AT + 1;
            let looked_at = || values.chunks_exact(features).step_by(stride).flatten();
            looked_at().filter(|value| is_entry(value)).count() as f64 / looked_at().count() as f64
        }
        let features = samples.features();
        let (size, share) = match samples.inputs() {
            Inputs::U8(values) => (size_of::<u8>(), share(values, features, |&value| value != 0)),
            Inputs::F32(values) => (size_of::<f32>(), share(values, features, |&value| value != 0.0)),
        };
        let count = (samples.len() * features) as f64;
        let listed = share * count * (size + if features > 65_536 { 4 } else { 2 }) as f64;
        let starts = ((samples.len() + 1) * size_of::<usize>()) as f64;
        let of_inputs = if share > MAX_LISTED { count * size as f64 } else { listed + starts };
        of_inputs as u64 + size_of_val(samples.targets().words()) as u64
    }

    /// How many samples.
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// In how many samples each input is not zero; empty where samples are kept dense.
    pub fn entries_per_feature(&self) -> Vec<u64> {
        let StoredInputs::Listed(lists) = &self.inputs else { return Vec::new() };
        let mut counts = vec![0; self.features];
        with_types!(lists, lists => {
            for sample in 0..self.len() {
                lists.of(sample as u32).0.iter().for_each(|feature| counts[feature.index()] += 1);
            }
        });
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
    StoredInputs::Listed(Lists { start, features: listed, values: wrap(entries) })
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
