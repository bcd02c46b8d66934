//! Sweeps: every cell is, bit for bit, the training of its settings alone; validation samples choose the best; and runs that
//! are made longer.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use asgd::Model;
use serde_json::Value;
use tempfile::TempDir;

use crate::command::{asgd, devices, refuses, run, wait_for};

const SWEEP: &str = "train --optimizer asgd,sgd --lr 0.03,0.1 --hidden 7,5 --hidden 4,9 --hidden 6 --replicas 2 --seed 3 \
                     --epochs 6 --samples 300 --quiet";

/// metrics.csv, a row a map from title to value.
fn rows(path: &Path) -> Vec<HashMap<String, String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn number(row: &HashMap<String, String>, title: &str) -> f64 {
    row[title].parse().unwrap()
}

/// Expects the same bytes.
#[track_caller]
fn same(a: &Path, b: &Path) {
    assert!(fs::read(a).unwrap() == fs::read(b).unwrap(), "{} is not {}", a.display(), b.display());
}

#[test]
fn every_cell_is_its_training_alone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    for device in devices() {
        let sweep = path.join(&device);
        run(path, &format!("{SWEEP} --device {device} --out {device}"));
        let all = rows(&sweep.join("metrics.csv"));
        let mut cell = 0;
        for (hidden, optimizer, rate) in ["7,5", "4,9", "6"].into_iter().flat_map(|hidden| {
            [("asgd", 0.03), ("asgd", 0.1), ("sgd", 0.03), ("sgd", 0.1)].map(|(name, rate)| (hidden, name, rate))
        }) {
            cell += 1;
            let alone = path.join(format!("{device}-{cell}"));
            let settings = format!("--hidden {hidden} --optimizer {optimizer} --lr {rate}");
            run(
                path,
                &format!(
                    "train {settings} --replicas 2 --seed 3 --epochs 6 --samples 300 --validation 0.1 --quiet \
                     --device {device} --out {}",
                    alone.display()
                ),
            );
            same(&sweep.join(format!("models/cell-{cell}.safetensors")), &alone.join("model.safetensors"));
            same(&sweep.join(format!("counts/cell-{cell}.safetensors")), &alone.join("counts.safetensors"));
            let own = all.iter().filter(|row| row["cell"] == cell.to_string());
            let own: Vec<&HashMap<String, String>> = own.collect();
            let expected = rows(&alone.join("metrics.csv"));
            assert_eq!(own.len(), 2 * 7);
            for (own, expected) in own.into_iter().zip(&expected) {
                assert_eq!((&own["hidden"][..], &own["optimizer"][..]), (hidden, optimizer));
                assert_eq!(own["learning_rate"], rate.to_string());
                assert!(expected.iter().all(|(title, value)| own[title] == *value), "{own:?} is not {expected:?}");
            }
        }
        assert_eq!(all.len(), 12 * 2 * 7);
    }
}

/// Gradients, rules and their numbers make cells, each of which is its training alone; a number that a rule does not have
/// makes no more cells of it. Tables, run.json, the report and `asgd compare` tell them apart, and a resumed run keeps them.
#[test]
fn gradients_rules_and_numbers_make_cells() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let rest = "--weight-decay 0.01 --hidden 5 --samples 200 --seed 3 --quiet --validation 0.1";
    run(path, &format!("train --gradient mean,effective --rule sgd,adam --beta1 0.5,0.9 --epochs 3 {rest} --out s"));
    let table = rows(&path.join("s/sweep.csv"));
    let expected = [("sgd", ""), ("asgd", ""), ("adam", "0.5"), ("adam", "0.9"), ("aadam", "0.5"), ("aadam", "0.9")];
    assert_eq!(table.len(), expected.len());
    let cells = &json(&path.join("s/run.json"))["settings"]["cells"];
    for (cell, (optimizer, beta1)) in expected.into_iter().enumerate() {
        let row = &table[cell];
        assert_eq!((&row["optimizer"][..], &row["beta1"][..], &row["weight_decay"][..]), (optimizer, beta1, "0.01"));
        assert_eq!((&row["beta2"][..], &row["momentum"][..]), (if beta1.is_empty() { "" } else { "0.999" }, ""));
        assert_eq!(
            cells[cell]["beta1"].as_f64().map(|beta1| beta1.to_string()),
            beta1.parse::<f64>().ok().map(|b| f64::from(b as f32).to_string())
        );
        let number = if beta1.is_empty() { String::new() } else { format!("--beta1 {beta1}") };
        run(path, &format!("train --optimizer {optimizer} {number} --epochs 3 {rest} --out {cell}"));
        let alone = path.join(cell.to_string());
        same(&path.join(format!("s/models/cell-{}.safetensors", cell + 1)), &alone.join("model.safetensors"));
    }
    assert!(fs::read_to_string(path.join("s/report.html")).unwrap().contains("<th>beta1</th>"));
    let compared = run(path, "compare 2 3 4");
    let compared = String::from_utf8(compared.stdout).unwrap();
    assert!(compared.contains("beta1") && !compared.contains("beta2  "), "{compared}");

    run(path, &format!("train --optimizer adam --beta1 0.5 --epochs 6 {rest} --out straight"));
    run(path, "train --resume 2 --epochs 6 --quiet");
    same(&path.join("2/model.safetensors"), &path.join("straight/model.safetensors"));
    refuses(path, "train --resume 2 --beta1 0.9", 2, &["--resume", "--beta1"]);
}

