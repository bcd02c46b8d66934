//! On the real MNIST, in $ASGD_DATA_DIR/mnist. `make test` runs these where ASGD_DATA_DIR is set.

use std::path::{Path, PathBuf};

use asgd::dataset::Inputs;
use asgd::{Dataset, Init, NetworkSpec, Optimizer, ReplicaSettings, Split, TrainSettings};

use crate::support::ENGINES;

fn folder() -> PathBuf {
    Path::new(&std::env::var_os("ASGD_DATA_DIR").expect("ASGD_DATA_DIR names the folder that holds mnist"))
        .join("mnist")
}

#[test]
#[ignore = "needs MNIST: set ASGD_DATA_DIR"]
fn the_files_hold_mnist() {
    let mnist = Dataset::from_idx_folder(&folder(), 10).unwrap();
    assert_eq!(
        (mnist.train.len(), mnist.test.len(), mnist.features(), mnist.output_units()),
        (60_000, 10_000, 784, 10)
    );
    assert_eq!(mnist.train.labels()[..5], [5, 0, 4, 1, 9]);
    assert_eq!(mnist.test.labels()[..5], [7, 2, 1, 0, 4]);
    let Inputs::U8(pixels) = mnist.train.inputs() else { panic!("pixels stay 8-bit") };
    let zeros = pixels.iter().filter(|&&pixel| pixel == 0).count() as f64 / pixels.len() as f64;
    assert!((zeros - 0.809).abs() < 0.0005, "80.9 % of the pixels are zero: {zeros}");
}

/// One epoch of both optimizers side by side, with both engines.
#[test]
#[ignore = "needs MNIST: set ASGD_DATA_DIR"]
fn one_epoch_learns_to_read() {
    let mnist = Dataset::from_idx_folder(&folder(), 10).unwrap();
    let replica = |seed, optimizer: Optimizer| ReplicaSettings {
        seed,
        optimizer,
        learning_rate: optimizer.default_learning_rate(),
        ..Default::default()
    };
    let replicas = vec![replica(1, Optimizer::ASGD), replica(2, Optimizer::SGD)];
    let start = Init::Kaiming.model(&NetworkSpec::new(&[784, 30, 20, 10]).unwrap(), &[1, 2]).unwrap();
    for engine in ENGINES {
        let settings = TrainSettings { replicas: replicas.clone(), ..Default::default() };
        let mut trainer = engine.trainer(&mnist, &start, settings).unwrap();
        trainer.train(938).unwrap();
        let evaluations = trainer.evaluate(Split::Test).unwrap();
        assert!(evaluations[0].score > 0.89 && evaluations[0].score < 0.94, "{engine:?} aSGD: {evaluations:?}");
        assert!(evaluations[1].score > 0.91 && evaluations[1].score < 0.96, "{engine:?} SGD: {evaluations:?}");
    }
}
