//! How people's tables and arrays are read, scaled and scored: nothing is guessed in silence. The cases are public reports
//! of people who do this job, tried on asgd.

mod command;

use std::fs;
use std::path::Path;

use command::{asgd, refuses, run};
use serde_json::Value;

/// Numbers that look drawn, the same everywhere: 0 to 1, from a counter (SplitMix64).
fn uniform(index: usize) -> f64 {
    let mut z = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

/// About normal: mean 0, standard deviation 1.
fn normal(index: usize) -> f64 {
    (0..12).map(|part| uniform(index * 12 + part)).sum::<f64>() - 6.0
}

const NAMES: [&str; 3] = ["red", "green", "blue"];

/// Rows a, b, c, kind of three classes that can be told apart.
fn kinds() -> Vec<[String; 4]> {
    let row = |i: usize| {
        let k = (i % 3) as f64;
        let numbers = [k + 0.2 * normal(3 * i), -k + 0.2 * normal(3 * i + 1), 0.5 * k + 0.2 * normal(3 * i + 2)];
        let [a, b, c] = numbers.map(|number| format!("{number:.3}"));
        [a, b, c, NAMES[i % 3].to_string()]
    };
    (0..60).map(row).collect()
}

/// A table of some of the columns, with a first line.
fn table(first: &str, columns: &[usize]) -> String {
    let row =
        |row: &[String; 4]| columns.iter().map(|&column| row[column].clone()).collect::<Vec<_>>().join(",") + "\n";
    first.to_string() + &kinds().iter().map(row).collect::<String>()
}

fn write(folder: &Path, name: &str, contents: impl AsRef<[u8]>) {
    fs::write(folder.join(name), contents).unwrap();
}

/// What a successful command says on stderr.
#[track_caller]
fn says(folder: &Path, arguments: &str) -> String {
    String::from_utf8(run(folder, arguments).stderr).unwrap()
}

#[track_caller]
fn prints(folder: &Path, arguments: &str) -> String {
    String::from_utf8(run(folder, arguments).stdout).unwrap()
}

#[track_caller]
fn json(folder: &Path, arguments: &str) -> Value {
    serde_json::from_str(&prints(folder, arguments)).unwrap()
}

#[track_caller]
fn assert_holds(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "'{word}' is missing in: {text}");
    }
}

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
    refuses(
        path,
        "train in.csv",
        1,
        &["column 3 (price) looks like a regression target", "in 300 rows", "--force-classes", "--label"],
    );
    let years: String = (0..300).map(|i| format!("{:.3},{}\n", uniform(i), 1900 + i % 60)).collect();
    write(path, "years.csv", format!("a,year\n{years}"));
    refuses(path, "train years.csv", 1, &["column 2 (year) looks like a regression target: 60 different numbers"]);
    assert_holds(&says(path, "train years.csv --force-classes --steps 2 --out run"), &["60 classes"]);
    run(path, "train years.csv --classes 60 --steps 2 -q --out run");
    refuses(path, "train years.csv --classes 59", 1, &["has 60 classes", "--classes says 59"]);
    let shares: String = (0..3000).map(|i| format!("{:.3},{}\n", uniform(i), (i % 100) as f64 / 4.0)).collect();
    write(path, "shares.csv", format!("a,share\n{shares}"));
    refuses(path, "train shares.csv", 1, &["regression target: 100 different numbers"]);
    let names: String = (0..60).map(|i| format!("{:.3},name {i}\n", uniform(i))).collect();
    write(path, "names.csv", format!("a,name\n{names}"));
    refuses(path, "train names.csv", 1, &["column 2 (name) holds 60 different labels in 60 rows"]);
    let digits: String = (0..60).map(|i| format!("{:.3},{}\n", uniform(i), i % 10)).collect();
    write(path, "digits.csv", format!("a,digit\n{digits}"));
    run(path, "train digits.csv --steps 2 -q --out run");
}

