//! Parquet and Arrow files: the same tables as text, without its doubts.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow_array::types::Int8Type;
use arrow_array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float32Array, Float64Array,
    Int8Array, Int16Array, Int32Array, Int64Array, LargeStringArray, NullArray, RecordBatch, StringArray,
    StringViewArray, TimestampNanosecondArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use arrow_schema::{Field, Schema};
use asgd::dataset::table::{Table, TableOptions};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use crate::command::{refuses, run};
use crate::support::{assert_holds, json, kinds, prints, says, table, uniform, write};

/// A table of these columns, and what pandas says of it.
fn batch(columns: Vec<(&str, ArrayRef)>, pandas: Option<&str>) -> RecordBatch {
    let field = |(title, array): &(&str, ArrayRef)| Field::new(*title, array.data_type().clone(), true);
    let fields: Vec<Field> = columns.iter().map(field).collect();
    let metadata: HashMap<String, String> = pandas.map(|text| ("pandas".into(), text.into())).into_iter().collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(Arc::new(Schema::new_with_metadata(fields, metadata)), arrays).unwrap()
}

fn parquet(folder: &Path, name: &str, batch: &RecordBatch, codec: Compression) {
    let properties = WriterProperties::builder().set_compression(codec).set_max_row_group_row_count(Some(25)).build();
    let file = File::create(folder.join(name)).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

fn arrow(folder: &Path, name: &str, batch: &RecordBatch, codec: Option<CompressionType>) {
    let options = IpcWriteOptions::default().try_with_compression(codec).unwrap();
    let file = File::create(folder.join(name)).unwrap();
    let mut writer = FileWriter::try_new_with_options(file, &batch.schema(), options).unwrap();
    writer.write(&batch.slice(0, batch.num_rows() / 2)).unwrap();
    writer.write(&batch.slice(batch.num_rows() / 2, batch.num_rows() - batch.num_rows() / 2)).unwrap();
    writer.finish().unwrap();
}

fn stream(folder: &Path, name: &str, batch: &RecordBatch) {
    let mut writer = StreamWriter::try_new(File::create(folder.join(name)).unwrap(), &batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.finish().unwrap();
}

fn floats(values: impl IntoIterator<Item = f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(values))
}

/// One column of the made-up rows.
fn column(index: usize) -> ArrayRef {
    let texts = kinds().into_iter().map(move |row| row[index].clone());
    match index {
        3 => Arc::new(StringArray::from_iter_values(texts)),
        _ => floats(texts.map(|text| text.parse().unwrap())),
    }
}

/// The rows of `support::table`, with these titles.
fn made(titles: [&str; 4]) -> RecordBatch {
    batch(titles.into_iter().enumerate().map(|(index, title)| (title, column(index))).collect(), None)
}

/// Labels for as many rows as there are values, in two classes.
fn labels(rows: usize) -> ArrayRef {
    Arc::new(StringArray::from_iter_values((0..rows).map(|row| ["x", "y"][row % 2])))
}

fn read(folder: &Path, batch: &RecordBatch, options: &TableOptions) -> Result<Table, String> {
    parquet(folder, "read.parquet", batch, Compression::UNCOMPRESSED);
    Table::read(&folder.join("read.parquet"), options).map_err(|error| error.to_string())
}

#[test]
fn the_same_table_gives_the_same_model() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let rows = made(["a", "b", "c", "kind"]);
    write(path, "in.csv", table("a,b,c,kind\n", &[0, 1, 2, 3]));
    parquet(path, "snappy.parquet", &rows, Compression::SNAPPY);
    parquet(path, "zstd.parquet", &rows, Compression::ZSTD(Default::default()));
    parquet(path, "gzip.parquet", &rows, Compression::GZIP(Default::default()));
    parquet(path, "lz4.parquet", &rows, Compression::LZ4_RAW);
    parquet(path, "known-by-its-bytes", &rows, Compression::UNCOMPRESSED);
    arrow(path, "plain.arrow", &rows, None);
    arrow(path, "lz4.feather", &rows, Some(CompressionType::LZ4_FRAME));
    arrow(path, "zstd.feather", &rows, Some(CompressionType::ZSTD));
    stream(path, "stream.arrow", &rows);
    run(path, "train in.csv --batch-size 16 --epochs 20 -q --out csv");
    let model = |run: &str| fs::read(path.join(run).join("model.safetensors")).unwrap();
    let answers = prints(path, "predict csv/model.safetensors in.csv");
    for name in [
        "snappy.parquet",
        "zstd.parquet",
        "gzip.parquet",
        "lz4.parquet",
        "known-by-its-bytes",
        "plain.arrow",
        "lz4.feather",
        "zstd.feather",
        "stream.arrow",
    ] {
        let said = says(path, &format!("train {name} --batch-size 16 --epochs 20 --out other"));
        assert_holds(&said, &["header yes, label column 'kind' (4 of 4), 3 classes, 3 features: a, b, c\n"]);
        assert_eq!(model("other"), model("csv"), "{name}");
        assert_eq!(prints(path, &format!("predict csv/model.safetensors {name}")), answers, "{name}");
    }
    // The rows that were set aside are known in either kind of file.
    let score = json(path, "evaluate csv/model.safetensors plain.arrow --json");
    assert_eq!((score["samples"].as_u64(), score["trained_on"].as_u64()), (Some(18), Some(0)));
    let tested = says(path, "train in.csv --test snappy.parquet --epochs 2 --out tested");
    assert_holds(&tested, &["snappy.parquet: 60 of its 60 rows are training rows as well"]);
}

