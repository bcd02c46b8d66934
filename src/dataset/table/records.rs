//! The rows of a table, one after the other, whatever kind of file holds them.

use std::fmt;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::columnar::{Columns, Format, Rows};
use super::schema::Schema;
use super::text::{self, Lines};
use super::{Header, TableOptions};
use crate::error::{Error, Result};

/// Where a row is in its file, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// Of text: the line that it begins in.
    Line(u64),
    /// Of columns: among the rows. The titles are before the first.
    Row(u64),
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Row(row) => write!(f, "row {row}"),
        }
    }
}

/// A row and where it is.
pub struct Record {
    pub position: Position,
    pub cells: csv::StringRecord,
}

/// The rows of a table, those without any value left out. Of columns, the first holds their titles.
pub enum Records {
    Text(Lines),
    Columns(Rows),
}

impl Records {
    /// Opens a file for a model of this schema; `-` is stdin. Also gives back what messages call it.
    pub fn open(path: &Path, options: &TableOptions, schema: &Schema) -> Result<(PathBuf, Self)> {
        if let Some(format) = Format::of_file(path)? {
            refuse_options_of_text(options, format)?;
            let columns = Columns::read(path, format, options, Some(schema))?;
            return Ok((path.to_path_buf(), Self::Columns(Rows::new(Arc::new(columns)))));
        }
        let (path, source) = text::open(path, options.expansion)?;
        let (lines, _) = Lines::new(&path, source, options.delimiter)?;
        Ok((path, Self::Text(lines)))
    }

    /// The next row, or `None` after the last.
    pub fn next(&mut self) -> Result<Option<Record>> {
        match self {
            Self::Text(lines) => lines.next(),
            Self::Columns(rows) => Ok(rows.next()),
        }
    }

    /// Rows without any value so far.
    pub fn blank(&self) -> usize {
        match self {
            Self::Text(lines) => lines.blank,
            Self::Columns(rows) => rows.blank,
        }
    }

    /// Whether the first row is a header: a file of columns cannot be without.
    pub fn header(&self, otherwise: Header) -> Header {
        match self {
            Self::Text(_) => otherwise,
            Self::Columns(_) => Header::Yes,
        }
    }

    /// Refuses columns whose type is known and neither numbers nor text.
    pub fn refuse_types(&self, used: impl Iterator<Item = usize>) -> Result<(), String> {
        match self {
            Self::Text(_) => Ok(()),
            Self::Columns(rows) => rows.columns.refuse_types(used),
        }
    }
}

/// A whole table in memory, whose rows can be read more than once.
pub struct Source {
    /// What messages call it.
    pub path: PathBuf,
    /// What separates the values, where it is text.
    pub delimiter: u8,
    content: Content,
}

enum Content {
    Text(Arc<[u8]>),
    Columns(Arc<Columns>),
}

impl Source {
    /// Reads a file; `-` is stdin.
    pub fn read(path: &Path, options: &TableOptions) -> Result<Self> {
        if let Some(format) = Format::of_file(path)? {
            refuse_options_of_text(options, format)?;
            let columns = Columns::read(path, format, options, None)?;
            return Ok(Self { path: path.into(), delimiter: b',', content: Content::Columns(Arc::new(columns)) });
        }
        let (path, mut source) = text::open(path, options.expansion)?;
        let (mut bytes, mut chunk) = (Vec::new(), vec![0; 1 << 16]);
        loop {
            match source.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => bytes.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(text::unreadable(&path, &error)),
            }
        }
        if std::str::from_utf8(&bytes)
            .is_ok_and(|text| text.trim_matches(['\u{feff}', ' ', '\n', '\r', '\t']).is_empty())
        {
            return Err(Error::data(&path, "is empty"));
        }
        let bytes: Arc<[u8]> = bytes.into();
        let (_, delimiter) = Lines::new(&path, Box::new(Cursor::new(Arc::clone(&bytes))), options.delimiter)?;
        Ok(Self { path, delimiter, content: Content::Text(bytes) })
    }

    /// Whether separators and line ends make its rows.
    pub fn is_text(&self) -> bool {
        matches!(self.content, Content::Text(_))
    }

    /// Its rows, from the first.
    pub fn records(&self) -> Result<Records> {
        match &self.content {
            Content::Text(bytes) => {
                let source = Box::new(Cursor::new(Arc::clone(bytes)));
                Ok(Records::Text(Lines::new(&self.path, source, Some(self.delimiter))?.0))
            }
            Content::Columns(columns) => Ok(Records::Columns(Rows::new(Arc::clone(columns)))),
        }
    }

    /// What was decided and should be said, a line each.
    pub fn notes(&self) -> Vec<String> {
        match &self.content {
            Content::Text(_) => Vec::new(),
            Content::Columns(columns) => columns.notes(),
        }
    }
}

/// Refuses what says how text is read.
fn refuse_options_of_text(options: &TableOptions, format: Format) -> Result<()> {
    let refuse = |setting: &'static str, has: &str| {
        Err(Error::Setting { setting, problem: format!("{} has {has}; leave the option out", format.name()) })
    };
    if options.delimiter.is_some() {
        return refuse("--delimiter", "columns, which nothing separates");
    }
    if options.header != Header::Auto {
        return refuse("--header", "titles of its own");
    }
    Ok(())
}