#[test]
fn column_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write(path, "train.csv", table("a,b,c,kind\n", &[0, 1, 2, 3]));
    write(path, "swapped.csv", table("c,b,a\n", &[2, 1, 0]));
    write(path, "first.csv", table("kind,c,a,b\n", &[3, 2, 0, 1]));
    write(path, "named.csv", table("height,weight,price\n", &[0, 1, 2]));
    write(path, "renamed.csv", table("a,b,C,kind\n", &[0, 1, 2, 3]));
    write(path, "more.csv", table("a,b,c,kind,a2\n", &[0, 1, 2, 3, 0]));
    write(path, "less.csv", table("a,c\n", &[0, 2]));
    write(path, "bare.csv", table("", &[0, 1, 2]));
    write(path, "bare_labelled.csv", table("", &[0, 1, 2, 3]));
    write(path, "swapped_test.csv", table("c,b,a,kind\n", &[2, 1, 0, 3]));
    run(path, "train train.csv --batch-size 16 -q --out run");
    let model = "run/model.safetensors";
    let expected = prints(path, &format!("predict {model} train.csv"));
    assert_eq!(expected.lines().count(), 61);
    for name in ["swapped.csv", "first.csv", "bare.csv", "bare_labelled.csv"] {
        assert_eq!(prints(path, &format!("predict {model} {name}")), expected, "{name}");
    }
    let order =
        "data     its columns are in another order than the model's; they are put in order by their titles: a, b, c\n";
    assert_eq!(says(path, &format!("predict {model} swapped.csv")), order);
    let position = "data     has no header; its columns are taken by position: a, b, c\n";
    assert_eq!(says(path, &format!("predict {model} bare.csv")), position);
    assert_eq!(says(path, &format!("predict {model} train.csv")), "");
    refuses(path, &format!("predict {model} named.csv"), 1, &["no column 'a'", "column 1 is 'height'", "a, b, c"]);
    refuses(path, &format!("predict {model} renamed.csv"), 1, &["no column 'c'", "'C'"]);
    refuses(path, &format!("evaluate {model} renamed.csv"), 1, &["no column 'c'", "'C'"]);
    refuses(path, &format!("predict {model} more.csv"), 1, &["has a column 'a2' (5 of 5)", "--drop a2"]);
    run(path, &format!("predict {model} more.csv --drop a2"));
    refuses(path, &format!("predict {model} less.csv"), 1, &["no column 'b'"]);
    refuses(path, &format!("evaluate {model} swapped.csv"), 1, &["no label column 'kind'"]);
    let evaluated = |name: &str| json(path, &format!("evaluate {model} {name} --split all --json"))["accuracy"].clone();
    assert_eq!(evaluated("train.csv"), evaluated("swapped_test.csv"));
    let tested = |test: &str| {
        let result =
            json(path, &format!("train train.csv --test {test} --batch-size 16 --epochs 20 -q --json --out other"));
        result["test_loss"].clone()
    };
    assert_eq!(tested("train.csv"), tested("swapped_test.csv"));
    refuses(path, "train train.csv --test renamed.csv", 1, &["renamed.csv", "no column 'c'"]);
}

