//! Memory: foretold before the start, held against the peak, and no more for more steps.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use crate::command::{adapter, run};

/// Bytes that were predicted, and the peak.
fn memory_of(arguments: &str) -> (f64, f64) {
    let folder = TempDir::new().unwrap();
    run(folder.path(), &format!("train {arguments} --quiet --out run"));
    let document: Value =
        serde_json::from_str(&fs::read_to_string(folder.path().join("run/run.json")).unwrap()).unwrap();
    let bytes = |key: &str| document["memory"][key].as_f64().unwrap();
    (bytes("predicted_bytes"), bytes("peak_bytes"))
}

/// One network, so many that they are what takes the memory, moments, cells, kept networks.
#[test]
#[cfg(target_os = "linux")]
fn the_peak_is_as_predicted() {
    for arguments in [
        "",
        "--replicas 3000",
        "--replicas 300 --hidden 100,60 --optimizer adam",
        "--replicas 100 --hidden 100,60 --optimizer sgd,adam,asgd",
        "--replicas 400 --hidden 100,60 --eval-every 1 --checkpoint-every 1 --validation 0.1 --patience 9",
        "--replicas 60 --hidden 500,300",
        "--replicas 200 --hidden 100,60 --device cpu",
    ] {
        let (predicted, peak) = memory_of(&format!("circles --samples 100 --epochs 2 --device cpu {arguments}"));
        println!("{:.2}  {:6.1} MiB  {arguments}", predicted / peak, peak / f64::from(1 << 20));
        assert!((predicted / peak - 1.0).abs() < 0.2, "{arguments}: {predicted} {peak}");
    }
}

/// With as many evaluations, ten times the steps take the memory of one time.
#[test]
#[cfg(target_os = "linux")]
fn more_steps_take_no_more_memory() {
    for (device, steps) in [("cpu".to_string(), 4000), (adapter(), 400)] {
        let peak = |times: usize| {
            let arguments =
                format!("circles --replicas 3 --eval-every 999 --device {device} --steps {}", times * steps);
            memory_of(&arguments).1
        };
        let (once, more) = (peak(1), peak(10));
        println!("{device}: {:.1} and {:.1} MiB", once / 1048576.0, more / 1048576.0);
        assert!(more < once + f64::from(4 << 20), "{device}: {once} {more}");
    }
}
