//! Tables, of text or of columns (Parquet, Arrow): a sample a row; numbers, and a column of labels, which may be any text, or
//! columns of the numbers that a regression is to give.
//!
//! [`Table::read`] finds out what a file says (header, label column, classes), [`Table::read_as`] reads another file as a
//! model's was read, and [`TableReader`] does so row by row. Nothing is guessed in silence: what was decided is in the
//! [`Schema`] and in the notes.

mod cells;
mod classes;
#[cfg_attr(not(feature = "parquet"), path = "no_columnar.rs")]
mod columnar;
mod columns;
mod infer;
mod profile;
mod reader;
mod records;
mod schema;
mod text;

use std::path::{Path, PathBuf};
use std::str::FromStr;

use sha2::{Digest, Sha256};

use self::classes::Classes;
use self::columnar::Format;
pub use self::columns::{ColumnName, list};
pub use self::reader::{Row, TableReader};
pub use self::records::Position;
use self::records::Source;
pub use self::schema::{Dropped, Mapping, Reason, Schema};
use super::samples::{Inputs, Samples};
use super::scaling::Scaling;
use super::unpack::Expansion;
use crate::error::{Error, Result};
use crate::names::expected;
use crate::spec::Task;

/// Whether the first row is a header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Header {
    /// If it looks like one.
    #[default]
    Auto,
    /// It is.
    Yes,
    /// It is a sample.
    No,
}

impl FromStr for Header {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "yes" => Ok(Self::Yes),
            "no" => Ok(Self::No),
            _ => Err(expected(text, &["yes", "no", "auto"])),
        }
    }
}

/// How a table is read, where it does not say so itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TableOptions {
    /// Whether the first row is a header.
    pub header: Header,
    /// The column of the labels, or several for a regression; without any the last one that holds anything.
    pub label: Vec<ColumnName>,
    /// Columns to leave out.
    pub drop: Vec<ColumnName>,
    /// What separates the values; without it the first lines tell it.
    pub delimiter: Option<u8>,
    /// Whether an untitled first column that counts the rows is a feature.
    pub keep_index: bool,
    /// Whether rows with a missing value are left out rather than refused.
    pub drop_missing: bool,
    /// How many classes there are, if the user knows it.
    pub classes: Option<usize>,
    /// Whether labels are classes or numbers, where they do not say it themselves.
    pub task: Option<Task>,
    /// How far packed files are unpacked.
    pub expansion: Expansion,
}

/// All rows of a table, as numbers that are not scaled yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The file's name without its ending.
    pub name: String,
    /// How it was read.
    pub schema: Schema,
    /// What was decided on the way and should be said, a line each.
    pub notes: Vec<String>,
    path: PathBuf,
    /// (rows, features)
    features: Vec<f64>,
    labels: Labels,
}

/// What the label columns hold.
#[derive(Debug, Clone, PartialEq)]
enum Labels {
    /// Indices into the schema's classes: (rows).
    Classes(Vec<u32>),
    /// Not scaled yet: (rows, targets).
    Numbers(Vec<f64>),
}

/// The endings of text that is a table, besides the same with .gz.
const TEXT: [&str; 5] = ["csv", "tsv", "txt", "data", "tab"];
/// Those of columns.
const COLUMNS: [&str; 3] = ["parquet", "arrow", "feather"];

fn ends_in(path: &Path, endings: &[&str]) -> bool {
    endings.iter().any(|ending| path.extension().is_some_and(|name| name.eq_ignore_ascii_case(ending)))
}

/// Whether a file's name says that it holds columns: .parquet, .arrow or .feather.
fn is_named_columns(path: &Path) -> bool {
    ends_in(path, &COLUMNS)
}

/// Whether a file's name says that it is a table (.csv, .tsv, .txt, .data or .tab, plain or with .gz; .parquet, .arrow or
/// .feather), or its first bytes that it is one of columns.
pub fn is_table(path: &Path) -> bool {
    let is_packed = ends_in(path, &["gz"]);
    ends_in(path, &TEXT)
        || is_named_columns(path)
        || (is_packed && ends_in(&path.with_extension(""), &TEXT))
        || Format::of_file(path).is_ok_and(|format| format.is_some())
}