#[test]
fn evaluate_trained_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    // Labels that nothing can tell.
    let rows = |begin: usize| -> Vec<String> {
        let row = |i: usize| {
            format!(
                "{:.3},{:.3},{}\n",
                normal(2 * i),
                normal(2 * i + 1),
                if uniform(i + 9999) < 0.5 { "x" } else { "y" }
            )
        };
        (begin..begin + 120).map(row).collect()
    };
    let (train, test) = (rows(0), rows(120));
    write(path, "train.csv", format!("a,b,kind\n{}", train.concat()));
    write(path, "test.csv", format!("a,b,kind\n{}", test.concat()));
    write(path, "mixed.csv", format!("a,b,kind\n{}{}", train[..30].concat(), test[..50].concat()));
    let reversed: String = train.iter().rev().cloned().collect();
    write(path, "reversed.csv", format!("a,b,kind\n{reversed}"));
    let score = |run: &str, arguments: &str| {
        let result = json(path, &format!("evaluate {run}/model.safetensors {arguments} --json"));
        (result["samples"].as_u64().unwrap(), result["trained_on"].as_u64().unwrap())
    };
    run(path, "train train.csv --test test.csv --hidden 9,9 --lr 0.1 --epochs 5 -q --out own");
    assert_eq!(score("own", "train.csv"), (120, 120));
    assert_eq!(score("own", "test.csv"), (120, 0));
    assert_eq!(score("own", "mixed.csv"), (80, 30));
    assert_eq!(score("own", "reversed.csv"), (120, 120));
    let text = prints(path, "evaluate own/model.safetensors train.csv");
    assert_holds(&text, &["train, training set: 120 samples", "was trained on all of these samples"]);
    assert_holds(
        &prints(path, "evaluate own/model.safetensors test.csv"),
        &["test, the test set of the training: 120 samples"],
    );
    refuses(path, "evaluate own/model.safetensors train.csv --split test", 2, &["--split", "trained on all rows"]);
    refuses(path, "evaluate own/model.safetensors test.csv --split train", 2, &["--split"]);

    // A split of its own, which nobody has to repeat.
    run(path, "train train.csv --data-seed 5 --test-fraction 0.25 --epochs 5 -q --out split");
    assert_eq!(score("split", "train.csv"), (30, 0));
    assert_eq!(score("split", "train.csv --split train"), (90, 90));
    assert_eq!(score("split", "train.csv --split all"), (120, 90));
    assert_eq!(score("split", "reversed.csv"), (120, 90));
    assert_eq!(score("split", "test.csv"), (120, 0));
    assert_eq!(score("split", "train.csv --data-seed 5"), (30, 0));
    refuses(path, "evaluate split/model.safetensors train.csv --data-seed 6", 2, &["--data-seed", "trained with 5"]);
    let result: Value = serde_json::from_str(&fs::read_to_string(path.join("split/run.json")).unwrap()).unwrap();
    let again = json(path, "evaluate split/model.safetensors train.csv --json");
    assert_eq!(again["accuracy"], result["result"]["test_accuracy"], "the very rows that training set aside");
    assert_holds(
        &prints(path, "evaluate split/model.safetensors train.csv"),
        &["set aside in training from 120 rows: 30 samples"],
    );

    // A training that starts from the model keeps its rows aside.
    let said = says(path, "train train.csv --init split/model.safetensors --epochs 2 --out on");
    assert_holds(&said, &["90 training and 30 test samples"]);
    assert!(!said.contains("measure nothing"), "{said}");
    assert_eq!(score("on", "train.csv"), (30, 0));
    let said = says(path, "train train.csv --init split/model.safetensors --data-seed 6 --epochs 2 --out on");
    assert_holds(
        &said,
        &["the model that the training starts from was trained on", "of the 30 test rows: they measure nothing"],
    );
    let said = says(path, "train train.csv --test mixed.csv --epochs 2 --out on");
    assert_holds(&said, &["mixed.csv: 30 of its 80 rows are training rows as well: they measure nothing"]);

    // Made-up points keep their settings as well.
    let trained =
        json(path, "train circles --samples 300 --noise 0.2 --data-seed 7 --epochs 5 -q --json --out circles");
    let again = json(path, "evaluate circles/model.safetensors circles --json");
    assert_eq!((&again["accuracy"], again["samples"].as_u64()), (&trained["test_accuracy"], Some(90)));
}