/// A cell that clips by norm is its training alone as well, whatever is beside it; and clipping does something.
#[test]
fn clipping_makes_cells() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    for device in devices() {
        let rest = format!("--samples 200 --epochs 3 --seed 3 --quiet --validation 0.1 --device {device}");
        let sweep = format!("{device}-sweep");
        let lists = "--optimizer asgd,momentum --clip-value none,0.01 --clip-norm none,0.02 --hidden 5 --hidden 9";
        run(path, &format!("train {lists} {rest} --out {sweep}"));
        let table = rows(&path.join(&sweep).join("sweep.csv"));
        assert_eq!(table.len(), 2 * 2 * 2 * 2);
        let mut models = Vec::new();
        for row in &table {
            let [cell, optimizer, value, norm, hidden] =
                ["cell", "optimizer", "clip_value", "clip_norm", "hidden"].map(|title| row[title].as_str());
            let settings = format!("--optimizer {optimizer} --clip-value {value} --clip-norm {norm} --hidden {hidden}");
            run(path, &format!("train {settings} {rest} --out {device}-{cell}"));
            let alone = path.join(format!("{device}-{cell}/model.safetensors"));
            same(&path.join(format!("{sweep}/models/cell-{cell}.safetensors")), &alone);
            models.push(fs::read(alone).unwrap());
        }
        models.sort();
        models.dedup();
        assert_eq!(models.len(), table.len(), "{device}: some bounds change nothing");
    }
    let settings = &json(&path.join("cpu-4/run.json"))["settings"];
    assert!((settings["clip_value"].as_f64().unwrap() - 0.01).abs() < 1e-8, "{settings}");
    assert!((settings["clip_norm"].as_f64().unwrap() - 0.02).abs() < 1e-8, "{settings}");
}

