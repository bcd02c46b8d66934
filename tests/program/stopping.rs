//! Schedules, early stopping and the best networks of runs: each replica decides as it would alone, wherever a run was stopped and
//! resumed, and what a run leaves is what it says.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use asgd::dataset::{Circles, ValidationShare};
use asgd::{AdaptiveBatchSizes, Device, Init, Model, Optimizer, ReplicaSettings, TrainSettings, Trainer};
use serde_json::Value;
use tempfile::TempDir;

use crate::command::page::{Metrics, stands_alone, text};
use crate::command::{adapter, asgd, devices, kill_often, refuses, run, wait_for};

/// Few noisy points and many nodes: the validation loss falls, then rises, at another step in every replica.
const OVERFITS: &str = "train circles --samples 120 --noise 0.25 --validation 0.3 --hidden 12,9 --batch-size 16 --lr 0.2 \
                        --optimizer sgd --epochs 150 --eval-every 2 --quiet";

const RESULTS: [&str; 4] = ["model.safetensors", "counts.safetensors", "metrics.csv", "learning_curve.svg"];

#[track_caller]
fn same_results(a: &Path, b: &Path) {
    for name in RESULTS {
        assert!(fs::read(a.join(name)).unwrap() == fs::read(b.join(name)).unwrap(), "{name} differs");
    }
}

fn document(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("run.json")).unwrap()).unwrap()
}

fn steps(value: &Value) -> Vec<Option<u64>> {
    value.as_array().unwrap().iter().map(Value::as_u64).collect()
}

fn networks(folder: &Path) -> (Model, AdaptiveBatchSizes) {
    let load = |name: &str| folder.join(name);
    (Model::load(&load("model.safetensors")).unwrap(), AdaptiveBatchSizes::load(&load("counts.safetensors")).unwrap())
}

/// The index of the first of the best evaluations, and how many follow it: the rule, told again.
fn best(values: &[(u64, f64)], is_better: fn(f64, f64) -> bool) -> (u64, usize) {
    let mut best = 0;
    for (index, (_, value)) in values.iter().enumerate() {
        if is_better(*value, values[best].1) {
            best = index;
        }
    }
    (values[best].0, values.len() - 1 - best)
}

#[test]
fn the_best_networks_are_kept_and_replicas_stop_when_they_must() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    for device in devices() {
        for (rules, by, is_better) in [
            ("--patience 4", "loss", (|a, b| a < b) as fn(f64, f64) -> bool),
            ("--patience 6 --keep-by accuracy", "accuracy", |a, b| a > b),
        ] {
            let out = path.join(format!("{device}-{by}"));
            run(path, &format!("{OVERFITS} --replicas 6 --seed 5 {rules} --device {device} --out {}", out.display()));
            let result = &document(&out)["result"];
            let (kept, stopped) = (steps(&result["kept_steps"]), steps(&result["stopped_steps"]));
            let metrics = Metrics::read(&out);
            let patience = if by == "loss" { 4 } else { 6 };
            for replica in 0..6 {
                let values = metrics.of_replica(replica, &format!("validation_{by}"));
                let marked =
                    metrics.of_replica(replica, "stopped").into_iter().filter(|(_, is_marked)| *is_marked == 1.0);
                assert_eq!(
                    marked.map(|(step, _)| step).collect::<Vec<_>>(),
                    Vec::from_iter(stopped[replica]),
                    "{device} {by} {replica}"
                );
                let (step, since) = best(&values, is_better);
                assert_eq!(kept[replica], Some(step), "{device} {by} {replica}");
                match stopped[replica] {
                    Some(end) => assert_eq!((values.last().unwrap().0, since), (end, patience)),
                    None => assert!(since < patience || values.last().unwrap().0 == 150 * 4, "{since}"),
                }
            }
            assert!(stopped.iter().filter(|stopped| stopped.is_some()).count() >= 4, "{stopped:?}");
            assert_eq!(result["at_best_validation"]["steps"], result["kept_steps"]);
            assert_eq!(result["at_best_validation"]["test_accuracy"], result["test_accuracy"]);
            let of_kept = |replica: usize| {
                let of = metrics.of_replica(replica, "test_loss");
                of.iter().find(|(step, _)| Some(*step) == kept[replica]).unwrap().1
            };
            let mean = (0..6).map(of_kept).sum::<f64>() / 6.0;
            assert!(
                (result["test_loss"].as_f64().unwrap() - mean).abs() < 1e-12,
                "honest: chosen without the test set"
            );

            // What is kept is a run of exactly that many steps, alone.
            let (model, counts) = networks(&out);
            let trained: Vec<usize> = (0..6).filter(|&replica| kept[replica] > Some(0)).take(2).collect();
            assert_eq!(trained.len(), 2, "{kept:?}");
            for replica in trained {
                let steps = kept[replica].unwrap();
                let alone = path.join("alone");
                let train = OVERFITS.replace("--epochs 150", &format!("--steps {steps}"));
                run(path, &format!("{train} --seed {} --device {device} --out {}", 5 + replica, alone.display()));
                let (own, own_counts) = networks(&alone);
                assert_eq!(own, model.slice(replica..replica + 1), "{device} {by} {replica}");
                assert_eq!(own_counts, counts.slice(replica..replica + 1), "{device} {by} {replica}");
            }
        }
    }
}

