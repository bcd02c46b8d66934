//! Whoever pulls the plug loses nothing but the time since the last checkpoint, and resuming gives the same bits.

#![allow(missing_docs, reason = "a test binary")]

use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

mod command;

use command::{asgd, refuses, run};

const RESULTS: [&str; 4] = ["model.safetensors", "counts.safetensors", "metrics.csv", "learning_curve.svg"];

/// Three networks, 330 steps, a checkpoint an epoch.
const RUN: &str = "train --hidden 7,5 --replicas 3 --seed 4 --epochs 30 --eval-every 3 --checkpoint-every 1 --quiet";

#[track_caller]
fn same_results(a: &Path, b: &Path) {
    for name in RESULTS {
        assert!(fs::read(a.join(name)).unwrap() == fs::read(b.join(name)).unwrap(), "{name} differs");
    }
}

/// Waits until a checkpoint stands in `run`.
fn wait_for_checkpoint(run: &Path, child: &mut Child) {
    let start = Instant::now();
    let checkpoint = run.join("checkpoints/replicas-0-3.safetensors");
    while !checkpoint.exists() && child.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < Duration::from_secs(60), "no checkpoint");
        sleep(Duration::from_millis(2));
    }
}

#[test]
fn twenty_kills_change_no_bit() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    run(path, &format!("{RUN} --out whole"));
    let long = RUN.replace("--epochs 30", "--epochs 400");
    run(path, &format!("{long} --out long"));
    let mut child = asgd(path, &format!("{long} --out killed")).spawn().unwrap();
    wait_for_checkpoint(&path.join("killed"), &mut child);
    let mut state = 12345u64;
    for _ in 0..20 {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        sleep(Duration::from_millis((state >> 33) % 300));
        let _ = child.kill();
        child.wait().unwrap();
        child = asgd(path, "train --resume killed --quiet").spawn().unwrap();
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    same_results(&path.join("long"), &path.join("killed"));

    // The device that was asked for is asked for again.
    let name = path.join("whole/settings.json");
    let settings: serde_json::Value = serde_json::from_slice(&fs::read(name).unwrap()).unwrap();
    let device = settings["device"]["name"].as_str().unwrap().split(' ').next().unwrap().to_string();
    run(path, &format!("{RUN} --device {device} --out named"));
    run(path, "train --resume named --quiet");

    // A finished run has nothing left to do.
    let before = fs::read(path.join("whole/model.safetensors")).unwrap();
    run(path, "train --resume whole --quiet");
    assert_eq!(fs::read(path.join("whole/model.safetensors")).unwrap(), before);
}

#[test]
#[cfg(unix)]
fn signals_save_before_they_end() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let long = RUN.replace("--epochs 30", "--epochs 100000000").replace(" --checkpoint-every 1", "");
    for (signal, name) in [("-INT", "interrupted"), ("-TERM", "terminated")] {
        let child = asgd(path, &format!("{long} --out {name}")).spawn().unwrap();
        // Nothing is due to be saved for 15 seconds.
        let settings = path.join(name).join("settings.json");
        while !settings.exists() {
            sleep(Duration::from_millis(2));
        }
        sleep(Duration::from_millis(500));
        let killed = Command::new("sh").args(["-c", &format!("kill {signal} {}", child.id())]).status().unwrap();
        assert!(killed.success());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(
            stderr.contains("interrupted at step") && stderr.contains(&format!("asgd train --resume {name}")),
            "{stderr}"
        );
        assert!(path.join(name).join("checkpoints/replicas-0-3.safetensors").exists());
        assert!(fs::read_to_string(path.join(name).join("metrics.csv")).unwrap().lines().count() > 1);
    }
}

#[test]
fn what_differs_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    run(path, &format!("{RUN} --out run"));
    refuses(path, "train --resume nothing --quiet", 1, &["nothing", "no run"]);
    refuses(path, "train --resume run --lr 0.1 --quiet", 2, &["--resume", "--lr"]);
    refuses(path, "train --force --quiet", 2, &["--resume"]);
    let settings = path.join("run/settings.json");
    let original = fs::read_to_string(&settings).unwrap();
    let with = |key: &str, value: serde_json::Value| {
        let mut other: serde_json::Value = serde_json::from_str(&original).unwrap();
        *other.pointer_mut(key).unwrap() = value;
        fs::write(&settings, other.to_string()).unwrap();
    };
    with("/dataset/sha256", "0123".into());
    refuses(path, "train --resume run --quiet", 1, &["dataset sha256 0123"]);
    refuses(path, "train --resume run --force --quiet", 1, &["dataset sha256 0123"]);
    with("/settings/initial_sha256", "0123".into());
    refuses(path, "train --resume run --quiet", 1, &["initial_sha256"]);
    with("/device/driver_info", "another".into());
    refuses(path, "train --resume run --quiet", 1, &["driver_info another", "--force"]);
    run(path, "train --resume run --force --quiet");
    fs::write(&settings, "{").unwrap();
    refuses(path, "train --resume run --quiet", 1, &["damaged"]);
}

/// The one before stands in for a checkpoint that a disk has damaged; if that is no better, it is said.
#[test]
fn damaged_checkpoints() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    run(path, &format!("{RUN} --out whole"));
    run(path, &format!("{RUN} --out run"));
    let checkpoint = path.join("run/checkpoints/replicas-0-3.safetensors");
    let previous = path.join("run/checkpoints/replicas-0-3.previous.safetensors");
    let bytes = fs::read(&checkpoint).unwrap();
    fs::write(&checkpoint, &bytes[..bytes.len() / 2]).unwrap();
    run(path, "train --resume run --quiet");
    same_results(&path.join("whole"), &path.join("run"));
    fs::remove_file(&checkpoint).unwrap();
    run(path, "train --resume run --quiet");
    same_results(&path.join("whole"), &path.join("run"));
    fs::write(&checkpoint, "rubbish").unwrap();
    fs::write(&previous, "rubbish").unwrap();
    refuses(path, "train --resume run --quiet", 1, &["no checkpoint is whole", "damaged"]);
}

#[test]
fn two_runs_do_not_share_a_folder() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let long = RUN.replace("--epochs 30", "--epochs 100000000");
    let mut first = asgd(path, &format!("{long} --out run")).spawn().unwrap();
    wait_for_checkpoint(&path.join("run"), &mut first);
    refuses(path, &format!("{RUN} --out run"), 1, &["another process", "--out"]);
    refuses(path, "train --resume run --quiet", 1, &["another process"]);
    first.kill().unwrap();
    first.wait().unwrap();
    run(path, &format!("{RUN} --out run"));
}
