use super::*;

/// Cells of a row of numbers.
fn number(row: usize, column: usize) -> f64 {
    ((row * 7 + column * 13) % 29) as f64 / 8.0 + 0.125
}

/// Rows of two numbers and a label of two classes, after `begin`.
fn rows(begin: &str, count: usize) -> String {
    let row = |row| format!("{},{},{}\n", number(row, 0), number(row, 1), if row % 2 == 0 { "x" } else { "y" });
    begin.to_string() + &(0..count).map(row).collect::<String>()
}

fn read_with(text: impl AsRef<[u8]>, options: &TableOptions) -> Result<Table> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.csv");
    std::fs::write(&path, text).unwrap();
    Table::read(&path, options)
}

fn read(text: impl AsRef<[u8]>) -> Table {
    read_with(text, &TableOptions::default()).unwrap()
}

fn problem(text: impl AsRef<[u8]>, options: &TableOptions) -> String {
    let problem = read_with(text, options).unwrap_err().to_string();
    assert!(!problem.contains('\n'), "{problem}");
    problem
}

fn label(text: &str) -> TableOptions {
    TableOptions { label: vec![text.parse().unwrap()], ..TableOptions::default() }
}

#[track_caller]
fn assert_notes(table: &Table, words: &[&str]) {
    assert_eq!(table.notes.len(), words.len(), "{:?}", table.notes);
    for (note, word) in table.notes.iter().zip(words) {
        assert!(note.contains(word), "'{word}' is missing in {:?}", table.notes);
    }
}

#[test]
fn headers_delimiters_and_label_columns() {
    let plain = read("1,2,a\n3,4,b\n5,6,a\n7,8,b\n9,0,b\n");
    assert_eq!((plain.len(), plain.row(1), plain.label(1)), (5, &[3.0, 4.0][..], Some(1)));
    assert_eq!(plain.schema.describe(), "header no, label column 3 of 3, 2 classes, 2 features");
    let with_header = "\u{feff}kind;x;y\r\nb;1;2\r\n\r\na;3;4e-1\r\nb;5;6\r\n";
    for name in ["kind", "1"] {
        let table = read_with(with_header, &label(name)).unwrap();
        assert_eq!((table.len(), table.row(1)), (3, &[3.0, 0.4][..]));
        assert_eq!(table.schema.describe(), "header yes, label column 'kind' (1 of 3), 2 classes, 2 features: x, y");
    }
    let numbers = read("1\t10\n2\t9\n3\t100\n4\t9\n5\t9\n".repeat(4));
    assert_eq!(numbers.schema.classes, ["9", "10", "100"], "numbers are sorted as numbers");
    let bars = TableOptions { delimiter: Some(b'|'), ..TableOptions::default() };
    assert_eq!(read_with("1|2|a\n3|4|b\n", &bars).unwrap().len(), 2);
    assert_eq!(read("1 2 a\n3  4 b\n").row(1), [3.0, 4.0]);
    assert_eq!(read("1,True,a\n2,false,b\n3,TRUE,a\n").row(0), [1.0, 1.0]);
}

#[test]
fn titles_that_are_numbers() {
    let table = read(rows("0,1,2\n", 20));
    assert_eq!((table.len(), table.schema.describe().starts_with("header yes")), (20, true));
    assert_notes(&table, &["(0, 1, 2) is taken for titles; if it is a sample say --header no"]);
    // As pandas writes it with its index.
    let text: String =
        (0..20).map(|row| format!("{row},{},{},{}\n", number(row, 0), number(row, 1), row % 2)).collect();
    let table = read(format!(",0,1,2\n{text}"));
    assert_eq!((table.len(), &table.schema.features), (20, &vec![1, 2]));
    // Years.
    let table = read(rows("1990,1995,kind\n", 20));
    assert_eq!(table.len(), 20);
    assert_notes(&table, &["taken for titles"]);
    // A sample like all others is none.
    for first in ["0,1,x\n", "0.5,1.5,z\n", "1,2,x\n"] {
        assert!(read(rows(first, 20)).schema.titles.is_none(), "{first}");
    }
    let no = TableOptions { header: Header::No, ..TableOptions::default() };
    assert_eq!(read_with("0,1,2\n".to_string() + &"3,4,5\n1,2,2\n".repeat(9), &no).unwrap().len(), 19);
    let yes = TableOptions { header: Header::Yes, ..TableOptions::default() };
    assert_eq!(read_with(rows("0.5,1.5,x\n", 20), &yes).unwrap().len(), 20);
    // Whole numbers above columns of fractions may be either, which is said.
    let table = read(rows("10,20,x\n", 20));
    assert_eq!(table.len(), 21);
    assert_notes(&table, &["taken for a sample; if it is titles say --header yes"]);
}

