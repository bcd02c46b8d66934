//! Microseconds a step of aSGD and of SGD, measured in turn, and their ratio pair by pair: on a shared machine
//! only that can be trusted. Accuracy shows that what was timed is a training.
//!
//!     [ASGD_BENCH_DEVICE=NAME] cargo bench --bench ratio [-- ROUNDS [WORKLOAD [--json]]]
//!
//! With --json, it is one line for benches/peers/bench.py.

use std::time::Instant;

use asgd::{Device, Optimizer, Split, Trainer};
use serde::Serialize;

mod workload;

use workload::{WORKLOADS, Workload, device, microseconds, named, spread};

#[derive(Serialize)]
struct Measurement {
    device: String,
    device_name: String,
    asgd_us: Vec<f64>,
    sgd_us: Vec<f64>,
    /// Of the aSGD training, on the test set: mean over replicas.
    accuracy: f64,
    /// From before the data are loaded.
    first_step_secs: f64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // cargo adds --bench to the arguments.
    let (options, arguments): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|word| word.starts_with("--"));
    let json = options.iter().any(|option| option == "--json");
    let rounds = arguments.first().map_or(Ok(9), |rounds| rounds.parse())?;
    let workloads = match arguments.get(1) {
        Some(name) => vec![(name.as_str(), named(name).ok_or("no such workload")?)],
        None => WORKLOADS.map(|workload| (workload.name, workload)).to_vec(),
    };
    let device = device()?;
    if !json {
        println!("device: {}", device.describe());
        println!(
            "{:13} {:>26} {:>26} {:>22} {:>15} {:>9} {:>9} {:>11}",
            "workload",
            "aSGD us/step",
            "SGD us/step",
            "aSGD / SGD",
            "aSGD samples/s",
            "GFLOP/s",
            "accuracy",
            "first step"
        );
    }
    for (name, workload) in workloads {
        let measured = measure(&device, &workload, rounds)?;
        if json {
            println!("{}", serde_json::to_string(&measured)?);
        } else {
            print(name, &workload, measured);
        }
    }
    Ok(())
}

fn measure(device: &Device, workload: &Workload, rounds: usize) -> asgd::Result<Measurement> {
    let start = Instant::now();
    let mut asgd = workload.trainer(device, Optimizer::ASGD)?;
    let first_step_secs = start.elapsed().as_secs_f64();
    let mut sgd = workload.trainer(device, Optimizer::SGD)?;
    // About half a second a measurement; the first also lets submissions grow to their size.
    let calibrate = |trainer: &mut Trainer| -> asgd::Result<u64> {
        let steps = (0.1 / microseconds(trainer, 5)? * 1e6).clamp(5.0, 5000.0) as u64;
        Ok((0.5 / microseconds(trainer, steps)? * 1e6).clamp(5.0, 50_000.0) as u64)
    };
    let (asgd_steps, sgd_steps) = (calibrate(&mut asgd)?, calibrate(&mut sgd)?);
    let (mut asgd_us, mut sgd_us) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        asgd_us.push(microseconds(&mut asgd, asgd_steps)?);
        sgd_us.push(microseconds(&mut sgd, sgd_steps)?);
    }
    let evaluations = asgd.evaluate(Split::Test)?;
    let accuracy = evaluations.iter().map(|replica| replica.accuracy).sum::<f64>() / evaluations.len() as f64;
    let (device, device_name) = (device.describe(), device.info().name);
    Ok(Measurement { device, device_name, asgd_us, sgd_us, accuracy, first_step_secs })
}

fn print(name: &str, workload: &Workload, measured: Measurement) {
    let Measurement { asgd_us, sgd_us, accuracy, first_step_secs, .. } = measured;
    let ratios = asgd_us.iter().zip(&sgd_us).map(|(asgd, sgd)| asgd / sgd).collect();
    let column = |values: Vec<f64>, digits: usize| {
        let [low, median, high] = spread(values);
        format!("{median:.digits$} ({low:.digits$} to {high:.digits$})")
    };
    let [_, median, _] = spread(asgd_us.clone());
    println!(
        "{name:13} {:>26} {:>26} {:>22} {:>15.0} {:>9.1} {accuracy:>9.3} {first_step_secs:>9.2} s",
        column(asgd_us, 0),
        column(sgd_us, 0),
        column(ratios, 3),
        workload.samples_per_step() as f64 * 1e6 / median,
        workload.operations_per_step() / median / 1e3,
    );
}