#[test]
fn values_of_all_types() {
    let folder = tempfile::tempdir().unwrap();
    let columns: Vec<(&str, ArrayRef, [f64; 2])> = vec![
        ("i8", Arc::new(Int8Array::from(vec![-128, 127])), [-128.0, 127.0]),
        ("i16", Arc::new(Int16Array::from(vec![-32768, 1])), [-32768.0, 1.0]),
        ("i32", Arc::new(Int32Array::from(vec![i32::MIN, 1])), [-2147483648.0, 1.0]),
        ("i64", Arc::new(Int64Array::from(vec![-(1 << 53), 7])), [-9007199254740992.0, 7.0]),
        ("u8", Arc::new(UInt8Array::from(vec![255, 0])), [255.0, 0.0]),
        ("u16", Arc::new(UInt16Array::from(vec![65535, 0])), [65535.0, 0.0]),
        ("u32", Arc::new(UInt32Array::from(vec![u32::MAX, 0])), [4294967295.0, 0.0]),
        ("u64", Arc::new(UInt64Array::from(vec![1 << 63, 0])), [9223372036854775808.0, 0.0]),
        ("f32", Arc::new(Float32Array::from(vec![0.1, f32::MAX])), [f64::from(0.1f32), f64::from(f32::MAX)]),
        ("f64", floats([0.1 + 0.2, 5e-324]), [0.1 + 0.2, 5e-324]),
        ("large", floats([f64::MAX, -0.0]), [f64::MAX, -0.0]),
        ("bool", Arc::new(BooleanArray::from(vec![true, false])), [1.0, 0.0]),
        (
            "decimal",
            Arc::new(Decimal128Array::from(vec![-12345, 5]).with_precision_and_scale(9, 3).unwrap()),
            [-12.345, 0.005],
        ),
        ("text", Arc::new(StringArray::from(vec![" 1.5", "2"])), [1.5, 2.0]),
    ];
    let inputs = columns.iter().map(|(title, array, _)| (*title, Arc::clone(array)));
    let rows = batch(inputs.chain([("kind", labels(2))]).collect(), None);
    let check = |table: Table| {
        for (index, (title, _, expected)) in columns.iter().enumerate() {
            let values = [table.row(0)[index], table.row(1)[index]];
            assert_eq!(values.map(f64::to_bits), expected.map(f64::to_bits), "{title}");
        }
    };
    check(read(folder.path(), &rows, &TableOptions::default()).unwrap());
    arrow(folder.path(), "in.arrow", &rows, None);
    check(Table::read(&folder.path().join("in.arrow"), &TableOptions::default()).unwrap());
}

#[test]
fn labels_of_all_types() {
    let folder = tempfile::tempdir().unwrap();
    let words = || ["no", "yes", "no", "yes", "no", "yes", "no", "yes"];
    let cases: Vec<(ArrayRef, [&str; 2])> = vec![
        (Arc::new(LargeStringArray::from_iter_values(words())), ["no", "yes"]),
        (Arc::new(StringViewArray::from_iter_values(words())), ["no", "yes"]),
        (Arc::new(DictionaryArray::<Int8Type>::from_iter(words())), ["no", "yes"]),
        (Arc::new(BooleanArray::from_iter(words().map(|word| Some(word == "no")))), ["False", "True"]),
        (Arc::new(Int64Array::from_iter_values(words().map(|word| word.len() as i64))), ["2", "3"]),
        (floats(words().map(|word| word.len() as f64 / 2.0)), ["1.0", "1.5"]),
    ];
    for (labels, classes) in cases {
        let rows = batch(vec![("a", floats((0..8).map(uniform))), ("kind", labels)], None);
        let of_parquet = read(folder.path(), &rows, &TableOptions::default()).unwrap();
        assert_eq!(of_parquet.schema.classes, classes);
        stream(folder.path(), "in.arrow", &rows);
        let of_arrow = Table::read(&folder.path().join("in.arrow"), &TableOptions::default()).unwrap();
        assert_eq!(of_arrow.sha256(), of_parquet.sha256(), "{classes:?}");
    }
}

