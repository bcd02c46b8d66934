//! The kinds of files that hold columns, and what reads them.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, Schema as Fields};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::file::metadata::ParquetMetaData;

use super::arrow;
use super::panics::caught;
use crate::dataset::table::is_named_columns;
use crate::dataset::unpack::Expansion;
use crate::error::{Error, Result};

/// A kind of file that holds columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Parquet,
    /// Feather of version 2 is the same.
    ArrowFile,
    ArrowStream,
}

/// Rows that are decoded at once: enough that what every batch takes besides its values does not count.
const BATCH: usize = 1 << 13;

impl Format {
    /// The kind of a file, by its first bytes; `None` if it is none of these, or cannot be opened.
    ///
    /// # Errors
    /// [`Error::Data`] if its name says that it is one, and its first bytes that it is not.
    pub fn of_file(path: &Path) -> Result<Option<Self>> {
        // What is no file may be a stream, which is not to be touched, or nothing, which whoever opens it says.
        if !path.is_file() {
            return Ok(None);
        }
        let mut start = Vec::new();
        let is_read = File::open(path).and_then(|file| file.take(8).read_to_end(&mut start)).is_ok();
        let format =
            [(&b"PAR1"[..], Self::Parquet), (b"ARROW1", Self::ArrowFile), (b"\xff\xff\xff\xff", Self::ArrowStream)];
        let found = format.into_iter().find(|(begins, _)| start.starts_with(begins)).map(|(_, format)| format);
        if is_read && found.is_none() && is_named_columns(path) {
            let what = match crate::dataset::kind::of(&start) {
                Some(kind) => format!("is {}{}", kind.name, kind.mend),
                None if start.is_empty() => "is empty".to_string(),
                None => "does not begin as a Parquet or an Arrow file does".to_string(),
            };
            return Err(Error::data(path, what));
        }
        Ok(found)
    }

    /// With its article.
    pub fn name(self) -> &'static str {
        match self {
            Self::Parquet => "a Parquet file",
            Self::ArrowFile => "an Arrow file",
            Self::ArrowStream => "an Arrow stream",
        }
    }

    /// All rows of the columns that `choose` takes, by their numbers in order.
    pub fn read(
        self,
        path: &Path,
        expansion: Expansion,
        choose: impl FnOnce(&Fields) -> Vec<usize>,
    ) -> Result<Vec<RecordBatch>> {
        let unreadable = |error: std::io::Error| Error::data(path, format!("cannot be read: {error}"));
        let batches = match self {
            Self::Parquet => {
                let file = File::open(path).map_err(unreadable)?;
                caught(|| parquet(file, expansion, choose))
            }
            Self::ArrowFile | Self::ArrowStream => {
                let bytes = std::fs::read(path).map_err(unreadable)?;
                caught(|| match self {
                    Self::ArrowFile => arrow::read_file(&bytes, expansion, choose),
                    _ => arrow::read_stream(&bytes, expansion, choose),
                })
            }
        };
        let problem = match batches {
            Some(Ok(batches)) => return Ok(batches),
            // It is sound, as far as it was looked at, and too large.
            Some(Err(ArrowError::MemoryError(problem))) => return Err(Error::data(path, problem)),
            Some(Err(error)) => format!(" ({})", error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")),
            None => String::new(),
        };
        Err(Error::data(path, format!("cannot be read as {}; is it damaged or cut off?{problem}", self.name())))
    }
}

/// All rows of a file, in pieces.
pub type Batches = std::result::Result<Vec<RecordBatch>, ArrowError>;

fn parquet(file: File, expansion: Expansion, choose: impl FnOnce(&Fields) -> Vec<usize>) -> Batches {
    let bytes = file.metadata()?.len();
    let builder = ParquetRecordBatchReaderBuilder::try_new(file)?;
    refuse_codecs(builder.metadata())?;
    expansion.check(bytes, unpacked(builder.metadata())).map_err(ArrowError::MemoryError)?;
    let mask = ProjectionMask::roots(builder.parquet_schema(), choose(builder.schema()));
    builder.with_projection(mask).with_batch_size(BATCH).build()?.collect()
}

/// Bytes that the values of a file take, as far as it says it: at least eight each, whatever packed them.
fn unpacked(metadata: &ParquetMetaData) -> u128 {
    let columns = metadata.row_groups().iter().flat_map(|group| group.columns());
    let of_column =
        |values: i64, bytes: i64| u128::try_from(bytes).unwrap_or(0).max(8 * u128::try_from(values).unwrap_or(0));
    columns.map(|column| of_column(column.num_values(), column.uncompressed_size())).sum()
}

/// Refuses what is packed with brotli or LZO, which nobody's default is.
fn refuse_codecs(metadata: &ParquetMetaData) -> std::result::Result<(), ArrowError> {
    let columns = metadata.row_groups().iter().flat_map(|group| group.columns());
    let unknown = |codec: &Compression| matches!(codec, Compression::BROTLI(_) | Compression::LZO);
    match columns.map(|column| column.compression()).find(unknown) {
        Some(codec) => Err(ArrowError::NotYetImplemented(format!("{codec}; write it with zstd or snappy"))),
        None => Ok(()),
    }
}
