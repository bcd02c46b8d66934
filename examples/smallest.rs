//! The smallest training: concentric circles, one network, aSGD.
//!
//!     cargo run --release --example smallest

use asgd::dataset::Circles;
use asgd::{Device, Init, NetworkSpec, Split, TrainSettings, Trainer};

fn main() -> asgd::Result<()> {
    let device = Device::open(None)?;
    let circles = Circles::default().dataset()?;
    let start = Init::Kaiming.model(&NetworkSpec::new(&[2, 10, 10, 1])?, &[0])?;
    let mut trainer = Trainer::new(&device, &circles, &start, TrainSettings::default())?;
    trainer.train(2000)?;
    println!("test accuracy {:.3}", trainer.evaluate(Split::Test)?[0].score);
    Ok(())
}