#[test]
fn missing_values_are_nulls_and_nan() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let rows = |hole: Option<f64>| {
        let a = Float64Array::from_iter((0..40).map(|row| if row == 27 { hole } else { Some(uniform(row)) }));
        batch(vec![("a", Arc::new(a)), ("b", floats((40..80).map(uniform))), ("kind", labels(40))], None)
    };
    let refused = |hole| read(path, &rows(hole), &TableOptions::default()).unwrap_err();
    assert_holds(&refused(None), &["row 28: column 1 (a) holds nothing", "--drop-missing"]);
    assert_holds(&refused(Some(f64::NAN)), &["row 28: column 1 (a) holds 'NaN'", "--drop-missing"]);
    assert_holds(&refused(Some(f64::INFINITY)), &["row 28: column 1 (a) holds 'inf'; a finite number is needed"]);
    let drop = TableOptions { drop_missing: true, ..TableOptions::default() };
    let left = read(path, &rows(None), &drop).unwrap();
    assert_eq!((left.len(), left.row(27)[1]), (39, uniform(40 + 28)));
    // A column of nothing else, at the end and before it; a label.
    let empty = |place: usize| {
        let mut columns = vec![("a", floats((0..4).map(uniform))), ("kind", labels(4))];
        columns.insert(place, ("empty", Arc::new(NullArray::new(4)) as ArrayRef));
        read(path, &batch(columns, None), &TableOptions::default())
    };
    assert_eq!(empty(2).unwrap().notes, ["column 3 (empty) at the end is empty: left out"]);
    assert_holds(&empty(1).unwrap_err(), &["column 2 (empty) holds no value", "--drop empty"]);
    let unlabelled: ArrayRef = Arc::new(StringArray::from(vec![Some("x"), Some("y"), None, Some("x")]));
    let rows = batch(vec![("a", floats((0..4).map(uniform))), ("kind", unlabelled)], None);
    assert_holds(
        &read(path, &rows, &TableOptions::default()).unwrap_err(),
        &["row 3: the label (column 2 (kind)) is missing", "--drop-missing"],
    );
}

#[test]
fn the_index_of_pandas_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for title in ["__index_level_0__", "id"] {
        let index: ArrayRef = Arc::new(Int64Array::from_iter_values((0..60).map(|row| 1000 - row * row)));
        let mut columns = vec![("a", column(0)), ("b", column(1)), ("kind", column(3))];
        let without = batch(columns.clone(), None);
        columns.push((title, index));
        let with = batch(columns, Some(&format!("{{\"index_columns\": [\"{title}\"]}}")));
        parquet(path, "with.parquet", &with, Compression::SNAPPY);
        arrow(path, "without.arrow", &without, None);
        let said = says(path, "train with.parquet --batch-size 16 --epochs 5 --out run");
        let note = format!("data     column '{title}' is pandas' index: left out (--keep-index keeps it)\n");
        assert_holds(&said, &["label column 'kind' (3 of 3), 3 classes, 2 features: a, b\n", &note]);
        let all = prints(path, "predict run/model.safetensors with.parquet");
        assert_eq!(all, prints(path, "predict run/model.safetensors without.arrow"));
        run(path, &format!("train with.parquet --drop {title} --steps 3 --out dropped"));
        // Kept, it is the first column, as in pandas' CSV; and known by its title.
        let said = says(path, "train with.parquet --keep-index --steps 3 --out kept");
        assert_holds(&said, &["label column 'kind' (4 of 4)", &format!("3 features: {title}, a, b\n")]);
        assert_eq!(prints(path, "predict kept/model.safetensors with.parquet").lines().count(), 61);
        refuses(path, "predict kept/model.safetensors without.arrow", 1, &[&format!("no column '{title}'")]);
    }
    // What counts the rows is no column of the file.
    let range = batch(
        vec![("a", column(0)), ("kind", column(3))],
        Some(r#"{"index_columns": [{"kind": "range", "name": null, "start": 0, "stop": 60, "step": 1}]}"#),
    );
    assert!(read(path, &range, &TableOptions::default()).unwrap().notes.is_empty());
}

