//! Arrays of samples and labels, whatever file they come from, made into a data set.

use std::collections::BTreeSet;
use std::path::Path;

use super::samples::{Dataset, Inputs, Samples};
use super::table::list;
use crate::error::{Error, Result};

/// The numbers of an array.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// 8-bit ones, as pixels are.
    Bytes(Vec<u8>),
    /// All others.
    Numbers(Vec<f64>),
}

/// Samples and labels of one set as a file has them.
pub struct ArraySet {
    /// What messages call the inputs and the labels.
    pub names: [String; 2],
    /// (samples, features)
    pub inputs: Values,
    /// (samples)
    pub labels: Vec<f64>,
    pub features: usize,
}

/// What is known before the arrays are read.
#[derive(Debug, Clone, Copy, Default)]
pub struct ArrayOptions<'a> {
    /// Labels are 0..classes; without it they tell the classes.
    pub classes: Option<usize>,
    /// Names of a model's classes.
    pub class_names: &'a [String],
    /// Whether numbers that look like pixels are left as they are.
    pub keeps_numbers: bool,
}

impl Values {
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(values) => values.len(),
            Self::Numbers(values) => values.len(),
        }
    }

    /// Whether all are whole numbers from 0 to 255, and reach beyond 1.
    fn look_like_pixels(&self) -> bool {
        match self {
            Self::Bytes(_) => true,
            Self::Numbers(values) => {
                values.iter().all(|x| x.fract() == 0.0 && (0.0..=255.0).contains(x))
                    && values.iter().any(|&x| x > 127.0)
            }
        }
    }

    /// As samples hold them; pixels become bytes.
    pub fn into_inputs(self, as_pixels: bool) -> Inputs {
        match self {
            Self::Bytes(values) => Inputs::U8(values),
            Self::Numbers(values) if as_pixels => Inputs::U8(values.into_iter().map(|x| x as u8).collect()),
            Self::Numbers(values) => Inputs::F32(values.into_iter().map(|x| x as f32).collect()),
        }
    }

    /// Whether these numbers of so many features are pixels from 0 to 255.
    pub fn are_pixels(&self, features: usize) -> bool {
        matches!(self, Self::Bytes(_)) || (features >= 16 && self.look_like_pixels())
    }
}

/// Makes a data set of both sets, with what should be said about it.
pub fn dataset(
    path: &Path,
    name: String,
    sets: [ArraySet; 2],
    options: ArrayOptions<'_>,
) -> Result<(Dataset, Vec<String>)> {
    let refuse = |problem: String| Error::data(path, problem);
    let [train, test] = sets;
    if train.features != test.features {
        let problem =
            format!("{} has {} features, {} {}", train.names[0], train.features, test.names[0], test.features);
        return Err(refuse(problem));
    }
    let mut notes = Vec::new();
    let (classes, class_names) = classes(path, &train, &test, options, &mut notes)?;
    let features = train.features;
    let are_bytes = [&train, &test].map(|set| matches!(set.inputs, Values::Bytes(_)));
    let as_pixels = !options.keeps_numbers && train.inputs.are_pixels(features) && test.inputs.are_pixels(features);
    if are_bytes != [as_pixels; 2] {
        if as_pixels {
            notes.push(
                "all inputs are whole numbers from 0 to 255, as pixels are: divided by 255 (--scale none leaves them)"
                    .into(),
            );
        } else if are_bytes[0] != are_bytes[1] {
            let problem = format!(
                "{} and {} have different types: one holds bytes, which are divided by 255, the other does not",
                train.names[0], test.names[0]
            );
            return Err(refuse(problem));
        }
    }
    let samples = |set: ArraySet| {
        let ArraySet { names, inputs, labels, .. } = set;
        let labels = labels.iter().map(|&label| index(&class_names, label)).collect();
        Samples::new(features, inputs.into_inputs(as_pixels), labels, classes)
            .map_err(|error| Error::data(path, format!("{}: {error}", names[0])))
    };
    let (train, test) = (samples(train)?, samples(test)?);
    Ok((Dataset { name, classes, class_names, train, test, validation: None }, notes))
}

/// A label's place among the classes; without names it is the label itself.
fn index(class_names: &[String], label: f64) -> u32 {
    let name = class_name(label);
    class_names.iter().position(|other| *other == name).map_or(label as u32, |index| index as u32)
}

fn class_name(label: f64) -> String {
    (label + 0.0).to_string()
}

/// How many classes there are, and their names where labels are not 0, 1, 2, ...
fn classes(
    path: &Path,
    train: &ArraySet,
    test: &ArraySet,
    options: ArrayOptions<'_>,
    notes: &mut Vec<String>,
) -> Result<(usize, Vec<String>)> {
    for set in [train, test] {
        let wrong =
            |(index, problem): (usize, String)| Error::data(path, format!("{}: label {index} {problem}", set.names[1]));
        let labels = set.labels.iter().enumerate();
        let problem = labels
            .clone()
            .find(|(_, label)| !label.is_finite())
            .map(|(index, label)| (index, format!("is {label}: it is missing")));
        if let Some(problem) = problem {
            return Err(wrong(problem));
        }
        if let Some((_, label)) = labels.clone().find(|(_, label)| label.fract() != 0.0) {
            let problem = format!(
                "{} looks like a regression target: it holds {label}; this trains classifiers, whose labels are whole numbers",
                set.names[1]
            );
            return Err(Error::data(path, problem));
        }
    }
    let distinct = |set: &ArraySet| set.labels.iter().map(|&label| label as i64).collect::<BTreeSet<i64>>();
    let (in_train, in_test) = (distinct(train), distinct(test));
    let all: Vec<i64> = in_train.union(&in_test).copied().collect();
    let names = || all.iter().map(i64::to_string).collect::<Vec<_>>();
    if !options.class_names.is_empty() {
        if let Some(other) = all.iter().find(|label| !options.class_names.contains(&label.to_string())) {
            let problem = format!("label {other} is none of the model's classes: {}", list(options.class_names));
            return Err(Error::data(path, problem));
        }
        return Ok((options.class_names.len(), options.class_names.to_vec()));
    }
    let count = options.classes.unwrap_or(all.len());
    if options.classes.is_none() && all.len() < 2 {
        return Err(Error::data(path, format!("all labels are {}", all[0])));
    }
    let are_indices = |count: usize| all.iter().all(|&label| label >= 0 && (label as u64) < count as u64);
    if are_indices(count) {
        return Ok((count, Vec::new()));
    }
    if all.len() == count && count > 1 {
        notes.push(format!("classes from the labels: {}", list(&names())));
        return Ok((count, names()));
    }
    // Which label does not fit, and where.
    for set in [train, test] {
        let is_wrong = |label: &f64| *label < 0.0 || *label >= count as f64;
        if let Some(index) = set.labels.iter().position(is_wrong) {
            let label = set.labels[index];
            let negative = if label < 0.0 { " (negative)" } else { "" };
            let problem = format!(
                "{}: label {label}{negative} at index {index}; labels must be 0 to {}, or there must be {count} different ones, \
                 but there are {}: say --classes {}",
                set.names[1],
                count - 1,
                all.len(),
                all.len().max(all.last().map_or(0, |&last| usize::try_from(last + 1).unwrap_or(0).min(1000)))
            );
            return Err(Error::data(path, problem));
        }
    }
    Ok((count, Vec::new()))
}
