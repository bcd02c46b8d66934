//! Arrays of samples and labels, whatever file they come from, made into a data set.

use std::collections::BTreeSet;
use std::path::Path;

use super::samples::{Dataset, Inputs, Samples};
use super::table::list;
use super::unpack::Expansion;
use crate::error::{Error, Result};
use crate::spec::Task;

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
    /// (samples, labels_of_each)
    pub labels: Vec<f64>,
    pub labels_of_each: usize,
    pub features: usize,
}

/// What is known before the arrays are read.
#[derive(Debug, Clone, Copy, Default)]
pub struct ArrayOptions<'a> {
    /// Whether labels are classes or numbers; without it they tell it.
    pub task: Option<Task>,
    /// Labels are 0..classes; without it they tell the classes.
    pub classes: Option<usize>,
    /// Names of a model's classes.
    pub class_names: &'a [String],
    /// How far packed files are unpacked.
    pub expansion: Expansion,
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

/// Makes a data set of both sets, with what should be said about it. `keeps_numbers` leaves those that look like pixels as they are.
pub fn dataset(
    path: &Path,
    name: String,
    sets: [ArraySet; 2],
    options: ArrayOptions<'_>,
    keeps_numbers: bool,
) -> Result<(Dataset, Vec<String>)> {
    let refuse = |problem: String| Error::data(path, problem);
    let [train, test] = sets;
    if train.features != test.features {
        let problem =
            format!("{} has {} features, {} {}", train.names[0], train.features, test.names[0], test.features);
        return Err(refuse(problem));
    }
    let mut notes = Vec::new();
    let task = task(path, [&train, &test], options, &mut notes)?;
    let (classes, class_names) = match task {
        Task::Classification => classes(path, &train, &test, options, &mut notes)?,
        Task::Regression => (0, Vec::new()),
    };
    let features = train.features;
    let are_bytes = [&train, &test].map(|set| matches!(set.inputs, Values::Bytes(_)));
    let as_pixels = !keeps_numbers && train.inputs.are_pixels(features) && test.inputs.are_pixels(features);
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
        let ArraySet { names, inputs, labels, labels_of_each, .. } = set;
        let inputs = inputs.into_inputs(as_pixels);
        let samples = match task {
            Task::Classification => {
                let labels = labels.iter().map(|&label| index(&class_names, label)).collect();
                Samples::new(features, inputs, labels, classes)
            }
            Task::Regression => {
                let numbers = labels.iter().map(|&label| label as f32).collect();
                Samples::of_numbers(features, inputs, numbers, labels_of_each)
            }
        };
        samples.map_err(|error| Error::data(path, format!("{}: {error}", names[0])))
    };
    let (train, test) = (samples(train)?, samples(test)?);
    Ok((Dataset { name, classes, class_names, train, test, validation: None }, notes))
}

/// What the labels are: numbers with fractions, and several of a sample, are no classes.
fn task(path: &Path, sets: [&ArraySet; 2], options: ArrayOptions<'_>, notes: &mut Vec<String>) -> Result<Task> {
    let refuse = |problem: String| Err(Error::data(path, problem));
    for set in sets {
        if let Some(index) = set.labels.iter().position(|label| !label.is_finite()) {
            let (sample, label) = (index / set.labels_of_each, set.labels[index]);
            return refuse(format!("{}: label {sample} is {label}: it is missing", set.names[1]));
        }
    }
    let [train, test] = sets;
    let fraction = sets.into_iter().find_map(|set| {
        let label = set.labels.iter().find(|label| label.fract() != 0.0)?;
        Some((&set.names[1], *label))
    });
    let several = sets.into_iter().find(|set| set.labels_of_each > 1);
    let task = match (options.task, fraction, several) {
        (Some(Task::Classification), Some((name, label)), _) => {
            return refuse(format!(
                "{name} holds {label}; classes are whole numbers (--task regression gives numbers)"
            ));
        }
        (Some(Task::Classification), None, Some(set)) => {
            return refuse(format!(
                "{} holds {} labels of each sample; a class is one",
                set.names[1], set.labels_of_each
            ));
        }
        (Some(task), ..) => task,
        (None, Some((name, label)), _) => {
            notes.push(format!(
                "{name} holds {label}, which is no class: it is taken for numbers to be given, a regression"
            ));
            Task::Regression
        }
        (None, None, Some(set)) => {
            let (name, count) = (&set.names[1], set.labels_of_each);
            notes.push(format!("{name} holds {count} numbers of each sample: they are to be given, a regression"));
            Task::Regression
        }
        (None, None, None) => Task::Classification,
    };
    if train.labels_of_each != test.labels_of_each {
        let [of_train, of_test] = sets.map(|set| format!("{} has {}", set.names[1], set.labels_of_each));
        return refuse(format!("{of_train} labels of each sample, but {of_test}"));
    }
    Ok(task)
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
        return Err(Error::data(path, format!("all labels are {} (--task regression takes them for numbers)", all[0])));
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
                all.len()
                    .max(all.last().map_or(0, |&last| usize::try_from(last.saturating_add(1)).unwrap_or(0).min(1000)))
            );
            return Err(Error::data(path, problem));
        }
    }
    Ok((count, Vec::new()))
}
