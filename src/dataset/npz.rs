//! NumPy .npz files in the layout of Keras' MNIST: x_train, y_train, x_test and y_test.

use std::fs::File;
use std::path::Path;

use zip::ZipArchive;

use super::arrays::{self, ArrayOptions, ArraySet, Values};
use super::npy::{self, Array};
use super::samples::Dataset;
use super::table::short_name;
use super::unpack::Expansion;
use crate::error::{Error, Result};
use crate::spec::Task;

/// Reads all four arrays. Inputs may have any number of axes after the first, which counts the samples.
pub(super) fn read(path: &Path, options: ArrayOptions<'_>, keeps_numbers: bool) -> Result<(Dataset, Vec<String>)> {
    let mut archive = open(path)?;
    let sets = [set(&mut archive, path, "train", options)?, set(&mut archive, path, "test", options)?];
    arrays::dataset(path, short_name(path), sets, options, keeps_numbers)
}

/// Inputs alone, to be classified: x, x_test, or the only array of more than one axis. Gives its features as well.
pub(super) fn read_inputs(path: &Path, expansion: Expansion) -> Result<(usize, Values)> {
    let mut archive = open(path)?;
    let names: Vec<String> =
        archive.file_names().flatten().filter_map(|name| Some(name.strip_suffix(".npy")?.to_string())).collect();
    let usual = ["x", "X", "x_test", "arr_0"].into_iter().find(|name| names.iter().any(|other| other == name));
    let name = match (usual, &names[..]) {
        (Some(name), _) => name,
        (None, [only]) => only,
        _ => {
            let problem = format!("holds the arrays {}; the inputs must be x or x_test", names.join(", "));
            return Err(Error::data(path, problem));
        }
    };
    let Array { shape, values } = array(&mut archive, path, name, expansion)?;
    Ok((features(path, name, &shape)?, values))
}

fn open(path: &Path) -> Result<ZipArchive<File>> {
    let refuse = |problem: String| Error::data(path, problem);
    let file = File::open(path).map_err(|error| refuse(format!("cannot be read: {error}")))?;
    if file.metadata().is_ok_and(|metadata| metadata.len() == 0) {
        return Err(refuse("is empty".into()));
    }
    ZipArchive::new(file).map_err(|error| refuse(format!("not an .npz file, or cut off ({error})")))
}

fn set(archive: &mut ZipArchive<File>, path: &Path, split: &str, options: ArrayOptions<'_>) -> Result<ArraySet> {
    let refuse = |problem: String| Error::data(path, problem);
    let names = [format!("x_{split}"), format!("y_{split}")];
    let inputs = array(archive, path, &names[0], options.expansion)?;
    let labels = array(archive, path, &names[1], options.expansion)?;
    let features = features(path, &names[0], &inputs.shape)?;
    let (count, label_shape) = (inputs.shape[0], labels.shape);
    if count == 0 {
        return Err(refuse(format!("{} is empty: it holds no sample", names[0])));
    }
    let labels = match labels.values {
        Values::Bytes(values) => values.into_iter().map(f64::from).collect(),
        Values::Numbers(values) => values,
    };
    if let Some(columns) = one_hot(&label_shape, count, &labels).filter(|_| options.task != Some(Task::Regression)) {
        let problem = format!(
            "{} is one-hot, of the shape {label_shape:?}; save the classes, {}.argmax(axis={columns}), or say --task regression if \
             these are numbers to be given",
            names[1], names[1]
        );
        return Err(refuse(problem));
    }
    let labels_of_each = match label_shape[..] {
        [rows, columns] if rows == count && columns > 0 => columns,
        _ => 1,
    };
    if label_shape.is_empty() || labels.len() != count * labels_of_each {
        return Err(refuse(format!(
            "{} has the shape {label_shape:?}, but {} has {count} samples",
            names[1], names[0]
        )));
    }
    Ok(ArraySet { names, inputs: inputs.values, labels, labels_of_each, features })
}

/// The axis of the classes, if labels are rows of zeros with a one, or shares of classes that add up to 1.
fn one_hot(shape: &[usize], count: usize, labels: &[f64]) -> Option<usize> {
    let &[rows, columns] = shape else { return None };
    let is_one = |row: &[f64]| (row.iter().sum::<f64>() - 1.0).abs() < 1e-3 && row.iter().all(|&x| x >= 0.0);
    (rows == count && columns > 1 && labels.chunks_exact(columns).all(is_one)).then_some(1)
}

/// Values of a sample: the product of all axes but the first.
fn features(path: &Path, name: &str, shape: &[usize]) -> Result<usize> {
    if shape.len() < 2 && shape.first() != Some(&0) {
        let problem = format!("{name} has the shape {shape:?}; it needs an axis for samples and one for features");
        return Err(Error::data(path, problem));
    }
    Ok(shape.iter().skip(1).fold(1, |product: usize, &size| product.saturating_mul(size)))
}

fn array(archive: &mut ZipArchive<File>, path: &Path, name: &str, expansion: Expansion) -> Result<Array> {
    let refuse = |problem: String| Error::data(path, problem);
    let names = archive.file_names().flatten().map(String::from).collect::<Vec<_>>().join(", ");
    let entry = archive.by_name(&format!("{name}.npy")).map_err(|error| match error {
        zip::result::ZipError::FileNotFound => refuse(format!("has no array {name}; it holds {names}")),
        error => refuse(format!("{name}: {error}")),
    })?;
    let packed = entry.compressed_size();
    let check = |bytes| expansion.check(packed, bytes);
    npy::read(entry, check).map_err(|problem| refuse(format!("{name} {problem}")))
}
