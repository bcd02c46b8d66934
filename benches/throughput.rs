//! Samples per second of a whole training step, aSGD beside SGD, and on a GPU of each kernel.
//!
//!     [ASGD_BENCH_DEVICE=NAME] cargo bench --bench throughput
//!
//! Kernels are timed on a real GPU, or on the adapter that ASGD_BENCH_DEVICE names: software Vulkan is slow.

use std::time::Instant;

use asgd::gpu::{self, Gpu};
use asgd::Optimizer;
use criterion::measurement::WallTime;
use criterion::{criterion_group, criterion_main, BenchmarkGroup, Criterion, SamplingMode, Throughput};

mod workload;

use workload::{device, device_name, Workload, WORKLOADS};

fn throughput(criterion: &mut Criterion) {
    let device = device().expect("a device");
    println!("device: {}", device.describe());
    let adapter = gpu::adapters().into_iter().find(|adapter| match device_name() {
        Some(name) => adapter.has_name(&name),
        None => adapter.is_hardware(),
    });
    let gpu = adapter.map(|adapter| adapter.open().expect("the adapter"));
    for workload in WORKLOADS {
        let mut group = criterion.benchmark_group(workload.name);
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
        if let Some(gpu) = &gpu {
            kernels(&mut group, gpu, &workload);
        }
    }
}

fn kernels(group: &mut BenchmarkGroup<'_, WallTime>, gpu: &Gpu, workload: &Workload) {
    let mut trainer = workload.gpu_trainer(gpu, Optimizer::ASGD).expect("the trainer");
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

criterion_group!(benches, throughput);
criterion_main!(benches);
