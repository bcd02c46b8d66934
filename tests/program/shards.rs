//! Parts of a run, trained apart and merged: every byte is that of one run, and what does not belong together is refused.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::command::{adapter, asgd, kill_often, refuses, run};

/// All files of a run but those that say when and where it was trained.
pub fn contents(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![run.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            match name.as_str() {
                "lock" | "settings.json" | "run.json" | "report.html" | "checkpoints" => {}
                _ if path.is_dir() => folders.push(path),
                _ => {
                    drop(found.insert(path.strip_prefix(run).unwrap().display().to_string(), fs::read(&path).unwrap()))
                }
            }
        }
    }
    found
}

/// Trains the parts one by one, the last one first, and merges them into `merged`.
fn in_parts(path: &Path, command: &str, count: usize) {
    for number in (1..=count).rev() {
        run(path, &format!("{command} --quiet --shard {number}/{count} --out part-{count}-{number}"));
    }
    let parts: Vec<String> = (1..=count).map(|number| format!("part-{count}-{number}")).collect();
    run(path, &format!("merge {} --out merged-{count} --quiet", parts.join(" ")));
}

/// Replicas, a sweep of two groups, what stops early; more parts than networks; on both engines.
#[test]
fn parts_make_the_whole_byte_for_byte() {
    let common = "train circles --samples 100 --batch-size 16 --epochs 6 --eval-every 2";
    for (options, counts) in [
        ("--replicas 7 --optimizer aadam --device cpu".into(), vec![1, 2, 3, 9]),
        ("--replicas 3 --lr 0.01,0.1 --hidden 5 --hidden 4,3 --device cpu".into(), vec![2, 5]),
        ("--replicas 5 --validation 0.2 --patience 1 --schedule plateau:1:0.5 --device cpu".into(), vec![3]),
        (format!("--replicas 3 --device {}", adapter()), vec![2]),
    ] {
        let folder = TempDir::new().unwrap();
        let path = folder.path();
        run(path, &format!("{common} {options} --quiet --out whole"));
        let whole = contents(&path.join("whole"));
        assert!(whole.len() >= 4 && whole.contains_key("metrics.csv"), "{:?}", whole.keys());
        for count in counts {
            in_parts(path, &format!("{common} {options}"), count);
            let merged = contents(&path.join(format!("merged-{count}")));
            let differing: Vec<&String> = whole.keys().filter(|name| merged.get(*name) != whole.get(*name)).collect();
            assert!(differing.is_empty() && merged.len() == whole.len(), "{options} in {count} parts: {differing:?}");
        }
        // It is a run like any other.
        let merged = fs::read_dir(path).unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap());
        let merged: Vec<String> = merged.filter(|name| name.starts_with("merged")).collect();
        run(path, &format!("check --runs {}", merged.join(" ")));
    }
}

/// Parts that are killed and resumed are the same parts.
#[test]
fn killed_parts_make_the_whole() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let command = "train circles --replicas 3 --epochs 2700 --eval-every 900 --checkpoint-every 5 --quiet --device cpu";
    run(path, &format!("{command} --out whole"));
    let kills = kill_often(path, &format!("{command} --shard 2/2"), "checkpoints/replicas-1-3.safetensors", 10);
    assert!(kills >= 5, "{kills}");
    run(path, &format!("{command} --shard 1/2 --out first"));
    run(path, "merge killed first --out merged --quiet");
    assert!(contents(&path.join("merged")) == contents(&path.join("whole")));
}

/// Experiments in parts.
#[test]
fn an_experiment_in_parts() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let command = "experiment 2 --replicas 3 --grid-replicas 1 --steps 40 --samples 200 --device cpu";
    run(path, &format!("{command} --quiet --out whole"));
    in_parts(path, command, 3);
    let (whole, merged) = (contents(&path.join("whole")), contents(&path.join("merged-3")));
    assert!(whole.contains_key("trainings.csv") && whole == merged, "{:?} {:?}", whole.keys(), merged.keys());
    // A folder is of one part.
    refuses(
        path,
        &format!("{command} --quiet --shard 1/3 --out part-3-2"),
        1,
        &["holds part 2/3 of a run, not part 1/3"],
    );
    refuses(path, &format!("{command} --quiet --out part-3-2"), 1, &["holds part 2/3 of a run, not a whole run"]);
    refuses(path, &format!("{command} --quiet --shard 1/3 --out whole"), 1, &["holds a whole run, not part 1/3"]);
    for experiment in ["experiment 1 --shard 1/2", "experiment 4 --shard 1/2"] {
        refuses(path, experiment, 2, &["--shard"]);
    }
}

