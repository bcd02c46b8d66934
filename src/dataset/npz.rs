//! NumPy .npz files in the layout of Keras' MNIST: x_train, y_train, x_test and y_test.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use npyz::NpyFile;
use zip::ZipArchive;

use super::samples::{Dataset, Inputs, Samples};
use crate::error::{Error, Result};

/// Reads all four arrays; labels must be below `classes`. Inputs may have any number of axes after the first, which
/// counts the samples; bytes stay bytes, other numbers become f32.
pub(super) fn read(path: &Path, classes: usize) -> Result<Dataset> {
    let refuse = |problem: String| Error::data(path, problem);
    let file = File::open(path).map_err(|error| refuse(format!("cannot be read: {error}")))?;
    let mut archive =
        ZipArchive::new(file).map_err(|error| refuse(format!("not an .npz file, or cut off ({error})")))?;
    let mut split = |split: &str| -> Result<Samples> {
        let (shape, inputs) = inputs(&mut archive, path, &format!("x_{split}"))?;
        let (label_shape, labels) = labels(&mut archive, path, &format!("y_{split}"))?;
        let count = shape[0] as usize;
        if label_shape.iter().product::<u64>() as usize != count {
            return Err(refuse(format!("y_{split} has the shape {label_shape:?}, but x_{split} has {count} samples")));
        }
        let features = shape[1..].iter().product::<u64>() as usize;
        Samples::new(features, inputs, labels, classes).map_err(|error| refuse(format!("{split}: {error}")))
    };
    let (train, test) = (split("train")?, split("test")?);
    if train.features() != test.features() {
        let problem = format!("x_train has {} features, x_test {}", train.features(), test.features());
        return Err(refuse(problem));
    }
    let test = match (train.inputs(), test.inputs()) {
        (Inputs::U8(_), Inputs::F32(_)) | (Inputs::F32(_), Inputs::U8(_)) => {
            return Err(refuse("x_train and x_test have different types".into()))
        }
        _ => test,
    };
    let name = path.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    Ok(Dataset { name, classes, class_names: Vec::new(), train, test })
}

/// The bytes of an array's file, unpacked.
fn array(archive: &mut ZipArchive<File>, path: &Path, name: &str) -> Result<Vec<u8>> {
    let refuse = |problem: String| Error::data(path, problem);
    let names = archive.file_names().flatten().map(String::from).collect::<Vec<_>>().join(", ");
    let mut entry = archive.by_name(&format!("{name}.npy")).map_err(|error| match error {
        zip::result::ZipError::FileNotFound => refuse(format!("has no array {name}; it holds {names}")),
        error => refuse(format!("{name}: {error}")),
    })?;
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(|error| refuse(format!("{name} is damaged ({error})")))?;
    Ok(bytes)
}

/// Every value of an array as `T`, if they have one of the types given.
macro_rules! values {
    ($bytes:expr, $name:expr, $path:expr, $target:ty, [$($source:ty),*]) => {{
        let refuse = |problem: String| Error::data($path, format!("{}: {problem}", $name));
        let open = || NpyFile::new(&$bytes[..]).map_err(|error| refuse(format!("no array of NumPy ({error})")));
        let header = open()?;
        if header.order() != npyz::Order::C && header.shape().len() > 1 {
            return Err(refuse("is in Fortran's order; save numpy.ascontiguousarray of it".into()));
        }
        let shape = header.shape().to_vec();
        let expected = shape.iter().product::<u64>() as usize;
        let mut found: Option<Vec<$target>> = None;
        $(
            if found.is_none() {
                if let Ok(data) = open()?.data::<$source>() {
                    let values: std::io::Result<Vec<$target>> = data.map(|value| value.map(|value| value as $target)).collect();
                    found = Some(values.map_err(|error| refuse(format!("is damaged ({error})")))?);
                }
            }
        )*
        let values = found.ok_or_else(|| refuse(format!("has the type {}", header.dtype().descr())))?;
        if shape.is_empty() || values.len() != expected {
            return Err(refuse(format!("{} values do not make the shape {shape:?}", values.len())));
        }
        (shape, values)
    }};
}

fn inputs(archive: &mut ZipArchive<File>, path: &Path, name: &str) -> Result<(Vec<u64>, Inputs)> {
    let bytes = array(archive, path, name)?;
    let is_bytes = NpyFile::new(&bytes[..]).is_ok_and(|file| file.data::<u8>().is_ok());
    if is_bytes {
        let (shape, values) = values!(bytes, name, path, u8, [u8]);
        return Ok((shape, Inputs::U8(values)));
    }
    let (shape, values) = values!(bytes, name, path, f32, [f32, f64, i32, i64, u16, i16]);
    Ok((shape, Inputs::F32(values)))
}

fn labels(archive: &mut ZipArchive<File>, path: &Path, name: &str) -> Result<(Vec<u64>, Vec<u32>)> {
    let bytes = array(archive, path, name)?;
    let (shape, values) = values!(bytes, name, path, i64, [u8, i64, i32, u32, i16, u16, i8]);
    let labels = values.iter().map(|&label| u32::try_from(label)).collect::<Result<_, _>>();
    Ok((shape, labels.map_err(|_| Error::data(path, format!("{name}: a label is negative or too large")))?))
}