/// Six replicas, of which most stop and are left out, and each of them alone: the same networks, rows and stops. What stops moves no
/// more: with --keep last it is a run of that length.
#[test]
fn replicas_decide_as_they_would_alone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    for device in devices() {
        for (name, rules) in [
            ("best", "--patience 4 --schedule cosine:0.01 --warmup 3 --optimizer nesterov --lr 0.05"),
            ("last", "--patience 4 --keep last"),
            ("plateau", "--schedule plateau:1:0.3 --patience 9 --optimizer aadam --lr 0.02"),
        ] {
            let train = match rules.contains("--optimizer") {
                true => OVERFITS.replace("--lr 0.2", "").replace("--optimizer sgd", ""),
                false => OVERFITS.into(),
            };
            let together = path.join(format!("{device}-{name}"));
            run(path, &format!("{train} {rules} --replicas 6 --seed 5 --device {device} --out {}", together.display()));
            let all = &document(&together)["result"];
            let stopped = steps(&all["stopped_steps"]);
            assert!(stopped.iter().flatten().count() >= 3, "{name}: {stopped:?}");
            let ((model, counts), metrics) = (networks(&together), Metrics::read(&together));
            for replica in [1, 4, 5] {
                let out = path.join("alone");
                let seed = 5 + replica;
                run(path, &format!("{train} {rules} --seed {seed} --device {device} --out {}", out.display()));
                let result = &document(&out)["result"];
                assert_eq!(steps(&result["stopped_steps"])[0], stopped[replica], "{device} {name} {replica}");
                let (own, own_counts) = networks(&out);
                assert_eq!(own, model.slice(replica..replica + 1), "{device} {name} {replica}");
                assert_eq!(own_counts, counts.slice(replica..replica + 1), "{device} {name} {replica}");
                let own_metrics = Metrics::read(&out);
                for column in ["train_loss", "validation_loss", "test_loss", "mean_adaptive_batch_size"] {
                    let (own, of_all) = (own_metrics.of_replica(0, column), metrics.of_replica(replica, column));
                    let bits = |rows: Vec<(u64, f64)>| -> Vec<(u64, u64)> {
                        rows.into_iter().map(|(step, value)| (step, value.to_bits())).collect()
                    };
                    assert_eq!(bits(own), bits(of_all), "{device} {name} {replica} {column}");
                }
            }
            if let ("last", Some((replica, Some(steps)))) =
                (name, stopped.iter().enumerate().find(|(_, stopped)| stopped.is_some()))
            {
                let out = path.join("alone");
                let plain = OVERFITS.replace("--epochs 150", &format!("--steps {steps}"));
                run(path, &format!("{plain} --seed {} --device {device} --out {}", 5 + replica, out.display()));
                assert_eq!(networks(&out).0, model.slice(replica..replica + 1), "{device}: it moved on");
            }
        }
    }
}