#[test]
fn unscaled() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let rows: String = (0..300)
        .map(|i| {
            format!(
                "{},{},{}\n",
                (i % 2) as f64 + 0.3 * normal(2 * i),
                50_000.0 + 20_000.0 * normal(2 * i + 1),
                ["no", "yes"][i % 2]
            )
        })
        .collect();
    write(path, "in.csv", format!("small,large,kind\n{rows}"));
    let output = run(path, "train in.csv --json --out run");
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(result["test_accuracy"].as_f64().unwrap() > 0.9, "{result}");
    assert_eq!(result["warnings"], Value::Array(Vec::new()));
    assert_holds(
        &String::from_utf8(output.stderr).unwrap(),
        &["data     inputs standardised: (x - mean) / standard deviation of the training rows"],
    );

    // The scale stays with the model: the same accuracy from every command, and from the file's own numbers.
    let again = json(path, "evaluate run/model.safetensors in.csv --json");
    assert_eq!(again["accuracy"], result["test_accuracy"]);
    let answers = prints(path, "predict run/model.safetensors in.csv");
    let right = answers.lines().skip(1).enumerate().filter(|(i, line)| line.starts_with(["no", "yes"][i % 2])).count();
    assert!(right > 270, "{right}");
    let bytes = fs::read(path.join("run/model.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let numbers: Vec<f64> = bytemuck::pod_collect_to_vec(file.tensor("scale.divisor").unwrap().data());
    assert!((numbers[1] - 20_000.0).abs() < 3_000.0 && (numbers[0] - 0.58).abs() < 0.1, "{numbers:?}");
    assert!(file.tensor("layers.0.weight").is_ok());
    let inspected = prints(path, "inspect run/model.safetensors in.csv");
    assert_holds(
        &inspected,
        &["Scale of the inputs: standard", "small", "large", "header yes, label column 'kind' (3 of 3)"],
    );
    run(path, "export run/model.safetensors -o run.onnx");
    let onnx = fs::read(path.join("run.onnx")).unwrap();
    let holds = |name: &[u8]| onnx.windows(name.len()).any(|window| window == name);
    assert!(holds(b"scale.divisor") && holds(b"input.scaled"));
    // A training that starts from the model scales as it did; a pruned network does too.
    assert_holds(
        &says(path, "train in.csv --init run/model.safetensors --steps 3 --out on"),
        &["scale standard, as the model that the training starts from"],
    );
    run(path, "prune run/model.safetensors in.csv -o small.safetensors");
    assert_eq!(json(path, "evaluate small.safetensors in.csv --json")["accuracy"], result["test_accuracy"]);

    // Unscaled, as it was asked for, is said when reading, at the end, and by prune.
    let output = run(path, "train in.csv --scale none --hidden 10,10 --out none");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_holds(&said, &["inputs as they are", "'large' reaches", "--scale standard"]);
    let document: Value = serde_json::from_str(&fs::read_to_string(path.join("none/run.json")).unwrap()).unwrap();
    if document["result"]["constant_replicas"].as_array().is_some_and(|replicas| !replicas.is_empty()) {
        assert_holds(&said, &["warning  ", "is predicted for every sample"]);
    }
    for scale in ["maxabs", "standard"] {
        let result = json(path, &format!("train in.csv --scale {scale} --epochs 300 -q --json --out {scale}"));
        assert!(result["test_accuracy"].as_f64().unwrap() > 0.85, "{scale}: {result}");
    }
    refuses(path, "train in.csv --scale minmax", 2, &["none, standard, maxabs or pixels"]);
}

#[test]
fn dead_and_constant_networks_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let rows: String = (0..200)
        .map(|i| format!("{:.3},{:.3},{}\n", uniform(2 * i), uniform(2 * i + 1), ["no", "yes", "no"][i % 3]))
        .collect();
    write(path, "in.csv", format!("a,b,kind\n{rows}"));
    // A first layer that is dead from the start, and stays so.
    let spec = asgd::NetworkSpec::new(&[2, 4, 3, 1]).unwrap();
    let mut start = asgd::Init::Kaiming.model(&spec, &[1]).unwrap();
    start.bias_mut(0, 0).fill(-1e6);
    start.save(&path.join("dead.safetensors")).unwrap();
    let output = run(path, "train in.csv --init dead.safetensors --epochs 3 --json --out run");
    assert_holds(
        &String::from_utf8(output.stderr).unwrap(),
        &[
            "warning  hidden layer 1 has no living node: no training sample activates any",
            "warning  class 'no' is predicted for every sample; try ",
        ],
    );
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (result["dead_replicas"].to_string(), result["constant_replicas"].to_string()),
        ("[0]".into(), "[0]".into())
    );
    let pruned = prints(path, "prune run/model.safetensors in.csv -o small.safetensors");
    assert_holds(&pruned, &["hidden layer 1 has no living node: the network says the same of every sample"]);
    assert!(!pruned.contains("saved"), "{pruned}");
    // Nothing of the kind is said of a network that learns.
    let said = says(path, "train circles --epochs 100 --out circles");
    assert!(!said.contains("warning"), "{said}");
}

