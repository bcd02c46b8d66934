//! CSV files: a sample a row; numbers, and one column of labels that may be any text.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::samples::{Dataset, Inputs, Samples};
use crate::error::{Error, Result};
use crate::random::Random;

/// How a CSV file becomes a data set.
#[derive(Debug, Clone, PartialEq)]
pub struct CsvOptions {
    /// Where the labels are.
    pub label: LabelColumn,
    /// A file of test samples; without it some rows of the first file are set aside.
    pub test: Option<PathBuf>,
    /// Share of the rows set aside for testing: above 0 and below 1.
    pub test_fraction: f64,
    /// Chooses the rows that are set aside.
    pub seed: u64,
}

/// Which column of a CSV file holds the labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelColumn {
    /// The last one.
    Last,
    /// The one of this name in the header, or of this number, counted from 1.
    Named(String),
    /// There are no labels.
    None,
}

/// Rows of a CSV file, one after the other. Values are separated by commas, semicolons or tabs; the first row is a header
/// if it holds a feature that is no number.
pub struct CsvReader {
    path: PathBuf,
    records: csv::StringRecordsIntoIter<Box<dyn Read>>,
    /// A first row that turned out not to be a header.
    first: Option<csv::StringRecord>,
    header: Option<csv::StringRecord>,
    columns: usize,
    /// Column of the labels, from 0.
    label: Option<usize>,
    line: u64,
}

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Every column but the label.
    pub features: Vec<f32>,
    /// The label's text, if there is a label column.
    pub label: Option<String>,
}

impl CsvReader {
    /// Opens a file; `-` is stdin.
    ///
    /// # Errors
    /// [`Error::Data`] if it cannot be read, is empty, or has no such label column.
    pub fn open(path: &Path, label: &LabelColumn) -> Result<Self> {
        let source: Box<dyn Read> = if path == Path::new("-") {
            Box::new(std::io::stdin())
        } else {
            Box::new(File::open(path).map_err(|error| Error::data(path, format!("cannot be read: {error}")))?)
        };
        // What messages call it.
        let path = if path == Path::new("-") { Path::new("stdin") } else { path };
        let mut source = BufReader::new(source);
        let start = source.fill_buf().map_err(|error| Error::data(path, format!("cannot be read: {error}")))?;
        let line: Vec<u8> = start.iter().copied().take_while(|&byte| byte != b'\n').collect();
        let count = |delimiter: u8| line.iter().filter(|&&byte| byte == delimiter).count();
        let delimiter = [b',', b';', b'\t'].into_iter().max_by_key(|&delimiter| (count(delimiter), delimiter == b','));
        let reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .delimiter(delimiter.unwrap_or(b','))
            .from_reader(Box::new(source) as Box<dyn Read>);
        let mut this = Self {
            path: path.to_path_buf(),
            records: reader.into_records(),
            first: None,
            header: None,
            columns: 0,
            label: None,
            line: 0,
        };
        let Some(mut first) = this.next_record()? else {
            return Err(Error::data(path, "is empty"));
        };
        if let Some(text) = first.get(0).and_then(|text| text.strip_prefix('\u{feff}')) {
            // A byte order mark, as spreadsheets write it.
            let rest: Vec<String> = first.iter().skip(1).map(String::from).collect();
            first = std::iter::once(text.to_string()).chain(rest).collect();
        }
        this.columns = first.len();
        this.label = match label {
            LabelColumn::None => None,
            LabelColumn::Last => Some(this.columns - 1),
            LabelColumn::Named(name) => {
                let number = name.parse::<usize>().ok().filter(|number| (1..=this.columns).contains(number));
                let column = first.iter().position(|title| title == name).or(number.map(|number| number - 1));
                Some(column.ok_or_else(|| {
                    let titles: Vec<&str> = first.iter().take(20).collect();
                    Error::data(path, format!("has no column '{name}'; its first row is {}", titles.join(", ")))
                })?)
            }
        };
        if this.columns == usize::from(this.label.is_some()) {
            return Err(Error::data(
                path,
                "has no column besides the label; values are separated by commas, semicolons or tabs",
            ));
        }
        let is_header =
            (0..this.columns).any(|column| Some(column) != this.label && first[column].parse::<f32>().is_err());
        *(if is_header { &mut this.header } else { &mut this.first }) = Some(first);
        Ok(this)
    }