/// A file's name without its endings.
pub fn short_name(path: &Path) -> String {
    let is_packed = path.extension().is_some_and(|name| name.eq_ignore_ascii_case("gz"));
    let inner = if is_packed { path.with_extension("") } else { path.to_path_buf() };
    inner.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

impl Table {
    /// Reads a file and finds out what it says.
    ///
    /// # Errors
    /// [`Error::Data`] naming the line or the column that is wrong, and the option that mends it.
    pub fn read(path: &Path, options: &TableOptions) -> Result<Self> {
        let refuse = |problem: String| Error::data(path, problem);
        let source = Source::read(path, options)?;
        let inferred = infer::infer(&source, options)?;
        let (mut schema, mut notes) = (inferred.schema, source.notes());
        notes.extend(inferred.notes);
        schema.delimiter = char::from(source.delimiter);
        let mut reader = TableReader::of_training(&source, &schema, options)?;
        let is_stated = options.task == Some(Task::Regression) || schema.labels.len() > 1;
        if is_stated && options.task == Some(Task::Classification) {
            return Err(refuse(
                "several columns of labels are numbers to be given; --task classification has one".into(),
            ));
        }
        if let (true, Some(classes)) = (is_stated, options.classes) {
            return Err(refuse(format!("a regression has no classes, but --classes says {classes}; leave it out")));
        }
        let mut classes = Classes::default();
        let mut first_text = None;
        let (mut features, mut labels, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(row) = reader.next_row()? {
            features.extend_from_slice(&row.features);
            if is_stated {
                reader.numbers(&row, &mut numbers)?;
                continue;
            }
            let label = &row.labels[0];
            labels.push(classes.add(label));
            if first_text.is_none() && cells::number(label).is_none() {
                first_text = Some(format!("{}: the label is {}", row.position, cells::shown(label)));
            }
        }
        notes.extend(reader.last_notes());
        if labels.is_empty() && numbers.is_empty() {
            return Err(refuse("holds no sample".into()));
        }
        let table = |schema: Schema, notes, labels| Self {
            name: short_name(path),
            schema,
            notes,
            path: path.to_path_buf(),
            features,
            labels,
        };
        if is_stated {
            schema.task = Task::Regression;
            return Ok(table(schema, notes, Labels::Numbers(numbers)));
        }
        let (names, places) = classes.sorted();
        let column = schema.named(schema.labels[0]);
        let (task, note) =
            classes::task(&names, labels.len(), &column, first_text.as_deref(), options).map_err(refuse)?;
        notes.extend(note);
        schema.task = task;
        if task == Task::Regression {
            let numbers = classes.numbers();
            let numbers = labels.into_iter().map(|class| numbers[class as usize]).collect();
            return Ok(table(schema, notes, Labels::Numbers(numbers)));
        }
        let lower: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
        if let Some(class) = (1..lower.len()).find(|&class| lower[..class].contains(&lower[class])) {
            notes.push(format!("some classes differ only in upper and lower case, as '{}' does", names[class]));
        }
        schema.classes = names;
        let labels = labels.into_iter().map(|class| places[class as usize]).collect();
        Ok(table(schema, notes, Labels::Classes(labels)))
    }

    /// Reads a file by a model's schema: the same titles in the model's order, or columns by their position.
    ///
    /// # Errors
    /// [`Error::Data`] naming the first difference, or the line that is wrong.
    pub fn read_as(path: &Path, schema: &Schema, options: &TableOptions) -> Result<Self> {
        let mut reader = TableReader::open(path, schema, options, true)?;
        let mut notes = reader.notes().to_vec();
        let classes = Classes::known(&schema.classes);
        let (mut features, mut labels, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(row) = reader.next_row()? {
            features.extend_from_slice(&row.features);
            if schema.is_regression() {
                reader.numbers(&row, &mut numbers)?;
                continue;
            }
            let label = row.labels.into_iter().next().unwrap_or_default();
            labels.push(classes.get(&label).ok_or_else(|| {
                let problem = format!(
                    "{}: class {} is none of the model's: {}",
                    row.position,
                    cells::shown(&label),
                    list(&schema.classes)
                );
                Error::data(path, problem)
            })?);
        }
        notes.extend(reader.last_notes());
        let labels = if schema.is_regression() { Labels::Numbers(numbers) } else { Labels::Classes(labels) };
        if features.is_empty() {
            return Err(Error::data(path, "holds no sample"));
        }
        Ok(Self { name: short_name(path), schema: schema.clone(), notes, path: path.to_path_buf(), features, labels })
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.features.len() / self.schema.features.len()
    }

    /// Never: a table holds at least one row.
    pub fn is_empty(&self) -> bool {
        self.features.is_empty()
    }

    /// Features of one row, not scaled.
    pub fn row(&self, index: usize) -> &[f64] {
        let width = self.schema.features.len();
        &self.features[index * width..][..width]
    }

    /// The label of one row: an index into the schema's classes; `None` of a regression.
    pub fn label(&self, index: usize) -> Option<u32> {
        match &self.labels {
            Labels::Classes(labels) => Some(labels[index]),
            Labels::Numbers(_) => None,
        }
    }

    /// The targets of one row of a regression, not scaled; empty of classes.
    pub fn targets(&self, index: usize) -> &[f64] {
        let width = self.schema.labels.len();
        match &self.labels {
            Labels::Classes(_) => &[],
            Labels::Numbers(numbers) => &numbers[index * width..][..width],
        }
    }

    /// Some rows as samples, scaled as the two say for inputs and for the targets of a regression: computed in f64 and rounded
    /// once to f32.
    ///
    /// # Errors
    /// [`Error::Data`] if a scaled value is no finite f32.
    pub fn samples(&self, rows: &[usize], scaling: &Scaling, of_targets: &Scaling) -> Result<Samples> {
        let mut inputs = Vec::with_capacity(rows.len() * self.schema.features.len());
        for &row in rows {
            scaling.apply(self.row(row), &mut inputs);
        }
        if let Some(index) = inputs.iter().position(|value| !value.is_finite()) {
            let (row, feature) = (rows[index / self.schema.features.len()], index % self.schema.features.len());
            let problem = format!(
                "{} holds {}, which is too large",
                self.schema.named(self.schema.features[feature]),
                self.row(row)[feature]
            );
            return Err(Error::data(&self.path, problem));
        }
        let (features, inputs) = (self.schema.features.len(), Inputs::F32(inputs));
        let samples = match &self.labels {
            Labels::Classes(labels) => {
                let labels = rows.iter().map(|&row| labels[row]).collect();
                Samples::new(features, inputs, labels, self.schema.classes.len())
            }
            Labels::Numbers(_) => {
                let (width, mut numbers) = (self.schema.labels.len(), Vec::with_capacity(rows.len()));
                rows.iter().for_each(|&row| of_targets.apply(self.targets(row), &mut numbers));
                if let Some(index) = numbers.iter().position(|number| !number.is_finite()) {
                    let (row, target) = (rows[index / width], index % width);
                    let column = self.schema.named(self.schema.labels[target]);
                    let problem = format!("{column} holds {:e}, which is too large", self.targets(row)[target]);
                    return Err(Error::data(&self.path, problem));
                }
                Samples::of_numbers(features, inputs, numbers, width)
            }
        };
        samples.map_err(|error| Error::data(&self.path, error.to_string()))
    }

    /// What tells a row from others: 48 bits of its features and its class or targets.
    pub fn row_hash(&self, index: usize) -> u64 {
        let mut hash = Sha256::new();
        self.hash_row(index, &mut hash);
        super::split::short_hash(&hash.finalize())
    }

    /// SHA-256 of all rows in their order, in hexadecimal.
    pub fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        for index in 0..self.len() {
            self.hash_row(index, &mut hash);
        }
        crate::digest::hexadecimal(&hash.finalize())
    }

    fn hash_row(&self, index: usize, hash: &mut Sha256) {
        for value in self.row(index) {
            // -0 and 0 are equal.
            hash.update((value + 0.0).to_bits().to_le_bytes());
        }
        match &self.labels {
            Labels::Classes(labels) => hash.update(self.schema.classes[labels[index] as usize].as_bytes()),
            Labels::Numbers(_) => {
                self.targets(index).iter().for_each(|value| hash.update((value + 0.0).to_bits().to_le_bytes()));
            }
        }
        hash.update([0]);
    }
}

#[cfg(test)]
mod tests;
