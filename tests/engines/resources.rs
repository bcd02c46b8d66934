//! What a device gives, refuses and takes away: bytes, limits, itself.

use asgd::engine::TrainingEngine;
use asgd::gpu::{self, Gpu};
use asgd::{Activation, Error, Init, Model, NetworkSpec, ReplicaSettings, Split, TrainSettings};

use crate::support::{circles, images, model, replica, replicas};

/// A device of its own.
fn device(limit: impl FnOnce(&mut wgpu::Limits)) -> Gpu {
    let mut adapter = gpu::adapters().swap_remove(0);
    limit(&mut adapter.limits);
    adapter.open().unwrap()
}

/// The bytes that are foretold are those of the buffers that are made.
#[test]
fn a_trainer_takes_the_bytes_that_are_foretold() {
    let gpu = device(|_| ());
    let rule = |name: &str| ReplicaSettings { optimizer: name.parse().unwrap(), ..replica(1, asgd::Optimizer::SGD) };
    let clipped = {
        let mut clipped = rule("asgd");
        clipped.optimizer.clip_norm = 1.0;
        clipped
    };
    let dropped = ReplicaSettings { dropout: 0.5, input_dropout: 0.2, ..rule("adam") };
    let threshold = ReplicaSettings { count_threshold: 0.1, ..rule("asgd") };
    for (dataset, hidden, activation, batch_norm, replicas) in [
        (images(), vec![9, 5], Activation::Relu, false, vec![rule("sgd"); 3]),
        (images(), vec![130, 40], Activation::Gelu, false, vec![rule("adam"), rule("sgd")]),
        (circles(), vec![100, 6], Activation::Gelu, false, vec![dropped]),
        (circles(), vec![10], Activation::Relu, true, vec![clipped; 4]),
        (circles(), vec![], Activation::Relu, false, vec![threshold]),
    ] {
        let widths = [&[dataset.features()], &hidden[..], &[dataset.output_units()]].concat();
        let spec = NetworkSpec::with(&widths, activation, dataset.loss()).unwrap().with_batch_norm(batch_norm);
        let initial = Init::Kaiming.model(&spec, &vec![1; replicas.len()]).unwrap();
        let settings = TrainSettings { batch_size: 20, replicas, ..Default::default() };
        let foretold = gpu::Trainer::bytes(&gpu, &dataset, &spec, &settings, settings.replicas.len());
        let before = gpu.buffer_bytes();
        gpu::Trainer::new(&gpu, &dataset, &initial, settings).unwrap();
        assert_eq!(gpu.buffer_bytes() - before, foretold, "{} {widths:?} {activation}", dataset.name);
    }
}

/// A device with little room says so in one line, names the buffer, and trains as many replicas as it says that it can.
#[test]
fn little_room_is_refused_by_name_or_made_do_with() {
    let gpu = device(|limits| {
        limits.max_storage_buffer_binding_size = 1 << 20;
        limits.max_buffer_size = 4 << 20;
    });
    let dataset = images();
    let settings = |count: u64| TrainSettings { batch_size: 32, replicas: replicas(0..count), ..Default::default() };
    let networks = |count: u64| model(&dataset, &[60, 40], &(0..count).collect::<Vec<u64>>());
    let fitting = gpu::Trainer::max_replicas(&gpu, &dataset, networks(1).spec(), &settings(1)) as u64;
    assert!((2..1000).contains(&fitting), "{fitting}");
    let refused = gpu::Trainer::new(&gpu, &dataset, &networks(fitting + 1), settings(fitting + 1)).err().unwrap();
    assert!(matches!(refused, Error::Limit { needed, available, .. } if needed > available), "{refused}");
    assert!(!refused.to_string().contains('\n') && refused.to_string().contains("use fewer replicas"), "{refused}");
    let trained = |gpu: &Gpu, networks: &Model| {
        let mut trainer = gpu::Trainer::new(gpu, &dataset, networks, settings(networks.replicas() as u64)).unwrap();
        trainer.train(3).unwrap();
        (trainer.model().unwrap(), trainer.evaluate(Split::Test).unwrap())
    };
    assert!(trained(&gpu, &networks(fitting)) == trained(crate::support::gpu(), &networks(fitting)));
}

/// A device that is lost under way is one error in one line, at whatever is asked of it next, and no panic.
#[test]
fn a_lost_device_is_an_error() {
    let dataset = images();
    type Ask = fn(&mut gpu::Trainer) -> asgd::Result<()>;
    let asks: [(&str, Ask); 6] = [
        ("train", |trainer| trainer.train(3)),
        ("evaluate", |trainer| trainer.evaluate(Split::Train).map(|_| ())),
        ("model", |trainer| trainer.model().map(|_| ())),
        ("reduction", |trainer| trainer.last_reduction().map(|_| ())),
        ("means", |trainer| trainer.mean_adaptive_batch_sizes().map(|_| ())),
        ("rates", |trainer| trainer.set_learning_rates(&[0.1, 0.1])),
    ];
    for (what, ask) in asks {
        let gpu = device(|_| ());
        let settings = TrainSettings { batch_size: 32, replicas: replicas(0..2), ..Default::default() };
        let mut trainer = gpu::Trainer::new(&gpu, &dataset, &model(&dataset, &[9], &[0, 1]), settings).unwrap();
        trainer.train(2).unwrap();
        gpu.lose();
        let error = ask(&mut trainer).expect_err(what);
        assert!(matches!(error, Error::DeviceLost(_)) && !error.to_string().contains('\n'), "{what}: {error}");
        assert!(trainer.train(1).is_err(), "{what}");
    }
}
