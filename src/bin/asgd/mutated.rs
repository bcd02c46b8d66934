//! Whatever is in a folder of a run or on the command line, the program survives it. See tests/fuzz/harness.rs.

#[path = "../../../tests/fuzz/harness.rs"]
mod harness;
#[path = "../../../tests/fuzz/memory.rs"]
mod memory;

use std::ffi::OsString;

use asgd::{Activity, AdaptiveBatchSizes, Evaluation, Init, Model, NetworkSpec};
use clap::{CommandFactory, Parser};
use serde_json::{Value, json};
use tempfile::TempDir;

use self::harness::{NUMBERS, Random, mutated, mutated_json, survives};
use crate::commands::train;
use crate::console::Reporter;
use crate::run::checkpoint::{Kept, Place, State};
use crate::run::metrics::Point;
use crate::{Cli, Command, compare, usage};

const JSON: [&str; 6] = ["\"", "{", "[[[[[[[[[[[[[[[[[[[[", "}", "]", ","];

fn networks() -> Model {
    Init::Kaiming.model(&NetworkSpec::new(&[2, 3, 2, 1]).unwrap(), &[1, 2]).unwrap()
}

/// One on its way with a validation set and networks that are kept, and one that is done.
fn states() -> [State; 2] {
    let model = networks();
    let counts = AdaptiveBatchSizes::zeros(model.spec(), model.replicas());
    let evaluation = |nodes| Evaluation { loss: 0.5, score: 0.75, nodes, has_diverged: false };
    let point = |step| Point {
        step,
        train: evaluation(vec![Activity::Sometimes; 5]),
        test: evaluation(Vec::new()),
        validation: Some(evaluation(Vec::new())),
        mean_adaptive_batch_sizes: vec![1.5; 3],
    };
    let kept = Some(Kept { model: model.clone(), counts: counts.clone() });
    let trajectories = vec![vec![point(0), point(2), point(4)], vec![point(0), point(2)]];
    let on_its_way =
        State { step: 4, model: model.clone(), moments: vec![model.clone()], counts: None, kept, trajectories };
    let of_end = |step| Point { validation: None, ..point(step) };
    let trajectories = vec![vec![of_end(0), of_end(9)]; 2];
    let done =
        State { step: 9, model: model.clone(), moments: vec![model], counts: Some(counts), kept: None, trajectories };
    [on_its_way, done]
}

#[test]
fn checkpoints() {
    let folder = TempDir::new().unwrap();
    let place = Place { path: folder.path().join("replicas-0-2.safetensors"), fingerprint: "ab".into(), steps: 9 };
    let seeds = states().map(|state| {
        state.save(&place).unwrap();
        std::fs::read(&place.path).unwrap()
    });
    let previous = folder.path().join("replicas-0-2.previous.safetensors");
    std::fs::remove_file(previous).unwrap();
    let make = |random: &mut Random| {
        let seed = random.choose(&seeds).clone();
        let (length, rest) = seed.split_first_chunk().unwrap();
        let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
        let joined = |header: &[u8], data: &[u8]| [&(header.len() as u64).to_le_bytes()[..], header, data].concat();
        match random.below(4) {
            0 => mutated(random, &seed, &JSON),
            1 => joined(&mutated(random, header, &JSON), data),
            2 => joined(header, &mutated_in_place(random, data)),
            _ => joined(mutated_json(random, &serde_json::from_slice(header).unwrap()).to_string().as_bytes(), data),
        }
    };
    let report = Reporter { quiet: true };
    survives("checkpoint", make, |input| {
        std::fs::write(&place.path, input).unwrap();
        let state = State::load_latest(&place, &networks(), 1, &report).map_err(|error| crate::line(&error))?;
        let state = state.expect("the file is there");
        // What is taken can be kept.
        let elsewhere = Place { path: folder.path().join("elsewhere.safetensors"), fingerprint: "ab".into(), steps: 9 };
        state.save(&elsewhere).map_err(|error| crate::line(&error))
    });
}

/// Of the same length, so that headers stay true.
fn mutated_in_place(random: &mut Random, data: &[u8]) -> Vec<u8> {
    let mut bytes = mutated(random, data, &[]);
    bytes.resize(data.len(), 0);
    bytes
}

fn settings() -> Value {
    json!({
        "asgd_version": "0.1.0",
        "arguments": {
            "directory": "/nowhere", "extended": [{ "epochs": 3 }, { "steps": 90 }],
            "command": ["asgd", "train", "circles", "--lr", "0.1,0.2", "--hidden", "7,5", "--seed", "-1", "--device", "cpu"],
        },
        "settings": {
            "cells": [{ "widths": [2, 7, 5, 1], "optimizer": "asgd", "learning_rate": 0.1, "steps": 90, "steps_per_epoch": 11 }],
            "padded": false, "replicas": 2, "seed": 0, "init": "kaiming", "initial_sha256": "ab", "order": "shuffled",
        },
        "dataset": { "name": "circles", "train_samples": 700, "sha256": "cd", "split": { "own": null }, "scale": "none" },
        "device": { "name": "cpu" },
        "machine": "CPU",
        "result": { "cells": [{ "kept_steps": [2, 4] }], "seconds": 1.5, "kept_steps": [2, 4] },
    })
}

