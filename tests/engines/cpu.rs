//! The CPU engine gives the same bits for any number of threads, for every instruction set, and for data that it lists or
//! keeps dense.

use std::fs;
use std::path::Path;

use asgd::cpu::{self, Cpu};
use asgd::dataset::{Inputs, Samples};
use asgd::engine::{EvaluationEngine, TrainingEngine};
use asgd::{AdaptiveBatchSizes, Dataset, Evaluation, Model, Order, Split, TrainSettings};
use tempfile::TempDir;

use crate::command::asgd;
use crate::support::{circles, images, model, pixels, replicas};

/// All that a training has to show.
#[derive(Debug, PartialEq)]
struct Trained {
    model: Vec<u8>,
    reduction: (Model, AdaptiveBatchSizes),
    means: Vec<Vec<f64>>,
    evaluations: [Vec<Evaluation>; 2],
}

/// Trains `steps` steps, and says how many threads shared a replica.
fn train(threads: usize, dataset: &Dataset, initial: &Model, settings: TrainSettings, steps: u64) -> (Trained, usize) {
    let cpu = Cpu::new(Some(threads)).unwrap();
    let mut trainer = cpu::Trainer::new(&cpu, dataset, initial, settings).unwrap();
    trainer.train(steps).unwrap();
    let trained = Trained {
        model: trainer.model().unwrap().to_bytes(),
        reduction: trainer.last_reduction().unwrap().unwrap(),
        means: trainer.mean_adaptive_batch_sizes().unwrap().unwrap(),
        evaluations: [Split::Train, Split::Test].map(|split| trainer.evaluate(split).unwrap()),
    };
    (trained, trainer.team_size())
}

/// Replicas are trained alone, side by side, or by teams of two and three threads.
#[test]
fn any_number_of_threads() {
    // Data set, hidden layers, replicas, and the threads that share a replica where there are 1, 2, 3, 5 threads.
    let cases = [
        (images(), vec![17, 9], 1, [1, 1, 1, 1]),
        (circles(), vec![10, 10], 4, [1, 1, 1, 1]),
        (pixels(150, 784, 10, 8), vec![64, 64], 1, [1, 2, 3, 5]),
        (pixels(150, 784, 10, 8), vec![64, 64], 2, [1, 1, 1, 2]),
        (pixels(150, 200, 3, 3), vec![130, 70], 1, [1, 2, 3, 5]),
        (pixels(150, 400, 5, 6), vec![100, 70], 1, [1, 2, 3, 5]),
        (pixels(150, 784, 2, 0), vec![100], 3, [1, 1, 1, 1]),
    ];
    for (dataset, hidden, count, teams) in cases {
        let seeds: Vec<u64> = (0..count).collect();
        let initial = model(&dataset, &hidden, &seeds);
        let settings = TrainSettings { replicas: replicas(0..count), ..Default::default() };
        let run = |threads| train(threads, &dataset, &initial, settings.clone(), 12);
        let (alone, _) = run(1);
        for (threads, team) in [1, 2, 3, 5].into_iter().zip(teams) {
            let what = format!("{} {hidden:?}, {count} replicas, {threads} threads", dataset.name);
            let (trained, team_size) = run(threads);
            assert_eq!(team_size, team, "{what}: threads that share a replica");
            assert!(trained == alone, "{what}");
        }
    }
}

/// Predictions do not depend on threads either: through several blocks of samples, the last one short.
#[test]
fn predictions_of_any_number_of_threads() {
    for (dataset, hidden) in
        [(pixels(600, 40, 5, 8), vec![100, 70]), (circles(), vec![3]), (pixels(257, 33, 3, 0), vec![])]
    {
        let model = model(&dataset, &hidden, &[1, 2, 3]);
        let run = |threads| {
            let mut predictor = cpu::Predictor::new(&Cpu::new(Some(threads)).unwrap(), &model, &dataset.train).unwrap();
            let outputs: Vec<Vec<f32>> = (0..=hidden.len()).map(|layer| predictor.outputs(layer).unwrap()).collect();
            (predictor.evaluate().unwrap(), outputs)
        };
        let alone = run(1);
        for threads in [2, 3, 5] {
            assert!(run(threads) == alone, "{} {threads}", dataset.name);
        }
    }
}

