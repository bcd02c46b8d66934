//! Reads out the adaptive batch size of every parameter: how many of a mini-batch's samples really moved it.
//!
//!     cargo run --release --example adaptive_batch_sizes

use asgd::dataset::Spirals;
use asgd::{Device, Init, NetworkSpec, ReplicaSettings, TrainSettings, Trainer};

fn main() -> asgd::Result<()> {
    let device = Device::open(None)?;
    let spirals = Spirals::default().dataset()?;
    let spec = NetworkSpec::new(&[2, 8, 4, 1])?;
    let start = Init::Kaiming.model(&spec, &[7])?;
    let replicas = vec![ReplicaSettings { seed: 7, learning_rate: 0.02, ..Default::default() }];
    let settings = TrainSettings { batch_size: 128, replicas, ..Default::default() };
    let mut trainer = Trainer::new(&device, &spirals, &start, settings)?;
    trainer.train(500)?;

    let Some((gradient_sums, counts)) = trainer.last_reduction()? else { return Ok(()) };
    for (layer, (inputs, _)) in spec.layers().enumerate() {
        println!("layer {}: adaptive batch sizes of the weights, then of the bias, neuron by neuron", layer + 1);
        for (weights, bias) in counts.weight(layer, 0).chunks(inputs).zip(counts.bias(layer, 0)) {
            println!("  {weights:>4?}  {bias:>4}");
        }
    }
    // A parameter moved by lr * S / c: the mean over the samples that had a gradient.
    let (sum, count) = (gradient_sums.bias(2, 0)[0], counts.bias(2, 0)[0]);
    println!("output bias: S = {sum:.4} over c = {count} samples, so it moved by {:.5}", -0.02 * sum / count as f32);
    Ok(())
}
