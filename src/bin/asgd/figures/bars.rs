//! Bars side by side: a few series over whole numbers.

use anyhow::Result;
use plotters::prelude::*;

use super::{Area, draw_legend, failed, grid, split_legend, tick};

/// Series of bars that share axes.
pub struct BarPanel {
    pub title: String,
    pub x: &'static str,
    pub y: &'static str,
    /// Name of each place along x; every series has a value for each.
    pub places: Vec<String>,
    pub series: Vec<(String, RGBColor, Vec<f64>)>,
    /// A line before every so many places; 0 for none.
    pub group: usize,
}

/// Panels of bars in a grid.
pub fn bars(title: &str, panels: &[BarPanel], columns: usize, size: (u32, u32)) -> Result<String> {
    grid(title, panels, columns, size, draw)
}

fn draw(area: &Area<'_>, panel: &BarPanel) -> Result<()> {
    let BarPanel { title, x, y, places, series, group } = panel;
    let highest = series.iter().flat_map(|(_, _, values)| values).copied().fold(0.0, f64::max);
    let highest = if highest > 0.0 { highest * 1.05 } else { 1.0 };
    let name_of = |place: &f64| {
        let index = place.round();
        let is_whole = (place - index).abs() < 0.01 && index >= 0.0;
        if is_whole { places.get(index as usize).cloned().unwrap_or_default() } else { String::new() }
    };
    let (area, legend) = split_legend(area, series.iter().map(|(name, ..)| name.as_str()));
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 14))
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(58)
        .build_cartesian_2d(-0.6..places.len() as f64 - 0.4, 0.0..highest)
        .map_err(failed)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(places.len() + 2)
        .x_label_formatter(&name_of)
        .x_desc(*x)
        .y_label_formatter(&tick)
        .y_desc(*y)
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .label_style(("sans-serif", 12))
        .axis_desc_style(("sans-serif", 13))
        .draw()
        .map_err(failed)?;
    if *group > 0 {
        let starts = (*group..places.len()).step_by(*group).map(|start| start as f64 - 0.5);
        let separators = starts.map(|x| PathElement::new([(x, 0.0), (x, highest)], BLACK.mix(0.35)));
        chart.draw_series(separators).map_err(failed)?;
    }
    let width = 0.84 / series.len() as f64;
    for (number, (_, color, values)) in series.iter().enumerate() {
        let color = *color;
        let bars = values.iter().enumerate().map(|(index, &value)| {
            let left = index as f64 - 0.42 + number as f64 * width;
            Rectangle::new([(left, 0.0), (left + width, value)], color.mix(0.8).filled())
        });
        chart.draw_series(bars).map_err(failed)?;
    }
    draw_legend(&legend, series.iter().map(|(name, color, _)| (name.as_str(), *color, None)))
}
