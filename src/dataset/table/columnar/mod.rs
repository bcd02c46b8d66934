//! Tables of columns: Parquet, and Arrow IPC (which Feather is). Their rows are given as the cells of a text would be, so
//! that whatever is found out about a table is found out the same way.

mod arrow;
mod cells;
mod format;
mod panics;

use std::path::Path;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::Schema as Fields;

pub use self::format::Format;
use super::TableOptions;
use super::columns::{ColumnName, named, option, with_value};
use super::records::{Position, Record};
use super::schema::Schema;
use crate::error::{Error, Result};

/// The columns of a file, in memory. Those that are pandas' index come first, as they do in its CSV.
pub struct Columns {
    titles: Vec<String>,
    /// (columns)
    cells: Vec<Cells>,
    batches: Vec<RecordBatch>,
    /// Columns that are pandas' index, and left out.
    left_out: Vec<String>,
}

/// Where the cells of a column are.
enum Cells {
    /// The column of this number in every batch.
    Read(usize),
    /// Nowhere: their type, which is neither numbers nor text.
    Of(String),
}

impl Columns {
    /// Reads a file. pandas' index is left out, unless the options or a model's schema name it.
    pub fn read(path: &Path, format: Format, options: &TableOptions, schema: Option<&Schema>) -> Result<Self> {
        let is_named = |title: &str| {
            let names = options.label.iter().chain(&options.drop);
            options.keep_index
                || names.into_iter().any(|name| matches!(name, ColumnName::Title(named) if named == title))
                || schema.is_some_and(|schema| schema.feature_names().iter().any(|feature| feature == title))
        };
        let (mut titles, mut cells, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
        let batches = format.read(path, options.expansion, |fields| {
            let index = index_of_pandas(fields);
            let title = |field: usize| fields.field(field).name().trim();
            let is_index = |field: &usize| index.iter().any(|name| name.trim() == title(*field));
            let (mut order, others): (Vec<usize>, Vec<usize>) = (0..fields.fields().len()).partition(is_index);
            order.retain(|&field| {
                let is_kept = is_named(title(field));
                if !is_kept {
                    left_out.push(title(field).to_string());
                }
                is_kept
            });
            order.extend(others);
            let problem = |field: usize| cells::problem(fields.field(field).data_type());
            let mut chosen: Vec<usize> = order.iter().copied().filter(|&field| problem(field).is_none()).collect();
            chosen.sort_unstable();
            for field in order {
                titles.push(title(field).to_string());
                cells.push(match problem(field) {
                    Some(what) => Cells::Of(what),
                    None => Cells::Read(chosen.partition_point(|&other| other < field)),
                });
            }
            chosen
        })?;
        if titles.is_empty() {
            return Err(Error::data(path, "holds no column"));
        }
        Ok(Self { titles, cells, batches, left_out })
    }

    /// What was decided and should be said, a line each.
    pub fn notes(&self) -> Vec<String> {
        let note = |title: &String| format!("column '{title}' is pandas' index: left out (--keep-index keeps it)");
        self.left_out.iter().map(note).collect()
    }

    /// Refuses columns that hold neither numbers nor text.
    pub fn refuse_types(&self, mut used: impl Iterator<Item = usize>) -> Result<(), String> {
        let titles = Some(&self.titles[..]);
        let found = used.find_map(|column| match &self.cells[column] {
            Cells::Of(what) => Some((column, what)),
            Cells::Read(_) => None,
        });
        match found {
            None => Ok(()),
            Some((column, what)) => Err(format!(
                "{} holds {what}, and only numbers, booleans and text are read; leave it out with {}",
                named(column, titles),
                with_value("--drop", &option(column, titles))
            )),
        }
    }
}

/// The rows of columns, one after the other: the titles, then those that hold any value.
pub struct Rows {
    pub columns: Arc<Columns>,
    /// Rows without any value so far.
    pub blank: usize,
    /// The batch that the next row is in, and its place there.
    next: (usize, usize),
    /// Rows so far; none before the titles.
    count: Option<u64>,
}

impl Rows {
    pub fn new(columns: Arc<Columns>) -> Self {
        Self { columns, blank: 0, next: (0, 0), count: None }
    }

    /// The next row, or `None` after the last.
    pub fn next(&mut self) -> Option<Record> {
        let Self { columns, blank, next: (batch, row), count } = self;
        let Some(count) = count else {
            *count = Some(0);
            return Some(Record { position: Position::Row(0), cells: columns.titles.iter().collect() });
        };
        let mut text = String::new();
        loop {
            let values = columns.batches.get(*batch)?;
            if *row == values.num_rows() {
                (*batch, *row) = (*batch + 1, 0);
                continue;
            }
            let mut record = csv::StringRecord::with_capacity(16 * columns.cells.len(), columns.cells.len());
            for cells in &columns.cells {
                text.clear();
                match cells {
                    Cells::Read(column) => cells::write(values.column(*column).as_ref(), *row, &mut text),
                    // Never used, but a column that holds something.
                    Cells::Of(what) => text.push_str(what),
                }
                record.push_field(text.trim());
            }
            (*row, *count) = (*row + 1, *count + 1);
            if record.len() > 1 && record.iter().all(str::is_empty) {
                *blank += 1;
                continue;
            }
            return Some(Record { position: Position::Row(*count), cells: record });
        }
    }
}

/// The columns that pandas says are its index.
fn index_of_pandas(fields: &Fields) -> Vec<String> {
    let said = fields.metadata().get("pandas").and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
    let columns = said.as_ref().and_then(|said| said["index_columns"].as_array()).into_iter().flatten();
    // What counts the rows is no column of the file, and no text here.
    columns.filter_map(|name| name.as_str().map(String::from)).collect()
}
