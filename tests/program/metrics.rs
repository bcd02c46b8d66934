//! What a run's files say of its networks, computed again from the networks by the reference.

use std::fs;
use std::path::Path;

use asgd::dataset::{Circles, Samples, ValidationShare};
use asgd::reference::step::Training;
use asgd::{AdaptiveBatchSizes, Dataset, Model, ReplicaSettings};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::command::page::{Metrics, mean_and_deviation};
use crate::command::{devices, run};

const RUN: &str =
    "train circles --samples 200 --noise 0.3 --validation 0.2 --hidden 6,5 --replicas 3 --seed 7 --epochs 4 --quiet";

/// The data of [`RUN`]. Training, validation and test set are of different sizes, and so are their losses.
fn data() -> Dataset {
    let circles = Circles { samples: 200, noise: 0.3, ..Circles::default() };
    circles.dataset().unwrap().with_validation(ValidationShare { fraction: 0.2, seed: 0 }).unwrap()
}

fn result(folder: &Path) -> Value {
    let document: Value = serde_json::from_slice(&fs::read(folder.join("run.json")).unwrap()).unwrap();
    document["result"].clone()
}

/// Of each hidden layer, how many nodes are 0 for all samples, and how many for none.
fn dummies(network: &Training, samples: &Samples) -> Vec<(usize, usize)> {
    let all: Vec<Vec<Vec<f64>>> = (0..samples.len()).map(|index| network.activations(&samples.sample(index))).collect();
    let of_layer = |layer: usize| {
        let nodes = 0..all[0][layer].len();
        let active = nodes.map(|node| all.iter().filter(|sample| sample[layer][node] > 0.0).count());
        let active: Vec<usize> = active.collect();
        let with = |count: usize| active.iter().filter(|&&active| active == count).count();
        (with(0), with(samples.len()))
    };
    (1..all[0].len() - 1).map(of_layer).collect()
}

fn mean(counts: &[u32]) -> f64 {
    counts.iter().map(|&count| f64::from(count)).sum::<f64>() / counts.len() as f64
}

#[test]
fn the_last_row_is_what_the_networks_are() {
    let folder = TempDir::new().unwrap();
    let data = data();
    let sets = [("train", &data.train), ("validation", data.validation.as_ref().unwrap()), ("test", &data.test)];
    for device in devices() {
        let out = folder.path().join(&device);
        run(folder.path(), &format!("{RUN} --device {device} --out {device}"));
        let metrics = Metrics::read(&out);
        let model = Model::load(&out.join("model.safetensors")).unwrap();
        let counts = AdaptiveBatchSizes::load(&out.join("counts.safetensors")).unwrap();
        for replica in 0..3 {
            let shown = |title: &str| metrics.last([replica], title)[0];
            let is_close = |title: &str, expected: f64| {
                let shown = shown(title);
                assert!(
                    (shown - expected).abs() < 1e-5 * expected.max(0.1),
                    "{device} {replica} {title}: {shown} {expected}"
                );
            };
            let network = Training::new(&model, replica, ReplicaSettings::default(), |value| value);
            for (set, samples) in sets {
                let all: Vec<u32> = (0..samples.len() as u32).collect();
                is_close(&format!("{set}_loss"), network.loss(samples, &all) / samples.len() as f64);
                is_close(&format!("{set}_accuracy"), network.hits(samples, &all) as f64 / samples.len() as f64);
            }
            let dummies = dummies(&network, &data.train);
            for (layer, (never, always)) in (1..).zip(&dummies) {
                is_close(&format!("true_dummies_{layer}"), *never as f64);
                is_close(&format!("pseudo_dummies_{layer}"), *always as f64);
            }
            is_close("true_dummies", dummies.iter().map(|(never, _)| *never as f64).sum());
            is_close("pseudo_dummies", dummies.iter().map(|(_, always)| *always as f64).sum());
            // Weights and biases alike.
            let layers = Training::flatten_counts(&counts, replica);
            for (layer, counts) in (1..).zip(&layers) {
                is_close(&format!("mean_adaptive_batch_size_{layer}"), mean(counts));
            }
            assert_eq!(layers.iter().map(Vec::len).collect::<Vec<_>>(), [3 * 6, 7 * 5, 6]);
            is_close("mean_adaptive_batch_size", mean(&layers.concat()));
        }
        // run.json says what the last rows say.
        let result = result(&out);
        for (set, score) in sets.iter().flat_map(|(set, _)| ["loss", "accuracy"].map(|score| (set, score))) {
            let name = format!("{set}_{score}");
            let (mean, deviation) = mean_and_deviation(&metrics.last(0..3, &name));
            let shown = [&name, &format!("{name}_std")].map(|key| result[key].as_f64().unwrap());
            assert!((shown[0] - mean).abs() < 1e-12 && (shown[1] - deviation).abs() < 1e-12, "{name}: {shown:?}");
        }
    }
}

/// What a diverged replica came to is in its rows, and in no mean.
#[test]
fn means_are_those_of_the_sound_replicas() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let spec = asgd::NetworkSpec::new(&[2, 4, 1]).unwrap();
    let mut start = asgd::Init::Kaiming.model(&spec, &[0, 1, 2]).unwrap();
    // No input activates the node, so that all numbers of metrics.csv stay finite.
    start.bias_mut(0, 1)[0] = f32::NEG_INFINITY;
    start.save(&path.join("start.safetensors")).unwrap();
    run(path, "train circles --init start.safetensors --replicas 3 --epochs 3 --device cpu --quiet --out run");
    let (result, metrics) = (result(&path.join("run")), Metrics::read(&path.join("run")));
    assert_eq!(result["diverged_replicas"], json!([1]));
    for name in
        ["train_loss", "train_accuracy", "test_loss", "test_accuracy", "mean_adaptive_batch_size", "true_dummies"]
    {
        let all = mean_and_deviation(&metrics.last(0..3, name));
        let (mean, deviation) = mean_and_deviation(&metrics.last([0, 2], name));
        assert!(all.0.is_finite() && all.0 != mean, "{name} does not tell them apart");
        let shown = [name, &format!("{name}_std")].map(|key| result[key].as_f64().unwrap());
        assert!((shown[0] - mean).abs() < 1e-12 && (shown[1] - deviation).abs() < 1e-12, "{name}: {shown:?} {mean}");
    }
}