#[test]
fn images_0_255() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let titles: String = (0..36).map(|i| format!(",p{i}")).collect();
    let (mut bytes, mut unit) = (format!("label{titles}\n"), format!("label{titles}\n"));
    for i in 0..300 {
        let pixels: Vec<u8> = (0..36)
            .map(|p| (255.0 * (0.8 * uniform(i % 3 * 36 + p) + 0.2 * uniform(999 + i * 36 + p))) as u8)
            .collect();
        bytes += &format!("{}{}\n", i % 3, pixels.iter().map(|pixel| format!(",{pixel}")).collect::<String>());
        unit += &format!(
            "{}{}\n",
            i % 3,
            pixels.iter().map(|&pixel| format!(",{}", f64::from(pixel) / 255.0)).collect::<String>()
        );
    }
    write(path, "bytes.csv", bytes);
    write(path, "unit.csv", unit);
    let output = run(path, "train bytes.csv --label label --epochs 100 --json --out bytes");
    assert_holds(
        &String::from_utf8(output.stderr).unwrap(),
        &["data     inputs divided by 255; all are whole numbers from 0 to 255, as pixels are"],
    );
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    let unit = json(path, "train unit.csv --label label --epochs 100 -q --json --out unit");
    assert_eq!(result["test_loss"], unit["test_loss"], "the same numbers");
    assert!(result["test_accuracy"].as_f64().unwrap() > 0.95, "{result}");
    assert_eq!(
        prints(path, "predict bytes/model.safetensors bytes.csv"),
        prints(path, "predict unit/model.safetensors unit.csv")
    );
    assert_holds(
        &says(path, "train bytes.csv --label label --scale none --steps 3 --out none"),
        &["inputs as they are"],
    );
    assert_holds(
        &says(path, "train bytes.csv --steps 3 --force-classes --out last"),
        &["--label label takes them from 'label'"],
    );
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

#[test]
fn predict_reads_rows_as_they_come() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write(path, "in.csv", table("a,b,c,kind\n", &[0, 1, 2, 3]));
    run(path, "train in.csv --steps 5 -q --out run");
    let mut child = asgd(path, "predict run/model.safetensors -").stdin(std::process::Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), b"c,a,b\n1,2,3\n0,1,0\n").unwrap();
    drop(child.stdin.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 3);
    assert_holds(&String::from_utf8(output.stderr).unwrap(), &["put in order by their titles: a, b, c"]);
    refuses(path, "predict run/model.safetensors in.csv --drop a", 1, &["no column 'a'"]);
}

/// One NumPy array.
fn npy(descr: &str, order: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat()
}

fn npz(folder: &Path, name: &str, arrays: [Vec<u8>; 4]) {
    let mut archive = zip::ZipWriter::new(fs::File::create(folder.join(name)).unwrap());
    for (name, array) in ["x_train", "y_train", "x_test", "y_test"].iter().zip(arrays) {
        archive.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut archive, &array).unwrap();
    }
    archive.finish().unwrap();
}

fn pixels(count: usize) -> Vec<u8> {
    (0..count * 36).map(|i| (255.0 * uniform(i)) as u8).collect()
}

/// Both sets, 64 and 30 samples of 6 x 6 pixels, whose labels are `descr` made by `label`.
fn labelled(descr: &str, label: &dyn Fn(usize) -> Vec<u8>) -> [Vec<u8>; 4] {
    let y =
        |count: usize| npy(descr, "False", &format!("({count},)"), &(0..count).flat_map(label).collect::<Vec<u8>>());
    let x = |count: usize| npy("|u1", "False", &format!("({count}, 6, 6)"), &pixels(count));
    [x(64), y(64), x(30), y(30)]
}

