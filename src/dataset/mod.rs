//! Labelled samples for training and testing: a reader or a generator a file.

mod circles;
mod csv;
mod idx;
mod npz;
mod points;
mod samples;
mod spirals;

use std::path::Path;

pub use self::circles::Circles;
pub use self::csv::{CsvOptions, CsvReader, LabelColumn};
pub use self::samples::{Dataset, Inputs, Samples};
pub use self::spirals::Spirals;
use crate::error::Result;

impl Dataset {
    /// A folder of four IDX files, plain or .gz, as MNIST is published: train-images-idx3-ubyte,
    /// train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte. Labels are 0..classes.
    ///
    /// # Errors
    /// [`Error::Data`](crate::Error::Data) naming the file that is missing or wrong.
    pub fn from_idx_folder(folder: &Path, classes: usize) -> Result<Self> {
        idx::read_folder(folder, classes)
    }

    /// A CSV file: a sample a row, numbers but for the label, which may be any text; see [`CsvOptions`].
    ///
    /// # Errors
    /// [`Error::Data`](crate::Error::Data) naming the line that is wrong.
    pub fn from_csv(path: &Path, options: &CsvOptions) -> Result<Self> {
        csv::read_dataset(path, options)
    }

    /// A NumPy .npz file with x_train, y_train, x_test and y_test, as Keras publishes MNIST. Labels are 0..classes.
    ///
    /// # Errors
    /// [`Error::Data`](crate::Error::Data) naming the array that is missing or wrong.
    pub fn from_npz(path: &Path, classes: usize) -> Result<Self> {
        npz::read(path, classes)
    }
}
