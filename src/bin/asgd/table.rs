//! Tables, written as CSV (all digits), Markdown and HTML (rounded).

use anyhow::Result;
use maud::{Markup, html};

use crate::statistics::Summary;

/// A cell.
#[derive(Debug, Clone)]
pub enum Cell {
    Text(String),
    /// A number and how many digits are shown after its point.
    Number(f64, usize),
    /// Mean and standard deviation; two columns of the CSV.
    Spread(Summary, usize),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_string())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl Cell {
    /// As people read it.
    pub fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number, _) if !number.is_finite() => "–".into(),
            Self::Number(number, digits) => rounded(*number, *digits),
            Self::Spread(Summary { mean, .. }, _) if !mean.is_finite() => "–".into(),
            Self::Spread(Summary { mean, count: 1, .. }, digits) => rounded(*mean, *digits),
            Self::Spread(Summary { mean, deviation, .. }, digits) => {
                format!("{} ± {}", rounded(*mean, *digits), rounded(*deviation, *digits))
            }
        }
    }
}

/// With so many digits after the point; what has no room for them, in powers of ten.
fn rounded(number: f64, digits: usize) -> String {
    if number.abs() >= 1e9 {
        return format!("{number:.digits$e}");
    }
    let text = format!("{number:.digits$}");
    // No minus before a rounded nothing.
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|digit| matches!(digit, '0' | '.')) => rest.to_string(),
        _ => text,
    }
}

/// A table of the report.
#[derive(Debug, Clone)]
pub struct Table {
    /// Names its files: NAME.csv and NAME.md.
    pub name: &'static str,
    pub caption: String,
    pub header: Vec<String>,
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    pub fn new(name: &'static str, caption: impl Into<String>, header: &[&str]) -> Self {
        let header = header.iter().map(|column| column.to_string()).collect();
        Self { name, caption: caption.into(), header, rows: Vec::new() }
    }

    pub fn csv(&self) -> Result<String> {
        let is_spread = |column: usize| self.rows.iter().any(|row| matches!(row[column], Cell::Spread(..)));
        let mut writer = csv::Writer::from_writer(Vec::new());
        let header = self.header.iter().enumerate().flat_map(|(column, name)| {
            if is_spread(column) {
                vec![format!("{name}, mean"), format!("{name}, standard deviation")]
            } else {
                vec![name.clone()]
            }
        });
        writer.write_record(header)?;
        for row in &self.rows {
            let cells = row.iter().enumerate().flat_map(|(column, cell)| {
                let mut values = match cell {
                    Cell::Text(text) => vec![text.clone()],
                    Cell::Number(number, _) => vec![number.to_string()],
                    Cell::Spread(summary, _) => vec![summary.mean.to_string(), summary.deviation.to_string()],
                };
                values.resize(if is_spread(column) { 2 } else { 1 }, String::new());
                values
            });
            writer.write_record(cells)?;
        }
        Ok(String::from_utf8(writer.into_inner()?)?)
    }

    pub fn markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let escaped = |text: &str| text.replace('|', "\\|");
        let mut text = format!("{}\n\n", self.caption);
        text += &line(self.header.iter().map(|name| escaped(name)).collect());
        text += &line(vec!["---".to_string(); self.header.len()]);
        for row in &self.rows {
            text += &line(row.iter().map(|cell| escaped(&cell.shown())).collect());
        }
        text
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(comfy_table::presets::NOTHING).set_header(&self.header);
        for row in &self.rows {
            table.add_row(row.iter().map(Cell::shown));
        }
        for (index, column) in table.column_iter_mut().enumerate() {
            if self.is_of_numbers(index) {
                column.set_cell_alignment(comfy_table::CellAlignment::Right);
            }
        }
        table.trim_fmt()
    }

    /// The same table without some of its columns.
    pub fn without(&self, columns: &[&str]) -> Self {
        let stays: Vec<bool> = self.header.iter().map(|name| !columns.contains(&name.as_str())).collect();
        fn kept<T: Clone>(values: &[T], stays: &[bool]) -> Vec<T> {
            values.iter().zip(stays).filter(|(_, stays)| **stays).map(|(value, _)| value.clone()).collect()
        }
        let rows = self.rows.iter().map(|row| kept(row, &stays)).collect();
        Self { header: kept(&self.header, &stays), rows, ..self.clone() }
    }

    fn is_of_numbers(&self, column: usize) -> bool {
        self.rows.iter().all(|row| !matches!(row[column], Cell::Text(_)))
    }

    pub fn html(&self) -> Markup {
        let class = |column| self.is_of_numbers(column).then_some("number");
        html! {
            table id=(self.name) {
                @if !self.caption.is_empty() { caption { (self.caption) } }
                thead { tr { @for (column, name) in self.header.iter().enumerate() { th class=[class(column)] { (name) } } } }
                tbody {
                    @for row in &self.rows {
                        tr {
                            @for cell in row {
                                @if let Cell::Text(text) = cell { td class=[class_of(text)] { (text) } }
                                @else { td.number { (cell.shown()) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Verdicts stand out.
fn class_of(text: &str) -> Option<&'static str> {
    match text {
        "holds" => Some("holds"),
        "does not hold" => Some("fails"),
        "not decided at this size" => Some("open"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_holds_every_cell() {
        let mut table = Table::new("t", "A | B", &["method", "loss", "dummies"]);
        table.rows.push(vec!["a|b".into(), Cell::Spread(Summary::of([1.0, 3.0]), 1), Cell::Number(0.123, 2)]);
        table.rows.push(vec!["c".into(), "none".into(), Cell::Number(f64::NAN, 2)]);
        let csv = table.csv().unwrap();
        assert_eq!(
            csv,
            "method,\"loss, mean\",\"loss, standard deviation\",dummies\na|b,2,1.4142135623730951,0.123\nc,none,,NaN\n"
        );
        assert!(table.markdown().contains("| a\\|b | 2.0 ± 1.4 | 0.12 |\n| c | none | – |\n"), "{}", table.markdown());
        assert_eq!(Cell::Number(-1.25e30, 1).shown(), "-1.2e30");
        assert_eq!(Cell::Number(-0.01, 1).shown(), "0.0");
        assert!(table.html().into_string().contains("<td>a|b</td><td class=\"number\">2.0 ± 1.4</td>"));
    }
}