/// A cell with dropout is its training alone, whatever is beside it; padded networks have the same silent nodes. A run that is made
/// longer goes on with those of its next step.
#[test]
fn dropout_makes_cells() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let of_both = || ["dropout", "input-dropout"].into_iter();
    let with_both = |device: String| of_both().map(move |kind| (device.clone(), kind));
    for (device, kind) in devices().into_iter().flat_map(with_both) {
        let rest = format!("--samples 200 --seed 3 --replicas 2 --quiet --validation 0.1 --device {device}");
        let device = &format!("{device}-{kind}");
        let sweep = format!("{device}-sweep");
        run(path, &format!("train --{kind} 0,0.4 --hidden 5,4 --hidden 9,6 --epochs 3 {rest} --out {sweep}"));
        let table = rows(&path.join(&sweep).join("sweep.csv"));
        assert_eq!(table.len(), 2 * 2);
        let mut models = Vec::new();
        for row in &table {
            let column = kind.replace('-', "_");
            let [cell, dropout, hidden] = ["cell", &column, "hidden"].map(|title| row[title].as_str());
            let settings = format!("--{kind} {dropout} --hidden {hidden}");
            run(path, &format!("train {settings} --epochs 3 {rest} --out {device}-{cell}"));
            let alone = path.join(format!("{device}-{cell}/model.safetensors"));
            same(&path.join(format!("{sweep}/models/cell-{cell}.safetensors")), &alone);
            models.push(fs::read(alone).unwrap());
            run(path, &format!("train {settings} --epochs 5 {rest} --out longer-{device}-{cell}"));
            run(path, &format!("train --resume {device}-{cell} --epochs 5 --quiet"));
            same(
                &path.join(format!("longer-{device}-{cell}/model.safetensors")),
                &path.join(format!("{device}-{cell}/model.safetensors")),
            );
        }
        models.sort();
        models.dedup();
        assert_eq!(models.len(), table.len(), "{device}: dropout changes nothing");
    }
    for kind in of_both() {
        let key = kind.replace('-', "_");
        let settings = [1, 2].map(|cell| {
            let document = json(&path.join(format!("cpu-{kind}-{cell}/run.json")));
            document["settings"][&key].as_f64()
        });
        assert_eq!(settings, [None, Some(f64::from(0.4f32))]);
        let resume = format!("train --resume cpu-{kind}-2 --{kind} 0.4");
        refuses(path, &resume, 2, &["--resume", &format!("--{kind}")]);
    }
}

/// A cell with a threshold is its training alone, whatever is beside it; networks are padded with nodes that give nothing, or not at
/// all where such nodes would. The activation stays with the model.
#[test]
fn thresholds_make_cells_and_activations_stay() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    for (device, activation) in
        devices().into_iter().flat_map(|device| ["gelu", "sigmoid"].map(|own| (device.clone(), own)))
    {
        let rest = format!(
            "--activation {activation} --lr 0.05 --samples 200 --seed 3 --replicas 2 --quiet --validation 0.1 --device {device}"
        );
        let sweep = format!("{device}-{activation}");
        run(path, &format!("train --count-threshold 0,0.2 --hidden 5,4 --hidden 9,6 --epochs 3 {rest} --out {sweep}"));
        let table = rows(&path.join(&sweep).join("sweep.csv"));
        assert_eq!(table.len(), 2 * 2);
        let mut models = Vec::new();
        for row in &table {
            let [cell, threshold, hidden] = ["cell", "count_threshold", "hidden"].map(|title| row[title].as_str());
            let settings = format!("--count-threshold {threshold} --hidden {hidden}");
            let alone = format!("{sweep}-{cell}");
            run(path, &format!("train {settings} --epochs 3 {rest} --out {alone}"));
            let file = path.join(format!("{alone}/model.safetensors"));
            same(&path.join(format!("{sweep}/models/cell-{cell}.safetensors")), &file);
            assert_eq!(Model::load(&file).unwrap().spec().activation().to_string(), activation);
            models.push(fs::read(file).unwrap());
            run(path, &format!("train {settings} --epochs 5 {rest} --out longer-{alone}"));
            run(path, &format!("train --resume {alone} --epochs 5 --quiet"));
            same(
                &path.join(format!("longer-{alone}/model.safetensors")),
                &path.join(format!("{alone}/model.safetensors")),
            );
        }
        models.sort();
        models.dedup();
        assert_eq!(models.len(), table.len(), "{device}: thresholds change nothing");
    }
    let settings = |run: &str| json(&path.join(run).join("run.json"))["settings"].clone();
    let [first, last] = ["cpu-gelu-1", "cpu-gelu-2"].map(settings);
    assert_eq!((first["count_threshold"].as_f64(), last["count_threshold"].as_f64()), (None, Some(f64::from(0.2f32))));
    assert_eq!(first["activation"], "gelu");
    refuses(path, "train --resume cpu-gelu-2 --count-threshold 0.2", 2, &["--resume", "--count-threshold"]);
    refuses(path, "train --resume cpu-gelu-2 --activation tanh", 2, &["--resume", "--activation"]);

    // Other commands take the activation from the model; a network that starts from a file has its, unless told otherwise.
    let model = "cpu-gelu-2/model.safetensors";
    let text = |command: &str| String::from_utf8(run(path, command).stdout).unwrap();
    let [without, with] =
        ["", " --count-threshold 0.2"].map(|threshold| text(&format!("inspect {model} circles --json{threshold}")));
    let inspected: [Value; 2] = [without, with].map(|line| serde_json::from_str(&line).unwrap());
    let means = inspected.each_ref().map(|document| document["mean_adaptive_batch_size"][1].as_f64().unwrap());
    assert!(means[0] == 64.0 && means[1] < 60.0 && means[1] > 1.0, "{means:?}");
    assert!(text(&format!("inspect {model} circles")).contains("gelu silences no node"));
    let pruned = text(&format!("prune {model} circles --replica 0 -o small.safetensors"));
    assert!(pruned.contains("not of gelu") && pruned.contains("bit for bit"), "{pruned}");
    run(path, "train --init small.safetensors --samples 200 --epochs 1 --quiet --out again");
    run(path, "train --init small.safetensors --activation elu --samples 200 --epochs 1 --quiet --out other");
    assert_eq!(settings("again")["activation"], "gelu");
    assert_eq!(settings("other")["activation"], "elu");
}