#[test]
fn npz_classes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let whole = |label: &dyn Fn(usize) -> usize| labelled("<i8", &|i| (label(i) as i64).to_le_bytes().to_vec());
    let said = |arrays: [Vec<u8>; 4]| {
        npz(path, "in.npz", arrays);
        says(path, "train in.npz --steps 3 --batch-size 16 --out run")
    };
    assert_holds(&said(whole(&|i| i % 3)), &["64 training and 30 test samples, 36 features, 3 classes"]);
    assert_holds(&said(whole(&|i| i % 26 + 1)), &["26 classes", "data     classes from the labels: 1, 2, 3"]);
    let names = asgd::Model::load(&path.join("run/model.safetensors")).unwrap().class_names;
    assert_eq!((names.len(), names[25].as_str()), (26, "26"));
    assert_eq!(json(path, "evaluate run/model.safetensors in.npz --json")["samples"], 30);
    assert_eq!(prints(path, "predict run/model.safetensors in.npz").lines().count(), 31);
    for (descr, label) in [
        ("<f8", &(|i: usize| ((i % 2) as f64).to_le_bytes().to_vec()) as &dyn Fn(usize) -> Vec<u8>),
        (">f8", &|i| ((i % 2) as f64).to_be_bytes().to_vec()),
        ("|b1", &|i| vec![(i % 2) as u8]),
        ("|u1", &|i| vec![(i % 2) as u8]),
        ("<u8", &|i| ((i % 2) as u64).to_le_bytes().to_vec()),
        ("<i4", &|i| (1 - 2 * (i as i32 % 2)).to_le_bytes().to_vec()),
        ("<f2", &|i| [0u16, 0x3c00][i % 2].to_le_bytes().to_vec()),
    ] {
        assert_holds(&said(labelled(descr, label)), &["36 features, 2 classes"]);
    }
    let refuses = |arrays: [Vec<u8>; 4], words: &[&str]| {
        npz(path, "bad.npz", arrays);
        refuses(path, "train bad.npz --steps 3 --out bad", 1, &[&["bad.npz"], words].concat());
    };
    refuses(labelled("<f8", &|i| (i as f64 / 7.0).to_le_bytes().to_vec()), &["y_train", "regression target"]);
    refuses(labelled("<f8", &|_| f64::NAN.to_le_bytes().to_vec()), &["y_train", "label 0", "missing"]);
    refuses(labelled("<U1", &|i| vec![b'a' + (i % 2) as u8, 0, 0, 0]), &["y_train", "holds text", "accepted are"]);
    refuses(labelled("<i8", &|_| 4i64.to_le_bytes().to_vec()), &["all labels are 4"]);
    let mut one_hot = whole(&|i| i % 3);
    for (place, count) in [(1, 64), (3, 30)] {
        let rows: Vec<u8> = (0..count).flat_map(|i| (0..3).map(move |k| u8::from(i % 3 == k))).collect();
        one_hot[place] = npy("|u1", "False", &format!("({count}, 3)"), &rows);
    }
    refuses(one_hot, &["y_train is one-hot", "y_train.argmax(axis=1)"]);
    let mut empty = whole(&|i| i % 3);
    empty[0] = npy("|u1", "False", "(0, 6, 6)", &[]);
    empty[1] = npy("<i8", "False", "(0,)", &[]);
    refuses(empty, &["x_train is empty"]);
    let mut nested = whole(&|i| i % 3);
    nested[0] = npy("|u1", "False", &format!("({}2{})", "(".repeat(56), ")".repeat(56)), &[]);
    refuses(nested, &["x_train", "brackets"]);
}

#[test]
fn npz_inputs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let labels = |count: usize| {
        npy("|u1", "False", &format!("({count},)"), &(0..count).map(|i| (i % 3) as u8).collect::<Vec<_>>())
    };
    let with = |descr: &str, order: &str, value: &dyn Fn(u8) -> Vec<u8>| {
        let x = |count: usize| {
            let mut pixels = pixels(count);
            if order == "True" {
                let by_row = pixels.clone();
                let (mut place, shape) = (0, [count, 6, 6]);
                for c in 0..shape[2] {
                    for b in 0..shape[1] {
                        for a in 0..shape[0] {
                            pixels[place] = by_row[a * 36 + b * 6 + c];
                            place += 1;
                        }
                    }
                }
            }
            npy(
                descr,
                order,
                &format!("({count}, 6, 6)"),
                &pixels.iter().flat_map(|&pixel| value(pixel)).collect::<Vec<u8>>(),
            )
        };
        npz(path, "in.npz", [x(64), labels(64), x(30), labels(30)]);
        let output = run(path, "train in.npz --epochs 3 --batch-size 16 --seed 4 --json --out run");
        let result: Value = serde_json::from_slice(&output.stdout).unwrap();
        (result["test_loss"].as_f64().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (bytes, said) = with("|u1", "False", &|pixel| vec![pixel]);
    assert!(!said.contains("divided"), "{said}");
    for (descr, order, value) in [
        ("|u1", "True", &(|pixel: u8| vec![pixel]) as &dyn Fn(u8) -> Vec<u8>),
        ("<i8", "False", &|pixel| i64::from(pixel).to_le_bytes().to_vec()),
        ("<f8", "True", &|pixel| f64::from(pixel).to_le_bytes().to_vec()),
        (">f4", "False", &|pixel| f32::from(pixel).to_be_bytes().to_vec()),
        (">u2", "False", &|pixel| u16::from(pixel).to_be_bytes().to_vec()),
    ] {
        let (loss, said) = with(descr, order, value);
        assert_eq!(loss, bytes, "{descr} {order}");
        assert_eq!(said.contains("from 0 to 255, as pixels are: divided by 255"), descr != "|u1", "{said}");
    }
    let (unit, said) = with("<f4", "False", &|pixel| (f32::from(pixel) / 255.0).to_le_bytes().to_vec());
    assert_eq!(unit, bytes);
    assert!(!said.contains("standardised"), "{said}");
    let (_, said) = with("<f4", "False", &|pixel| (f32::from(pixel) * 100.0 - 7.5).to_le_bytes().to_vec());
    assert_holds(&said, &["data     inputs standardised: (x - mean) / standard deviation of the training set"]);
}

fn idx(number: u8, sizes: &[u32], data: &[u8]) -> Vec<u8> {
    let sizes: Vec<u8> = sizes.iter().flat_map(|size| size.to_be_bytes()).collect();
    [&[0, 0, number, (sizes.len() / 4) as u8][..], &sizes, data].concat()
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, bytes).unwrap();
    packed.finish().unwrap()
}