/// Each in one line that says what is wrong with which part.
#[test]
fn what_makes_no_whole_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let train = "train circles --samples 60 --batch-size 16 --epochs 2 --replicas 4 --quiet --device cpu";
    for (shard, out) in [("1/3", "a"), ("2/3", "b"), ("3/3", "c"), ("2/3", "b2"), ("1/2", "half")] {
        run(path, &format!("{train} --shard {shard} --out {out}"));
    }
    run(path, &format!("{train} --seed 5 --shard 2/3 --out other-seed"));
    run(path, &format!("{train} --out whole"));
    let merge = |parts: &str, words: &[&str]| refuses(path, &format!("merge {parts} --out merged"), 1, words);
    merge("a c", &["part 2/3 is missing"]);
    merge("b", &["parts 1/3, 3/3 are missing"]);
    merge("a b c b2", &["b and b2 are both part 2/3"]);
    merge("a other-seed c", &["other-seed: is of another run than a", "seed"]);
    merge("a half", &["half: is part 1/2 and a is part 1/3"]);
    merge("a b whole", &["whole: holds no part"]);
    merge("a b nowhere", &["nowhere: holds no run"]);
    refuses(path, "merge a b c --out b", 1, &["b: is one of the parts"]);
    #[cfg(unix)]
    std::os::unix::fs::symlink("b", path.join("link")).unwrap();
    for out in ["link", "c/../b"] {
        refuses(path, &format!("merge a b c --out {out}"), 1, &["b: is one of the parts"]);
    }
    for wrong in ["0/3", "4/3", "1/18446744073709551615", "1"] {
        refuses(path, &format!("{train} --shard {wrong} --out x"), 2, &["K/N"]);
    }
    // Another run is not replaced.
    run(path, &format!("{train} --seed 9 --out other"));
    let before = contents(&path.join("other"));
    refuses(path, "merge a b c --out other", 1, &["other: holds a run with other settings"]);
    assert!(contents(&path.join("other")) == before);
    refuses(path, "check --runs a", 1, &["a: is part 1/3 of a run", "asgd merge"]);
    assert!(!path.join("merged").exists());

    // What was changed since, or is not finished.
    let checkpoint = fs::read_dir(path.join("b/checkpoints")).unwrap().flatten().next().unwrap().path();
    let sound = fs::read(&checkpoint).unwrap();
    fs::write(&checkpoint, &sound[..sound.len() - 1]).unwrap();
    merge("a b c", &["is not what it was", "copy it again"]);
    fs::write(&checkpoint, &sound).unwrap();
    let marker = fs::read_to_string(path.join("b/shard.json")).unwrap();
    fs::write(path.join("b/shard.json"), marker.replace("replicas-", "../replicas-")).unwrap();
    merge("a b c", &["no name of a checkpoint"]);
    fs::write(path.join("b/shard.json"), "{}").unwrap();
    merge("a b c", &["b/shard.json: is damaged"]);
    fs::remove_file(path.join("b/shard.json")).unwrap();
    merge("a b c", &["b: its part is not trained to the end", "asgd train --resume b"]);
    run(path, "train --resume b --quiet");
    run(path, "merge a b c --out merged --quiet");
    assert!(contents(&path.join("merged")) == contents(&path.join("whole")));

    let said = run(path, &format!("{train} --json --shard 1/3 --out a")).stdout;
    let said: serde_json::Value = serde_json::from_slice(&said).unwrap();
    assert_eq!((&said["shard"], &said["out"]), (&"1/3".into(), &"a".into()));

    // A part is no run: nobody evaluates a third of the networks as if they were all.
    assert!(!asgd(path, "evaluate a").output().unwrap().status.success());
}
