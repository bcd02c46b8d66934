//! Stands for `columnar` where asgd is built without the feature `parquet`: no file holds columns.

use std::path::Path;
use std::sync::Arc;

use super::TableOptions;
use super::records::Record;
use super::schema::Schema;
use crate::error::Result;

#[derive(Clone, Copy)]
pub enum Format {}

impl Format {
    #[allow(clippy::unnecessary_wraps, reason = "the other may fail")]
    pub fn of_file(_: &Path) -> Result<Option<Self>> {
        Ok(None)
    }

    pub fn name(self) -> &'static str {
        match self {}
    }
}

pub enum Columns {}

impl Columns {
    pub fn read(_: &Path, format: Format, _: &TableOptions, _: Option<&Schema>) -> Result<Self> {
        match format {}
    }

    pub fn notes(&self) -> Vec<String> {
        match *self {}
    }

    pub fn refuse_types(&self, _: impl Iterator<Item = usize>) -> Result<(), String> {
        match *self {}
    }
}

pub struct Rows {
    pub columns: Arc<Columns>,
    pub blank: usize,
}

impl Rows {
    pub fn new(columns: Arc<Columns>) -> Self {
        match *columns {}
    }

    pub fn next(&mut self) -> Option<Record> {
        match *self.columns {}
    }
}
