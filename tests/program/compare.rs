//! `asgd compare`: its numbers are those of the runs' files, the best run is the best, and what cannot be compared is refused.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::command::page::{Metrics, mean_and_deviation, spread, stands_alone, table};
use crate::command::{refuses, run};

fn compare(folder: &Path, arguments: &str) -> Value {
    serde_json::from_slice(&run(folder, &format!("compare {arguments} --json")).stdout).unwrap()
}

#[track_caller]
fn is_close(actual: &Value, expected: f64) {
    let actual = actual.as_f64().unwrap_or(f64::NAN);
    assert!((actual - expected).abs() < 1e-9, "{actual} {expected}");
}

/// Two good runs and one that learns nothing.
fn three_runs() -> TempDir {
    let folder = TempDir::new().unwrap();
    let train = "train circles --replicas 3 --quiet";
    run(folder.path(), &format!("{train} --epochs 20 --lr 0.05 --out runs/a"));
    run(folder.path(), &format!("{train} --epochs 20 --optimizer sgd --lr 0.001 --out runs/b"));
    run(folder.path(), &format!("{train} --epochs 30 --lr 0.05 --hidden 20 --out runs/c"));
    folder
}

/// Edits a run's metrics.csv: rows of cells, the first of titles.
fn edit(folder: &Path, change: impl Fn(&mut Vec<Vec<String>>)) {
    let path = folder.join("metrics.csv");
    let text = fs::read_to_string(&path).unwrap();
    let mut rows: Vec<Vec<String>> = text.lines().map(|line| line.split(',').map(String::from).collect()).collect();
    change(&mut rows);
    fs::write(path, rows.iter().map(|row| row.join(",") + "\n").collect::<String>()).unwrap();
}

#[test]
fn its_numbers_are_those_of_the_files() {
    let folder = three_runs();
    let path = folder.path();
    let document = compare(path, "runs/a runs/b runs/c");
    assert_eq!(document["differences"], json!(["widths", "optimizer", "learning_rate", "epochs"]));
    let mut accuracies = Vec::new();
    for (run, name) in document["runs"].as_array().unwrap().iter().zip(["a", "b", "c"]) {
        assert_eq!((&run["run"], &run["finished"], &run["replicas"]), (&json!(name), &json!(true), &json!(3)));
        let metrics = Metrics::read(&path.join("runs").join(name));
        for key in ["test_accuracy", "test_loss"] {
            let (mean, deviation) = mean_and_deviation(&metrics.last(0..3, key));
            is_close(&run[key], mean);
            is_close(&run[format!("{key}_std")], deviation);
        }
        let losses: Vec<Vec<(u64, f64)>> = (0..3).map(|replica| metrics.of_replica(replica, "test_loss")).collect();
        let means = (0..losses[0].len())
            .map(|index| (losses[0][index].0, losses.iter().map(|losses| losses[index].1).sum::<f64>() / 3.0));
        let (step, lowest) = means.min_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
        assert_eq!(run["lowest_test_loss"]["step"], json!(step));
        assert_eq!(run["lowest_test_loss"]["epoch"], json!(step as f64 / 11.0));
        is_close(&run["lowest_test_loss"]["test_loss"], lowest);
        let finished: Value =
            serde_json::from_slice(&fs::read(path.join("runs").join(name).join("run.json")).unwrap()).unwrap();
        is_close(&run["test_accuracy"], finished["result"]["test_accuracy"].as_f64().unwrap());
        assert_eq!(run["seconds"], finished["result"]["seconds"]);
        accuracies.push(run["test_accuracy"].as_f64().unwrap());
    }
    let highest = accuracies.iter().copied().fold(0.0, f64::max);
    let best: Vec<bool> =
        document["runs"].as_array().unwrap().iter().map(|run| run["best"].as_bool().unwrap()).collect();
    assert_eq!(best, accuracies.iter().map(|accuracy| *accuracy == highest).collect::<Vec<_>>());
    assert!(!best[1], "the run that learns nothing");

    // The table says the same, and so does the page.
    let said = String::from_utf8(run(path, "compare runs/a runs/b runs/c --report page.html").stdout).unwrap();
    assert!(said.starts_with("all: data set circles, "), "{said}");
    assert!(said.ends_with("compare.svg, page.html\n"), "{said}");
    let page = fs::read_to_string(path.join("page.html")).unwrap();
    stands_alone(&page);
    for (index, row) in table(&page, "runs").iter().enumerate() {
        assert_eq!(row[0].ends_with(" *"), best[index], "{row:?}");
        let expected = document["runs"][index]["test_accuracy"].as_f64().unwrap();
        assert!((spread(&row[5]).0 - expected).abs() < 6e-5, "{row:?}");
        let line = said.lines().find(|line| line.starts_with(&format!(" {} ", row[0]))).unwrap();
        assert!(row.iter().all(|cell| line.contains(cell)), "{line} {row:?}");
    }
    let figure = fs::read_to_string(path.join("compare.svg")).unwrap();
    for words in ["epoch", "b: 2-10-10-1, sgd, lr 0.001", "c: 2-20-1, asgd, lr 0.05", "test loss", "test accuracy"] {
        assert!(figure.contains(words), "{words}");
    }
    run(path, "compare runs/a runs/b --by step --figure by-step.svg");
    let figure = fs::read_to_string(path.join("by-step.svg")).unwrap();
    assert!(figure.contains("\nstep\n") && !figure.contains("\nepoch\n") && figure.contains("\n200\n"));
}