/// Killed at random moments and resumed: the same bytes.
#[test]
fn kills_change_no_decision() {
    let adapter = adapter();
    for (device, rules, epochs) in [
        ("cpu", "--patience 40 --schedule plateau:2:0.9 --optimizer aadam --lr 0.0005 --eval-every 20", 20_000),
        (
            "cpu",
            "--keep best --schedule cosine --warmup 0.3 --dropout 0.2 --optimizer sgd --lr 0.005 --eval-every 20",
            1500,
        ),
        (
            &adapter,
            "--patience 20 --schedule exponential:0.99 --warmup 3 --dropout 0.1 --optimizer sgd --lr 0.1 --eval-every 2",
            300,
        ),
    ] {
        let folder = TempDir::new().unwrap();
        let path = folder.path();
        let train = format!(
            "train circles --samples 120 --noise 0.25 --validation 0.3 --hidden 12,9 --batch-size 16 --replicas 5 --quiet \
             --epochs {epochs} {rules} --checkpoint-every 1 --device {device}"
        );
        run(path, &format!("{train} --out long"));
        let kills = kill_often(path, &train, "checkpoints/replicas-0-5.safetensors", 8);
        assert!(kills >= 2, "{device} {rules}: only {kills} kills hit a run");
        same_results(&path.join("long"), &path.join("killed"));
        let [long, killed] = ["long", "killed"].map(|name| document(&path.join(name))["result"].clone());
        assert_eq!(long["kept_steps"], killed["kept_steps"]);
        assert_eq!(long["stopped_steps"], killed["stopped_steps"]);
    }
}

/// A replica that never improves is left as it began, and stops after its patience.
#[test]
fn what_never_improves_stops_at_once() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    // So low a rate moves nothing.
    let train = "train circles --validation 0.2 --lr 1e-30 --epochs 50 --eval-every 1 --replicas 2 --device cpu";
    let output = run(path, &format!("{train} --patience 3 --out run"));
    let result = &document(&path.join("run"))["result"];
    let steps_per_epoch = document(&path.join("run"))["settings"]["steps_per_epoch"].as_u64().unwrap();
    assert_eq!(steps(&result["stopped_steps"]), [Some(3 * steps_per_epoch); 2]);
    assert_eq!(steps(&result["kept_steps"]), [Some(0); 2]);
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(
        stdout.contains("at the best validation loss") && stdout.contains("2 of 2 replicas stopped early"),
        "{stdout}"
    );
    let counts = networks(&path.join("run")).1;
    assert!(counts.weight(0, 0).iter().all(|&count| count == 0), "before the first step nothing is counted");
    // It is finished, and stays so.
    let before = fs::read(path.join("run/model.safetensors")).unwrap();
    run(path, "train --resume run --quiet");
    assert_eq!(fs::read(path.join("run/model.safetensors")).unwrap(), before);
}

/// Cells of several widths and rates stop one by one, and each network is that of a training of its own.
#[test]
fn cells_of_a_sweep_stop_by_themselves() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    for device in devices() {
        let train = OVERFITS.replace("--hidden 12,9", "").replace("--lr 0.2", "");
        let sweep =
            format!("{train} --hidden 12,9 --hidden 5,4 --lr 0.2,0.05 --replicas 2 --patience 3 --device {device}");
        let out = path.join(&device);
        run(path, &format!("{sweep} --out {}", out.display()));
        let document = document(&out);
        for (cell, settings) in [(1, "--hidden 12,9 --lr 0.2"), (4, "--hidden 5,4 --lr 0.05")] {
            let result = &document["result"]["cells"][cell - 1];
            run(path, &format!("{train} {settings} --replicas 2 --patience 3 --device {device} --out alone"));
            let alone = self::document(&path.join("alone"));
            for key in ["kept_steps", "stopped_steps", "test_loss", "at_best_validation"] {
                assert_eq!(result[key], alone["result"][key], "{device} {cell} {key}");
            }
            let [a, b] = [out.join(format!("models/cell-{cell}.safetensors")), path.join("alone/model.safetensors")];
            assert!(fs::read(a).unwrap() == fs::read(b).unwrap(), "{device} {cell}");
        }
        stands_alone(&fs::read_to_string(out.join("report.html")).unwrap());
    }
}

