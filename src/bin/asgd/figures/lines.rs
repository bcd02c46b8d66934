//! Curves with bands.

use anyhow::Result;
use plotters::prelude::*;

use super::{Area, Dash, dash, draw_legend, failed, grid, range_of, split_legend, tick};

/// A line and the band around it.
pub struct Curve {
    pub name: String,
    pub color: RGBColor,
    /// (x, [y, lower and upper end of the band]).
    pub points: Vec<(f64, [f64; 3])>,
}

/// Where the names of the curves are.
pub enum Legend {
    Inside(SeriesLabelPosition),
    /// Right of the panel, where no curve can hide behind it.
    Beside,
    /// Of a panel whose axis names its only curve.
    Hidden,
}

/// Curves that share axes.
pub struct LinePanel {
    pub title: String,
    pub x: &'static str,
    pub y: &'static str,
    pub curves: Vec<Curve>,
    pub legend: Legend,
    /// Of the y axis; around all curves where there is none.
    pub y_range: Option<(f64, f64)>,
}

/// Panels of curves in a grid.
pub fn lines(title: &str, panels: &[LinePanel], columns: usize, size: (u32, u32)) -> Result<String> {
    grid(title, panels, columns, size, draw)
}

fn draw(area: &Area<'_>, panel: &LinePanel) -> Result<()> {
    match &panel.legend {
        Legend::Inside(position) => draw_curves(area, panel, Some(position.clone())),
        Legend::Hidden => draw_curves(area, panel, None),
        Legend::Beside => {
            let (left, right) = split_legend(area, panel.curves.iter().map(|curve| curve.name.as_str()));
            draw_curves(&left, panel, None)?;
            draw_legend(&right, dashed(&panel.curves).map(|(curve, dash)| (curve.name.as_str(), curve.color, dash)))
        }
    }
}

/// Every curve with its dash: those of one colour are told apart by it.
fn dashed(curves: &[Curve]) -> impl Iterator<Item = (&Curve, Dash)> {
    curves.iter().enumerate().map(|(index, curve)| {
        let earlier = curves[..index].iter().filter(|other| other.color == curve.color);
        (curve, dash(earlier.count()))
    })
}

fn draw_curves(area: &Area<'_>, panel: &LinePanel, legend: Option<SeriesLabelPosition>) -> Result<()> {
    let LinePanel { title, x, y, curves, y_range, .. } = panel;
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let end = points().map(|(x, _)| *x).fold(0.0, f64::max).max(1e-9);
    let (low, high) = y_range.unwrap_or_else(|| range_of(points().flat_map(|(_, values)| *values)));
    let mut builder = ChartBuilder::on(area);
    builder.margin(12).margin_right(22).x_label_area_size(40).y_label_area_size(56);
    if !title.is_empty() {
        builder.caption(title, ("sans-serif", 14));
    }
    let mut chart = builder.build_cartesian_2d(0.0..end, low..high).map_err(failed)?;
    chart
        .configure_mesh()
        .x_labels(7)
        .x_label_formatter(&tick)
        .y_label_formatter(&tick)
        .x_desc(*x)
        .y_desc(*y)
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .label_style(("sans-serif", 13))
        .axis_desc_style(("sans-serif", 14))
        .draw()
        .map_err(failed)?;
    // Many bands on one another would hide the lines.
    let band_strength = match curves.len() {
        0..=3 => 0.2,
        4..=9 => 0.1,
        _ => 0.05,
    };
    for (Curve { name, color, points }, dash) in dashed(curves) {
        let color = *color;
        let cut = |value: f64| value.clamp(low, high);
        if points.iter().any(|(_, [_, low, high])| low < high) {
            let upper = points.iter().map(|(x, [_, _, high])| (*x, cut(*high)));
            let lower = points.iter().rev().map(|(x, [_, low, _])| (*x, cut(*low)));
            let band = Polygon::new(upper.chain(lower).collect::<Vec<_>>(), color.mix(band_strength));
            chart.draw_series(std::iter::once(band)).map_err(failed)?;
        }
        let line = points.iter().map(|(x, [y, ..])| (*x, cut(*y)));
        let style = color.stroke_width(2);
        let series = match dash {
            None => chart.draw_series(LineSeries::new(line, style)),
            Some((on, off)) => chart.draw_series(DashedLineSeries::new(line, on, off, style)),
        };
        series.map_err(failed)?.label(name).legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    let Some(position) = legend else { return Ok(()) };
    chart
        .configure_series_labels()
        .position(position)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .label_font(("sans-serif", 13))
        .draw()
        .map_err(failed)
}