fn text_of(random: &mut Random, seed: &Value) -> Vec<u8> {
    match random.below(3) {
        0 => mutated(random, seed.to_string().as_bytes(), &JSON),
        _ => mutated_json(random, seed).to_string().into_bytes(),
    }
}

#[test]
fn settings_of_runs() {
    let folder = TempDir::new().unwrap();
    let make = |random: &mut Random| {
        if random.one_in(3) {
            // The command line within.
            let mut settings = settings();
            let words = &mut settings["arguments"]["command"];
            *words = mutated_json(random, words);
            return settings.to_string().into_bytes();
        }
        text_of(random, &settings())
    };
    survives("settings.json", make, |input| {
        std::fs::write(folder.path().join("settings.json"), input).unwrap();
        train::arguments(folder.path()).map(drop).map_err(|error| crate::line(&error))
    });
}

/// run.json and metrics.csv, as `asgd compare` reads them.
#[test]
fn results_of_runs() {
    const METRICS: &str = "\
replica,epoch,step,train_loss,train_accuracy,test_loss,test_accuracy,mean_adaptive_batch_size,true_dummies,pseudo_dummies,diverged
0,0,0,0.7,0.5,0.7,0.5,,0,0,0
1,0,0,0.7,0.5,0.7,0.5,,0,0,0
0,1,2,0.6,0.6,0.65,0.55,12.5,1,2,0
1,1,2,0.6,0.6,NaN,0.55,12.5,1,2,1
";
    let folder = TempDir::new().unwrap();
    let make = |random: &mut Random| match random.below(2) {
        0 => [b"r", &text_of(random, &settings())[..]].concat(),
        _ => [b"m", &mutated(random, METRICS.as_bytes(), &[",", "\n", "\"", "nan", "\u{0}"])[..]].concat(),
    };
    survives("run.json and metrics.csv", make, |input| {
        let (document, metrics) = match input.split_at(1) {
            (b"r", document) => (document.to_vec(), METRICS.as_bytes().to_vec()),
            (_, metrics) => (settings().to_string().into_bytes(), metrics.to_vec()),
        };
        std::fs::write(folder.path().join("run.json"), document).unwrap();
        std::fs::write(folder.path().join("metrics.csv"), metrics).unwrap();
        let runs = compare::read(folder.path()).map_err(|error| crate::line(&error))?;
        for run in &runs {
            run.end(|row| row.test_loss);
            run.lowest();
            run.epoch();
        }
        Ok(())
    });
}

/// Each with arguments that are right.
const COMMANDS: [&str; 12] = [
    "train circles --hidden 7,5 --lr 0.1 --epochs 3 --replicas 2 --seed 4 --batch-size 32",
    "train --gradient mean,effective --rule adam,sgd --beta1 0.9 --momentum 0.5 --eps 1e-8 --weight-decay 0.01 --clip-norm 1",
    "train --schedule step:2:0.5 --warmup 10steps --steps 50 --eval-every 2 --checkpoint-every 1",
    "train --schedule plateau:3:0.1 --validation 0.2 --patience 3 --keep best --keep-by accuracy --warmup 0.5",
    "train --activation leaky-relu:0.1 --batch-norm --dropout 0.1 --input-dropout 0.2 --count-threshold 0.01 --init normal:0.1",
    "train table.csv --label 3 --drop 1,name --header no --delimiter tab --test-fraction 0.2 --classes 3 --scale standard",
    "evaluate model.safetensors mnist --split test --device cpu --threads 2",
    "predict model.safetensors table.csv --replica 1 --quiet",
    "experiment 2 --repeats 5 --steps 100 --seed 3",
    "compare runs/a runs/b --by accuracy",
    "bench --device cpu",
    "data fetch mnist --data-dir data",
];

#[test]
fn command_lines() {
    let tokens =
        [" ", ",", "-", "--", "=", ":", "\u{0}", "ä", "'", " --lr ", " --replicas ", " --steps ", " --hidden "];
    let make = |random: &mut Random| {
        let command = *random.choose(&COMMANDS);
        if random.one_in(2) {
            return mutated(random, command.as_bytes(), &tokens);
        }
        let mut words: Vec<&str> = command.split(' ').collect();
        for _ in 0..=random.below(3) {
            let at = 1 + random.below(words.len());
            match random.below(3) {
                0 => words.insert(at.min(words.len()), *random.choose(&NUMBERS)),
                1 if at < words.len() => drop(words.remove(at)),
                _ if at < words.len() => words[at] = *random.choose(&NUMBERS),
                _ => words.push("--json"),
            }
        }
        words.join(" ").into_bytes()
    };
    let circles = asgd::dataset::Circles { samples: 40, ..Default::default() }.dataset().unwrap();
    let cli = Cli::command();
    let device = asgd::Device::open_with_threads(Some("cpu"), Some(1)).unwrap();
    survives("command line", make, |input| {
        let text = String::from_utf8_lossy(input);
        let words = ["asgd"].into_iter().chain(text.split(' ')).map(OsString::from);
        let words = usage::with_negative_values(words);
        match Cli::try_parse_from(&words) {
            Ok(Cli { command: Command::Train(args) }) => {
                train::planned(&args, &device, &circles).map_err(|error| crate::line(&error))
            }
            Ok(_) => Ok(()),
            Err(error) if error.use_stderr() => Err(usage::explain(&error, &cli, &words)),
            Err(_) => Ok(()),
        }
    });
}