#[test]
fn validation_samples_choose_the_best() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    run(path, &format!("{SWEEP} --out s"));
    let sweep = path.join("s");
    let mut sums: HashMap<String, Vec<(f64, String)>> = HashMap::new();
    for row in rows(&sweep.join("metrics.csv")).iter().filter(|row| row["epoch"] == "6") {
        let of_cell = sums.entry(row["cell"].clone()).or_default();
        of_cell.push((number(row, "validation_loss"), row["replica"].clone()));
    }
    let mean = |losses: &[(f64, String)]| losses.iter().map(|(loss, _)| loss).sum::<f64>() / losses.len() as f64;
    let (best, losses) = sums.iter().min_by(|a, b| mean(a.1).total_cmp(&mean(b.1))).unwrap();
    let (_, replica) = losses.iter().min_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
    let of_cell = Model::load(&sweep.join(format!("models/cell-{best}.safetensors"))).unwrap();
    let replica = replica.parse::<usize>().unwrap();
    assert_eq!(Model::load(&sweep.join("best.safetensors")).unwrap(), of_cell.slice(replica..replica + 1));
    let result = &json(&sweep.join("run.json"))["result"];
    assert_eq!(result["best_cell"].to_string(), *best);

    // sweep.csv says the same, cell by cell.
    let table = rows(&sweep.join("sweep.csv"));
    assert_eq!(table.len(), 12);
    for row in &table {
        assert!((number(row, "validation_loss") - mean(&sums[&row["cell"]])).abs() < 1e-12, "{row:?}");
        let ahead = sums.values().filter(|losses| mean(losses) < mean(&sums[&row["cell"]])).count();
        assert_eq!(row["rank"], (ahead + 1).to_string());
    }
    assert!(fs::read_to_string(sweep.join("sweep.svg")).unwrap().contains("validation loss"));

    // The samples are those that the model says, and none of them was trained on.
    let output = run(path, "evaluate s/best.safetensors circles --split validation --json");
    let evaluation: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&evaluation["samples"], &evaluation["trained_on"]), (&Value::from(21), &Value::from(0)));
    let loss = losses.iter().find(|(_, other)| *other == replica.to_string()).unwrap().0;
    assert!((evaluation["loss"].as_f64().unwrap() - loss).abs() < 1e-12);
    let output = run(path, "evaluate s/best.safetensors circles --split train --json");
    let evaluation: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(evaluation["samples"], 189);

    // The line before the last names files that are there.
    let output = run(path, &format!("{} --out named", SWEEP.replace("--quiet", "")));
    let said = String::from_utf8(output.stdout).unwrap();
    let (folder, names) = said.lines().rev().nth(1).unwrap().split_once(": ").unwrap();
    for name in names.split(", ") {
        assert!(path.join(folder).join(name).exists(), "{name} is not there");
    }

    // Without any nothing is chosen.
    let output = run(path, &format!("{} --validation 0 --out none", SWEEP.replace("--quiet", "")));
    assert!(String::from_utf8_lossy(&output.stdout).contains("without a validation set none is best"));
    assert!(!path.join("none/best.safetensors").exists());
}