    /// Features of a row.
    pub fn features(&self) -> usize {
        self.columns - usize::from(self.label.is_some())
    }

    fn next_record(&mut self) -> Result<Option<csv::StringRecord>> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        match self.records.next() {
            None => Ok(None),
            Some(Ok(record)) => {
                self.line = record.position().map_or(self.line + 1, csv::Position::line);
                Ok(Some(record))
            }
            Some(Err(error)) => Err(Error::data(&self.path, format!("after line {}: {}", self.line, one_line(&error)))),
        }
    }

    /// The next row, or `None` after the last.
    ///
    /// # Errors
    /// [`Error::Data`] naming the line and column that is no finite number, or the row that is too short or too long.
    pub fn next_row(&mut self) -> Result<Option<Row>> {
        let Some(record) = self.next_record()? else { return Ok(None) };
        let wrong = |problem: String| Error::data(&self.path, format!("line {}: {problem}", self.line));
        if record.len() != self.columns {
            return Err(wrong(format!("{} values, but the first row has {}", record.len(), self.columns)));
        }
        let mut features = Vec::with_capacity(self.columns);
        for (column, text) in record.iter().enumerate().filter(|(column, _)| Some(*column) != self.label) {
            match text.parse::<f32>() {
                Ok(value) if value.is_finite() => features.push(value),
                _ => {
                    let title =
                        self.header.as_ref().map_or_else(String::new, |header| format!(" ({})", &header[column]));
                    let shown = if text.is_empty() { "nothing".to_string() } else { format!("'{text}'") };
                    return Err(wrong(format!(
                        "column {}{title} holds {shown}; a finite number is needed",
                        column + 1
                    )));
                }
            }
        }
        let label = self.label.map(|column| record[column].to_string());
        if label.as_ref().is_some_and(String::is_empty) {
            return Err(wrong("the label is empty".into()));
        }
        Ok(Some(Row { features, label }))
    }

    fn rows(mut self) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        while let Some(row) = self.next_row()? {
            rows.push(row);
        }
        if rows.is_empty() {
            return Err(Error::data(&self.path, "holds no sample"));
        }
        Ok(rows)
    }
}

