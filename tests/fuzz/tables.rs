//! Tables: text, packed text, and files of columns.

use std::fmt::Write as _;
use std::path::Path;

use asgd::Task;
use asgd::dataset::table::{Header, Table, TableOptions};
use asgd::dataset::{Prepared, Scales, TableSplit};
use tempfile::TempDir;

use crate::harness::{Random, mutated, survives};

const TOKENS: [&str; 20] = [
    ",", ";", "\t", "|", " ", "\"", "\"\"", "\n", "\r\n", "\r", "nan", "NA", "?", "1e400", "-", "\u{feff}", "\u{0}",
    "true", "ä", "#",
];

/// Small tables that are right, of every kind that is told apart.
fn texts() -> Vec<Vec<u8>> {
    let mut plain = String::from("a,b,c,kind\n");
    let mut quoted = String::from("id;\"x; y\";z;label\n");
    let mut bare = String::new();
    let mut numbers = String::from("x\ty\n");
    for row in 0..24 {
        let value = f64::from(row) / 4.0;
        let _ = writeln!(plain, "{value},{},{},{}", row % 5, -value, ["cat", "dog", "cow"][row as usize % 3]);
        let _ = writeln!(quoted, "{row};\"{value}\";{};\"a \"\"b\"\" {}\"", row * row, row % 2);
        let _ = writeln!(bare, "{value} {} {}", row % 4, row % 2);
        let _ = writeln!(numbers, "{value}\t{}", value * 1.5 + 0.25);
    }
    [plain, quoted, bare, numbers].map(String::into_bytes).into()
}

fn options(random: &mut Random) -> TableOptions {
    if random.one_in(2) {
        return TableOptions::default();
    }
    let label = match random.below(6) {
        0 => vec!["1".parse().unwrap()],
        1 => vec!["kind".parse().unwrap()],
        2 => vec!["1".parse().unwrap(), "2".parse().unwrap()],
        _ => Vec::new(),
    };
    TableOptions {
        header: *random.choose(&[Header::Auto, Header::Auto, Header::Auto, Header::Yes, Header::No]),
        label,
        delimiter: *random.choose(&[None, None, None, Some(b','), Some(b' ')]),
        keep_index: random.one_in(4),
        drop_missing: random.one_in(2),
        classes: *random.choose(&[None, None, None, Some(2), Some(3)]),
        task: *random.choose(&[None, None, None, Some(Task::Classification), Some(Task::Regression)]),
        ..TableOptions::default()
    }
}

/// Reads it for a training, and as a model's file that was trained on another.
fn read(path: &Path, options: &TableOptions, schema: &Table) -> Result<(), String> {
    let as_models = Table::read_as(path, &schema.schema, options);
    if let Ok(table) = &as_models {
        table.sha256();
    }
    let prepared = Prepared::table(path, options, &TableSplit::default(), Scales::default(), None);
    // Both are asked, and each answers for itself.
    let answers = [as_models.map(drop), prepared.map(|prepared| drop(prepared.dataset.sha256()))];
    let errors: Vec<String> = answers.into_iter().filter_map(|answer| Some(answer.err()?.to_string())).collect();
    match errors.iter().find(|error| error.contains('\n')) {
        Some(error) => Err(error.clone()),
        None if errors.len() == 2 => Err(errors[0].clone()),
        None => Ok(()),
    }
}

/// Options come from the input itself, so that its file is enough to find a failure again.
fn survive(name: &str, ending: &str, make: impl Fn(&mut Random) -> Vec<u8>, seed: &[u8]) {
    let folder = TempDir::new().unwrap();
    let whole = folder.path().join(format!("whole.{ending}"));
    std::fs::write(&whole, seed).unwrap();
    let schema = Table::read(&whole, &TableOptions::default()).unwrap();
    let path = folder.path().join(format!("table.{ending}"));
    survives(name, make, |input| {
        std::fs::write(&path, input).unwrap();
        let sum = input.iter().fold(0u64, |sum, &byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        read(&path, &options(&mut Random::of("options", sum)), &schema)
    });
}

#[test]
fn text() {
    let seeds = texts();
    survive(
        "CSV",
        "csv",
        |random| {
            let seed = random.choose(&seeds).clone();
            mutated(random, &seed, &TOKENS)
        },
        &seeds[0],
    );
}

#[test]
fn packed_text() {
    let seeds = texts();
    let pack = |text: &[u8]| {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    };
    let make = |random: &mut Random| {
        let seed = random.choose(&seeds).clone();
        match random.below(3) {
            0 => pack(&mutated(random, &seed, &TOKENS)),
            1 => mutated(random, &pack(&seed), &[]),
            // Members one after the other are one text.
            _ => [pack(&seed), pack(&mutated(random, &seed, &TOKENS))].concat(),
        }
    };
    survive("CSV in gzip", "csv.gz", make, &pack(&seeds[0]));
}

#[cfg(feature = "parquet")]
mod columns {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Float64Array, Int32Array, RecordBatch, StringArray};
    use arrow_ipc::CompressionType;
    use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
    use parquet::arrow::ArrowWriter;
    use parquet::basic::{Compression, ZstdLevel};
    use parquet::file::properties::WriterProperties;

    use super::*;

    fn batch() -> RecordBatch {
        let floats: ArrayRef = Arc::new(Float64Array::from_iter_values((0..24).map(|row| f64::from(row) / 4.0)));
        let integers: ArrayRef = Arc::new(Int32Array::from_iter_values((0..24).map(|row| row % 5)));
        let labels: ArrayRef =
            Arc::new(StringArray::from_iter_values((0..24).map(|row| ["cat", "dog", "cow"][row % 3])));
        RecordBatch::try_from_iter([("a", floats), ("b", integers), ("kind", labels)]).unwrap()
    }

    fn survive_mutations(name: &str, ending: &str, seeds: &[Vec<u8>]) {
        let make = |random: &mut Random| {
            let seed = random.choose(seeds).clone();
            mutated(random, &seed, &[])
        };
        survive(name, ending, make, &seeds[0]);
    }

    fn parquet_of(batch: &RecordBatch, codec: Compression) -> Vec<u8> {
        let mut bytes = Vec::new();
        let properties =
            WriterProperties::builder().set_compression(codec).set_max_row_group_row_count(Some(10)).build();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
        writer.write(batch).unwrap();
        writer.close().unwrap();
        bytes
    }

    fn file_of(batch: &RecordBatch, codec: Option<CompressionType>) -> Vec<u8> {
        let mut bytes = Vec::new();
        let options = IpcWriteOptions::default().try_with_compression(codec).unwrap();
        let mut writer = FileWriter::try_new_with_options(&mut bytes, &batch.schema(), options).unwrap();
        writer.write(batch).unwrap();
        writer.finish().unwrap();
        bytes
    }

    #[test]
    fn parquet() {
        let codecs = [
            Compression::UNCOMPRESSED,
            Compression::SNAPPY,
            Compression::ZSTD(ZstdLevel::default()),
            Compression::LZ4_RAW,
        ];
        survive_mutations("Parquet", "parquet", &codecs.map(|codec| parquet_of(&batch(), codec)));
    }

    #[test]
    fn arrow() {
        let mut stream = Vec::new();
        let mut writer = StreamWriter::try_new(&mut stream, &batch().schema()).unwrap();
        writer.write(&batch()).unwrap();
        writer.finish().unwrap();
        let codecs = [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)];
        let files = codecs.map(|codec| file_of(&batch(), codec));
        survive_mutations("Arrow", "arrow", &files.into_iter().chain([stream]).collect::<Vec<_>>());
    }
}
