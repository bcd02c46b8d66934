//! Confusion: what samples are and what networks take them for, with precision and recall.

use anyhow::Result;
use asgd::dataset::Samples;
use asgd::{Model, Predictor};
use maud::{Markup, html};

use crate::table::{Cell, Table};
use crate::trained::{class_name, classify};

/// Samples by their class and the class that was predicted, summed over networks.
pub struct Confusion {
    /// [true class][predicted class]
    counts: Vec<Vec<u64>>,
    networks: usize,
    /// What the classes are called.
    names: Vec<String>,
}

impl Confusion {
    /// Of every network of `model` on `samples`, which `predictor` holds.
    ///
    /// # Errors
    /// What the driver reported.
    pub fn of(predictor: &Predictor, model: &Model, samples: &Samples) -> Result<Self> {
        let (spec, classes) = (model.spec(), model.spec().classes());
        let mut counts = vec![vec![0; classes]; classes];
        for (index, logits) in predictor.logits()?.chunks_exact(spec.outputs()).enumerate() {
            let truth = samples.labels()[index % samples.len()] as usize;
            counts[truth][classify(spec.loss(), logits).0] += 1;
        }
        let names = (0..classes).map(|class| class_name(&model.class_names, class)).collect();
        Ok(Self { counts, networks: model.replicas(), names })
    }

    /// [true class][predicted class]
    pub fn counts(&self) -> &[Vec<u64>] {
        &self.counts
    }

    /// What the classes are called.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Share of the samples taken for `class` that are of it; NaN if none is taken for it.
    pub fn precision(&self, class: usize) -> f64 {
        let taken: u64 = self.counts.iter().map(|row| row[class]).sum();
        self.counts[class][class] as f64 / taken as f64
    }

    /// Share of the samples of `class` that are taken for it; NaN if there is none.
    pub fn recall(&self, class: usize) -> f64 {
        self.counts[class][class] as f64 / self.total(class) as f64
    }

    /// Samples of `class`, times networks.
    fn total(&self, class: usize) -> u64 {
        self.counts[class].iter().sum()
    }

    /// Precision and recall of these classes, a row each.
    pub fn classes_table(&self, caption: &str, classes: impl IntoIterator<Item = usize>) -> Table {
        let mut table = Table::new("classes", caption, &["class", "precision", "recall", "samples"]);
        for class in classes {
            let samples = self.total(class) as f64 / self.networks as f64;
            let numbers = [(self.precision(class), 4), (self.recall(class), 4), (samples, 0)];
            let cells = numbers.map(|(number, digits)| Cell::Number(number, digits));
            table.rows.push([Cell::from(&*self.names[class])].into_iter().chain(cells).collect());
        }
        table
    }

    /// The matrix for a terminal.
    pub fn matrix_table(&self) -> Table {
        let header: Vec<&str> = [CORNER].into_iter().chain(self.names.iter().map(String::as_str)).collect();
        let mut table = Table::new("confusion", "", &header);
        for (name, counts) in self.names.iter().zip(&self.counts) {
            let cells = counts.iter().map(|&count| Cell::Number(count as f64, 0));
            table.rows.push([Cell::from(name.as_str())].into_iter().chain(cells).collect());
        }
        table
    }

    /// The matrix for a page: the darker a cell, the larger its share of the true class. Blue is right, red is wrong.
    pub fn matrix_html(&self) -> Markup {
        let shade = |truth: usize, predicted: usize| {
            let share = self.counts[truth][predicted] as f64 / self.total(truth).max(1) as f64;
            // Dark ink stays legible on the strongest of them. Few errors are to be seen, so the root.
            let [red, green, blue] = if truth == predicted { [120.0, 180.0, 225.0] } else { [240.0, 140.0, 100.0] };
            let mixed = [red, green, blue].map(|value| 255.0 - (255.0 - value) * share.sqrt());
            format!("background:#{:02x}{:02x}{:02x}", mixed[0] as u8, mixed[1] as u8, mixed[2] as u8)
        };
        html! {
            div.scroll {
                table.matrix id="confusion" {
                    thead { tr { th { (CORNER) } @for name in &self.names { th scope="col" { (name) } } } }
                    tbody {
                        @for (truth, counts) in self.counts.iter().enumerate() {
                            tr {
                                th scope="row" { (self.names[truth]) }
                                @for (predicted, count) in counts.iter().enumerate() {
                                    td.number style=(shade(truth, predicted)) { (count) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// The errors that are made most, at most `limit` of them.
    pub fn pairs_table(&self, caption: &str, limit: usize) -> Table {
        let mut table = Table::new("confused", caption, &["true", "predicted", "samples", "share of the true class"]);
        let classes = 0..self.counts.len();
        let pairs = classes.clone().flat_map(|truth| classes.clone().map(move |predicted| (truth, predicted)));
        let mut pairs: Vec<(usize, usize)> =
            pairs.filter(|&(truth, predicted)| truth != predicted && self.counts[truth][predicted] > 0).collect();
        pairs.sort_by_key(|&(truth, predicted)| std::cmp::Reverse(self.counts[truth][predicted]));
        for (truth, predicted) in pairs.into_iter().take(limit) {
            let count = self.counts[truth][predicted];
            let name = |class: usize| Cell::from(&*self.names[class]);
            let share = Cell::Number(count as f64 / self.total(truth) as f64, 3);
            table.rows.push(vec![name(truth), name(predicted), Cell::Number(count as f64, 0), share]);
        }
        table
    }

    /// The classes with the lowest recall first, at most `limit` of them.
    pub fn hardest(&self, limit: usize) -> Vec<usize> {
        let mut classes: Vec<usize> = (0..self.counts.len()).filter(|&class| self.total(class) > 0).collect();
        classes.sort_by(|&a, &b| self.recall(a).total_cmp(&self.recall(b)));
        classes.truncate(limit);
        classes
    }
}

const CORNER: &str = "true \\ predicted";

#[cfg(test)]
mod tests {
    use super::*;

    fn confusion() -> Confusion {
        let counts = vec![vec![6, 2, 0], vec![1, 1, 0], vec![0, 0, 0]];
        Confusion { counts, networks: 2, names: ["a", "<b>&", "c"].map(String::from).into() }
    }

    #[test]
    fn shares() {
        let confusion = confusion();
        assert_eq!((confusion.precision(0), confusion.recall(0)), (6.0 / 7.0, 0.75));
        assert!(confusion.precision(2).is_nan() && confusion.recall(2).is_nan());
        assert_eq!(confusion.hardest(5), [1, 0]);
        assert_eq!(
            confusion.classes_table("", 0..1).csv().unwrap().lines().nth(1),
            Some("a,0.8571428571428571,0.75,4")
        );
        let pairs = confusion.pairs_table("", 1).csv().unwrap();
        assert_eq!(pairs.lines().skip(1).collect::<Vec<_>>(), ["a,<b>&,2,0.25"]);
    }

    #[test]
    fn names_are_escaped() {
        let page = confusion().matrix_html().into_string();
        assert!(page.contains("&lt;b&gt;&amp;") && !page.contains("<b>"), "{page}");
    }
}
