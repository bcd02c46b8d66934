//! A report: one page of text, tables and figures that needs nothing else; its tables and figures may be files as well.

use anyhow::Result;
use maud::{DOCTYPE, Markup, PreEscaped, html};

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
    Panels { caption: String, svgs: Vec<String> },
}

/// A page keeps within any width: what is wider scrolls within its own box.
const STYLE: &str = "
:root { color-scheme: light }
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
h1 { line-height: 1.2; overflow-wrap: anywhere } h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccc }
p, li { max-width: 60rem; overflow-wrap: anywhere }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums }
caption { caption-side: top; text-align: left; padding-bottom: 0.4rem; color: #444 }
th, td { padding: 0.25rem 0.7rem; border-bottom: 1px solid #ddd; text-align: left; vertical-align: top }
thead th { border-bottom: 2px solid #888 } th.number, td.number { text-align: right } td.number { white-space: nowrap }
td.holds { color: #00734f; font-weight: 600 } td.fails { color: #b03a00; font-weight: 600 } td.open { color: #666 }
.scroll { margin: 1.5rem 0; overflow-x: auto }
.matrix thead th { vertical-align: bottom; text-align: right } .matrix th { max-width: 12rem; overflow-wrap: break-word }
.matrix tbody th { position: sticky; left: 0; background: #fff; font-weight: normal }
.matrix td { border: 1px solid #fff }
#runs td { white-space: nowrap } #settings td + td, #data td + td { overflow-wrap: anywhere }
.headline { font-size: 1.2rem } .warning { color: #b03a00 }
figure { margin: 1.5rem 0; overflow-x: auto } figcaption { color: #444; font-size: 0.9rem; max-width: 60rem }
svg { max-width: 100%; height: auto }
.panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 0.5rem }
.panels svg { width: 100%; max-width: 36rem } .panels figcaption { grid-column: 1 / -1 }
code, pre { background: #f2f2f2; padding: 0 0.2rem }
pre { padding: 0.5rem; white-space: pre-wrap; overflow-wrap: anywhere }
@media (max-width: 45rem) { body { margin-top: 1rem } figure:not(.panels) svg { max-width: none } }
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

    /// A figure, which [`Self::save`] keeps as NAME.svg.
    pub fn figure(&mut self, name: &'static str, caption: impl Into<String>, svg: String) {
        self.parts.push(Part::Figure { name, caption: caption.into(), svg });
    }

    /// Small figures under one caption, on the page alone: side by side, or one below the other where it is narrow.
    pub fn panels(&mut self, caption: impl Into<String>, svgs: Vec<String>) {
        self.parts.push(Part::Panels { caption: caption.into(), svgs });
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
                Part::Heading(_) | Part::Text(_) | Part::Panels { .. } => {}
            }
        }
        folder.write("report.html", &self.html())
    }

    /// The page.
    pub fn html(&self) -> String {
        let page = html! {
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
                            Part::Table(table) => div.scroll { (table.html()) },
                            Part::Figure { caption, svg, .. } => figure { (PreEscaped(svg)) figcaption { (caption) } },
                            Part::Panels { caption, svgs } => figure.panels {
                                @for svg in svgs { (PreEscaped(svg)) }
                                figcaption { (caption) }
                            },
                        }
                    }
                }
            }
        };
        page.into_string()
    }
}