#[test]
fn kills_change_no_bit_of_a_sweep() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    // Some seconds, three groups on the CPU.
    let long = format!("{} --checkpoint-every 20", SWEEP.replace("--epochs 6", "--epochs 12000 --eval-every 2000"));
    run(path, &format!("{long} --out long --device cpu"));
    let mut child = asgd(path, &format!("{long} --out killed --device cpu")).spawn().unwrap();
    wait_for(&path.join("killed/checkpoints/group-1-0-8.safetensors"), &mut child);
    let mut kills = 0;
    for pause in [10, 150, 60, 200, 90, 100, 40, 120] {
        std::thread::sleep(std::time::Duration::from_millis(pause));
        kills += usize::from(child.try_wait().unwrap().is_none());
        let _ = child.kill();
        child.wait().unwrap();
        child = asgd(path, "train --resume killed --quiet").spawn().unwrap();
    }
    assert!(kills >= 3, "only {kills} kills hit a run");
    assert!(child.wait_with_output().unwrap().status.success());
    for name in ["metrics.csv", "sweep.csv", "sweep.svg", "best.safetensors", "models/cell-9.safetensors"] {
        same(&path.join("long").join(name), &path.join("killed").join(name));
    }
}

#[test]
fn a_run_made_longer_is_the_longer_run() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let same_runs =
        |a: &Path, b: &Path, names: &[&str]| names.iter().for_each(|name| same(&a.join(name), &b.join(name)));
    let plain = ["model.safetensors", "counts.safetensors", "metrics.csv", "learning_curve.svg"];
    let run_of = |device: &str, epochs: &str| {
        format!("train --hidden 7,5 --replicas 3 --quiet --device {device} --epochs {epochs}")
    };
    for device in devices() {
        // 110 epochs are evaluated every 2, 7 every 1: what lies between is left out.
        for (short, long) in [("4", "8"), ("7", "110")] {
            let [a, b] = ["long", "extended"].map(|name| format!("{name}-{device}-{long}"));
            run(path, &format!("{} --out {a}", run_of(&device, long)));
            run(path, &format!("{} --out {b}", run_of(&device, short)));
            run(path, &format!("train --resume {b} --epochs {long} --quiet"));
            same_runs(&path.join(&a), &path.join(&b), &plain);
            let [a, b] = [a, b].map(|name| json(&path.join(name).join("run.json"))["settings"].clone());
            assert_eq!(a, b);
        }
    }
    // Twice longer, by steps and by epochs, the second time after a kill; then it is resumed without a word of how far.
    run(path, &format!("{} --out twice", run_of("cpu", "2")));
    run(path, "train --resume twice --steps 40 --quiet");
    let mut child = asgd(path, "train --resume twice --epochs 3000 --quiet").spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(150));
    let _ = child.kill();
    child.wait().unwrap();
    run(path, "train --resume twice --epochs 3000 --quiet");
    run(path, "train --resume twice --quiet");
    run(path, &format!("{} --eval-every 1 --out once", run_of("cpu", "3000")));
    same_runs(&path.join("once"), &path.join("twice"), &plain[..2]);

    refuses(path, "train --resume twice --epochs 2999 --quiet", 2, &["--epochs", "33000 steps (3000 epochs)"]);
    refuses(path, "train --resume twice --epochs 5000 --lr 0.1 --quiet", 2, &["--lr"]);

    // A sweep is made longer as a whole.
    run(path, &format!("{SWEEP} --out short"));
    run(path, "train --resume short --epochs 9 --quiet");
    run(path, &format!("{} --out whole", SWEEP.replace("--epochs 6", "--epochs 9")));
    same_runs(&path.join("whole"), &path.join("short"), &["metrics.csv", "sweep.csv", "best.safetensors"]);
}

