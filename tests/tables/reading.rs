//! What a table says of itself: header, label column, index, classes, quotes.

use std::fs;

use serde_json::Value;

use crate::command::{refuses, run};
use crate::support::{assert_holds, normal, prints, says, table, uniform, write};

#[test]
fn label_number() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let row = |i: usize| format!("{},{},{:.3}\n", i % 3, 2 + (uniform(i) * 8.0) as usize, uniform(i + 500));
    let rest: String = (1..120).map(row).collect();
    for first in ["2,1,0.5", "2,4,0.5"] {
        write(path, "in.csv", format!("{first}\n{rest}"));
        let said = says(path, "train in.csv --label 1 --epochs 2 --out run");
        assert_holds(
            &said,
            &["data     in.csv: header no, label column 1 of 3, 3 classes, 2 features\n", "84 training and 36 test"],
        );
    }
    let settings: Value = serde_json::from_str(&fs::read_to_string(path.join("run/run.json")).unwrap()).unwrap();
    assert_eq!(settings["dataset"]["table"]["label"], 0);
    let model = asgd::Model::load(&path.join("run/model.safetensors")).unwrap();
    assert_eq!(model.data.table.unwrap().classes, ["0", "1", "2"]);
}

#[test]
fn integer_header() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write(path, "in.csv", table("0,1,2,3\n", &[0, 1, 2, 3]));
    write(path, "new.csv", "0,1,2\n1,2,3\n");
    let said = says(path, "train in.csv --batch-size 16 --steps 5 --out run");
    assert_holds(
        &said,
        &[
            "header yes, label column '3' (4 of 4), 3 classes, 3 features: 0, 1, 2\n",
            "data     the first row (0, 1, 2, 3) is taken for titles; if it is a sample say --header no\n",
            "42 training and 18 test samples",
        ],
    );
    assert_eq!(prints(path, "predict run/model.safetensors new.csv").lines().count(), 2, "a title and an answer");
    refuses(path, "train in.csv --label 3 --steps 5", 1, &["--label 3 is column 3, titled '2'", "--label 4"]);
    assert_holds(&says(path, "train in.csv --label 4 --steps 5 --out run"), &["label column '3' (4 of 4), 3 classes"]);
}

#[test]
fn pandas_index() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let (mut with, mut without) = (String::from(",a,b,kind\n"), String::from("a,b,kind\n"));
    for i in 0..600 {
        let k = (i * 7 % 13) % 2;
        let row = format!(
            "{:.3},{:.3},{}\n",
            (2 * k) as f64 - 1.0 + 0.6 * normal(2 * i),
            normal(2 * i + 1),
            ["no", "yes"][k]
        );
        with += &format!("{i},{row}");
        without += &row;
    }
    write(path, "with.csv", &with);
    write(path, "without.csv", &without);
    let said = says(path, "train with.csv --epochs 20 --out with");
    assert_holds(
        &said,
        &[
            "label column 'kind' (4 of 4), 2 classes, 2 features: a, b\n",
            "data     column 1 has no title and counts the rows: left out (--keep-index keeps it)\n",
        ],
    );
    run(path, "train without.csv --epochs 20 -q --out without");
    let tensors = |run: &str| {
        let model = asgd::Model::load(&path.join(run).join("model.safetensors")).unwrap();
        (0..3).flat_map(|layer| [model.weight(layer, 0).to_vec(), model.bias(layer, 0).to_vec()]).collect::<Vec<_>>()
    };
    assert_eq!(tensors("with"), tensors("without"), "the index makes no difference at all");
    assert_holds(
        &says(path, "train with.csv --keep-index --steps 3 --out kept"),
        &["3 features: column 1, a, b", "kept as a feature"],
    );
    assert_holds(&says(path, "train with.csv --drop 1,b --steps 3 --out dropped"), &["1 feature: a\n"]);
    // Either file can be read by the model.
    let all = prints(path, "predict with/model.safetensors with.csv");
    assert_eq!(all, prints(path, "predict with/model.safetensors without.csv"));
    assert_eq!(all.lines().count(), 601);
}

