//! Points of the plane.

use anyhow::Result;
use plotters::prelude::*;

use super::{Area, failed, grid, range_of, tick};

/// What a point's colour means.
#[derive(Debug, Clone)]
pub struct Mark {
    pub name: &'static str,
    pub color: RGBColor,
}

/// Points that share axes.
pub struct ScatterPanel {
    pub title: String,
    /// (x, y, which mark).
    pub points: Vec<(f64, f64, usize)>,
}

/// Panels of points in a grid; the first one carries the legend if `size` leaves room for one.
pub fn scatter(
    title: &str,
    marks: &[Mark],
    panels: &[ScatterPanel],
    columns: usize,
    size: (u32, u32),
) -> Result<String> {
    let is_large = size.0 >= 300;
    let radius = if is_large { 3 } else { 2 };
    grid(title, panels, columns, size, |area, panel| draw(area, panel, marks, radius, is_large))
}

fn draw(area: &Area<'_>, panel: &ScatterPanel, marks: &[Mark], radius: i32, legend: bool) -> Result<()> {
    let ScatterPanel { title, points } = panel;
    let (left, right) = range_of(points.iter().map(|point| point.0));
    let (bottom, top) = range_of(points.iter().map(|point| point.1));
    let mut builder = ChartBuilder::on(area);
    builder.caption(title, ("sans-serif", 13)).margin(8).x_label_area_size(34).y_label_area_size(42);
    let mut chart = builder.build_cartesian_2d(left..right, bottom..top).map_err(failed)?;
    chart
        .configure_mesh()
        .x_labels(5)
        .y_labels(5)
        .x_label_formatter(&tick)
        .y_label_formatter(&tick)
        .x_desc("x₁")
        .y_desc("x₂")
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.1))
        .label_style(("sans-serif", 11))
        .axis_desc_style(("sans-serif", 12))
        .draw()
        .map_err(failed)?;
    for (index, mark) in marks.iter().enumerate() {
        let color = mark.color;
        let of_mark = points.iter().filter(|point| point.2 == index);
        let drawn = chart
            .draw_series(of_mark.map(|&(x, y, _)| Circle::new((x, y), radius, color.mix(0.7).filled())))
            .map_err(failed)?;
        if legend {
            drawn.label(mark.name).legend(move |(x, y)| Circle::new((x + 8, y), 4, color.filled()));
        }
    }
    if legend {
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .label_font(("sans-serif", 12))
            .draw()
            .map_err(failed)?;
    }
    Ok(())
}
