//! Figures, as SVG. A kind of figure a file; panels are in a grid under a title.

mod bars;
mod boxes;
mod lines;
mod scatter;

use std::fmt::Display;

use anyhow::{Result, anyhow};
pub use bars::{BarPanel, bars};
pub use boxes::{BoxPanel, boxes};
pub use lines::{Curve, Legend, LinePanel, lines};
use plotters::coord::Shift;
use plotters::prelude::*;
pub use scatter::{Mark, ScatterPanel, scatter};

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

/// How lines of one colour differ: pixels of a dash and of the gap after it; `None` is solid.
pub type Dash = Option<(i32, i32)>;

const DASHES: [Dash; 3] = [None, Some((9, 4)), Some((2, 3))];

/// The dash of the line that is the `repeat`th of its colour, from 0.
fn dash(repeat: usize) -> Dash {
    DASHES[repeat % DASHES.len()]
}

/// Characters of a name in a legend.
const LEGEND_CHARACTERS: usize = 38;

/// Pixels of a legend with these names beside its panel.
pub fn legend_width<'n>(names: impl Iterator<Item = &'n str>) -> u32 {
    const MARK_AND_MARGIN: usize = 32;
    const PIXELS_OF_A_CHARACTER: usize = 7;
    let longest = names.map(|name| name.chars().count()).max().unwrap_or(0).min(LEGEND_CHARACTERS);
    (MARK_AND_MARGIN + PIXELS_OF_A_CHARACTER * longest).max(118) as u32
}

/// Cuts a legend off the right of a panel's area, where nothing can hide behind it.
fn split_legend<'a, 'n>(area: &Area<'a>, names: impl Iterator<Item = &'n str>) -> (Area<'a>, Area<'a>) {
    area.split_horizontally(area.dim_in_pixel().0.saturating_sub(legend_width(names)))
}

/// Names, colours and dashes, one below the other.
fn draw_legend<'n>(area: &Area<'_>, entries: impl Iterator<Item = (&'n str, RGBColor, Dash)>) -> Result<()> {
    const TOP: i32 = 40;
    let entries: Vec<_> = entries.collect();
    // Many names move together before they leave the figure.
    let room = (area.dim_in_pixel().1 as i32 - TOP) / entries.len().max(1) as i32;
    for (index, (name, color, dash)) in entries.into_iter().enumerate() {
        let y = TOP + room.clamp(12, 20) * index as i32;
        let (on, off) = dash.unwrap_or((18, 1));
        for start in (0..18).step_by((on + off) as usize) {
            let line = [(start, y), ((start + on).min(18), y)];
            area.draw(&PathElement::new(line, color.stroke_width(4))).map_err(failed)?;
        }
        area.draw(&Text::new(shortened(name), (24, y - 7), ("sans-serif", 13))).map_err(failed)?;
    }
    Ok(())
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= LEGEND_CHARACTERS {
        return name.to_string();
    }
    name.chars().take(LEGEND_CHARACTERS - 1).chain(['…']).collect()
}

/// A tick's number without needless digits.
fn tick(value: &f64) -> String {
    if value.abs() >= 1e7 {
        let power = value.abs().log10().floor() as i32;
        return format!("{}e{power}", tick(&(value / 10f64.powi(power))));
    }
    let digits = (4 - value.abs().max(1e-9).log10().floor() as i32).clamp(0, 9);
    let scale = 10f64.powi(digits);
    format!("{}", (value * scale).round() / scale + 0.0)
}

fn failed(error: impl Display) -> anyhow::Error {
    anyhow!("the figure cannot be drawn: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_short() {
        let ticks = [0.0, 5000.0, 0.30000000000000004, 0.9985, -1.5, -0.0, 123456.0].map(|value| tick(&value));
        assert_eq!(ticks, ["0", "5000", "0.3", "0.9985", "-1.5", "0", "123456"]);
        assert_eq!([2e7, -1.25e30].map(|value| tick(&value)), ["2e7", "-1.25e30"]);
    }

    #[test]
    fn legends_make_room_for_names_up_to_a_limit() {
        assert_eq!(legend_width(["a", "b"].into_iter()), 118);
        assert_eq!(legend_width(["a".repeat(20).as_str()].into_iter()), 172);
        let long = "x".repeat(99);
        assert_eq!(shortened(&long).chars().count(), LEGEND_CHARACTERS);
        assert_eq!(legend_width([long.as_str()].into_iter()), legend_width([shortened(&long).as_str()].into_iter()));
    }

    #[test]
    fn ranges_leave_room_and_bear_anything() {
        assert_eq!(range_of([0.0, f64::NAN, 2.0].into_iter()), (-0.1, 2.1));
        assert_eq!(range_of(std::iter::empty()), (0.0, 1.0));
        let (low, high) = range_of([3.0; 2].into_iter());
        assert!(low < 3.0 && high > 3.0);
    }
}
