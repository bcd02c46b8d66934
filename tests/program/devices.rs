//! Which device a command takes, what it says of those that it cannot take, and the same commands on a GPU's engine.

use std::fs;
use std::path::Path;
use std::process::Command;

use asgd::{AdaptiveBatchSizes, Device, Model};
use tempfile::TempDir;

use crate::command::{adapter, asgd, devices, refuses, run, without_adapters};
use crate::shards::contents;

#[track_caller]
fn json(command: &mut Command) -> serde_json::Value {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The backend of the device in use.
fn used(devices: &serde_json::Value) -> (String, String) {
    let used: Vec<_> = devices["devices"].as_array().unwrap().iter().filter(|device| device["used"] == true).collect();
    assert_eq!(used.len(), 1, "{devices}");
    (used[0]["backend"].as_str().unwrap().to_string(), used[0]["kind"].as_str().unwrap().to_string())
}

/// A real GPU, else the CPU; software Vulkan only by its name.
#[test]
fn software_vulkan_is_taken_by_name_only() {
    let folder = TempDir::new().unwrap();
    let list = json(&mut asgd(folder.path(), "devices --json"));
    let has_gpu = Device::list().iter().any(|device| device.info.kind.ends_with("GPU"));
    let (backend, kind) = used(&list);
    assert!(!kind.contains("software"), "{list}");
    assert_eq!(backend == "native", !has_gpu, "{list}");
    assert_eq!(Device::open(None).unwrap().info().backend, backend);
    let [cpu, adapter] = devices();
    let (backend, _) = used(&json(&mut asgd(folder.path(), &format!("devices --json --device {adapter}"))));
    assert_ne!(backend, "native");
    for name in [&cpu, "CPU"] {
        assert_eq!(used(&json(&mut asgd(folder.path(), &format!("devices --json --device {name}")))).0, "native");
    }
}

/// The command in a folder on a machine without a Vulkan driver.
#[track_caller]
fn runs_without_adapters(folder: &Path, arguments: &str) -> String {
    let output = without_adapters(&mut asgd(folder, arguments)).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments}: {stderr}");
    String::from_utf8(output.stdout).unwrap() + &stderr
}

/// Without a Vulkan driver, everything works but what asks for an adapter.
#[test]
#[cfg(target_os = "linux")]
fn no_adapter() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let said = runs_without_adapters(path, "train --epochs 5 --out run");
    assert!(said.contains("device   CPU (") && said.contains("there is no GPU"), "{said}");
    assert!(runs_without_adapters(path, "devices").contains("Used (*): CPU"));
    runs_without_adapters(path, "train --resume run --quiet");
    runs_without_adapters(path, "evaluate run/model.safetensors circles");
    runs_without_adapters(path, "inspect run/model.safetensors circles");
    runs_without_adapters(path, "prune run/model.safetensors circles -o small.safetensors");
    fs::write(path.join("points.csv"), "0.5,0.25\n-1,0\n").unwrap();
    assert_eq!(runs_without_adapters(path, "predict small.safetensors points.csv").lines().count(), 3);
    runs_without_adapters(path, "export small.safetensors -o small.onnx");
    runs_without_adapters(path, "experiment 1 --steps 5 --out one");
    runs_without_adapters(path, "experiment 2 --replicas 2 --grid-replicas 0 --steps 50 --samples 200 --out two");
    let arguments = format!("train --device {} --out other --quiet", adapter());
    let output = without_adapters(&mut asgd(path, &arguments)).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.lines().count() == 1 && stderr.contains("there is: cpu"), "{stderr}");
    assert!(!path.join("other").exists());
    // Bits do not depend on which drivers there are.
    run(path, "train --epochs 5 --device cpu --quiet --out again");
    let model = |name: &str| fs::read(path.join(name).join("model.safetensors")).unwrap();
    assert_eq!(model("run"), model("again"));
}

#[test]
fn mistakes_get_one_clear_line() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let adapter = adapter();
    for replicas in ["4000000000", "18446744073709551615"] {
        let arguments = format!("train --replicas {replicas} --quiet");
        refuses(path, &arguments, 1, &[replicas, "--replicas", "memory"]);
    }
    refuses(path, "train --threads 0 --quiet", 2, &["--threads", "at least 1"]);
    refuses(path, "train --threads many --quiet", 2, &["--threads"]);
    refuses(path, "train --threads 1000000 --device cpu --quiet", 2, &["--threads", "1 to 65536"]);
    refuses(path, &format!("train --threads 2 --device {adapter} --quiet"), 2, &["--threads", "CPU", "--device cpu"]);
    let all = ["nonsense", "there is:", "cpu", &adapter, "asgd devices"];
    for command in ["train", "devices", "experiment 1", "experiment 2"] {
        refuses(path, &format!("{command} --device nonsense"), 2, &all);
    }
    assert_eq!(fs::read_dir(path).unwrap().count(), 0, "something was left behind");
}