/// Other columns, another order: only titles count.
#[test]
fn columns_go_by_their_titles() {
    let folder = three_runs();
    let path = folder.path();
    let before = compare(path, "runs/a runs/b");
    edit(&path.join("runs/a"), |rows| {
        for (index, row) in rows.iter_mut().enumerate() {
            row.push(if index == 0 { "validation_loss".into() } else { "0.5".into() });
            row.reverse();
        }
    });
    assert_eq!(compare(path, "runs/a runs/b"), before);
}

#[test]
fn unfinished_runs_are_compared_as_far_as_all_their_replicas_are() {
    let folder = three_runs();
    let path = folder.path();
    let b = path.join("runs/b");
    fs::remove_file(b.join("run.json")).unwrap();
    // The last replica was at epoch 7 when the run was stopped.
    edit(&b, |rows| rows.retain(|row| !(row[0] == "2" && row[1].parse::<f64>().is_ok_and(|epoch| epoch > 7.0))));
    let document = compare(path, "runs/a runs/b");
    let unfinished = &document["runs"][1];
    assert_eq!((&unfinished["finished"], &unfinished["seconds"]), (&json!(false), &Value::Null));
    assert_eq!(unfinished["epoch"], json!(7.0));
    let metrics = Metrics::read(&b);
    let at_epoch_7: Vec<f64> = (0..3)
        .map(|replica| metrics.of_replica(replica, "test_loss").iter().find(|(step, _)| *step == 77).unwrap().1)
        .collect();
    is_close(&unfinished["test_loss"], mean_and_deviation(&at_epoch_7).0);
    let said = String::from_utf8(run(path, "compare runs/a runs/b").stdout).unwrap();
    assert!(said.contains("unfinished, epoch 7") && said.contains("finished "), "{said}");
}

