//! The report: tables and figures as files of their own, and one page that shows them all.

use anyhow::Result;
use maud::{html, Markup, PreEscaped, DOCTYPE};

use crate::run::folder::Folder;
use crate::table::Table;

/// Parts of a page, in their order.
pub struct Report {
    title: String,
    parts: Vec<Part>,
}

enum Part {
    Heading(String),
    Text(Markup),
    Table(Table),
    Figure { name: &'static str, caption: String, svg: String },
}

const STYLE: &str = "
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
h1 { line-height: 1.2 } h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccc }
table { border-collapse: collapse; margin: 1.5rem 0; font-size: 0.9rem; font-variant-numeric: tabular-nums }
caption { caption-side: top; text-align: left; padding-bottom: 0.4rem; color: #444 }
th, td { padding: 0.25rem 0.7rem; border-bottom: 1px solid #ddd; text-align: left; vertical-align: top }
thead th { border-bottom: 2px solid #888 } td.number { text-align: right; white-space: nowrap }
td.holds { color: #00734f; font-weight: 600 } td.fails { color: #b03a00; font-weight: 600 } td.open { color: #666 }
figure { margin: 1.5rem 0; overflow-x: auto } figcaption { color: #444; font-size: 0.9rem; max-width: 60rem }
svg { max-width: 100%; height: auto } code { background: #f2f2f2; padding: 0 0.2rem }
";

impl Report {
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), parts: Vec::new() }
    }

    pub fn heading(&mut self, text: impl Into<String>) {
        self.parts.push(Part::Heading(text.into()));
    }

    /// A paragraph, or whatever `html!` makes.
    pub fn text(&mut self, text: Markup) {
        self.parts.push(Part::Text(text));
    }

    pub fn table(&mut self, table: Table) {
        self.parts.push(Part::Table(table));
    }

    /// A figure, kept as NAME.svg.
    pub fn figure(&mut self, name: &'static str, caption: impl Into<String>, svg: String) {
        self.parts.push(Part::Figure { name, caption: caption.into(), svg });
    }

    /// Writes every table as CSV and Markdown, every figure as SVG, and report.html last.
    pub fn save(&self, folder: &Folder) -> Result<()> {
        for part in &self.parts {
            match part {
                Part::Table(table) => {
                    folder.write(&format!("{}.csv", table.name), &table.csv()?)?;
                    folder.write(&format!("{}.md", table.name), &table.markdown())?;
                }
                Part::Figure { name, svg, .. } => folder.write(&format!("{name}.svg"), svg)?,
                Part::Heading(_) | Part::Text(_) => {}
            }
        }
        folder.write("report.html", &self.page().into_string())
    }

    fn page(&self) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (self.title) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    h1 { (self.title) }
                    @for part in &self.parts {
                        @match part {
                            Part::Heading(text) => h2 { (text) },
                            Part::Text(text) => (text),
                            Part::Table(table) => (table.html()),
                            Part::Figure { caption, svg, .. } => figure { (PreEscaped(svg)) figcaption { (caption) } },
                        }
                    }
                }
            }
        }
    }
}
