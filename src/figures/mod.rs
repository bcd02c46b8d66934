//! Figures, as SVG. A kind of figure a file; panels stand in a grid under a title.

mod bars;
mod boxes;
mod lines;
mod scatter;

use std::fmt::Display;

use anyhow::{anyhow, Result};
use plotters::coord::Shift;
use plotters::prelude::*;

pub use bars::{bars, BarPanel};
pub use boxes::{boxes, BoxPanel};
pub use lines::{learning_curve, lines, Curve, LinePanel};
pub use scatter::{scatter, Mark, ScatterPanel};

/// Colours that the colour-blind can tell apart (Okabe and Ito 2008).
pub const BLUE: RGBColor = RGBColor(0, 114, 178);
pub const VERMILION: RGBColor = RGBColor(213, 94, 0);
pub const GREEN: RGBColor = RGBColor(0, 158, 115);
pub const ORANGE: RGBColor = RGBColor(230, 159, 0);
pub const PURPLE: RGBColor = RGBColor(204, 121, 167);
pub const SKY: RGBColor = RGBColor(86, 180, 233);
pub const GREY: RGBColor = RGBColor(150, 150, 150);
pub const INK: RGBColor = RGBColor(60, 60, 60);

/// For many curves in one panel.
pub const PALETTE: [RGBColor; 9] =
    [BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, INK, RGBColor(120, 94, 240), RGBColor(140, 86, 75)];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const TITLE_HEIGHT: u32 = 30;

/// Draws panel after panel into a grid of `columns`, each `size` pixels, under `title`.
fn grid<T>(
    title: &str,
    panels: &[T],
    columns: usize,
    size: (u32, u32),
    mut draw: impl FnMut(&Area<'_>, &T) -> Result<()>,
) -> Result<String> {
    let mut svg = String::new();
    let columns = columns.min(panels.len()).max(1);
    let rows = panels.len().div_ceil(columns).max(1);
    {
        let whole = (size.0 * columns as u32, size.1 * rows as u32 + TITLE_HEIGHT);
        let root = SVGBackend::with_string(&mut svg, whole).into_drawing_area();
        root.fill(&WHITE).map_err(failed)?;
        let root = root.titled(title, ("sans-serif", 17)).map_err(failed)?;
        for (panel, area) in panels.iter().zip(root.split_evenly((rows, columns))) {
            draw(&area, panel)?;
        }
        root.present().map_err(failed)?;
    }
    Ok(svg)
}

/// An axis's range around all finite values, with a little room.
pub fn range_of(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let finite = values.filter(|value| value.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    if low > high {
        return (0.0, 1.0);
    }
    let margin = if low < high { (high - low) * 0.05 } else { low.abs().max(1.0) * 0.05 };
    (low - margin, high + margin)
}

fn failed(error: impl Display) -> anyhow::Error {
    anyhow!("the figure cannot be drawn: {error}")
}