#[test]
fn titles_say_which_column_is_which() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    parquet(path, "in.parquet", &made(["a", "b", "c", "kind"]), Compression::SNAPPY);
    run(path, "train in.parquet --batch-size 16 --epochs 20 -q --out run");
    let answers = prints(path, "predict run/model.safetensors in.parquet");
    let swapped = batch(vec![("c", column(2)), ("kind", column(3)), ("b", column(1)), ("a", column(0))], None);
    arrow(path, "swapped.arrow", &swapped, None);
    assert_eq!(prints(path, "predict run/model.safetensors swapped.arrow"), answers);
    assert_holds(
        &says(path, "predict run/model.safetensors swapped.arrow"),
        &["put in order by their titles: a, b, c"],
    );
    let evaluated = |name: &str| json(path, &format!("evaluate run/model.safetensors {name} --split all --json"));
    assert_eq!(evaluated("swapped.arrow")["accuracy"], evaluated("in.parquet")["accuracy"]);
    arrow(path, "renamed.arrow", &made(["a", "b", "C", "kind"]), None);
    refuses(path, "predict run/model.safetensors renamed.arrow", 1, &["renamed.arrow", "no column 'c'", "'C'"]);
    // Numbers are titles as well, and no row is taken for them.
    parquet(path, "numbers.parquet", &made(["7", "1.5", "7", "3"]), Compression::SNAPPY);
    let said = says(path, "train numbers.parquet --batch-size 16 --steps 5 --out numbers");
    assert_holds(
        &said,
        &["label column '3' (4 of 4), 3 classes, 3 features: 7, 1.5, 7\n", "42 training and 18 test samples"],
    );
    assert!(!said.contains("--header"), "{said}");
    assert_eq!(prints(path, "predict numbers/model.safetensors numbers.parquet").lines().count(), 61);
    refuses(path, "train in.parquet --label sort --out other", 1, &["no column 'sort'", "a, b, c, kind"]);
    refuses(path, "train in.parquet --delimiter ; --out other", 2, &["--delimiter", "a Parquet file has columns"]);
    refuses(path, "train swapped.arrow --header no --out other", 2, &["--header", "an Arrow file has titles"]);
    refuses(
        path,
        "predict run/model.safetensors in.parquet --delimiter ;",
        2,
        &["--delimiter", "leave the option out"],
    );
}

#[test]
fn other_types_are_refused_by_their_column() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let with = |array: ArrayRef| {
        batch(vec![("a", column(0)), ("seen at", array), ("b", column(1)), ("kind", column(3))], None)
    };
    let days: ArrayRef = Arc::new(Date32Array::from_iter_values(0..60));
    let times: ArrayRef = Arc::new(TimestampNanosecondArray::from_iter_values(0..60));
    let lists: ArrayRef = Arc::new(arrow_array::ListArray::from_iter_primitive::<Int8Type, _, _>(
        (0..60).map(|row| Some(vec![Some(row), None])),
    ));
    let pair = Schema::new(vec![Field::new("p", days.data_type().clone(), true)]);
    let structs: ArrayRef = Arc::new(arrow_array::StructArray::new(pair.fields, vec![Arc::clone(&days)], None));
    for (array, what) in [(&days, "dates"), (&times, "times"), (&lists, "lists"), (&structs, "structs")] {
        let rows = with(Arc::clone(array));
        parquet(path, "in.parquet", &rows, Compression::SNAPPY);
        arrow(path, "in.arrow", &rows, None);
        let words = [&format!("column 2 (seen at) holds {what}"), "--drop 'seen at'"];
        refuses(path, "train in.parquet --out run", 1, &words);
        refuses(path, "train in.arrow --out run", 1, &words);
        // Left out, its type does not matter, and the others are in their places.
        let drop = TableOptions { drop: vec!["seen at".parse().unwrap()], ..TableOptions::default() };
        let left = read(path, &rows, &drop).unwrap();
        let plain = batch(vec![("a", column(0)), ("b", column(1)), ("kind", column(3))], None);
        assert_eq!(left.sha256(), read(path, &plain, &TableOptions::default()).unwrap().sha256(), "{what}");
    }
    let last = batch(vec![("a", column(0)), ("kind", column(3)), ("day", days)], None);
    assert_holds(&read(path, &last, &TableOptions::default()).unwrap_err(), &["column 3 (day) holds dates"]);
}

