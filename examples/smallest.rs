//! The smallest training: concentric circles, one network, aSGD.
//!
//!     cargo run --release --example smallest

use asgd::dataset::Circles;
use asgd::{Gpu, Init, NetworkSpec, Optimizer, Order, ReplicaSettings, Split, TrainSettings, Trainer};

fn main() -> asgd::Result<()> {
    let gpu = Gpu::new(None)?;
    let circles = Circles::default().dataset()?;
    let start = Init::Kaiming.model(&NetworkSpec::new(&[2, 10, 10, 1])?, &[0])?;
    let replicas = vec![ReplicaSettings { seed: 0, optimizer: Optimizer::Asgd, learning_rate: 0.01, epsilon: 1e-8 }];
    let settings = TrainSettings { batch_size: 64, order: Order::Shuffled, replicas, form: None };
    let mut trainer = Trainer::new(&gpu, &circles, &start, settings)?;
    trainer.train(2000)?;
    println!("test accuracy {:.3}", trainer.evaluate(Split::Test)?[0].accuracy);
    Ok(())
}
