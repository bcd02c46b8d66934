//! Other rows for a trained network: columns in another order, rows that it was trained on, rows as they come.

use std::fs;

use serde_json::Value;

use crate::command::{asgd, refuses, run};
use crate::support::{assert_holds, json, normal, prints, says, table, uniform, write};

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