#[test]
fn unclosed_quote() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let broken = |lines: &[usize]| -> String {
        let text = table("a,b,c,kind\n", &[0, 1, 2, 3]);
        let quote = |(index, line): (usize, &str)| match lines.contains(&(index + 1)) {
            true => {
                line[..line.rfind(',').unwrap() + 1].to_string() + "\"" + &line[line.rfind(',').unwrap() + 1..] + "\n"
            }
            false => format!("{line}\n"),
        };
        text.lines().enumerate().map(quote).collect()
    };
    write(path, "in.csv", broken(&[41]));
    refuses(path, "train in.csv --out run", 1, &["in.csv: line 41: a quote opens and is never closed"]);
    write(path, "two.csv", broken(&[41, 50]));
    refuses(path, "train two.csv --out run", 1, &["two.csv: line 41: a quote opens", "line 50"]);
    write(path, "title.csv", table("a,b,\"c,kind\n", &[0, 1, 2, 3]));
    refuses(path, "train title.csv --out run", 1, &["line 1: a quote opens and is never closed"]);
    write(path, "short.csv", table("a,b,c,kind\n", &[0, 1, 2, 3]) + "1,2,red\n");
    refuses(path, "train short.csv --out run", 1, &["line 62: 3 values, but the first row has 4"]);
    write(path, "latin.csv", [table("a,b,c,kind\n", &[0, 1, 2, 3]).as_bytes(), b"1,2,3,r\xf6t\n"].concat());
    refuses(path, "train latin.csv --out run", 1, &["line 62 is no text in UTF-8"]);
    let wide: Vec<u8> = "a,b\n1,2\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    write(path, "wide.csv", [b"\xff\xfe", &wide[..]].concat());
    refuses(path, "train wide.csv --out run", 1, &["UTF-16"]);
    write(path, "empty.csv", "");
    refuses(path, "train empty.csv --out run", 1, &["is empty"]);
    assert!(!path.join("run").exists());
}

#[test]
fn small_table() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let rows: String = (0..60).map(|i| format!("{},{},{}\n", i % 7, i % 5, ["x", "y"][i % 2])).collect();
    write(path, "in.csv", format!("a,b,kind\n{rows}"));
    run(path, "train in.csv --epochs 2 -q --out run");
    let document: Value = serde_json::from_str(&fs::read_to_string(path.join("run/run.json")).unwrap()).unwrap();
    assert_eq!((&document["settings"]["batch_size"], &document["settings"]["steps"]), (&42.into(), &2.into()));
    refuses(path, "train in.csv --batch-size 43 --out other", 2, &["--batch-size", "43", "42"]);
    write(path, "four.csv", "1,2,x\n4,4,y\n5,1,x\n2,2,y\n");
    run(path, "train four.csv --epochs 2 -q --out four");
    run(path, "train circles --samples 40 --epochs 2 -q --out circles");
}

#[test]
fn other_suffix() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let rows: String = (0..100).map(|i| format!("{}\t{}\t{}\n", i % 7, i % 5, ["x", "y"][i % 2])).collect();
    let text = format!("a\tb\tkind\n{rows}");
    for name in ["in.tsv", "in.txt", "in.data", "in.TAB"] {
        write(path, name, &text);
        assert_holds(&says(path, &format!("train {name} --steps 3 --out run")), &["2 classes, 2 features: a, b"]);
    }
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, text.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    for name in ["in.tsv.gz", "in.csv.gz", "packed.csv"] {
        write(path, name, &packed);
        run(path, &format!("train {name} --steps 3 -q --out run"));
    }
    run(path, "train in.csv.gz --steps 3 -q");
    assert!(path.join("runs/in-1/model.safetensors").exists(), "the run is called after the table");
    for (name, contents, what) in [
        ("in.xlsx", &b"PK\x03\x04xx"[..], "a zip archive (as .xlsx"),
        ("in.parquet", b"PAR1xxxx", "a Parquet file"),
        ("in.h5", b"\x89HDF\r\n", "an HDF5 file"),
        ("in.npy", b"\x93NUMPY\x01", "a NumPy array"),
        ("in.dat", b"1,2,x\n", "a text file; tables end in .csv"),
        ("in.gz", b"\x1f\x8bxx", "a gzip file; packed tables end in .csv.gz"),
        ("in.bin", b"\x00\xff\xfe", "unknown kind"),
        ("renamed.csv", b"PK\x03\x04xx", "a zip archive"),
        ("page.csv", b"<!DOCTYPE html><html>", "a web page"),
    ] {
        write(path, name, contents);
        refuses(path, &format!("train {name} --out run2"), 1, &[name, what]);
    }
    refuses(path, "train nothing.tsv", 1, &["nothing.tsv", "cannot be read"]);
    refuses(path, "train nothing", 1, &["no such file or folder", ".npz"]);
}