#[test]
fn schedules_are_kept_drawn_and_resumed() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let train = "train circles --hidden 7,5 --replicas 2 --epochs 20 --eval-every 2 --quiet --device cpu";
    run(path, &format!("{train} --out plain"));
    run(path, &format!("{train} --schedule constant --warmup 0 --out constant"));
    same_results(&path.join("plain"), &path.join("constant"));
    let plain = fs::read_to_string(path.join("plain/learning_curve.svg")).unwrap();
    assert!(!plain.contains("learning rate"));
    for (name, schedule) in [
        ("step", "--schedule step:5:0.1"),
        ("exponential", "--schedule exponential:0.9 --warmup 2"),
        ("cosine", "--schedule cosine:0.01 --warmup 7steps"),
        ("warmup", "--warmup 30steps"),
    ] {
        run(path, &format!("{train} {schedule} --out {name}"));
        let settings = document(&path.join(name))["settings"].clone();
        let steps_per_epoch = settings["steps_per_epoch"].as_u64().unwrap();
        let warmup = match name {
            "step" => Value::Null,
            "exponential" => (2 * steps_per_epoch).into(),
            "cosine" => 7.into(),
            _ => 30.into(),
        };
        assert_eq!(settings["warmup_steps"], warmup);
        assert_ne!(networks(&path.join(name)).0, networks(&path.join("plain")).0);
        let page = fs::read_to_string(path.join(name).join("report.html")).unwrap();
        stands_alone(&page);
        assert!(text(&page).contains("learning rate"));
        let figure = fs::read_to_string(path.join(name).join("learning_curve.svg")).unwrap();
        assert!(figure.contains("learning rate"));
    }
    // What knows no end can be made longer; its steps so far stay as they are.
    run(path, &format!("{} --schedule exponential:0.9 --warmup 2 --out long", train.replace("20", "30")));
    run(path, "train --resume exponential --epochs 30 --quiet");
    same_results(&path.join("long"), &path.join("exponential"));
    refuses(path, "train --resume cosine --epochs 30 --quiet", 2, &["--epochs", "cosine", "anew"]);
}

/// A rate that falls on plateaus is that of trainings with a lower rate from there on, fall by fall.
#[test]
fn rates_fall_where_the_evaluations_say() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    run(path, &format!("{OVERFITS} --seed 5 --schedule plateau:1:0.5 --keep last --device cpu --out run"));
    // The rule, told again: more than one evaluation since the best one, or since the last fall.
    let (mut best, mut since, mut falls) = (f64::INFINITY, 0, Vec::new());
    for (step, loss) in Metrics::read(&path.join("run")).of_replica(0, "validation_loss") {
        since = if loss < best { 0 } else { since + 1 };
        best = best.min(loss);
        if since > 1 {
            falls.push(step);
            since = 0;
        }
    }
    assert!(falls.len() > 2, "{falls:?}");
    let circles = Circles { samples: 120, noise: 0.25, ..Circles::default() };
    let share = ValidationShare { fraction: 0.3, seed: 0 };
    let dataset = circles.dataset().unwrap().with_validation(share).unwrap();
    let (trained, _) = networks(&path.join("run"));
    let initial = Init::Kaiming.model(trained.spec(), &[5]).unwrap();
    let mut learning_rate = 0.2;
    let replica = ReplicaSettings { seed: 5, optimizer: Optimizer::SGD, learning_rate, ..Default::default() };
    let settings = TrainSettings { batch_size: 16, replicas: vec![replica], ..Default::default() };
    let mut trainer = Trainer::new(&Device::open(Some("cpu")).unwrap(), &dataset, &initial, settings).unwrap();
    let end = 150 * trainer.steps_per_epoch();
    for fall in falls.into_iter().filter(|fall| *fall < end) {
        trainer.train(fall - trainer.step()).unwrap();
        learning_rate *= 0.5;
        trainer.set_learning_rates(&[learning_rate]).unwrap();
    }
    trainer.train(end - trainer.step()).unwrap();
    let model = trainer.model().unwrap();
    for layer in 0..3 {
        assert_eq!((model.weight(layer, 0), model.bias(layer, 0)), (trained.weight(layer, 0), trained.bias(layer, 0)));
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let refuses = |options: &str, words: &[&str]| {
        refuses(path, &format!("train circles --epochs 5 --device cpu --quiet {options}"), 2, words);
    };
    for option in ["--patience 3", "--keep best", "--schedule plateau:3:0.1"] {
        let name = option.split([' ', ':']).next().unwrap();
        refuses(option, &[name, "--validation"]);
    }
    refuses("--validation 0.1 --keep-by loss", &["--keep-by", "--patience"]);
    refuses("--patience 0 --validation 0.1", &["--patience", "at least 1"]);
    refuses("--keep first", &["best or last"]);
    refuses("--schedule cosin", &["did you mean 'cosine'?"]);
    refuses("--schedule step:0:0.1", &["1 or more"]);
    refuses("--warmup 5", &["--warmup", "steps"]);
    refuses("--warmup 1.5steps", &["--warmup", "100steps"]);
    refuses("--lr-scheduler cosine", &["--schedule"]);
    run(path, "train circles --epochs 5 --device cpu --quiet --validation 0.1 --patience 3 --out run");
    let resume = "train --resume run --epochs 9 --quiet";
    crate::command::refuses(path, resume, 2, &["--epochs", "evaluations", "anew"]);
    crate::command::refuses(path, "train --resume run --patience 5", 2, &["--resume", "--patience"]);
}

