//! Whoever pulls the plug loses nothing but the time since the last checkpoint, and resuming gives the same bits.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;

use crate::command::{adapter, asgd, devices, kill_often, refuses, run, wait_for};

const RESULTS: [&str; 4] = ["model.safetensors", "counts.safetensors", "metrics.csv", "learning_curve.svg"];

/// Three networks, 330 steps, a checkpoint an epoch.
const RUN: &str = "train --hidden 7,5 --replicas 3 --seed 4 --epochs 30 --eval-every 3 --checkpoint-every 1 --quiet";

/// A run that no test sees the end of.
const ENDLESS: &str = "train --hidden 7,5 --replicas 3 --seed 4 --epochs 10000000 --eval-every 100 --quiet";

/// Where a run of three networks keeps its last checkpoint.
const CHECKPOINT: &str = "checkpoints/replicas-0-3.safetensors";

#[track_caller]
fn same_results(a: &Path, b: &Path) {
    for name in RESULTS {
        assert!(fs::read(a.join(name)).unwrap() == fs::read(b.join(name)).unwrap(), "{name} differs");
    }
}

#[test]
fn twenty_kills_change_no_bit() {
    // Some seconds of work for either device.
    let adapter = adapter();
    // Rules with and without moments.
    for (device, optimizer, epochs, evaluate, save) in
        [("cpu", "asgd", 60_000, 1000, 20), ("cpu", "aadam", 20_000, 1000, 20), (&adapter, "anesterov", 400, 3, 1)]
    {
        let folder = TempDir::new().unwrap();
        let path = folder.path();
        let long = format!(
            "train --hidden 7,5 --replicas 3 --seed 4 --epochs {epochs} --eval-every {evaluate} --checkpoint-every {save} \
             --quiet --device {device} --optimizer {optimizer}"
        );
        run(path, &format!("{long} --out long"));
        let kills = kill_often(path, &long, CHECKPOINT, 20);
        assert!(kills >= 5, "{device}: only {kills} kills hit a run");
        same_results(&path.join("long"), &path.join("killed"));
    }
}

#[test]
fn what_is_finished_or_named_is_resumed_as_it_was() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    for device in devices() {
        // The device that was asked for is asked for again.
        run(path, &format!("{RUN} --device {device} --out {device}"));
        // A finished run has nothing left to do.
        let before = fs::read(path.join(&device).join("model.safetensors")).unwrap();
        run(path, &format!("train --resume {device} --quiet"));
        assert_eq!(fs::read(path.join(&device).join("model.safetensors")).unwrap(), before);
    }
    // Another device may give other bits.
    let [cpu, adapter] = devices();
    refuses(path, &format!("train --resume {cpu} --device {adapter} --quiet"), 1, &["device ", "--force"]);
    refuses(path, &format!("train --resume {adapter} --device cpu --quiet"), 1, &["device ", "--force"]);
    run(path, &format!("train --resume {adapter} --device cpu --force --quiet"));
}

/// A CPU gives the same bits as any other, with any number of threads: a run that another machine has begun is resumed.
#[test]
fn any_cpu_resumes() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let train =
        "train --hidden 40,30 --replicas 2 --epochs 40 --eval-every 4 --checkpoint-every 1 --quiet --device cpu";
    run(path, &format!("{train} --threads 1 --out whole"));
    run(path, &format!("{train} --threads 3 --out run"));
    same_results(&path.join("whole"), &path.join("run"));
    for (threads, set) in [(1, "sse2"), (2, "avx2"), (5, "avx-512")] {
        // As if it had been stopped at the checkpoint before the last one, on another machine.
        let checkpoints = path.join("run/checkpoints");
        fs::remove_file(checkpoints.join("replicas-0-2.safetensors")).unwrap();
        fs::remove_file(path.join("run/model.safetensors")).unwrap();
        let settings = path.join("run/settings.json");
        let mut document: serde_json::Value = serde_json::from_slice(&fs::read(&settings).unwrap()).unwrap();
        assert!(document["machine"].as_str().unwrap().contains("thread"), "{document}");
        document["machine"] = "CPU (an abacus, 7 threads, beads): as asked for".into();
        fs::write(&settings, document.to_string()).unwrap();
        let mut resume = asgd(path, &format!("train --resume run --quiet --threads {threads}"));
        let output = resume.env("ASGD_INSTRUCTION_SET", set).output().unwrap();
        assert!(output.status.success(), "{threads}: {}", String::from_utf8_lossy(&output.stderr));
        same_results(&path.join("whole"), &path.join("run"));
    }
}

