//! Microseconds of an aSGD step, per replica, against the number of replicas, the threads of the CPU engine, the batch
//! size, the width and the depth, as scaling.csv and scaling.svg in the folder given (target/scaling).
//!
//!     [ASGD_BENCH_DEVICE=NAME] cargo bench --bench scaling [-- FOLDER [ROUNDS]]

use std::path::Path;

use asgd::dataset::{Inputs, Samples};
use asgd::{Dataset, Device, NetworkSpec, Optimizer, TrainSettings};
use plotters::prelude::*;

#[path = "../src/bin/asgd/bench/workload.rs"]
mod workload;

use workload::{Workload, device, device_name, images, microseconds, spread};

/// One line of a figure: what grows, its values, and the workload at each.
struct Sweep {
    axis: &'static str,
    fixed: &'static str,
    values: Vec<usize>,
    workload: fn(usize) -> (Vec<usize>, usize, usize),
}

/// The axis whose values are threads of the CPU engine.
const THREADS: &str = "threads";

/// (value, median, lowest and highest microseconds).
type Point = (usize, f64, f64, f64);

/// low, low x factor, low x factor^2 and so on, up to high.
fn powers(factor: usize, low: usize, high: usize) -> Vec<usize> {
    std::iter::successors(Some(low), |value| Some(value * factor)).take_while(|&value| value <= high).collect()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let folder = Path::new(arguments.first().map_or("target/scaling", String::as_str));
    let rounds = arguments.get(1).map_or(Ok(3), |rounds| rounds.parse())?;
    std::fs::create_dir_all(folder)?;
    let device = device()?;
    println!("device: {}", device.describe());
    let mut sweeps = vec![
        Sweep {
            axis: "replicas",
            fixed: "784-30-20-10, batch 64",
            values: powers(4, 1, 4096),
            workload: |replicas| (vec![784, 30, 20, 10], 64, replicas),
        },
        Sweep {
            axis: "batch size",
            fixed: "784-30-20-10, one replica",
            values: powers(4, 1, 4096),
            workload: |batch_size| (vec![784, 30, 20, 10], batch_size, 1),
        },
        Sweep {
            axis: "width",
            fixed: "784-w-w-10, batch 64, one replica",
            values: vec![10, 32, 64, 128, 256, 512, 1024, 2048],
            workload: |width| (vec![784, width, width, 10], 64, 1),
        },
        Sweep {
            axis: "depth",
            fixed: "784-30-...-30-10, batch 64, one replica",
            values: (1..=10).collect(),
            workload: |depth| ([vec![784], vec![30; depth - 1], vec![10]].concat(), 64, 1),
        },
    ];
    if !device.compiles_kernels() {
        let all = asgd::cpu::available_threads();
        let mut values = powers(2, 1, all - 1);
        values.push(all);
        let workload = |_| (vec![784, 30, 20, 10], 64, 16);
        sweeps.insert(1, Sweep { axis: THREADS, fixed: "784-30-20-10, batch 64, 16 replicas", values, workload });
    }
    let images = some_images()?;
    let mut csv = String::from("axis,fixed,value,us_per_replica_median,us_per_replica_lowest,us_per_replica_highest\n");
    let mut figures = Vec::new();
    for sweep in &sweeps {
        let mut points = Vec::new();
        for &value in &sweep.values {
            let (widths, batch_size, replicas) = (sweep.workload)(value);
            let device = match sweep.axis {
                THREADS => Device::open_with_threads(device_name().as_deref(), Some(value))?,
                _ => device.clone(),
            };
            if replicas
                > device.max_replicas(
                    &images,
                    &NetworkSpec::new(&widths)?,
                    &TrainSettings { batch_size, ..Default::default() },
                )
            {
                println!("{:10} {value:5}  do not fit", sweep.axis);
                break;
            }
            let [low, median, high] = time(&device, &images, widths, batch_size, replicas, rounds)?;
            println!("{:10} {value:5}  {median:10.1} us ({low:.1} to {high:.1})", sweep.axis);
            csv += &format!("{},\"{}\",{value},{median:.2},{low:.2},{high:.2}\n", sweep.axis, sweep.fixed);
            points.push((value, median, low, high));
        }
        figures.push(points);
    }
    std::fs::write(folder.join("scaling.csv"), csv)?;
    let described = device.describe();
    let without_reason = described.rsplit_once(": ").map_or(described.as_str(), |(device, _)| device);
    draw(&folder.join("scaling.svg"), without_reason, &sweeps, &figures)?;
    println!("{}: scaling.csv, scaling.svg", folder.display());
    Ok(())
}