/// Finished runs are compared by the networks that they left.
#[test]
fn compare_knows_what_is_kept() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    for (name, rules) in [("best", "--patience 3"), ("last", "")] {
        run(path, &format!("{OVERFITS} --replicas 3 {rules} --device cpu --out {name}"));
    }
    let output = run(path, "compare best last --json");
    let compared: Value = serde_json::from_slice(&output.stdout).unwrap();
    let result = &document(&path.join("best"))["result"];
    let text = compared.to_string();
    let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
    let of_best = &compared["runs"][0];
    assert!(close(of_best["test_loss"].as_f64().unwrap(), result["test_loss"].as_f64().unwrap()), "{text}");
}

#[test]
fn rules_that_keep_more_may_stop_first() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let train =
        "train circles --validation 0.2 --optimizer adam,sgd --lr 0.1 --epochs 60 --patience 2 --eval-every 1 --quiet";
    for device in devices() {
        let out = path.join(&device);
        let train = format!("{train} --checkpoint-every 1 --device {device}");
        run(path, &format!("{train} --out {}", out.display()));
        let sweep = fs::read_to_string(out.join("sweep.csv")).unwrap();
        assert_eq!(sweep.lines().count(), 3, "{sweep}");
        // Also where it is resumed after the ones with more have stopped.
        let killed = path.join(format!("{device}-killed"));
        let mut child = asgd(path, &format!("{train} --out {}", killed.display())).spawn().unwrap();
        wait_for(&killed.join("checkpoints"), &mut child);
        sleep(Duration::from_millis(20));
        let _ = child.kill();
        child.wait().unwrap();
        run(path, &format!("train --resume {} --quiet", killed.display()));
        assert_eq!(fs::read(killed.join("sweep.csv")).unwrap(), sweep.into_bytes());
    }
}

#[test]
fn a_network_kept_from_before_does_not_hide_divergence() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let wild = "train circles --validation 0.2 --lr 1e30 --patience 3 --replicas 2 --epochs 20 --device cpu --out wild";
    let output = run(path, wild);
    let result = &document(&path.join("wild"))["result"];
    assert_eq!(steps(&result["diverged_replicas"]), [Some(0), Some(1)]);
    assert_eq!((&result["test_loss"], &result["at_best_validation"]["replicas"]), (&Value::Null, &Value::from(0)));
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.contains("2 of 2 replicas diverged") && !stdout.contains("test accuracy"), "{stdout}");
    // In a sweep, such a cell comes last.
    let sweep = "train circles --validation 0.2 --lr 1e30,0.0001 --patience 3 --replicas 2 --epochs 20 --device cpu --out sweep";
    run(path, sweep);
    let mut rows = csv::Reader::from_path(path.join("sweep/sweep.csv")).unwrap();
    let rows: Vec<std::collections::HashMap<String, String>> = rows.deserialize().map(Result::unwrap).collect();
    let of = |rate: &str| rows.iter().find(|row| row["learning_rate"].parse::<f64>() == rate.parse::<f64>()).unwrap();
    assert_eq!((&of("1e30")["diverged_replicas"][..], &of("1e30")["rank"][..]), ("2", "2"), "{rows:?}");
    assert_eq!((&of("0.0001")["diverged_replicas"][..], &of("0.0001")["rank"][..]), ("0", "1"), "{rows:?}");
}
