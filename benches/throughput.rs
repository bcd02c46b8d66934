//! Samples per second of a whole training step, aSGD beside SGD.
//!
//!     [ASGD_BENCH_DEVICE=NAME] cargo bench --bench throughput

use std::time::Instant;

use asgd::Optimizer;
use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};

#[path = "../src/bin/asgd/bench/workload.rs"]
mod workload;

use workload::{Workload, device};

/// On a CPU of few cores: a step that is over before threads have met, a replica a core, many of them, and layers that are wide.
const WORKLOADS: [&str; 5] = ["mnist-R1", "mnist-R2", "mnist-R16", "wide-R1", "circles-R100"];

fn throughput(criterion: &mut Criterion) {
    let device = device().expect("a device");
    println!("device: {}", device.describe());
    for name in WORKLOADS {
        let workload: Workload = name.parse().expect("a workload");
        let mut group = criterion.benchmark_group(name);
        group
            .sample_size(10)
            .sampling_mode(SamplingMode::Flat)
            .throughput(Throughput::Elements(workload.samples_per_step()));
        for (name, optimizer) in [("step/asgd", Optimizer::ASGD), ("step/sgd", Optimizer::SGD)] {
            let mut trainer = workload.trainer(&device, optimizer).expect("the trainer");
            group.bench_function(name, |bencher| {
                bencher.iter_custom(|steps| {
                    let start = Instant::now();
                    trainer.train(steps).expect("a step");
                    start.elapsed()
                });
            });
        }
    }
}

criterion_group!(benches, throughput);
criterion_main!(benches);
