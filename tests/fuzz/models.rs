//! Files of networks and of counts.

use std::path::Path;

use asgd::dataset::{Circles, Points, Prepared, Scale, Scales};
use asgd::{Activation, AdaptiveBatchSizes, Init, Loss, Model, NetworkSpec};
use serde_json::Value;

use crate::harness::{Random, mutated, mutated_json, survives};

/// Networks of every kind that files tell apart.
fn models() -> Vec<Model> {
    let spec = NetworkSpec::with(&[2, 3, 1], Activation::Relu, Loss::BinaryCrossEntropy).unwrap();
    let scales = Scales { inputs: Some(Scale::Standard), targets: None };
    let circles = Points::Circles(Circles { samples: 40, ..Circles::default() });
    let mut with_record = Init::Kaiming.model(&spec, &[1]).unwrap();
    with_record.data = Prepared::points(&circles, scales, Some(0.1), None).unwrap().record;
    with_record.class_names = vec!["inner".into(), "outer \"ring\"".into()];
    let normalized =
        NetworkSpec::with(&[3, 4, 4, 2], "leaky-relu:0.1".parse().unwrap(), Loss::MeanSquaredError).unwrap();
    let normalized = normalized.with_batch_norm(true);
    vec![with_record, Init::Glorot.model(&normalized, &[1, 2, 3]).unwrap()]
}

/// A file cut into its header and its data.
fn parts(file: &[u8]) -> (Value, Vec<u8>) {
    let (length, rest) = file.split_first_chunk().unwrap();
    let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
    (serde_json::from_slice(header).unwrap(), data.to_vec())
}

fn joined(header: &[u8], data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header, data].concat()
}

fn make(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let seed = random.choose(seeds);
    let (header, data) = parts(seed);
    match random.below(4) {
        0 => mutated(random, &seed.clone(), &["\"", "{", "}", "]", ","]),
        1 => joined(&mutated(random, header.to_string().as_bytes(), &["\"", "{", "}", "]", ","]), &data),
        2 => {
            // Of what the metadata say, each is JSON in a text.
            let mut header = header;
            if let Some(fields) = header["__metadata__"].as_object_mut() {
                let key = fields.keys().nth(random.below(fields.len())).cloned().unwrap();
                let inner: Result<Value, _> = serde_json::from_str(fields[&key].as_str().unwrap_or_default());
                if let Ok(inner) = inner {
                    fields[&key] = mutated_json(random, &inner).to_string().into();
                }
            }
            joined(header.to_string().as_bytes(), &mutated(random, &data, &[]))
        }
        _ => joined(mutated_json(random, &header).to_string().as_bytes(), &data),
    }
}

/// What is read is what would be written.
#[test]
fn networks() {
    let seeds: Vec<Vec<u8>> = models().iter().map(Model::to_bytes).collect();
    survives(
        "model",
        |random| make(random, &seeds),
        |input| {
            let model = Model::from_bytes(input, Path::new("model.safetensors")).map_err(|error| error.to_string())?;
            let written = model.to_bytes();
            let again = Model::from_bytes(&written, Path::new("again")).expect("what was written is read");
            assert!(again.to_bytes() == written);
            Ok(())
        },
    );
}

#[test]
fn counts() {
    let seeds: Vec<Vec<u8>> =
        models().iter().map(|model| AdaptiveBatchSizes::zeros(model.spec(), model.replicas()).to_bytes()).collect();
    survives(
        "counts",
        |random| make(random, &seeds),
        |input| {
            let counts = AdaptiveBatchSizes::from_bytes(input, Path::new("counts.safetensors"))
                .map_err(|error| error.to_string())?;
            let again = AdaptiveBatchSizes::from_bytes(&counts.to_bytes(), Path::new("again"))
                .expect("what was written is read");
            assert!(again.to_bytes() == counts.to_bytes());
            Ok(())
        },
    );
}
