//! Pages as tests read them.

#![allow(dead_code, reason = "each test uses its part of this file")]

/// The text of a piece of HTML.
pub fn text(html: &str) -> String {
    let mut text = String::new();
    let mut is_tag = false;
    for c in html.chars() {
        match c {
            '<' => is_tag = true,
            '>' if is_tag => is_tag = false,
            c if !is_tag => text.push(c),
            _ => {}
        }
    }
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

/// The cells of the table of this id, row by row, without its header.
#[track_caller]
pub fn table(page: &str, id: &str) -> Vec<Vec<String>> {
    let start = page.find(&format!("id=\"{id}\"")).unwrap_or_else(|| panic!("no table '{id}'"));
    let body = page[start..].split_once("<tbody>").unwrap().1.split_once("</tbody>").unwrap().0;
    let cells = |row: &str| row.replace("</th>", "</td>").split("</td>").map(text).collect::<Vec<_>>();
    let mut rows: Vec<Vec<String>> = body.split("</tr>").map(cells).collect();
    rows.pop();
    rows.iter_mut().for_each(|row| drop(row.pop()));
    rows
}

/// Mean and standard deviation of a cell; a lone number has none.
#[track_caller]
pub fn spread(cell: &str) -> (f64, f64) {
    let (mean, deviation) = cell.split_once(" ± ").unwrap_or((cell, "0"));
    (mean.parse().unwrap(), deviation.parse().unwrap())
}

/// A page is whole, and needs nothing from anywhere else.
#[track_caller]
pub fn stands_alone(page: &str) {
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>"));
    for tag in ["table", "tr", "td", "figure", "svg", "pre", "p", "ul", "div"] {
        let [opened, closed] = [format!("<{tag}"), format!("</{tag}>")].map(|word| page.matches(&word).count());
        // `<p` also begins <pre>, <polygon and so on: what is opened is at least what is closed.
        assert!(opened >= closed && (closed > 0) == (opened > 0), "{tag}: {opened} opened, {closed} closed");
    }
    let without_namespace = page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    for word in ["http:", "https:", "src=", "href=", "<script", "<link", "<iframe", "@import", "url("] {
        assert!(!without_namespace.contains(word), "the page refers to something by {word}");
    }
    assert!(!page.contains("NaN"), "a figure or a table shows a number that is none");
}

/// Columns of a metrics.csv by their titles.
pub struct Metrics {
    titles: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Metrics {
    pub fn read(folder: &std::path::Path) -> Self {
        let text = std::fs::read_to_string(folder.join("metrics.csv")).unwrap();
        let mut lines = text.lines().map(|line| line.split(',').map(String::from).collect::<Vec<_>>());
        Self { titles: lines.next().unwrap(), rows: lines.collect() }
    }

    pub fn column(&self, title: &str) -> usize {
        self.titles.iter().position(|other| other == title).unwrap_or_else(|| panic!("no column {title}"))
    }

    /// (step, value) of every row of a replica.
    pub fn of_replica(&self, replica: usize, title: &str) -> Vec<(u64, f64)> {
        let [which, step, value] = ["replica", "step", title].map(|title| self.column(title));
        let rows = self.rows.iter().filter(|row| row[which] == replica.to_string());
        rows.map(|row| (row[step].parse().unwrap(), row[value].parse().unwrap_or(f64::NAN))).collect()
    }

    /// A column in the last row of each of these replicas.
    pub fn last(&self, replicas: impl IntoIterator<Item = usize>, title: &str) -> Vec<f64> {
        replicas.into_iter().map(|replica| self.of_replica(replica, title).last().unwrap().1).collect()
    }
}

/// Mean and standard deviation of a sample.
pub fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    (mean, if count > 1.0 { (squares / (count - 1.0)).sqrt() } else { 0.0 })
}
