//! Microseconds of an aSGD step against the number of replicas, the batch size, the width and the depth, as
//! scaling.csv and scaling.svg in the folder given.
//!
//!     cargo bench --bench scaling -- FOLDER [ROUNDS]

use std::path::Path;
use std::time::Instant;

use asgd::dataset::{Inputs, Samples};
use asgd::{Dataset, Device, NetworkSpec, Optimizer};
use plotters::prelude::*;

mod workload;

use workload::{images, Workload};

/// One line of a figure: what grows, its values, and the workload at each.
struct Sweep {
    axis: &'static str,
    fixed: &'static str,
    values: Vec<usize>,
    workload: fn(usize) -> (Vec<usize>, usize, usize),
}

/// (value, median, lowest and highest microseconds).
type Point = (usize, f64, f64, f64);

fn powers(low: usize, high: usize) -> Vec<usize> {
    (0..).map(|exponent| low << (2 * exponent)).take_while(|&value| value <= high).collect()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let folder = Path::new(arguments.first().map_or("target/scaling", String::as_str));
    let rounds = arguments.get(1).and_then(|rounds| rounds.parse().ok()).unwrap_or(3);
    std::fs::create_dir_all(folder)?;
    let device = Device::open(None)?;
    let sweeps = [
        Sweep {
            axis: "replicas",
            fixed: "784-30-20-10, batch 64",
            values: powers(1, 4096),
            workload: |replicas| (vec![784, 30, 20, 10], 64, replicas),
        },
        Sweep {
            axis: "batch size",
            fixed: "784-30-20-10, one replica",
            values: powers(1, 4096),
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
    let images = images()?;
    let mut csv = String::from("axis,fixed,value,us_per_step_median,us_per_step_lowest,us_per_step_highest\n");
    let mut figures = Vec::new();
    for sweep in &sweeps {
        let mut points = Vec::new();
        for &value in &sweep.values {
            let (widths, batch_size, replicas) = (sweep.workload)(value);
            let point = microseconds(&device, &images, &widths, batch_size, replicas, rounds)?;
            println!("{:10} {value:5}  {:10.0} us ({:.0} to {:.0})", sweep.axis, point[1], point[0], point[2]);
            csv += &format!(
                "{},\"{}\",{value},{:.1},{:.1},{:.1}\n",
                sweep.axis, sweep.fixed, point[1], point[0], point[2]
            );
            points.push((value, point[1], point[0], point[2]));
        }
        figures.push(points);
    }
    std::fs::write(folder.join("scaling.csv"), csv)?;
    draw(&folder.join("scaling.svg"), &device.info().name, &sweeps, &figures)?;
    println!("{}: scaling.csv, scaling.svg", folder.display());
    Ok(())
}

/// Lowest, median and highest time of a step of all replicas; those that do not fit at once go in chunks.
fn microseconds(
    device: &Device,
    images: &Dataset,
    widths: &[usize],
    batch_size: usize,
    replicas: usize,
    rounds: usize,
) -> asgd::Result<[f64; 3]> {
    let most = device.max_replicas(images, &NetworkSpec::new(widths)?, batch_size);
    // The same samples again would be as good; a smaller set keeps set-up short.
    let inputs = match images.train.inputs() {
        Inputs::U8(pixels) => Inputs::U8(pixels[..8192 * 784].to_vec()),
        Inputs::F32(values) => Inputs::F32(values[..8192 * 784].to_vec()),
    };
    let train = Samples::new(784, inputs, images.train.labels()[..8192].to_vec(), 10)?;
    let data =
        Dataset { name: "images".into(), classes: 10, class_names: Vec::new(), train: train.clone(), test: train };
    let mut times = vec![0.0; rounds];
    for chunk in 0..replicas.div_ceil(most) {
        let in_chunk = most.min(replicas - chunk * most);
        let widths: &'static [usize] = Vec::leak(widths.to_vec());
        let workload = Workload { name: "", widths, batch_size, replicas: in_chunk };
        let mut trainer = workload.trainer_on(device, Optimizer::ASGD, &data)?;
        let mut timed = |steps: u64| -> asgd::Result<f64> {
            let start = Instant::now();
            trainer.train(steps)?;
            Ok(start.elapsed().as_secs_f64() * 1e6 / steps as f64)
        };
        let steps = (0.3e6 / timed(2)?).clamp(2.0, 2000.0) as u64;
        timed(steps)?;
        for time in &mut times {
            *time += timed(steps)?;
        }
    }
    times.sort_by(f64::total_cmp);
    Ok([times[0], times[rounds / 2], times[rounds - 1]])
}

fn draw(path: &Path, device: &str, sweeps: &[Sweep], figures: &[Vec<Point>]) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::new(path, (1000, 760)).into_drawing_area();
    root.fill(&WHITE)?;
    let root = root.titled(&format!("Time of one aSGD step: {device}"), ("sans-serif", 16))?;
    for ((sweep, points), area) in sweeps.iter().zip(figures).zip(root.split_evenly((2, 2))) {
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