#[test]
fn regression_target() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let rows: String = (0..300)
        .map(|i| format!("{:.3},{:.3},{:.3}\n", uniform(3 * i), uniform(3 * i + 1), 100.0 * uniform(3 * i + 2)))
        .collect();
    write(path, "in.csv", format!("a,b,price\n{rows}"));
    assert_holds(
        &says(path, "train in.csv --steps 2 --out run"),
        &["column 3 (price) is taken for numbers to be given, a regression", "in 300 rows", "--task classification"],
    );
    let years: String = (0..300).map(|i| format!("{:.3},{}\n", uniform(i), 1900 + i % 60)).collect();
    write(path, "years.csv", format!("a,year\n{years}"));
    let said = says(path, "train years.csv --steps 2 --out run");
    assert_holds(&said, &["column 2 (year) is taken for numbers to be given, a regression: 60 different ones"]);
    assert_holds(&says(path, "train years.csv --force-classes --steps 2 --out run"), &["60 classes"]);
    run(path, "train years.csv --classes 60 --steps 2 -q --out run");
    refuses(path, "train years.csv --classes 59", 1, &["has 60 classes", "--classes says 59"]);
    let shares: String = (0..3000).map(|i| format!("{:.3},{}\n", uniform(i), (i % 100) as f64 / 4.0)).collect();
    write(path, "shares.csv", format!("a,share\n{shares}"));
    assert_holds(&says(path, "train shares.csv --steps 2 --out run"), &["a regression: 100 different ones"]);
    let few: String = (0..40).map(|i| format!("{:.3},{}\n", uniform(i), i % 9)).collect();
    write(path, "few.csv", format!("a,few\n{few}"));
    let words = ["column 2 (few) holds 9 different numbers in 40 rows", "--task classification", "--task regression"];
    refuses(path, "train few.csv", 1, &words);
    let names: String = (0..60).map(|i| format!("{:.3},name {i}\n", uniform(i))).collect();
    write(path, "names.csv", format!("a,name\n{names}"));
    refuses(path, "train names.csv", 1, &["column 2 (name) holds 60 different labels in 60 rows"]);
    let digits: String = (0..60).map(|i| format!("{:.3},{}\n", uniform(i), i % 10)).collect();
    write(path, "digits.csv", format!("a,digit\n{digits}"));
    run(path, "train digits.csv --steps 2 -q --out run");
}

#[test]
fn a_missing_label_is_no_class() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for missing in ["", "NaN", "NA"] {
        write(path, "in.csv", table("a,b,c,kind\n", &[0, 1, 2, 3]) + &format!("1,2,3,{missing}\n"));
        refuses(path, "train in.csv", 1, &["line 62: the label (column 4 (kind)) is missing", "--drop-missing"]);
        let said = says(path, "train in.csv --drop-missing --steps 3 --out run");
        assert_holds(&said, &["3 classes", "data     1 row with a missing value left out (--drop-missing)"]);
    }
    write(path, "in.csv", table("a,b,c,kind\n", &[0, 1, 2, 3]) + "1,?,3,red\n");
    refuses(path, "train in.csv", 1, &["line 62: column 2 (b) holds '?'; a finite number is needed; --drop-missing"]);
}