#[test]
fn a_loss_beyond_all_bounds_is_divergence() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    // One step throws it far away, all numbers finite still; the other network is sound.
    run(path, "train circles --optimizer sgd --lr 1e10,0.1 --hidden 5 --steps 1 --validation 0 --quiet --out far");
    let rows = rows(&path.join("far/metrics.csv"));
    let last = rows.iter().find(|row| row["cell"] == "1" && row["step"] == "1").unwrap();
    let loss = number(last, "train_loss");
    assert!(loss.is_finite() && loss > 1e4, "{loss}");
    assert_eq!(last["diverged"], "1");
    let cells = &json(&path.join("far/run.json"))["result"]["cells"];
    assert_eq!(cells[0]["diverged_replicas"], serde_json::json!([0]));
    assert_eq!(cells[1]["diverged_replicas"], serde_json::json!([]));
    // A checkpoint remembers it, though no number of it is infinite.
    let before = fs::read(path.join("far/metrics.csv")).unwrap();
    fs::remove_file(path.join("far/metrics.csv")).unwrap();
    run(path, "train --resume far --quiet");
    assert!(fs::read(path.join("far/metrics.csv")).unwrap() == before);
    let output = run(path, "train circles --optimizer sgd --lr 1e10 --hidden 5 --steps 22 --eval-every 1 --out alone");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("1 of 1 replicas diverged") && said.contains("(replica 0 by epoch 1)"), "{said}");
}

#[test]
fn mistakes_get_one_clear_line() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    for (arguments, words) in [
        ("train --lr 0.1,0.1", &["twice", "asgd, lr 0.1"][..]),
        ("train --lr 0.1,x", &["--lr", "'x'"]),
        ("train --lr -0.1,0.2", &["'-0.1' for '--lr", "must be"]),
        ("train --optimizer sgd --epsilon 1e-8,1", &["--epsilon", "none of the optimizers"]),
        ("train --hidden 5 --hidden 5", &["twice"]),
        ("train --rule adam --beta2 0.9,0.9", &["twice", "aadam"]),
        ("train --rule adam --optimizer sgd", &["--rule", "--optimizer"]),
        ("train --rule momentum --beta1 0.9", &["--beta1", "momentum has no such number", "adam, adamw, lion"]),
        ("train --rule adam,sgd --beta1 0.9,1", &["--beta1", "1 is not at least 0 and below 1"]),
        ("train --dropout 1", &["'1' for '--dropout", "at least 0 and below 1"]),
        ("train --dropout 0.1,-0.1", &["'-0.1' for '--dropout", "at least 0 and below 1"]),
        ("train --input-dropout 1", &["'1' for '--input-dropout", "at least 0 and below 1"]),
        ("train --input-dropout 0.1,x", &["'x' for '--input-dropout"]),
        ("train --input-dropout 0.5,0.5 --hidden none", &["twice", "input dropout 0.5"]),
        ("train --dropout 0.5 --hidden none", &["--dropout", "none of the networks has any"]),
        ("train --count-threshold 1", &["'1' for '--count-threshold", "at least 0 and below 1"]),
        ("train --count-threshold 0,0.1 --optimizer sgd", &["--count-threshold", "none of the optimizers"]),
        ("train --activation swich", &["'swich' for '--activation", "leaky-relu:SLOPE"]),
        ("train --activation leaky-relu:-1", &["'leaky-relu:-1' for '--activation", "a finite number above 0"]),
        ("train --activation tanh --hidden none", &["--activation", "none of the networks has any"]),
        ("train --clip-value 0", &["--clip-value", "0 is not a number above 0"]),
        ("train --clip-norm -1", &["--clip-norm", "-1 is not a number above 0"]),
        ("train --clip-norm 1,off", &["'off' for '--clip-norm", "must be a number or none"]),
        ("train --weight-decay -0.1", &["--weight-decay", "-0.1 is not a finite number of at least 0"]),
        ("train --rule adam --eps x", &["'x' for '--eps", "must be a number"]),
        ("train --optimizer asgd,adma", &["--optimizer", "adma"]),
        ("train --batch-size 10,4000", &["--batch-size", "4000 samples", "has 630"]),
        ("train --lr 0.1,0.2 --validation 1", &["--validation", "between 0 and 1"]),
        ("train --lr 0.1,0.2 --validation 0.0001", &["--validation", "none for one of the two sets"]),
        ("train --validation=-0.1", &["--validation"]),
    ] {
        refuses(path, &format!("{arguments} --out x"), 2, words);
        assert!(!path.join("x").exists());
    }
    refuses(path, "train --lr 0.1, 0.2 --out x", 2, &["--lr"]);
    refuses(path, "train --lr 0.1 0.2 --out x", 1, &["0.2: no such file", "no spaces"]);
}

