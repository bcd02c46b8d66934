//! `asgd bench`: what it prints and writes agrees with itself, on the CPU and on an adapter.

use serde_json::Value;
use tempfile::TempDir;

use crate::command::{adapter, refuses, run};

/// Short measurements, whose figures mean nothing.
const SHORT: &str = "--rounds 2 --seconds 0.01";

/// Of two.
fn median(values: &Value) -> f64 {
    let values: Vec<f64> = values.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
    assert_eq!(values.len(), 2);
    (values[0] + values[1]) / 2.0
}

#[test]
fn figures_agree_with_the_times_that_they_are_from() {
    let folder = TempDir::new().unwrap();
    let output = run(folder.path(), &format!("bench circles-R2 circles-R3 --device cpu {SHORT} --json"));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["device"]["name"], &report["rounds"]), (&Value::from("cpu"), &Value::from(2)));
    assert!(output.stderr.is_empty() && std::fs::read_dir(folder.path()).unwrap().next().is_none());
    let workloads = report["workloads"].as_array().unwrap();
    assert_eq!(workloads.len(), 2);
    for (replicas, measured) in [2.0, 3.0].into_iter().zip(workloads) {
        assert_eq!((measured["replicas"].as_f64(), &measured["kernels"]), (Some(replicas), &Value::Array(vec![])));
        let us = median(&measured["us"]);
        assert!(us > 0.0 && median(&measured["sgd_us"]) > 0.0, "{measured}");
        // By hand: 2-10-10-10-10-10-1 has 30 + 4 x 110 + 11 parameters; the first layer has no deltas before it.
        let operations = (4 * 30 + 6 * (440 + 11)) as f64 * 128.0 * replicas;
        let bytes = replicas * (12 * 30 + 16 * (440 + 11) + 128 * (2 * 4 * 2 + 24 * 51)) as f64;
        for (name, of_step) in [("dense_gflops", operations / 1e3), ("gigabytes_per_second", bytes / 1e3)] {
            let found = measured[name].as_f64().unwrap();
            assert!((found * us / of_step - 1.0).abs() < 1e-9, "{name}: {measured}");
        }
        let samples = measured["samples_per_second"].as_f64().unwrap();
        assert!((samples * us / (128e6 * replicas) - 1.0).abs() < 1e-9, "{measured}");
        assert!((0.0..=1.0).contains(&measured["accuracy"].as_f64().unwrap()));
    }
}

#[test]
fn a_table_and_a_figure_are_written() {
    let folder = TempDir::new().unwrap();
    let bench = format!("bench mnist-R1 circles-R2 --device {} {SHORT} --peak-tflops 2 --peak-gbs 50", adapter());
    let output = run(folder.path(), &bench);
    let stdout = String::from_utf8(output.stdout).unwrap();
    let out = folder.path().join("runs/bench-1");
    let read = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
    let rows = |name: &str| -> Vec<std::collections::HashMap<String, String>> {
        csv::Reader::from_reader(read(name).as_bytes()).deserialize().map(Result::unwrap).collect()
    };
    let number = |row: &std::collections::HashMap<String, String>, name: &str| -> f64 { row[name].parse().unwrap() };
    let bench = rows("bench.csv");
    assert_eq!(bench.iter().map(|row| row["workload"].as_str()).collect::<Vec<_>>(), ["mnist-R1", "circles-R2"]);
    for row in &bench {
        let [gflops, share] = ["dense GFLOP/s", "% of peak FLOP/s"].map(|name| number(row, name));
        assert!((share - gflops / 2000.0 * 100.0).abs() < 1e-9 * share, "{row:?}");
        let [rate, share] = ["GB/s", "% of peak GB/s"].map(|name| number(row, name));
        assert!((share - rate / 50.0 * 100.0).abs() < 1e-9 * share, "{row:?}");
        let [low, median, high] = ["lowest", "aSGD us/step", "highest"].map(|name| number(row, name));
        assert!(low <= median && median <= high, "{row:?}");
    }
    let kernels = rows("kernels.csv");
    let forms = [
        ("mnist-R1", &["permute", "gather", "select", "propagate", "update"][..]),
        ("circles-R2", &["permute", "gather", "step"]),
    ];
    for (workload, expected) in forms {
        let own = kernels.iter().filter(|row| row["workload"] == workload);
        let names: Vec<&str> = own.clone().map(|row| row["kernel"].as_str()).collect();
        assert_eq!(names, expected);
        let all: f64 = own.map(|row| number(row, "% of all kernels")).sum();
        assert!((all - 100.0).abs() < 1e-6, "{all}");
    }
    for word in ["mnist-R1", "circles-R2", "propagate", "step", "bench-1"] {
        assert!(stdout.contains(word), "{stdout}");
    }
    assert!(read("bench.md").contains("| mnist-R1 |") && read("bench.svg").contains("circles-R2"));
    run(folder.path(), &format!("bench circles-R1 --device cpu {SHORT}"));
    assert!(folder.path().join("runs/bench-2/bench.csv").exists());
    let adam = run(folder.path(), &format!("bench circles-R2 --optimizer adam --device cpu {SHORT} --json"));
    assert_eq!(serde_json::from_slice::<Value>(&adam.stdout).unwrap()["optimizer"], "adam");
    let adam = run(folder.path(), &format!("bench circles-R2 --optimizer adam --device cpu {SHORT}"));
    assert!(String::from_utf8(adam.stdout).unwrap().contains("adam / SGD"));
    // What an earlier run on another device left does not stay.
    run(folder.path(), &format!("bench circles-R1 circles-R01 --device cpu {SHORT} --out runs/bench-1"));
    assert_eq!((rows("bench.csv").len(), out.join("kernels.csv").exists()), (1, false));
}

#[test]
fn mistakes_are_refused() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    for (arguments, words) in [
        ("bench mnist", ["'mnist'", "NAME-RN"]),
        ("bench mnist-R0", ["'mnist-R0'", "NAME-RN"]),
        ("bench cifar-R1", ["'cifar-R1'", "circles-R100"]),
        ("bench --rounds 0", ["--rounds", "at least 1"]),
        ("bench --peak-tflops 0", ["--peak-tflops", "0"]),
        ("bench circles-R1 --out file", ["--out", "file is a file"]),
        ("bench --seconds 3601", ["--seconds", "hour"]),
        ("bench circles-R99999999999 --device cpu --json", ["circles-R99999999999: this workload", "memory"]),
        ("bench circles-R1 --out file/sub", ["file/sub", "cannot be made"]),
        ("bench mnist-R1 --device cpu --data-dir nowhere", ["nowhere/mnist", "asgd data fetch mnist"]),
    ] {
        let is_usage = !["data-dir", "R99999", "/sub"].iter().any(|word| arguments.contains(word));
        let code = if is_usage { 2 } else { 1 };
        refuses(folder.path(), arguments, code, &words);
    }
}
