//! `asgd check`: this machine's devices pass, every test is named, and what it says is what its exit code says.

use asgd::check::shaders;
use serde_json::Value;
use tempfile::TempDir;

use crate::command::{adapter, asgd, devices, refuses, run, without_adapters};

/// Tests of trainings, which every device has.
const TRAININGS: [&str; 21] = [
    "batches",
    "evaluation 784-30-20-10 u8",
    "1 step 784-30-20-10 u8",
    "50 steps 784-30-20-10 u8",
    "alone 784-30-20-10 u8",
    "evaluation 2-10-10-10-10-10-1 f32",
    "1 step 2-10-10-10-10-10-1 f32",
    "50 steps 2-10-10-10-10-10-1 f32",
    "alone 2-10-10-10-10-10-1 f32",
    "evaluation 40-130-40-3 f32",
    "1 step 40-130-40-3 f32",
    "50 steps 40-130-40-3 f32",
    "alone 40-130-40-3 f32",
    "evaluation 2-8-1 f32, normalized",
    "1 step 2-8-1 f32, normalized",
    "50 steps 2-8-1 f32, normalized",
    "alone 2-8-1 f32, normalized",
    "evaluation 3-10-10-1 f32",
    "1 step 3-10-10-1 f32",
    "50 steps 3-10-10-1 f32",
    "alone 3-10-10-1 f32",
];

/// The CPU and every adapter, all tests in their order.
#[test]
fn all_devices_pass() {
    let folder = TempDir::new().unwrap();
    let output = asgd(folder.path(), "check --json").output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["passed"], stderr.as_ref()), (&Value::Bool(true), ""), "{report}");
    let devices = report["devices"].as_array().unwrap();
    assert!(devices.iter().any(|device| device["backend"] == "native"), "{report}");
    assert!(devices.iter().any(|device| device["name"].as_str().unwrap().contains(&adapter())), "{report}");
    for device in devices {
        let tests = device["tests"].as_array().unwrap();
        let shaders = shaders::ALL.iter().map(|check| format!("shader {}", check.name));
        let shaders = shaders.filter(|_| device["backend"] != "native");
        let expected: Vec<String> = shaders.chain(TRAININGS.map(String::from)).collect();
        let found: Vec<&str> = tests.iter().map(|test| test["test"].as_str().unwrap()).collect();
        assert_eq!(found, expected, "{}", device["name"]);
        let keeps_subnormals = device["keeps_subnormals"].as_bool().unwrap();
        assert!(keeps_subnormals || device["backend"] != "native", "{device}");
        for test in tests {
            assert!(test["passed"] == true && test["values"].as_u64().unwrap() > 0, "{test}");
            assert!(test["largest_error"].as_f64().is_none_or(|units| units <= 1.0), "{test}");
            assert!(test["mismatch"].is_null() && test["error"].is_null() && test["seconds"].is_f64(), "{test}");
        }
        // Where nothing is compared but integers and bits, errors have no size.
        let exact = tests.iter().filter(|test| test["largest_error"].is_null());
        assert!(exact.map(|test| &test["test"]).any(|name| name == "batches"), "{device}");
    }
}

/// `--device` restricts it to one; the table has a row a test.
#[test]
fn a_device_by_name() {
    let folder = TempDir::new().unwrap();
    let output = without_adapters(&mut asgd(folder.path(), "check --device cpu --threads 2")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.starts_with("CPU (") && !text.contains("shader"), "{text}");
    for test in TRAININGS {
        let row = text.lines().find(|line| line.trim_start().starts_with(test));
        assert!(row.is_some_and(|row| row.ends_with("  passed")), "{test}: {text}");
    }
    assert!(text.lines().any(|line| line.contains("batches") && line.contains("exact")), "{text}");
    assert!(text.lines().any(|line| line.contains("numbers below 1.2e-38") && line.ends_with("  kept")), "{text}");
    assert!(text.lines().last().unwrap().starts_with("All 21 tests passed on 1 device in "), "{text}");
}

#[test]
fn devices_that_are_none() {
    let folder = TempDir::new().unwrap();
    refuses(folder.path(), "check --device abacus", 2, &["no device is called 'abacus'", "there is: cpu"]);
    refuses(folder.path(), "check --device cpu --threads 0", 2, &["--threads"]);
}

/// The last line of a training is what `cat FILES | sha256sum` says, and training again gives it again, on any of the devices, of
/// a sweep and of a run that was made longer too.
#[test]
fn finished_runs_are_trained_again() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let train = "train --hidden 7,5 --replicas 2 --epochs 8 --eval-every 3";
    let last_line = |arguments: &str| {
        let output = String::from_utf8(run(path, arguments).stdout).unwrap();
        output.lines().last().unwrap().to_string()
    };
    let digest_of = |folder: &str, names: &[&str]| {
        asgd::digest::sha256(names.iter().map(|name| std::fs::read(path.join(folder).join(name)).unwrap()))
    };
    let [cpu, adapter] = devices();
    for device in [&cpu, &adapter] {
        let line = last_line(&format!("{train} --device {device} --out {device}"));
        let sha256 = digest_of(device, &["model.safetensors", "metrics.csv"]);
        assert_eq!(line, format!("sha256 {sha256} of model.safetensors metrics.csv"));
    }
    run(path, "train --resume cpu --epochs 12");
    let line = last_line(&format!("{train} --lr 0.1,0.2 --device cpu --threads 1 --out sweep"));
    let sha256 = digest_of("sweep", &["models/cell-1.safetensors", "models/cell-2.safetensors", "metrics.csv"]);
    assert_eq!(line, format!("sha256 {sha256} of models/cell-{{1..2}}.safetensors metrics.csv"));

    let output = String::from_utf8(run(path, &format!("check --runs cpu {adapter} sweep")).stdout).unwrap();
    assert_eq!(output.matches("the same bits").count(), 3, "{output}");
    let output = String::from_utf8(run(path, "check --json --runs cpu").stdout).unwrap();
    let document: Value = serde_json::from_str(&output).unwrap();
    assert_eq!(document["runs"][0]["sha256"], digest_of("cpu", &["model.safetensors", "metrics.csv"]));

    // Another seed than run.json says: other bits, and why.
    let settings = path.join("sweep/settings.json");
    let text = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, text.replacen("\"--replicas\",", "\"--seed\", \"9\", \"--replicas\",", 1)).unwrap();
    let output = asgd(path, "check --runs sweep cpu").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(
        stdout.contains("OTHER BITS") && stdout.contains("settings initial_sha256") && stdout.contains("the same bits"),
        "{stdout}"
    );
    assert!(stderr.contains("1 of 2 runs gave other bits") && stderr.contains("sweep"), "{stderr}");

    let metrics = path.join("cpu/metrics.csv");
    let text = std::fs::read_to_string(&metrics).unwrap();
    std::fs::write(&metrics, text.replacen("0.", "1.", 1)).unwrap();
    refuses(path, "check --runs cpu", 1, &["cpu", "changed after it was finished"]);
    std::fs::remove_file(path.join("cpu/run.json")).unwrap();
    refuses(path, "check --runs cpu", 1, &["cpu", "holds no finished run"]);
}