#[test]
#[cfg(unix)]
fn signals_save_before_they_end() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    for (device, signal) in devices().iter().flat_map(|device| [(device, "-INT"), (device, "-TERM")]) {
        let name = format!("{device}{signal}");
        let mut child = asgd(path, &format!("{ENDLESS} --device {device} --out {name}")).spawn().unwrap();
        // Nothing is due to be saved for 15 seconds.
        wait_for(&path.join(&name).join("settings.json"), &mut child);
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
        assert!(path.join(&name).join(CHECKPOINT).exists());
        assert!(fs::read_to_string(path.join(&name).join("metrics.csv")).unwrap().lines().count() > 1);
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

/// Replicas in chunks are those that train at once: with their own seeds and optimizers, whichever chunk they are in. What was begun
/// in chunks is resumed in the same ones, which is how a test can have them on any device.
#[test]
fn replicas_in_chunks_are_those_that_train_at_once() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    for device in devices() {
        let sweep = format!("{RUN} --validation 0.2 --optimizer asgd,adam,sgd --device {device}");
        let (whole, run_in_chunks) = (path.join(format!("{device}-whole")), path.join(format!("{device}-chunks")));
        for out in [&whole, &run_in_chunks] {
            run(path, &format!("{sweep} --out {}", out.display()));
        }
        let checkpoints = run_in_chunks.join("checkpoints");
        assert!(checkpoints.join("group-1-0-9.safetensors").exists());
        fs::remove_dir_all(&checkpoints).unwrap();
        fs::create_dir(&checkpoints).unwrap();
        // As if a device that holds four replicas at once had begun it, and had saved nothing yet; this one holds all the others.
        fs::write(checkpoints.join("group-1-0-4.begun"), "").unwrap();
        run(path, &format!("train --resume {} --quiet", run_in_chunks.display()));
        for range in ["0-4", "4-9"] {
            assert!(checkpoints.join(format!("group-1-{range}.safetensors")).exists(), "{range}");
        }
        for name in [
            "metrics.csv",
            "sweep.csv",
            "models/cell-1.safetensors",
            "models/cell-2.safetensors",
            "models/cell-3.safetensors",
        ] {
            assert!(
                fs::read(whole.join(name)).unwrap() == fs::read(run_in_chunks.join(name)).unwrap(),
                "{name} differs"
            );
        }
    }
}

#[test]
fn two_runs_do_not_share_a_folder() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let mut first = asgd(path, &format!("{ENDLESS} --checkpoint-every 1 --out run")).spawn().unwrap();
    wait_for(&path.join("run").join(CHECKPOINT), &mut first);
    refuses(path, &format!("{RUN} --out run"), 1, &["another process", "--out"]);
    refuses(path, "train --resume run --quiet", 1, &["another process"]);
    first.kill().unwrap();
    first.wait().unwrap();
    run(path, &format!("{RUN} --out run"));
}

/// A checkpoint of the same shape is not enough: it must be of the same training, and not beyond its end.
#[test]
fn a_checkpoint_of_another_training_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    run(path, &format!("{RUN} --out own"));
    let others = [
        ("--seed 5", "another training"),
        ("--data-seed 1", "another training"),
        ("--optimizer sgd", "another training"),
        ("--optimizer aadam", "another training"),
        ("--epsilon 1", "another training"),
        ("--batch-size 32", "another training"),
        ("--order sequential", "another training"),
        ("--init glorot", "another training"),
        ("--epochs 33", "step 363 of 330"),
    ];
    for (other, words) in others {
        // The last one of two is what counts.
        let mut arguments: Vec<&str> = RUN.split(' ').collect();
        let option = other.split(' ').next().unwrap();
        if let Some(index) = arguments.iter().position(|&argument| argument == option) {
            arguments.drain(index..index + 2);
        }
        run(path, &format!("{} {other} --out other", arguments.join(" ")));
        for entry in fs::read_dir(path.join("own/checkpoints")).unwrap() {
            fs::copy(path.join("other").join(CHECKPOINT), entry.unwrap().path()).unwrap();
        }
        refuses(path, "train --resume own --quiet", 1, &["no checkpoint is whole", words]);
    }
    // Of another part of the same run.
    run(path, &format!("{RUN} --out own --hidden 5,7 --device cpu"));
    let checkpoints = path.join("own/checkpoints");
    let parts: Vec<_> = fs::read_dir(&checkpoints).unwrap().map(|entry| entry.unwrap().path()).collect();
    let of_group =
        |number: usize| parts.iter().filter(move |path| path.to_string_lossy().contains(&format!("group-{number}-")));
    assert!(of_group(2).count() >= 1, "{parts:?}");
    for part in of_group(2) {
        fs::copy(of_group(1).next().unwrap(), part).unwrap();
    }
    refuses(path, "train --resume own --quiet", 1, &["group-2", "another training"]);
}

/// A signal ends the program at once while there is nothing to save: data that never come, for one.
#[test]
#[cfg(unix)]
fn signals_end_what_waits_for_data() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let made = Command::new("mkfifo").arg(path.join("never.csv")).status().unwrap();
    assert!(made.success());
    for signal in ["-INT", "-TERM"] {
        let mut child = asgd(path, "train never.csv --out run").spawn().unwrap();
        sleep(Duration::from_millis(300));
        assert!(child.try_wait().unwrap().is_none());
        let killed = Command::new("sh").args(["-c", &format!("kill {signal} {}", child.id())]).status().unwrap();
        assert!(killed.success());
        let start = std::time::Instant::now();
        let output = child.wait_with_output().unwrap();
        assert!(start.elapsed() < Duration::from_secs(5));
        assert_eq!(output.status.code(), Some(130));
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "error: interrupted\n");
        assert!(!path.join("run").exists());
    }
}

/// What a killed process was writing is no part of a run, and goes when the next one begins.
#[test]
fn leftovers_are_cleaned() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    fs::create_dir_all(path.join("run/checkpoints")).unwrap();
    let leftovers =
        ["settings.json.17.tmp", "checkpoints/replicas-0-3.safetensors.17.tmp"].map(|name| path.join("run").join(name));
    for again in ["", "--epochs 31"] {
        leftovers.iter().for_each(|leftover| fs::write(leftover, "half").unwrap());
        let train =
            if again.is_empty() { format!("{RUN} --out run") } else { format!("train --resume run --quiet {again}") };
        run(path, &train);
        assert!(!leftovers.iter().any(|leftover| leftover.exists()), "{again}");
    }
}