/// A training that begins in the folder of an earlier one is not shown with the earlier one's numbers.
#[test]
fn a_replaced_run_does_not_leave_its_metrics() {
    let folder = three_runs();
    let path = folder.path();
    let mut child =
        crate::command::asgd(path, "train circles --epochs 100000000 --eval-every 100000 --quiet --out runs/b");
    let mut child = child.spawn().unwrap();
    // Its settings are new once the old checkpoints and results are gone.
    let is_new = || fs::read_to_string(path.join("runs/b/settings.json")).is_ok_and(|text| text.contains("100000000"));
    while !is_new() {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    refuses(path, "compare runs/a runs/b", 1, &["runs/b", "has not saved any evaluation yet"]);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn the_cells_of_a_sweep_are_runs() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    run(
        path,
        "train --optimizer sgd,asgd --lr 0.05,0.5 --hidden 10 --hidden 5,4 --replicas 2 --epochs 8 --quiet --out runs/s",
    );
    run(path, "train --optimizer sgd --lr 0.2 --hidden 10 --replicas 2 --epochs 8 --quiet --out runs/p");
    let document = compare(path, "runs/s runs/p");
    let runs = document["runs"].as_array().unwrap();
    let names: Vec<&str> = runs.iter().map(|run| run["run"].as_str().unwrap()).collect();
    let cells: Vec<String> = (1..=8).map(|cell| format!("s/cell-{cell}")).chain(["p".into()]).collect();
    assert_eq!(names, cells);
    // Another share set aside is a setting, not other data.
    assert_eq!(document["differences"], json!(["widths", "optimizer", "learning_rate", "validation"]));
    assert_eq!(runs[1]["settings"]["learning_rate"], json!(0.5));
    assert_eq!(
        [&runs[0], &runs[7], &runs[8]].map(|run| &run["settings"]["widths"]),
        [&json!("2-10-1"), &json!("2-5-4-1"), &json!("2-10-1")]
    );
    let rows: Vec<Vec<String>> = fs::read_to_string(path.join("runs/s/metrics.csv"))
        .unwrap()
        .lines()
        .map(|line| line.split(',').map(String::from).collect())
        .collect();
    let [cell, step, accuracy] =
        ["cell", "epoch", "test_accuracy"].map(|title| rows[0].iter().position(|other| other == title).unwrap());
    for (index, run) in runs[..8].iter().enumerate() {
        let last = rows.iter().filter(|row| row[cell] == (index + 1).to_string() && row[step] == "8");
        let accuracies: Vec<f64> = last.map(|row| row[accuracy].parse().unwrap()).collect();
        assert_eq!(accuracies.len(), 2);
        is_close(&run["test_accuracy"], mean_and_deviation(&accuracies).0);
    }
}

#[test]
fn diverged_replicas_are_left_out_and_counted() {
    let folder = three_runs();
    let path = folder.path();
    edit(&path.join("runs/a"), |rows| {
        let [diverged, loss] =
            ["diverged", "test_loss"].map(|title| rows[0].iter().position(|other| other == title).unwrap());
        for row in rows.iter_mut().filter(|row| row[0] == "1" && row[1].parse::<f64>().is_ok_and(|epoch| epoch > 3.0)) {
            row[diverged] = "1".into();
            row[loss] = "NaN".into();
        }
    });
    let document = compare(path, "runs/a runs/b");
    let a = &document["runs"][0];
    assert_eq!(a["diverged_replicas"], json!([1]));
    let metrics = Metrics::read(&path.join("runs/a"));
    is_close(&a["test_loss"], mean_and_deviation(&metrics.last([0, 2], "test_loss")).0);
    let said = String::from_utf8(run(path, "compare runs/a runs/b").stdout).unwrap();
    assert!(said.contains("1 of 3") && said.contains("0 of 3"), "{said}");
    assert!(!fs::read_to_string(path.join("compare.svg")).unwrap().contains("NaN"));

    // Where nothing is left of a run it cannot be the best.
    edit(&path.join("runs/a"), |rows| {
        let place = rows[0].iter().position(|other| other == "diverged").unwrap();
        rows[1..].iter_mut().for_each(|row| row[place] = "1".into());
    });
    let document = compare(path, "runs/a runs/b");
    assert_eq!((&document["runs"][0]["test_accuracy"], &document["runs"][0]["best"]), (&Value::Null, &json!(false)));
    assert_eq!(document["runs"][1]["best"], json!(true));
}

/// More runs than colours: their lines are told apart by dashes, and every name is in the legend.
#[test]
fn more_runs_than_colours() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let names: Vec<String> = (1..=12).map(|number| format!("r{number}")).collect();
    for (index, name) in names.iter().enumerate() {
        run(path, &format!("train --epochs 2 --lr 0.{}5 --quiet --out {name}", index + 1));
    }
    run(path, &format!("compare {}", names.join(" ")));
    let figure = fs::read_to_string(path.join("compare.svg")).unwrap();
    for (index, name) in names.iter().enumerate() {
        assert!(figure.contains(&format!("{name}: lr 0.{}5", index + 1)), "{name}");
    }
    let twelve = fs::read_to_string(path.join("compare.svg")).unwrap().matches("<polyline").count();
    run(path, &format!("compare {}", names[..9].join(" ")));
    let nine = fs::read_to_string(path.join("compare.svg")).unwrap().matches("<polyline").count();
    assert!(twelve > nine + 3 * 20, "dashes are lines of their own: {twelve}, {nine}");
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let folder = three_runs();
    let path = folder.path();
    refuses(path, "compare", 2, &["RUN"]);
    refuses(path, "compare runs/a", 2, &["runs/a alone", "two"]);
    refuses(path, "compare runs/a runs/../runs/a", 2, &["named twice"]);
    refuses(path, "compare runs/a nothing", 1, &["nothing: no such folder"]);
    refuses(path, "compare runs/a runs", 1, &["runs: holds no run"]);
    refuses(path, "compare runs/a runs/b/run.json", 1, &["run.json: is a file", "folder"]);
    refuses(path, "compare runs/a runs/b --figure no/such/folder.svg", 1, &["no/such/folder.svg"]);

    run(path, "train circles --samples 500 --epochs 2 --quiet --out other");
    refuses(
        path,
        "compare runs/a other",
        2,
        &["runs/a (circles, 700 + 300", "other (circles, 350 + 150", "--any-data"],
    );
    assert!(!path.join("compare.svg").exists(), "what is refused leaves nothing behind");
    let document = compare(path, "runs/a other --any-data");
    assert!(document["runs"].as_array().unwrap().iter().all(|run| run["best"] == json!(false)), "{document}");
    // The same samples with another scale are the same data.
    run(path, "train circles --scale standard --epochs 2 --replicas 3 --quiet --out scaled");
    let scaled = compare(path, "runs/a scaled");
    assert_eq!(scaled["differences"], json!(["learning_rate", "epochs", "scale"]));

    let metrics = fs::read_to_string(path.join("runs/b/metrics.csv")).unwrap();
    let damaged = |text: &str, words: &[&str]| {
        fs::write(path.join("runs/b/metrics.csv"), text).unwrap();
        refuses(path, "compare runs/a runs/b", 1, words);
    };
    let fifth = metrics.lines().take(5).map(str::len).sum::<usize>() + 5;
    damaged(&metrics[..fifth + 9], &["runs/b/metrics.csv", "line 6", "titles"]);
    damaged(&metrics.replace("test_loss", "loss"), &["line 1", "'test_loss'"]);
    damaged(&metrics.replacen("\n0,0,0,", "\n0,0,zero,", 1), &["line 2", "'step'", "'zero'"]);
    damaged("", &["metrics.csv", "line 1"]);
    fs::remove_file(path.join("runs/b/metrics.csv")).unwrap();
    refuses(path, "compare runs/a runs/b", 1, &["runs/b", "no metrics.csv"]);
    fs::write(path.join("runs/b/run.json"), "{").unwrap();
    refuses(path, "compare runs/a runs/b", 1, &["runs/b/run.json", "damaged"]);
    run(path, "experiment 1 --steps 5 --out experiment --quiet");
    refuses(path, "compare runs/a experiment", 1, &["experiment", "no training"]);
}
