//! Box plots: quartiles, whiskers to the ends, and the mean.

use anyhow::Result;
use plotters::prelude::*;

use super::{Area, INK, failed, grid, range_of, tick};

/// Boxes that share an axis.
pub struct BoxPanel {
    pub title: String,
    pub y: &'static str,
    /// Name, colour, and smallest value, quartiles, largest value; then the mean.
    pub boxes: Vec<(String, RGBColor, [f64; 5], f64)>,
}

/// Panels of boxes in a grid.
pub fn boxes(title: &str, panels: &[BoxPanel], columns: usize, size: (u32, u32)) -> Result<String> {
    grid(title, panels, columns, size, draw)
}

fn draw(area: &Area<'_>, panel: &BoxPanel) -> Result<()> {
    let BoxPanel { title, y, boxes } = panel;
    let (low, high) = range_of(boxes.iter().flat_map(|(_, _, quartiles, _)| *quartiles));
    let name_of = |place: &f64| {
        let index = place.round();
        let is_whole = (place - index).abs() < 0.01 && index >= 0.0;
        if is_whole {
            boxes.get(index as usize).map_or_else(String::new, |shown| shown.0.clone())
        } else {
            String::new()
        }
    };
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 14))
        .margin(10)
        .x_label_area_size(24)
        .y_label_area_size(58)
        .build_cartesian_2d(-0.6..boxes.len() as f64 - 0.4, low..high)
        .map_err(failed)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(2 * boxes.len() + 1)
        .x_label_formatter(&name_of)
        .y_label_formatter(&tick)
        .y_desc(*y)
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .label_style(("sans-serif", 12))
        .axis_desc_style(("sans-serif", 13))
        .draw()
        .map_err(failed)?;
    for (index, (_, color, [least, first, median, third, most], mean)) in boxes.iter().enumerate() {
        let x = index as f64;
        let line = |from: (f64, f64), to: (f64, f64), width| PathElement::new([from, to], INK.stroke_width(width));
        let parts = [
            line((x, *least), (x, *first), 1),
            line((x, *third), (x, *most), 1),
            line((x - 0.12, *least), (x + 0.12, *least), 1),
            line((x - 0.12, *most), (x + 0.12, *most), 1),
        ];
        chart.draw_series(parts).map_err(failed)?;
        let corners = [(x - 0.25, *first), (x + 0.25, *third)];
        chart.draw_series([Rectangle::new(corners, color.mix(0.55).filled())]).map_err(failed)?;
        chart.draw_series([Rectangle::new(corners, INK.stroke_width(1))]).map_err(failed)?;
        chart.draw_series([line((x - 0.25, *median), (x + 0.25, *median), 2)]).map_err(failed)?;
        chart.draw_series([Circle::new((x, *mean), 3, WHITE.filled())]).map_err(failed)?;
        chart.draw_series([Circle::new((x, *mean), 3, INK.stroke_width(1))]).map_err(failed)?;
    }
    Ok(())
}
