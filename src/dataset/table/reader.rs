//! The rows of a table, one after the other, as a schema says.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::TableOptions;
use super::cells;
use super::columns::named;
use super::records::{Position, Record, Records, Source};
use super::schema::{Mapping, Schema, Wanted};
use crate::error::{Error, Result};

/// Reads a file row by row, as a model's was read. Gives each row of text as soon as its line is there.
pub struct TableReader {
    path: PathBuf,
    records: Records,
    /// Rows that were looked at already.
    pending: VecDeque<Record>,
    /// Of this file, if it has a header.
    titles: Option<Vec<String>>,
    mapping: Mapping,
    drop_missing: bool,
    /// Rows left out because a value is missing.
    left_out: usize,
}

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Where it is in its file.
    pub position: Position,
    /// In the model's order, not scaled.
    pub features: Vec<f64>,
    /// The texts of the labels; empty if there is no label column.
    pub labels: Vec<String>,
}

impl TableReader {
    /// Opens a file, plain or packed with gzip; `-` is stdin. Of the options, those of the schema's own file do not count.
    ///
    /// # Errors
    /// [`Error::Data`] if it cannot be read, is empty, or has other columns than the model's, naming the first difference.
    pub fn open(path: &Path, schema: &Schema, options: &TableOptions, needs_label: bool) -> Result<Self> {
        let (path, mut records) = Records::open(path, options, schema)?;
        let Some(record) = records.next()? else { return Err(Error::data(&path, "is empty")) };
        let mut first: Vec<String> = record.cells.iter().map(String::from).collect();
        let wanted =
            Wanted { header: records.header(options.header), label: &options.label, drop: &options.drop, needs_label };
        let mut pending = VecDeque::new();
        // A header may lack the title of the rows' names, as R writes it, which the first row below it shows.
        if let Ok(mapping) = schema.map(&first, &Wanted { needs_label: false, ..wanted.clone() })
            && mapping.has_header
            && let Some(second) = records.next()?
        {
            let is_longer = second.cells.len() == first.len() + 1;
            if is_longer && second.cells.iter().next_back().is_some_and(|cell| !cell.is_empty()) {
                first.insert(0, String::new());
            }
            pending.push_back(second);
        }
        let mapping = schema.map(&first, &wanted).map_err(|problem| Error::data(&path, problem))?;
        let used = mapping.features.iter().copied().chain(mapping.labels.iter().copied());
        records.refuse_types(used).map_err(|problem| Error::data(&path, problem))?;
        let titles = if mapping.has_header {
            Some(first)
        } else {
            pending.push_front(record);
            None
        };
        Ok(Self { path, records, pending, titles, mapping, drop_missing: options.drop_missing, left_out: 0 })
    }

    /// The file that the schema was found in, from its first row.
    pub(super) fn of_training(source: &Source, schema: &Schema, options: &TableOptions) -> Result<Self> {
        let has_header = schema.titles.is_some();
        let mut records = source.records()?;
        if has_header {
            records.next()?;
        }
        let mapping = Mapping {
            has_header,
            columns: schema.columns,
            features: schema.features.clone(),
            labels: schema.labels.clone(),
            notes: Vec::new(),
        };
        Ok(Self {
            path: source.path.clone(),
            records,
            pending: VecDeque::new(),
            titles: schema.titles.clone(),
            mapping,
            drop_missing: options.drop_missing,
            left_out: 0,
        })
    }

    /// What was decided about the columns and should be said, a line each.
    pub fn notes(&self) -> &[String] {
        &self.mapping.notes
    }

    /// What has to be said after the last row.
    pub fn last_notes(&self) -> Vec<String> {
        let rows = |count: usize| if count == 1 { "1 row".to_string() } else { format!("{count} rows") };
        let mut notes = Vec::new();
        if self.left_out > 0 {
            notes.push(format!("{} with a missing value left out (--drop-missing)", rows(self.left_out)));
        }
        if self.records.blank() > 0 {
            notes.push(format!("{} without any value left out", rows(self.records.blank())));
        }
        notes
    }