#[test]
fn a_label_by_number_is_a_position() {
    let text = "2,1,0.5\n".to_string()
        + &(0..60).map(|row| format!("{},{},0.{}\n", row % 3, row % 8 + 2, row)).collect::<String>();
    let table = read_with(&text, &label("1")).unwrap();
    assert_eq!((table.schema.labels[0], table.schema.classes.len()), (0, 3));
    let other = text.replacen("2,1,", "2,4,", 1);
    assert_eq!(read_with(&other, &label("1")).unwrap().schema.labels, [0]);
    assert_eq!(read_with(&text, &label("2")).unwrap().schema.labels, [1]);
    let titled = rows("2,1,3\n", 20);
    assert_eq!(read_with(&titled, &label("3")).unwrap().schema.labels, [2]);
    let hint = problem(rows("0,1,2\n", 20), &label("2"));
    assert!(hint.contains("--label 2 is column 2, titled '1'; the column titled '2' is --label 3"), "{hint}");
    assert!(problem(&text, &label("4")).contains("no column 4; its columns are 1 to 3"));
    assert!(problem(&text, &label("0")).contains("no column 0"));
    assert!(problem(rows("a,b,kind\n", 9), &label("kin")).contains("no column 'kin'; its first row is a, b, kind"));
}

#[test]
fn an_index_is_left_out_by_name() {
    let indexed = |begin: usize, titles: &str| {
        let row = |row: usize| format!("{},{},{},{}\n", begin + row, number(row, 0), number(row, 1), row % 2);
        titles.to_string() + &(0..20).map(row).collect::<String>()
    };
    for (begin, titles) in [(0, ",a,b,kind\n"), (1, "Unnamed: 0,a,b,kind\n"), (5, ",a,b,kind\n"), (0, ""), (1, "")] {
        let table = read(indexed(begin, titles));
        assert_eq!((table.len(), &table.schema.features), (20, &vec![1, 2]), "{titles}");
        assert_notes(&table, &["column 1 has no title and counts the rows: left out (--keep-index keeps it)"]);
        let keep = TableOptions { keep_index: true, ..TableOptions::default() };
        assert_eq!(read_with(indexed(begin, titles), &keep).unwrap().schema.features, [0, 1, 2]);
    }
    // R writes no title at all for the rows' names.
    let short = read(indexed(1, "a,b,kind\n"));
    assert_eq!((short.schema.columns, &short.schema.features), (4, &vec![1, 2]));
    // Shuffled, as after train_test_split().
    let row = |row: usize| format!("{},{},{},{}\n", row * 7 % 20, number(row, 0), number(row, 1), row % 2);
    let shuffled = ",a,b,kind\n".to_string() + &(0..20).map(row).collect::<String>();
    assert_notes(&read(&shuffled), &["holds a number of its own for every row: left out"]);
    // With a title it stays, which is said.
    let titled = read(indexed(0, "id,a,b,kind\n"));
    assert_eq!(titled.schema.features, [0, 1, 2]);
    assert_notes(&titled, &["column 1 (id) counts the rows and is taken as a feature; --drop id leaves it out"]);
    let plain = read(indexed(7, "")).schema;
    assert_eq!(plain.features, [0, 1, 2], "without titles, only what counts from 0 or 1");
}