/// The csv crate's messages run over lines, and few know what a record or UTF-8 is.
fn one_line(error: &csv::Error) -> String {
    if matches!(error.kind(), csv::ErrorKind::Utf8 { .. }) {
        return "is no text in UTF-8; save the table as CSV UTF-8".into();
    }
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(super) fn read_dataset(path: &Path, options: &CsvOptions) -> Result<Dataset> {
    if !(options.test_fraction > 0.0 && options.test_fraction < 1.0) {
        return Err(Error::setting("--test-fraction", format!("{} is not between 0 and 1", options.test_fraction)));
    }
    let mut train = CsvReader::open(path, &options.label)?.rows()?;
    let class_names = class_names(&train);
    if class_names.len() < 2 {
        let problem = format!("all labels are '{}'; name the column of the labels with --label", class_names[0]);
        return Err(Error::data(path, problem));
    }
    if class_names.len() > 1000 {
        let problem = format!("{} classes; name the column of the labels with --label", class_names.len());
        return Err(Error::data(path, problem));
    }
    let (test, test_path) = match &options.test {
        Some(test_path) => {
            let reader = CsvReader::open(test_path, &options.label)?;
            let features = train[0].features.len();
            if reader.features() != features {
                let problem = format!("{} features, but {} has {features}", reader.features(), path.display());
                return Err(Error::data(test_path, problem));
            }
            (reader.rows()?, test_path.as_path())
        }
        None => {
            Random::new(options.seed, 0x6373_7621).shuffle(&mut train);
            let count = (train.len() as f64 * options.test_fraction).round() as usize;
            if count == 0 || count == train.len() {
                let problem = format!("of {} samples none is left for one of the two sets", train.len());
                return Err(Error::setting("--test-fraction", problem));
            }
            (train.split_off(train.len() - count), path)
        }
    };
    let name = path.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    Ok(Dataset {
        name,
        classes: class_names.len(),
        train: samples(train, &class_names, path)?,
        test: samples(test, &class_names, test_path)?,
        class_names,
    })
}

/// The labels that occur: as numbers if all are numbers, else by their letters.
fn class_names(rows: &[Row]) -> Vec<String> {
    let names: BTreeSet<&String> = rows.iter().filter_map(|row| row.label.as_ref()).collect();
    let mut names: Vec<String> = names.into_iter().cloned().collect();
    if names.iter().all(|name| name.parse::<f64>().is_ok()) {
        let number = |name: &String| name.parse::<f64>().unwrap_or(f64::NAN);
        names.sort_by(|a, b| number(a).total_cmp(&number(b)));
    }
    names
}

/// Rows whose labels are `class_names`.
fn samples(rows: Vec<Row>, class_names: &[String], path: &Path) -> Result<Samples> {
    let features = rows[0].features.len();
    let mut labels = Vec::with_capacity(rows.len());
    let mut inputs = Vec::with_capacity(rows.len() * features);
    for row in rows {
        let name = row.label.unwrap_or_default();
        let label = class_names.iter().position(|class| *class == name).ok_or_else(|| {
            Error::data(path, format!("has a sample of class '{name}', which no training sample has"))
        })?;
        labels.push(label as u32);
        inputs.extend(row.features);
    }
    Samples::new(features, Inputs::F32(inputs), labels, class_names.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, label: LabelColumn) -> Result<Dataset> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.csv");
        std::fs::write(&path, text).unwrap();
        read_dataset(&path, &CsvOptions { label, test: None, test_fraction: 0.4, seed: 1 })
    }

    fn all_labels(dataset: &Dataset) -> Vec<u32> {
        let mut labels = [dataset.train.labels(), dataset.test.labels()].concat();
        labels.sort_unstable();
        labels
    }

    #[test]
    fn headers_delimiters_and_label_columns() {
        let plain = read("1,2,a\n3,4,b\n5,6,a\n7,8,b\n9,0,b\n", LabelColumn::Last).unwrap();
        assert_eq!((plain.train.len(), plain.test.len(), plain.features()), (3, 2, 2));
        assert_eq!((plain.class_names.join("-"), all_labels(&plain)), ("a-b".to_string(), vec![0, 0, 1, 1, 1]));
        let with_header = "\u{feff}kind;x;y\r\nb;1;2\r\n\r\na;3;4e-1\r\nb;5;6\r\n";
        for label in ["kind", "1"] {
            let dataset = read(with_header, LabelColumn::Named(label.into())).unwrap();
            assert_eq!((dataset.train.len() + dataset.test.len(), dataset.features()), (3, 2));
        }
        let numbers = read("1\t10\n2\t9\n3\t100\n4\t9\n5\t9\n", LabelColumn::Last).unwrap();
        assert_eq!(numbers.class_names, ["9", "10", "100"], "numbers are sorted as numbers");
    }

    #[test]
    fn mistakes_name_the_line() {
        let problem = |text: &str, label: LabelColumn| read(text, label).unwrap_err().to_string();
        let last = || LabelColumn::Last;
        assert!(problem("x,y,k\n1,2,a\n1,oops,b\n", last()).contains("line 3: column 2 (y) holds 'oops'"));
        assert!(problem("1,2,a\n1,NaN,b\n", last()).contains("line 2: column 2 holds 'NaN'"));
        assert!(problem("1,2,a\n1,,b\n", last()).contains("line 2: column 2 holds nothing"));
        assert!(problem("1,2,a\n1,b\n", last()).contains("line 2: 2 values, but the first row has 3"));
        assert!(problem("1,2,a\n1,2,\n", last()).contains("line 2: the label is empty"));
        assert!(problem("", last()).contains("is empty"));
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("latin1.csv"), b"1,2,caf\xe9\n3,4,b\n").unwrap();
        let latin1 = CsvReader::open(&folder.path().join("latin1.csv"), &last()).err().unwrap().to_string();
        assert!(latin1.contains("UTF-8"), "{latin1}");
        assert!(problem("x,y,k\n", last()).contains("holds no sample"));
        assert!(problem("1,2,a\n3,4,a\n", last()).contains("all labels are 'a'"));
        assert!(problem("1 2 a\n3 4 b\n", last()).contains("no column besides the label"));
        let missing = problem("x,y,k\n1,2,a\n", LabelColumn::Named("z".into()));
        assert!(missing.contains("no column 'z'; its first row is x, y, k"), "{missing}");
        assert!(problem("1,2,a\n", LabelColumn::Named("4".into())).contains("no column '4'"));
    }
}
