//! Measurements as tables and as a figure.

use anyhow::Result;
use asgd::Optimizer;

use super::measurement::Measurement;
use super::workload::spread;
use crate::figures::{BLUE, BarPanel, PALETTE, VERMILION, bars};
use crate::table::{Cell, Table};

/// What the device could do at best, as its maker says.
#[derive(Debug, Clone, Copy)]
pub struct Peaks {
    pub tflops: Option<f64>,
    pub gigabytes_per_second: Option<f64>,
}

/// Significant digits enough to compare: whole microseconds, but for the shortest steps.
fn time(us: f64) -> Cell {
    Cell::Number(us, if us < 100.0 { 1 } else { 0 })
}

/// Columns of the table that a terminal has no room for.
pub const WIDE: [&str; 6] = ["widths", "batch", "data", "lowest", "highest", "accuracy"];

/// What an optimizer is called in headings.
pub fn heading(optimizer: Optimizer) -> String {
    if optimizer == Optimizer::ASGD { "aSGD".into() } else { optimizer.to_string() }
}

/// A row a workload.
pub fn table(caption: &str, optimizer: Optimizer, measurements: &[Measurement], peaks: Peaks) -> Table {
    let own = heading(optimizer);
    let (us, ratio) = (format!("{own} us/step"), format!("{own} / SGD"));
    let mut header = vec!["workload", "widths", "batch", "data", us.as_str(), "lowest", "highest", "SGD us/step"];
    header.extend([ratio.as_str(), "samples/s", "dense GFLOP/s"]);
    header.extend(peaks.tflops.map(|_| "% of peak FLOP/s"));
    header.push("GB/s");
    header.extend(peaks.gigabytes_per_second.map(|_| "% of peak GB/s"));
    header.push("accuracy");
    let mut table = Table::new("bench", caption, &header);
    for measured in measurements {
        let workload = &measured.workload;
        let [low, median, high] = spread(measured.us.clone());
        let widths: Vec<String> = workload.widths.iter().map(usize::to_string).collect();
        let mut row = vec![
            Cell::from(workload.name.as_str()),
            widths.join("-").into(),
            Cell::Number(workload.batch_size as f64, 0),
            measured.data.as_str().into(),
            time(median),
            time(low),
            time(high),
            time(spread(measured.sgd_us.clone())[1]),
            Cell::Number(spread(measured.ratios())[1], 3),
            Cell::Number(measured.samples_per_second(), 0),
            Cell::Number(measured.gflops(), 1),
        ];
        row.extend(peaks.tflops.map(|peak| Cell::Number(measured.gflops() / peak / 10.0, 1)));
        row.push(Cell::Number(measured.gigabytes_per_second(), 1));
        row.extend(
            peaks.gigabytes_per_second.map(|peak| Cell::Number(measured.gigabytes_per_second() / peak * 100.0, 1)),
        );
        row.push(Cell::Number(measured.accuracy, 3));
        table.rows.push(row);
    }
    table
}

/// A row a kernel of each workload; none where the device has no clock for them.
pub fn kernels(optimizer: Optimizer, measurements: &[Measurement]) -> Option<Table> {
    let own = heading(optimizer);
    let caption = format!("Kernels of a step of {own}, each dispatch timed alone by the device's clock.");
    let header = ["workload", "kernel", "dispatches", "us/step", "% of all kernels"];
    let mut table = Table::new("kernels", &caption, &header);
    for measured in measurements {
        let all: f64 = measured.kernels.iter().map(|time| time.seconds).sum();
        for time in &measured.kernels {
            table.rows.push(vec![
                Cell::from(measured.workload.name.as_str()),
                time.kernel.into(),
                Cell::Number(time.dispatches as f64, 0),
                self::time(time.seconds * 1e6),
                Cell::Number(time.seconds / all * 100.0, 1),
            ]);
        }
    }
    (!table.rows.is_empty()).then_some(table)
}

/// Arithmetic a second and the optimizer's cost beside SGD; where the device tells, the shares of the kernels.
pub fn figure(title: &str, optimizer: Optimizer, measurements: &[Measurement]) -> Result<String> {
    let own = heading(optimizer);
    let places: Vec<String> = measurements.iter().map(|measured| measured.workload.name.clone()).collect();
    let panel =
        |title: &str, y, series| BarPanel { title: title.into(), x: "", y, places: places.clone(), series, group: 0 };
    let gflops = measurements.iter().map(Measurement::gflops).collect();
    let ratios = measurements.iter().map(|measured| spread(measured.ratios())[1]).collect();
    let mut panels = vec![
        panel("Arithmetic of a step, zeros included", "GFLOP/s", vec![(own.clone(), BLUE, gflops)]),
        panel("Time of a step over one of SGD", "ratio", vec![(format!("{own} / SGD"), VERMILION, ratios)]),
    ];
    let mut names: Vec<&'static str> = Vec::new();
    for time in measurements.iter().flat_map(|measured| &measured.kernels) {
        if !names.contains(&time.kernel) {
            names.push(time.kernel);
        }
    }
    if !names.is_empty() {
        let share = |name: &str, measured: &Measurement| {
            let all: f64 = measured.kernels.iter().map(|time| time.seconds).sum();
            let own = measured.kernels.iter().filter(|time| time.kernel == name).map(|time| time.seconds);
            100.0 * own.sum::<f64>() / all.max(f64::MIN_POSITIVE)
        };
        let series = names.iter().enumerate().map(|(index, &name)| {
            let shares = measurements.iter().map(|measured| share(name, measured)).collect();
            (name.to_string(), PALETTE[index % PALETTE.len()], shares)
        });
        panels.push(panel(&format!("Kernels of a step of {own}"), "% of all kernels", series.collect()));
    }
    bars(title, &panels, 1, ((140 + 110 * places.len() as u32).max(820), 300))
}