#[test]
fn text_and_empty_columns_are_named() {
    let row = |row: usize| format!("{},person {row},{},{}\n", number(row, 0), ["red", "blue"][row % 2], row % 2);
    let text = "a,full name,colour,kind\n".to_string() + &(0..20).map(row).collect::<String>();
    let refused = problem(&text, &TableOptions::default());
    for word in [
        "column 2 (full name) holds text that differs in every row",
        "column 3 (colour) holds text ('red', 'blue'",
        "--drop 'full name,colour'",
    ] {
        assert!(refused.contains(word), "{refused}");
    }
    let first = problem("kind,a,b\nx,1,2\ny,2,3\nx,4,4\ny,1,9\n", &TableOptions::default());
    assert!(first.contains("if it holds the labels, --label kind"), "{first}");
    let drop =
        TableOptions { drop: vec!["full name".parse().unwrap(), "3".parse().unwrap()], ..TableOptions::default() };
    assert_eq!(read_with(&text, &drop).unwrap().schema.features, [0]);
    let label_too = TableOptions { drop: vec!["kind".parse().unwrap()], ..label("kind") };
    assert!(problem(&text, &label_too).contains("both the label and left out"));
    // Delimiters at the end of all rows, of the header alone, of the rows alone; rows of nothing else.
    let ends = |titles: &str, end: &str| titles.to_string() + &rows("", 20).replace('\n', &format!("{end}\n"));
    assert_notes(&read(ends("a,b,kind,,\n", ",,")), &["column 4 at the end is empty", "column 5 at the end is empty"]);
    assert_notes(&read(ends("a,b,kind,\n", "")), &[]);
    assert_notes(&read(ends("a,b,kind\n", ",")), &["column 4 at the end is empty: left out"]);
    assert_notes(&read(ends("", ",")), &["column 4 at the end is empty"]);
    assert_notes(&read(ends("a,b,kind,notes\n", ",")), &["column 4 (notes) at the end is empty"]);
    assert_notes(&read(rows("a,b,kind\n", 20) + ",,\n,,\n"), &["2 rows without any value left out"]);
    let middle = problem("a,b,c,kind\n1,,2,x\n2,,3,y\n", &TableOptions::default());
    assert!(middle.contains("column 2 (b) holds no value") && middle.contains("--drop b"), "{middle}");
}

#[test]
fn missing_values_and_labels() {
    for missing in ["", "NA", "NaN", "?", "null"] {
        let text = rows("a,b,kind\n", 20) + &format!("1,2,{missing}\n3,{missing},x\n");
        let refused = problem(&text, &TableOptions::default());
        assert!(
            refused.contains("line 22: the label (column 3 (kind)) is missing") && refused.contains("--drop-missing"),
            "{refused}"
        );
        let drop = TableOptions { drop_missing: true, ..TableOptions::default() };
        let table = read_with(&text, &drop).unwrap();
        assert_eq!((table.len(), &table.schema.classes), (20, &vec!["x".to_string(), "y".into()]));
        assert_notes(&table, &["2 rows with a missing value left out"]);
    }
    let words = read(rows("", 20).replace('x', "none").replace('y', "None"));
    assert_eq!(words.schema.classes, ["None", "none"]);
    assert_notes(&words, &["differ only in upper and lower case"]);
}

#[test]
fn equal_numbers_are_one_class() {
    let spelled = ["1", "1.0", "01", "2", "2.00"];
    let text: String = (0..20).map(|row| format!("{},{}\n", number(row, 0), spelled[row % 5])).collect();
    assert_eq!(read(text).schema.classes, ["1", "2"]);
}

#[test]
fn mistakes_name_the_line() {
    let plain = TableOptions::default();
    let problem = |text: &str| problem(text, &plain);
    assert!(problem("x,y,k\n1,2,a\n1,oops,b\n1,3,a\n").contains("line 3: column 2 (y) holds 'oops'"));
    assert!(problem("1,2,a\n1,NaN,b\n1,2,b\n").contains("line 2: column 2 holds 'NaN'"));
    assert!(problem("1,2,a\n1,,b\n1,2,b\n").contains("line 2: column 2 holds nothing"));
    assert!(problem("1,2,a\n1,b\n").contains("line 2: 2 values, but the first row has 3"));
    assert!(problem("x,y,k\n1,2,a\n1,2,3,b\n").contains("line 3: 4 values, but the first row has 3"));
    assert!(problem("1,2,a\n1,2,\n3,4,b\n").contains("line 2: the label (column 3) is missing"));
    assert!(problem("1,2,\"a\n3\"\n1,2,b\n").contains("line 1: the label runs over 2 lines"));
    assert!(problem("1.5,oops,2.5,a\n1,2,3,b\n2,3,4,a\n").contains("line 1: column 2 holds 'oops'"));
    // Rows with names, under a header without one for them; but it is said to be no header.
    let no_header = TableOptions { header: Header::No, ..TableOptions::default() };
    let error = read_with("5,6\n1,2,3\n2,3,4\n", &no_header).unwrap_err().to_string();
    assert!(error.contains("the first row has 2 values, the others have 3 values"), "{error}");
    assert!(problem("1,5;2,5;a\n2,5;3,5;b\n").contains("decimal point"));
    assert!(problem("").contains("is empty") && problem("\n\n").contains("is empty"));
    assert!(problem("x,y,k\n").contains("holds no sample"));
    assert!(problem("1,2,a\n3,4,a\n").contains("are 'a'"));
    assert!(problem("1\n2\n").contains("no column besides the label"));
    assert!(problem("x,y,k\n1,1e400,a\n2,2,b\n").contains("1e400"));
}