/// The commands of a day on an adapter: what the CPU does by default elsewhere in these tests.
#[test]
fn an_adapter_does_all_work() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let device = format!("--device {}", adapter());
    let trained = json(&mut asgd(path, &format!("train --epochs 100 --replicas 3 --json --quiet --out run {device}")));
    assert!(trained["test_accuracy"].as_f64().unwrap() > 0.8, "{trained}");
    let settings: serde_json::Value = serde_json::from_slice(&fs::read(path.join("run/run.json")).unwrap()).unwrap();
    assert_ne!(settings["device"]["backend"], "native");
    run(path, "train --resume run --quiet");
    Model::load(&path.join("run/model.safetensors")).unwrap().slice(0..1).save(&path.join("one.safetensors")).unwrap();
    let evaluate =
        |device: &str| json(&mut asgd(path, &format!("evaluate one.safetensors circles --json --device {device}")));
    let [on_cpu, on_adapter] = devices().map(|device| evaluate(&device));
    assert_eq!((&on_cpu["accuracy"], &on_cpu["confusion"]), (&on_adapter["accuracy"], &on_adapter["confusion"]));
    let losses = [&on_cpu, &on_adapter].map(|result| result["loss"].as_f64().unwrap());
    assert!((losses[0] - losses[1]).abs() < 1e-5 * losses[0], "{losses:?}");
    run(path, &format!("inspect one.safetensors circles {device}"));
    run(path, &format!("prune one.safetensors circles -o small.safetensors {device}"));
    fs::write(path.join("points.csv"), "0.5,0.25\n-1,0\n0,0\n").unwrap();
    let predict = |device: &str| {
        let output = run(path, &format!("predict one.safetensors points.csv --device {device}"));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| line.split(',').next().unwrap().to_string()).collect::<Vec<_>>()
    };
    let [on_cpu, on_adapter] = devices().map(|device| predict(&device));
    assert_eq!(on_cpu, on_adapter);
    run(path, &format!("experiment 1 --steps 5 --out one {device}"));
    run(path, &format!("experiment 2 --replicas 2 --grid-replicas 1 --steps 40 --samples 200 --out two {device}"));
}

/// Both engines make the same first step: the same samples, the same counts, parameters that differ by rounding.
#[test]
fn both_engines_make_the_same_step() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    for (dataset, more) in [("circles", ""), ("spirals", "--optimizer sgd --lr 0.3"), ("circles", "--batch-size 700")] {
        let runs = devices().map(|device| {
            run(
                path,
                &format!("train {dataset} {more} --steps 1 --replicas 4 --quiet --device {device} --out {device}"),
            );
            let file = |name: &str| path.join(&device).join(name);
            let counts = AdaptiveBatchSizes::load(&file("counts.safetensors")).unwrap();
            (counts, Model::load(&file("model.safetensors")).unwrap())
        });
        assert_eq!(runs[0].0, runs[1].0, "{dataset} {more}");
        for layer in 0..3 {
            let weights = [0, 1].map(|engine: usize| runs[engine].1.weight(layer, 3));
            let is_close = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-6;
            assert!(weights[0].iter().zip(weights[1]).all(is_close), "{dataset} {more} layer {layer}");
        }
    }
}

/// Devices of one kind give the bytes of one, also where one of them began; those of several kinds each its own, in shares that a run keeps.
#[test]
fn several_devices_share_the_replicas() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let train = "train circles --samples 100 --batch-size 16 --epochs 4 --eval-every 2 --replicas 6 --quiet";
    let both = format!("--device cpu --device {}", adapter());
    for (device, out) in [("cpu".to_string(), "cpu"), (adapter(), "adapter")] {
        run(path, &format!("{train} --device {device} --out {out}"));
    }
    run(path, &format!("{train} --device cpu --device cpu --device cpu --out three"));
    assert!(contents(&path.join("three")) == contents(&path.join("cpu")));
    run(path, &format!("{train} --out mixed {both}"));
    // More devices than networks: one has nothing to train.
    run(path, &format!("train circles --samples 100 --epochs 2 --quiet --out one {both}"));
    for out in ["cpu", "adapter", "mixed"] {
        run(path, &format!("train --resume {out} --epochs 6 --quiet"));
    }
    run(path, "train --resume three --epochs 6 --quiet --device cpu --device cpu");
    assert!(contents(&path.join("three")) == contents(&path.join("cpu")), "chunks are cut for other devices");

    let settings: serde_json::Value =
        serde_json::from_slice(&fs::read(path.join("mixed/settings.json")).unwrap()).unwrap();
    let shares: Vec<f64> =
        settings["device"].as_array().unwrap().iter().map(|d| d["share"].as_f64().unwrap()).collect();
    assert!(shares.len() == 2 && (shares.iter().sum::<f64>() - 1.0).abs() < 0.01, "{shares:?}");
    let of_cpu = (shares[0] / shares.iter().sum::<f64>() * 6.0).round() as usize;
    let rows = |out: &str, replica: usize| {
        let metrics = fs::read_to_string(path.join(out).join("metrics.csv")).unwrap();
        let own = metrics.lines().filter(|line| line.starts_with(&format!("{replica},"))).map(String::from);
        own.collect::<Vec<_>>()
    };
    for replica in 0..6 {
        let alone = if replica < of_cpu { "cpu" } else { "adapter" };
        let rows_alone = rows(alone, replica);
        assert!(rows_alone.len() == 4 && rows("mixed", replica) == rows_alone, "replica {replica} is {alone}'s");
    }
    // The same devices again have the same shares.
    run(path, "train --resume mixed --quiet");
    run(path, &format!("train --resume mixed --quiet {both}"));
    let usage = [
        (format!("{train} --shard 1/2 {both}"), "--shard"),
        (format!("experiment 2 --quiet {both}"), "--device"),
        (format!("evaluate mixed/model.safetensors circles {both}"), "--device"),
    ];
    for (arguments, word) in usage {
        refuses(path, &arguments, 2, &[word, "device"]);
    }
}