#[test]
fn idx_files_of_all_kinds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let labels = |count: usize| idx(8, &[count as u32], &(0..count).map(|i| (i % 3) as u8).collect::<Vec<_>>());
    let images = |number: u8, value: &dyn Fn(u8) -> Vec<u8>, count: usize| {
        idx(number, &[count as u32, 6, 6], &pixels(count).into_iter().flat_map(value).collect::<Vec<_>>())
    };
    let set = |images: &dyn Fn(usize) -> Vec<u8>| {
        fs::create_dir_all(path.join("set")).unwrap();
        for (split, count) in [("train", 64), ("t10k", 30)] {
            write(path, &format!("set/{split}-images-idx3-ubyte"), images(count));
            write(path, &format!("set/{split}-labels-idx1-ubyte"), labels(count));
        }
    };
    let loss = || json(path, "train set --epochs 2 --batch-size 16 -q --json --out run")["test_loss"].clone();
    let plain = |count| images(8, &|pixel| vec![pixel], count);
    set(&plain);
    let expected = loss();
    set(&|count| packed(&plain(count)));
    assert_eq!(loss(), expected, "packed, whatever the name says");
    for (number, value) in [
        (11, &(|pixel: u8| i16::from(pixel).to_be_bytes().to_vec()) as &dyn Fn(u8) -> Vec<u8>),
        (12, &|pixel| i32::from(pixel).to_be_bytes().to_vec()),
        (13, &|pixel| f32::from(pixel).to_be_bytes().to_vec()),
        (14, &|pixel| f64::from(pixel).to_be_bytes().to_vec()),
        (14, &|pixel| (f64::from(pixel) / 255.0).to_be_bytes().to_vec()),
    ] {
        set(&|count| images(number, value, count));
        assert_eq!(loss(), expected, "type {number}");
    }
    set(&|count| [plain(count), vec![0; 7]].concat());
    assert_holds(
        &says(path, "train set --steps 2 --out other"),
        &["train-images-idx3-ubyte: 7 bytes after the end are left out"],
    );
    set(&|count| [packed(&plain(count)), vec![0; 512]].concat());
    assert_eq!(loss(), expected, "zeros behind a packed file");
    set(&plain);
    // Images alone are answered: a file, a folder, whatever holds them.
    let answers = prints(path, "predict run/model.safetensors set");
    assert_eq!(answers.lines().count(), 31);
    assert_eq!(prints(path, "predict run/model.safetensors set/t10k-images-idx3-ubyte"), answers);
    assert_eq!(prints(path, "predict run/model.safetensors set/train-images-idx3-ubyte").lines().count(), 65);
    refuses(path, "predict run/model.safetensors set/t10k-labels-idx1-ubyte", 1, &["it holds labels"]);
    refuses(path, "predict run/model.safetensors set --label 1", 2, &["--label", "is no table"]);
    assert_eq!(json(path, "evaluate run/model.safetensors set --split train --json")["trained_on"], 64);
    write(path, "set/t10k-images-idx3-ubyte", idx(8, &[0, 6, 6], &[]));
    refuses(path, "train set --steps 2", 1, &["t10k-images-idx3-ubyte", "is empty: it holds no images"]);
    refuses(path, "train set/train-images-idx3-ubyte --steps 2", 1, &["is an IDX file", "folder of the four files"]);
}