/// The same samples, once in a data set with many zeros, which is kept as lists, and once in one with few, which is kept
/// dense.
#[test]
fn lists_and_dense_data() {
    let sparse = pixels(192, 40, 5, 8);
    let dense_part = pixels(1000, 40, 5, 0);
    let Inputs::U8(values) = sparse.train.inputs() else { panic!("8-bit") };
    let Inputs::U8(more) = dense_part.train.inputs() else { panic!("8-bit") };
    let labels = [sparse.train.labels(), dense_part.train.labels()].concat();
    let train_samples = Samples::new(40, Inputs::U8([&values[..], more].concat()), labels, 5).unwrap();
    let dense = Dataset { train: train_samples, ..sparse.clone() };
    for hidden in [vec![100, 70], vec![31], vec![]] {
        let initial = model(&sparse, &hidden, &[1, 2]);
        // The first three batches are the same.
        let settings = TrainSettings { order: Order::Sequential, replicas: replicas(1..3), ..Default::default() };
        let run = |dataset| {
            let (trained, _) = train(2, dataset, &initial, settings.clone(), 3);
            (trained.model, trained.reduction, trained.means, trained.evaluations[1].clone())
        };
        assert!(run(&sparse) == run(&dense), "{hidden:?}");
    }
}

/// A run folder's files of a child process that uses one of the instruction sets. A name that this machine does not have
/// means its best.
fn run_with(instruction_set: &str, folder: &Path, arguments: &str) -> Vec<Vec<u8>> {
    let mut command = asgd(folder, &format!("{arguments} --out {instruction_set}"));
    let output = command.env("ASGD_INSTRUCTION_SET", instruction_set).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let files = ["model.safetensors", "counts.safetensors", "metrics.csv"];
    files.map(|name| fs::read(folder.join(instruction_set).join(name)).unwrap()).into()
}

/// The instruction sets that this machine has, by their names: each is chosen where it is asked for.
fn instruction_sets(folder: &Path) -> Vec<String> {
    let is_chosen = |name: &&str| {
        let output = asgd(folder, "devices").env("ASGD_INSTRUCTION_SET", name).output().unwrap();
        String::from_utf8(output.stdout).unwrap().to_lowercase().contains(&format!("instructions     {name}"))
    };
    ["sse2", "avx2", "avx-512", "neon"].iter().filter(|name| is_chosen(name)).map(|name| name.to_string()).collect()
}

#[test]
fn any_instruction_set() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    // A sparse and a dense set of 40 inputs and 5 classes.
    for (name, zeros) in [("sparse", 8), ("dense", 0)] {
        let dataset = pixels(400, 40, 5, zeros);
        let row = |index: usize| {
            let values: Vec<String> = dataset.train.sample(index).iter().map(f32::to_string).collect();
            format!("{},{}\n", values.join(","), dataset.train.labels()[index])
        };
        fs::write(path.join(format!("{name}.csv")), (0..400).map(row).collect::<String>()).unwrap();
    }
    let sets = instruction_sets(path);
    assert!(!sets.is_empty(), "none of the names is known");
    println!("{sets:?}");
    let runs = [
        "train sparse.csv --hidden 100,70 --epochs 3 --replicas 2",
        "train dense.csv --hidden 33,9 --epochs 3 --optimizer sgd",
        "train circles --hidden 10,10 --epochs 20 --replicas 3",
        "train spirals --hidden 65 --epochs 5",
    ];
    for (index, arguments) in runs.into_iter().enumerate() {
        let folder = path.join(index.to_string());
        fs::create_dir(&folder).unwrap();
        let arguments = arguments.replace("train sparse", "train ../sparse").replace("train dense", "train ../dense");
        let arguments = format!("{arguments} --device cpu --quiet");
        let best = run_with("best", &folder, &arguments);
        for set in &sets {
            assert!(run_with(set, &folder, &arguments) == best, "{arguments}: {set} gives other bits");
        }
    }
}
