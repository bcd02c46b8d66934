//! Labelled samples for training and testing: a reader or a generator a file.

mod arrays;
mod circles;
mod idx;
mod kind;
mod npy;
mod npz;
mod points;
mod prepared;
mod record;
mod samples;
mod scaling;
mod sine;
mod spirals;
mod split;
pub mod table;
mod unpack;

use std::path::Path;

pub use self::arrays::ArrayOptions;
pub use self::circles::Circles;
pub use self::kind::{is_idx, what_is};
pub use self::points::Points;
pub use self::prepared::{Prepared, Standing, TableSplit, images_to_classify};
pub use self::record::DataRecord;
pub use self::samples::{Dataset, Inputs, Samples, Targets};
pub use self::scaling::{Scale, Scales, Scaling};
pub use self::sine::Sine;
pub use self::spirals::Spirals;
pub use self::split::{HeldOut, Seen, Sketch, SplitRecord, ValidationShare, split_rows};
pub use self::unpack::Expansion;
use crate::error::Result;
use crate::spec::Task;

impl Dataset {
    /// A folder of four IDX files of any type, plain or packed with gzip, as MNIST is published: train-images-idx3-ubyte,
    /// train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte. Labels are 0..classes, or there are
    /// that many different ones.
    ///
    /// # Errors
    /// [`Error::Data`](crate::Error::Data) naming the file that is missing or wrong.
    pub fn from_idx_folder(folder: &Path, classes: usize) -> Result<Self> {
        let options =
            ArrayOptions { classes: Some(classes), task: Some(Task::Classification), ..ArrayOptions::default() };
        Ok(idx::read_folder(folder, options, false)?.0)
    }

    /// A table of text, split and not scaled; see [`Prepared::table`], which says how it was read, and scales.
    ///
    /// # Errors
    /// [`Error::Data`](crate::Error::Data) naming the line that is wrong.
    pub fn from_table(path: &Path, options: &table::TableOptions, split: &TableSplit) -> Result<Self> {
        Ok(Prepared::table(path, options, split, Scales::NONE, None)?.dataset)
    }

    /// A NumPy .npz file with x_train, y_train, x_test and y_test, as Keras publishes MNIST: numbers of any type and order.
    /// Labels are 0..classes, or there are that many different ones.
    ///
    /// # Errors
    /// [`Error::Data`](crate::Error::Data) naming the array that is missing or wrong.
    pub fn from_npz(path: &Path, classes: usize) -> Result<Self> {
        let options =
            ArrayOptions { classes: Some(classes), task: Some(Task::Classification), ..ArrayOptions::default() };
        Ok(npz::read(path, options, false)?.0)
    }
}