#[test]
fn what_is_no_such_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let refused = |name: &str, bytes: &[u8], words: &[&str]| {
        write(path, name, bytes);
        refuses(path, &format!("train {name} --out run"), 1, &[&[name], words].concat());
    };
    refused("text.parquet", b"a,b,kind\n1,2,x\n", &["does not begin as a Parquet or an Arrow file does"]);
    refused("empty.arrow", b"", &["is empty"]);
    refused("old.feather", b"FEA1....", &["a Feather file of version 1", "version 2"]);
    refused("short.parquet", b"PAR1", &["cannot be read as a Parquet file", "cut off"]);
    refused("short.arrow", b"ARROW1\0\0", &["cannot be read as an Arrow file", "cut off"]);
    refuses(path, "train none.parquet --out run", 1, &["none.parquet", "No such file"]);
    parquet(path, "in.parquet", &made(["a", "b", "c", "kind"]), Compression::SNAPPY);
    let whole = fs::read(path.join("in.parquet")).unwrap();
    refused("half.parquet", &whole[..whole.len() / 2], &["cannot be read as a Parquet file", "cut off"]);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, &whole).unwrap();
    refused("in.csv.gz", &packed.finish().unwrap(), &["is a Parquet file", "unpacked"]);
    let nothing = made(["a", "b", "c", "kind"]).slice(0, 0);
    parquet(path, "nothing.parquet", &nothing, Compression::SNAPPY);
    refuses(path, "train nothing.parquet --out run", 1, &["nothing.parquet", "holds no sample"]);
    let alone = read(path, &batch(vec![("kind", labels(9))], None), &TableOptions::default()).unwrap_err();
    assert!(alone.ends_with("has no column besides the label"), "{alone}");
}

/// Changes a byte, cuts the end off, or doubles a piece.
fn damaged(whole: &[u8], seed: usize) -> Vec<u8> {
    let place = |index: usize| (uniform(5 * seed + index) * whole.len() as f64) as usize;
    let mut bytes = whole.to_vec();
    match seed % 4 {
        0 => bytes.truncate(place(0)),
        1 => {
            let (from, to) = (place(0).min(place(1)), place(0).max(place(1)));
            bytes.extend_from_within(from..to);
        }
        _ => {
            for index in 0..1 + seed % 3 {
                bytes[place(index)] = (uniform(5 * seed + 4) * 256.0) as u8 ^ index as u8;
            }
        }
    }
    bytes
}

/// Damaged files of each kind.
const CASES: usize = 2000;

#[test]
fn damaged_files_are_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let rows = batch(
        vec![
            ("a", column(0)),
            ("b", Arc::new(DictionaryArray::<Int8Type>::from_iter((0..60).map(|row| ["1", "2", "3"][row % 3])))),
            ("c", Arc::new(Int64Array::from_iter((0..60).map(|row| (row % 7 > 0).then_some(row))))),
            ("kind", column(3)),
        ],
        None,
    );
    parquet(path, "whole.parquet", &rows, Compression::SNAPPY);
    arrow(path, "whole.arrow", &rows, Some(CompressionType::LZ4_FRAME));
    stream(path, "whole.feather", &rows);
    let options = TableOptions { drop_missing: true, ..TableOptions::default() };
    for ending in ["parquet", "arrow", "feather"] {
        let whole = fs::read(path.join("whole").with_extension(ending)).unwrap();
        let file = path.join("damaged").with_extension(ending);
        let problem = |seed| {
            fs::write(&file, damaged(&whole, seed)).unwrap();
            Table::read(&file, &options).err().map(|error| error.to_string())
        };
        let problems: Vec<(usize, String)> = (0..CASES).filter_map(|seed| Some((seed, problem(seed)?))).collect();
        assert!(problems.len() > CASES / 4, "{ending}: what is cut off is refused");
        assert!(problems.iter().all(|(_, problem)| !problem.contains('\n')), "{problems:?}");
        // Where a decoder panics there is no reason to give, and nothing else is said either.
        let (seed, _) = problems.iter().find(|(_, problem)| problem.ends_with("is it damaged or cut off?")).unwrap();
        problem(*seed);
        refuses(path, &format!("train damaged.{ending} --out run"), 1, &["cannot be read as", "damaged"]);
    }
}
