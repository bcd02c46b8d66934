//! Samples per second of a whole training step, aSGD beside SGD, and of each kernel.
//!
//!     cargo bench --bench throughput

use std::time::Instant;

use asgd::engine::TrainingEngine;
use asgd::gpu::Gpu;
use asgd::Optimizer;
use criterion::{criterion_group, criterion_main, Criterion, SamplingMode, Throughput};

mod workload;

use workload::WORKLOADS;

fn throughput(criterion: &mut Criterion) {
    let gpu = Gpu::new(None).expect("a benchmark needs an adapter");
    println!("adapter: {}", gpu.describe());
    for workload in WORKLOADS {
        let mut group = criterion.benchmark_group(workload.name);
        group
            .sample_size(10)
            .sampling_mode(SamplingMode::Flat)
            .throughput(Throughput::Elements(workload.samples_per_step()));
        for (name, optimizer) in [("step/asgd", Optimizer::ASGD), ("step/sgd", Optimizer::SGD)] {
            let mut trainer = workload.gpu_trainer(&gpu, optimizer).expect("the trainer");
            group.bench_function(name, |bencher| {
                bencher.iter_custom(|steps| {
                    let start = Instant::now();
                    trainer.train(steps).expect("a step");
                    start.elapsed()
                });
            });
        }
        let mut trainer = workload.gpu_trainer(&gpu, Optimizer::ASGD).expect("the trainer");
        for kernel in trainer.kernels() {
            group.bench_function(format!("kernel/{kernel}"), |bencher| {
                bencher.iter_custom(|times| {
                    // At most 64 at a time: a long submission might meet a watchdog.
                    let start = Instant::now();
                    for done in (0..times).step_by(64) {
                        trainer.repeat_kernel(kernel, (times - done).min(64) as u32).expect("a dispatch");
                    }
                    start.elapsed()
                });
            });
        }
    }
}

criterion_group!(benches, throughput);
criterion_main!(benches);
