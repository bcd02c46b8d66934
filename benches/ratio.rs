//! Microseconds a step of aSGD and of SGD, measured in turn, and their ratio pair by pair: on a shared machine
//! only that can be trusted.
//!
//!     cargo bench --bench ratio [-- ROUNDS [WORKLOAD]]

use std::time::Instant;

use asgd::{Device, Optimizer, Trainer};

mod workload;

use workload::{named, WORKLOADS};

fn main() -> asgd::Result<()> {
    // cargo adds --bench to the arguments.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let rounds = arguments.first().and_then(|rounds| rounds.parse().ok()).unwrap_or(9);
    let device = Device::open(None)?;
    println!("device: {}", device.describe());
    println!(
        "{:12} {:>26} {:>26} {:>22} {:>15} {:>9}",
        "workload", "aSGD us/step", "SGD us/step", "aSGD / SGD", "aSGD samples/s", "GFLOP/s"
    );
    let workloads = match arguments.get(1) {
        Some(name) => vec![named(name).expect("a workload's name")],
        None => WORKLOADS.to_vec(),
    };
    for workload in workloads {
        let start = Instant::now();
        let mut asgd = workload.trainer(&device, Optimizer::ASGD)?;
        let first_step = start.elapsed().as_secs_f64();
        let mut sgd = workload.trainer(&device, Optimizer::SGD)?;
        // About half a second a measurement; the first also lets submissions grow to their size.
        let steps = (0.5 / microseconds(&mut asgd, 20)? * 1e6).clamp(5.0, 5000.0) as u64;
        microseconds(&mut asgd, steps)?;
        microseconds(&mut sgd, steps)?;
        let mut pairs = Vec::new();
        for _ in 0..rounds {
            pairs.push((microseconds(&mut asgd, steps)?, microseconds(&mut sgd, steps)?));
        }
        let column = |values: Vec<f64>, digits: usize| {
            let [low, median, high] = spread(values);
            format!("{median:.digits$} ({low:.digits$} to {high:.digits$})")
        };
        let [_, median, _] = spread(pairs.iter().map(|pair| pair.0).collect());
        println!(
            "{:12} {:>26} {:>26} {:>22} {:>15.0} {:>9.1}",
            arguments.get(1).map_or(workload.name, String::as_str),
            column(pairs.iter().map(|pair| pair.0).collect(), 0),
            column(pairs.iter().map(|pair| pair.1).collect(), 0),
            column(pairs.iter().map(|pair| pair.0 / pair.1).collect(), 3),
            workload.samples_per_step() as f64 * 1e6 / median,
            workload.operations_per_step() / median / 1e3
        );
        println!("{:12} first step {first_step:.2} s after its data began to load", "");
    }
    Ok(())
}

fn microseconds(trainer: &mut Trainer, steps: u64) -> asgd::Result<f64> {
    let start = Instant::now();
    trainer.train(steps)?;
    Ok(start.elapsed().as_secs_f64() * 1e6 / steps as f64)
}

/// Lowest, median, highest.
fn spread(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [values[0], values[values.len() / 2], values[values.len() - 1]]
}
