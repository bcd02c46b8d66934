//! The learning curve of a run, as SVG.

use std::fmt::Display;

use anyhow::{anyhow, Result};
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::run_folder::Row;

/// Colours that the colour-blind can tell apart (Okabe and Ito 2008).
const TRAIN: RGBColor = RGBColor(0, 114, 178);
const TEST: RGBColor = RGBColor(213, 94, 0);

/// Mean, lowest and highest over the replicas, by epoch.
struct Curve {
    name: &'static str,
    color: RGBColor,
    points: Vec<(f64, [f64; 3])>,
}

/// Loss and accuracy over the epochs: lines are means, bands span all replicas.
pub fn learning_curve(title: &str, rows: &[Row]) -> Result<String> {
    let mut svg = String::new();
    let replicas = rows.iter().map(|row| row.replica).max().map_or(0, |last| last + 1);
    let band = if replicas > 1 { format!("; mean and range of {replicas} replicas") } else { String::new() };
    {
        let root = SVGBackend::with_string(&mut svg, (900, 420)).into_drawing_area();
        root.fill(&WHITE).map_err(failed)?;
        let root = root.titled(&format!("{title}{band}"), ("sans-serif", 18)).map_err(failed)?;
        let (left, right) = root.split_horizontally(450);
        let curves = |values: [fn(&Row) -> f64; 2]| {
            [("training set", TRAIN, values[0]), ("test set", TEST, values[1])]
                .map(|(name, color, value)| curve(rows, name, color, value))
        };
        panel(&left, "cross-entropy (nats)", &curves([|row| row.train.loss, |row| row.test.loss]), true)?;
        panel(&right, "accuracy", &curves([|row| row.train.accuracy, |row| row.test.accuracy]), false)?;
        root.present().map_err(failed)?;
    }
    Ok(svg)
}

fn curve(rows: &[Row], name: &'static str, color: RGBColor, value: fn(&Row) -> f64) -> Curve {
    let mut sorted: Vec<(f64, f64)> =
        rows.iter().map(|row| (row.epoch, value(row))).filter(|(_, value)| value.is_finite()).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let points = sorted.chunk_by(|a, b| a.0 == b.0).map(|group| {
        let values = || group.iter().map(|(_, value)| *value);
        let mean = values().sum::<f64>() / group.len() as f64;
        (group[0].0, [mean, values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max)])
    });
    Curve { name, color, points: points.collect() }
}

fn panel(area: &DrawingArea<SVGBackend<'_>, Shift>, label: &str, curves: &[Curve], legend_above: bool) -> Result<()> {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let end = points().map(|(epoch, _)| *epoch).fold(0.0, f64::max).max(1e-9);
    let low = points().map(|(_, [_, low, _])| *low).fold(f64::INFINITY, f64::min);
    let high = points().map(|(_, [_, _, high])| *high).fold(f64::NEG_INFINITY, f64::max);
    let (low, high) = if low < high { (low, high) } else { (0.0, 1.0) };
    let margin = (high - low) * 0.05;
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..end, low - margin..high + margin)
        .map_err(failed)?;
    chart
        .configure_mesh()
        .x_desc("epoch")
        .y_desc(label)
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .label_style(("sans-serif", 13))
        .axis_desc_style(("sans-serif", 14))
        .draw()
        .map_err(failed)?;
    for Curve { name, color, points } in curves {
        let color = *color;
        let upper = points.iter().map(|(epoch, [_, _, high])| (*epoch, *high));
        let lower = points.iter().rev().map(|(epoch, [_, low, _])| (*epoch, *low));
        chart
            .draw_series(std::iter::once(Polygon::new(upper.chain(lower).collect::<Vec<_>>(), color.mix(0.2))))
            .map_err(failed)?;
        chart
            .draw_series(LineSeries::new(
                points.iter().map(|(epoch, [mean, _, _])| (*epoch, *mean)),
                color.stroke_width(2),
            ))
            .map_err(failed)?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
    }
    let position = if legend_above { SeriesLabelPosition::UpperRight } else { SeriesLabelPosition::LowerRight };
    chart
        .configure_series_labels()
        .position(position)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .label_font(("sans-serif", 13))
        .draw()
        .map_err(failed)
}

fn failed(error: impl Display) -> anyhow::Error {
    anyhow!("the figure cannot be drawn: {error}")
}