/// The first 8,192 images: as good as all of them, and sooner set up.
fn some_images() -> asgd::Result<Dataset> {
    let folder = std::env::var_os("ASGD_DATA_DIR").map(|folder| Path::new(&folder).join("mnist"));
    let images = images(folder.as_deref())?;
    let inputs = match images.train.inputs() {
        Inputs::U8(pixels) => Inputs::U8(pixels[..8192 * 784].to_vec()),
        Inputs::F32(values) => Inputs::F32(values[..8192 * 784].to_vec()),
    };
    let train = Samples::new(784, inputs, images.train.labels()[..8192].to_vec(), 10)?;
    Ok(Dataset {
        name: "images".into(),
        classes: 10,
        class_names: Vec::new(),
        train: train.clone(),
        test: train,
        validation: None,
    })
}

/// Lowest, median and highest time of a step, per replica.
fn time(
    device: &Device,
    images: &Dataset,
    widths: Vec<usize>,
    batch_size: usize,
    replicas: usize,
    rounds: usize,
) -> asgd::Result<[f64; 3]> {
    let workload = Workload { name: String::new(), widths, batch_size, replicas };
    let mut trainer = workload.trainer_on(device, Optimizer::ASGD, images)?;
    let steps = (0.3e6 / microseconds(&mut trainer, 5)?).clamp(2.0, 20_000.0) as u64;
    microseconds(&mut trainer, steps)?;
    let times = (0..rounds).map(|_| Ok(microseconds(&mut trainer, steps)? / replicas as f64));
    Ok(spread(times.collect::<asgd::Result<_>>()?))
}

fn draw(path: &Path, device: &str, sweeps: &[Sweep], figures: &[Vec<Point>]) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::new(path, (1000, 380 * sweeps.len().div_ceil(2) as u32)).into_drawing_area();
    root.fill(&WHITE)?;
    let root = root.titled(&format!("Time of one aSGD step, per replica: {device}"), ("sans-serif", 16))?;
    let areas = root.split_evenly((sweeps.len().div_ceil(2), 2));
    for ((sweep, points), area) in sweeps.iter().zip(figures).zip(areas) {
        let (first, last) = (points[0].0 as f64, points[points.len() - 1].0 as f64);
        let low = points.iter().map(|point| point.2).fold(f64::INFINITY, f64::min) * 0.7;
        let high = points.iter().map(|point| point.3).fold(0.0, f64::max) * 1.4;
        let mut builder = ChartBuilder::on(&area);
        builder.caption(sweep.fixed, ("sans-serif", 15)).margin(12).x_label_area_size(40).y_label_area_size(70);
        let line = points.iter().map(|&(value, median, ..)| (value as f64, median));
        let bars = points
            .iter()
            .map(|&(value, _, low, high)| PathElement::new(vec![(value as f64, low), (value as f64, high)], BLUE));
        let dots = points.iter().map(|&(value, median, ..)| Circle::new((value as f64, median), 3, BLUE.filled()));
        macro_rules! chart {
            ($x:expr, $y:expr) => {{
                let mut chart = builder.build_cartesian_2d($x, $y)?;
                let mut mesh = chart.configure_mesh();
                let whole = |number: &f64| format!("{number:.0}");
                mesh.x_desc(sweep.axis).x_label_formatter(&whole).y_desc("microseconds").y_label_formatter(&whole);
                mesh.light_line_style(WHITE).draw()?;
                chart.draw_series(LineSeries::new(line, &BLUE))?;
                chart.draw_series(bars)?;
                chart.draw_series(dots)?;
            }};
        }
        if sweep.axis == "depth" {
            chart!(first - 0.5..last + 0.5, 0.0..high);
        } else {
            chart!((first * 0.8..last * 1.25).log_scale(), (low..high).log_scale());
        }
    }
    root.present()?;
    Ok(())
}