#[test]
fn packed_tables_and_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.tsv.gz");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, rows("a,b,kind\n", 20).replace(',', "\t").as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    std::fs::write(&path, &packed).unwrap();
    let table = Table::read(&path, &TableOptions::default()).unwrap();
    assert_eq!((table.len(), table.name.as_str(), table.schema.delimiter), (20, "data", '\t'));
    std::fs::write(&path, &packed[..packed.len() / 2]).unwrap();
    assert!(Table::read(&path, &TableOptions::default()).unwrap_err().to_string().contains("cut off"));
    for (name, is) in
        [("a.csv", true), ("a.TSV", true), ("a.data.gz", true), ("a.npz", false), ("a.gz", false), ("a", false)]
    {
        assert_eq!(is_table(Path::new(name)), is, "{name}");
    }
}

#[cfg(not(feature = "parquet"))]
#[test]
fn files_of_columns_need_the_feature() {
    let folder = tempfile::tempdir().unwrap();
    for (name, begin) in
        [("a.parquet", &b"PAR1\0\0\0\0"[..]), ("a.feather", b"ARROW1\0\0"), ("a.arrow", b"\xff\xff\xff\xff")]
    {
        let path = folder.path().join(name);
        std::fs::write(&path, begin).unwrap();
        assert!(is_table(&path));
        let problem = Table::read(&path, &TableOptions::default()).unwrap_err().to_string();
        assert!(problem.contains("is a") && problem.contains("--features parquet"), "{problem}");
    }
}

#[test]
fn the_same_data_has_the_same_hash() {
    let table = read(rows("a,b,kind\n", 20));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.csv");
    let swapped: String = rows("a,b,kind\n", 20)
        .lines()
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            format!("{}\t{}\t{}\n", cells[2], cells[1], cells[0])
        })
        .collect();
    std::fs::write(&path, swapped).unwrap();
    let other = Table::read_as(&path, &table.schema, &TableOptions::default()).unwrap();
    assert_eq!(other.sha256(), table.sha256());
    assert_eq!(other.row_hash(3), table.row_hash(3));
    assert_ne!(table.row_hash(2), table.row_hash(3));
}

/// A label alone makes other data of it, whether it is a class or a number.
#[test]
fn another_label_is_another_hash() {
    let classes = |labels: [&str; 4]| {
        read(format!("1,2,{}\n3,4,{}\n5,6,{}\n7,8,{}\n", labels[0], labels[1], labels[2], labels[3]))
    };
    let numbers = |text: &str| {
        let options = TableOptions { task: Some(Task::Regression), ..TableOptions::default() };
        read_with(text, &options).unwrap()
    };
    for (table, other) in [
        (classes(["a", "b", "a", "b"]), classes(["b", "b", "a", "b"])),
        (numbers("1,2,0.5\n3,4,0.25\n"), numbers("1,2,0.5\n3,4,0.75\n")),
    ] {
        assert_eq!(table.row(0), other.row(0));
        let differing: Vec<bool> = (0..table.len()).map(|row| table.row_hash(row) != other.row_hash(row)).collect();
        assert_eq!(differing.iter().filter(|&&is_other| is_other).count(), 1, "{differing:?}");
        assert_ne!(table.sha256(), other.sha256());
    }
}

/// Classes are numbered in the order of their names, not as they come.
#[test]
fn labels_are_the_places_of_their_names() {
    let table = read("1,2,c\n3,4,a\n5,6,b\n7,8,a\n9,1,c\n".repeat(4));
    assert_eq!(table.schema.classes, ["a", "b", "c"]);
    let labels: Vec<Option<u32>> = (0..5).map(|row| table.label(row)).collect();
    assert_eq!(labels, [2, 0, 1, 0, 2].map(Some));
}