#[test]
fn the_end_says_what_became_of_every_cell() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    // All diverge: that is why none is best.
    let output = run(path, "train --optimizer sgd --lr 1e30,1e29 --hidden 5 --epochs 2 --replicas 2 --out far");
    let (said, warned) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("all networks diverged") && !said.contains("without a validation set"), "{said}");
    assert!(warned.contains("cell 2: 2 of 2 replicas diverged (replica 0 by epoch 1, 1 by epoch 1)"), "{warned}");
    // Cells of all batch sizes see the samples equally often, unless steps are asked for.
    run(path, "train --batch-size 16,64 --hidden 5 --samples 200 --quiet --out sizes");
    let table = rows(&path.join("sizes/sweep.csv"));
    assert_eq!((&table[0]["epochs"], &table[0]["batch_size"]), (&table[1]["epochs"], &"16".to_string()));
    // What an earlier run left is gone, whichever kind it was.
    run(path, "train --lr 0.1,0.2 --hidden 5 --epochs 2 --quiet --out again");
    run(path, "train --hidden 5 --epochs 2 --quiet --out again");
    assert!(!path.join("again/models").exists() && !path.join("again/best.safetensors").exists());
    assert!(path.join("again/model.safetensors").exists());
    let cells = &json(&path.join("sizes/run.json"))["result"]["cells"];
    assert_eq!((&cells[0]["batch_size"], &cells[1]["widths"]), (&Value::from(16), &serde_json::json!([2, 5, 1])));
}

#[test]
fn a_sweep_keeps_its_groups_on_another_device() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let [cpu, adapter] = devices();
    // Padded on the adapter: one group of both widths, which the CPU takes over as it is.
    run(path, &format!("train --hidden 5 --hidden 9 --epochs 4 --quiet --device {adapter} --out s"));
    run(path, &format!("train --resume s --epochs 8 --force --device {cpu} --quiet"));
    let groups = fs::read_dir(path.join("s/checkpoints")).unwrap().flatten();
    let names: Vec<String> = groups.map(|file| file.file_name().into_string().unwrap()).collect();
    assert!(names.iter().all(|name| name.starts_with("group-1-0-2")), "{names:?}");
    assert_eq!(rows(&path.join("s/metrics.csv")).len(), 2 * 9);
}

#[test]
fn evaluate_knows_what_was_set_aside() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let table = |rows: std::ops::Range<usize>| -> String {
        let row = |i: usize| format!("{}.{},{},{}\n", i % 7, i, (i * 37) % 11, ["a", "b"][i % 2]);
        ["x,y,kind\n".to_string()].into_iter().chain(rows.map(row)).collect()
    };
    fs::write(path.join("t.csv"), table(0..150)).unwrap();
    fs::write(path.join("u.csv"), table(150..200)).unwrap();
    run(path, "train t.csv --validation 0.2 --epochs 5 --quiet --out own");
    run(path, "train t.csv --test u.csv --validation 0.2 --epochs 5 --quiet --out other");
    let evaluate = |arguments: &str| -> (u64, u64, String) {
        let output = run(path, &format!("evaluate {arguments} --json"));
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        let which = value["which"].as_str().unwrap().to_string();
        (value["samples"].as_u64().unwrap(), value["trained_on"].as_u64().unwrap(), which)
    };
    let (samples, trained_on, which) = evaluate("own/model.safetensors t.csv");
    assert_eq!((samples, trained_on), (45, 0));
    assert!(which.contains("from 150 rows"), "{which}");
    for (arguments, expected) in [
        ("own/model.safetensors t.csv --split all", (150, 84)),
        ("own/model.safetensors t.csv --split validation", (21, 0)),
        ("other/model.safetensors t.csv", (30, 0)),
        ("other/model.safetensors t.csv --split train", (120, 120)),
        ("other/model.safetensors t.csv --split all", (150, 120)),
        ("other/model.safetensors u.csv", (50, 0)),
    ] {
        let (samples, trained_on, _) = evaluate(arguments);
        assert_eq!((samples, trained_on), expected, "{arguments}");
    }
    refuses(path, "evaluate other/model.safetensors t.csv --split test", 2, &["--split", "another file"]);
}