    /// Features of a row.
    pub fn features(&self) -> usize {
        self.mapping.features.len()
    }

    /// The labels of a row as the numbers of a regression, appended to `numbers`.
    ///
    /// # Errors
    /// [`Error::Data`] naming the line and the column that is no finite number.
    pub(super) fn numbers(&self, row: &Row, numbers: &mut Vec<f64>) -> Result<()> {
        for (&column, text) in self.mapping.labels.iter().zip(&row.labels) {
            let Some(number) = cells::number(text) else {
                let mend = match cells::has_decimal_comma(text) {
                    true => "; write it with a decimal point",
                    false => "; --task classification takes labels for classes",
                };
                let problem = format!(
                    "{}: the target ({}) is {}; a finite number is needed{mend}",
                    row.position,
                    named(column, self.titles.as_deref()),
                    cells::shown(text)
                );
                return Err(Error::data(&self.path, problem));
            };
            numbers.push(number);
        }
        Ok(())
    }

    /// The next row, or `None` after the last.
    ///
    /// # Errors
    /// [`Error::Data`] naming the line and the column that is no finite number, or the row of another length.
    pub fn next_row(&mut self) -> Result<Option<Row>> {
        loop {
            let record = match self.pending.pop_front() {
                Some(record) => record,
                None => match self.records.next()? {
                    Some(record) => record,
                    None => return Ok(None),
                },
            };
            if let Some(row) = self.row(&record)? {
                return Ok(Some(row));
            }
            self.left_out += 1;
        }
    }

    /// A row of the file; `None` if a value is missing and such rows are left out.
    fn row(&self, record: &Record) -> Result<Option<Row>> {
        let Self { mapping, titles, .. } = self;
        let wrong = |problem: String| Error::data(&self.path, format!("{}: {problem}", record.position));
        let cells = &record.cells;
        // Delimiters at the end of rows or of the header alone separate nothing.
        let is_longer = cells.len() > mapping.columns && cells.iter().skip(mapping.columns).all(str::is_empty);
        let is_shorter = cells.len() < mapping.columns
            && titles.as_ref().is_some_and(|titles| titles[cells.len()..].iter().all(String::is_empty));
        if cells.len() != mapping.columns && !is_longer && !is_shorter {
            let count = cells.len();
            let values = if count == 1 { "1 value" } else { &format!("{count} values") };
            return Err(wrong(format!("{values}, but the first row has {}", mapping.columns)));
        }
        let cell = |column: usize| cells.get(column).unwrap_or("");
        let used = mapping.features.iter().chain(&mapping.labels).copied();
        if self.drop_missing && used.clone().any(|column| cells::is_missing(cell(column))) {
            return Ok(None);
        }
        let mut features = Vec::with_capacity(mapping.features.len());
        for &column in &mapping.features {
            let text = cell(column);
            let Some(value) = cells::feature(text) else {
                let mend = if cells::is_missing(text) {
                    "; --drop-missing leaves such rows out"
                } else if cells::has_decimal_comma(text) {
                    "; write it with a decimal point"
                } else if record.position == Position::Line(1) && titles.is_none() {
                    "; if the first row holds titles, say --header yes"
                } else {
                    ""
                };
                return Err(wrong(format!(
                    "{} holds {}; a finite number is needed{mend}",
                    named(column, titles.as_deref()),
                    cells::shown(text)
                )));
            };
            features.push(value);
        }
        let mut labels = Vec::with_capacity(mapping.labels.len());
        for &column in &mapping.labels {
            let text = cell(column);
            if cells::is_missing(text) {
                return Err(wrong(format!(
                    "the label ({}) is missing: it holds {}; --drop-missing leaves such rows out",
                    named(column, titles.as_deref()),
                    cells::shown(text)
                )));
            }
            if text.contains('\n') {
                let count = text.matches('\n').count() + 1;
                return Err(wrong(format!("the label runs over {count} lines; is a quote missing?")));
            }
            labels.push(text.to_string());
        }
        Ok(Some(Row { position: record.position, features, labels }))
    }
}
