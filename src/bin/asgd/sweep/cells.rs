//! The cells of a sweep: every combination of the settings that were listed.

use std::collections::HashSet;

use asgd::{Activation, Error, Gradient, NetworkSpec, Optimizer, ReplicaSettings};
use serde_json::{Value, json};

use crate::values::{number, widths};

/// What all trainings of a cell have in common; a run that is no sweep is one cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    pub spec: NetworkSpec,
    pub batch_size: usize,
    pub optimizer: Optimizer,
    pub learning_rate: f32,
    pub epsilon: f32,
    pub dropout: f32,
    pub input_dropout: f32,
    pub count_threshold: f32,
}

/// The settings that were listed, each at least once.
#[derive(Debug, Clone)]
pub struct Lists {
    pub specs: Vec<NetworkSpec>,
    pub batch_sizes: Vec<usize>,
    pub optimizers: Vec<Optimizer>,
    /// Of each optimizer; the usual one where there is none.
    pub learning_rates: Vec<f32>,
    pub epsilons: Vec<f32>,
    pub dropouts: Vec<f32>,
    pub input_dropouts: Vec<f32>,
    pub count_thresholds: Vec<f32>,
}

/// A setting in which cells may differ.
pub struct Column {
    /// In tables for programs.
    pub name: &'static str,
    /// What people call it.
    pub shown: &'static str,
    /// Its value in a cell, given its name; empty where it means nothing.
    value: fn(&Cell, &str) -> String,
    /// Whether the value says what it is.
    is_clear: bool,
}

const fn column(name: &'static str, shown: &'static str, value: fn(&Cell, &str) -> String) -> Column {
    Column { name, shown, value, is_clear: false }
}

/// Columns of tables that tell cells apart, beside their numbers.
pub const COLUMNS: [Column; 17] = [
    Column { is_clear: true, ..column("optimizer", "optimizer", |cell, _| cell.optimizer.to_string()) },
    column("learning_rate", "lr", |cell, _| number(cell.learning_rate)),
    column("epsilon", "epsilon", |cell, _| cell.used_epsilon().map_or_else(String::new, number)),
    column("momentum", "momentum", Cell::number),
    column("beta1", "beta1", Cell::number),
    column("beta2", "beta2", Cell::number),
    column("alpha", "alpha", Cell::number),
    column("rho", "rho", Cell::number),
    column("eps", "eps", Cell::number),
    column("weight_decay", "weight decay", Cell::number),
    column("clip_value", "clip value", Cell::number),
    column("clip_norm", "clip norm", Cell::number),
    column("dropout", "dropout", |cell, _| cell.used_dropout().map_or_else(String::new, number)),
    column("input_dropout", "input dropout", |cell, _| number(cell.input_dropout)),
    column("count_threshold", "count threshold", |cell, _| cell.used_threshold().map_or_else(String::new, number)),
    column("batch_size", "batch", |cell, _| cell.batch_size.to_string()),
    Column { is_clear: true, ..column("hidden", "hidden", |cell, _| widths(cell.spec.hidden())) },
];

impl Lists {
    /// Every combination once, the learning rate fastest. Optimizers without epsilon do not combine with it, nor with thresholds of
    /// the counts, networks without hidden nodes not with dropout.
    ///
    /// # Errors
    /// [`Error::Setting`] if something is listed twice.
    pub fn cells(&self) -> Result<Vec<Cell>, Error> {
        let mut cells: Vec<Cell> = Vec::new();
        let with_dropouts = |spec| {
            let dropouts = self.dropouts_of(spec).iter();
            dropouts.flat_map(move |&dropout| self.input_dropouts.iter().map(move |&inputs| (spec, dropout, inputs)))
        };
        for (spec, dropout, input_dropout) in self.specs.iter().flat_map(with_dropouts) {
            for &batch_size in &self.batch_sizes {
                for &optimizer in &self.optimizers {
                    let uses_epsilon = optimizer.gradient == Gradient::Effective;
                    let thresholds = first_unless(uses_epsilon, &self.count_thresholds);
                    let pairs = first_unless(uses_epsilon, &self.epsilons)
                        .iter()
                        .flat_map(|epsilon| thresholds.iter().map(move |t| (epsilon, t)));
                    for (&epsilon, &count_threshold) in pairs {
                        let usual = [optimizer.default_learning_rate()];
                        let rates = if self.learning_rates.is_empty() { &usual } else { &self.learning_rates[..] };
                        let (spec, learning_rate) = (spec.clone(), 0.0);
                        let own = Cell {
                            spec,
                            batch_size,
                            optimizer,
                            learning_rate,
                            epsilon,
                            dropout,
                            input_dropout,
                            count_threshold,
                        };
                        let cell = |&learning_rate| Cell { learning_rate, ..own.clone() };
                        cells.extend(rates.iter().map(cell));
                    }
                }
            }
        }
        let mut seen = HashSet::new();
        match cells.iter().find(|cell| !seen.insert(cell.settings())) {
            Some(cell) => {
                let all: Vec<usize> = (0..COLUMNS.len()).collect();
                let problem = format!("the lists hold the same settings twice: {}", cell.name(&all));
                Err(Error::Setting { setting: "sweep", problem })
            }
            None => Ok(cells),
        }
    }

    fn dropouts_of(&self, spec: &NetworkSpec) -> &[f32] {
        if spec.hidden().is_empty() { &[0.0] } else { &self.dropouts }
    }
}

impl Cell {
    /// How a replica of it is trained.
    pub fn replica(&self, seed: u64) -> ReplicaSettings {
        let Self { optimizer, learning_rate, epsilon, dropout, input_dropout, count_threshold, .. } = *self;
        ReplicaSettings { seed, optimizer, learning_rate, epsilon, dropout, input_dropout, count_threshold }
    }

    /// Its settings, as [`COLUMNS`] has them; empty where one means nothing.
    pub fn settings(&self) -> [String; COLUMNS.len()] {
        COLUMNS.map(|column| (column.value)(self, column.name))
    }

    fn used_epsilon(&self) -> Option<f32> {
        (self.optimizer.gradient == Gradient::Effective).then_some(self.epsilon)
    }

    fn used_threshold(&self) -> Option<f32> {
        (self.optimizer.gradient == Gradient::Effective).then_some(self.count_threshold)
    }

    /// What its hidden nodes do, if it is not the usual.
    pub fn activation(&self) -> Option<Activation> {
        Some(self.spec.activation()).filter(|&activation| activation != Activation::default())
    }

    fn used_dropout(&self) -> Option<f32> {
        (!self.spec.hidden().is_empty()).then_some(self.dropout)
    }

    /// A number of its optimizer.
    fn number(&self, name: &str) -> String {
        let found = self.optimizer.numbers().into_iter().find(|(own, _)| *own == name);
        found.map_or_else(String::new, |(_, value)| if value.is_finite() { number(value) } else { "none".into() })
    }

    /// The numbers that its optimizer has and uses.
    fn used_numbers(&self) -> impl Iterator<Item = (&'static str, f32)> {
        self.optimizer
            .numbers()
            .into_iter()
            .filter(|&(name, value)| value.is_finite() && (name != "weight_decay" || value != 0.0))
    }

    /// Its settings, as run.json keeps them.
    pub fn json(&self) -> Value {
        let mut settings = json!({
            "widths": self.spec.widths(),
            "optimizer": self.optimizer.to_string(),
            "learning_rate": self.learning_rate,
            "epsilon": self.epsilon,
            "batch_size": self.batch_size,
        });
        self.used_numbers().for_each(|(name, value)| settings[name] = json!(value));
        if self.spec.batch_norm() {
            settings["batch_norm"] = json!(true);
        }
        if self.dropout > 0.0 {
            settings["dropout"] = json!(self.dropout);
        }
        if self.input_dropout > 0.0 {
            settings["input_dropout"] = json!(self.input_dropout);
        }
        if self.count_threshold > 0.0 {
            settings["count_threshold"] = json!(self.count_threshold);
        }
        if let Some(activation) = self.activation() {
            settings["activation"] = json!(activation.to_string());
        }
        settings
    }

    /// adam (beta1 0.9, beta2 0.999, eps 1e-8)
    pub fn optimizer_with_numbers(&self) -> String {
        let shown = |name| COLUMNS.iter().find(|column| column.name == name).map_or(name, |column| column.shown);
        let numbers: Vec<String> =
            self.used_numbers().map(|(name, value)| format!("{} {}", shown(name), number(value))).collect();
        match numbers.is_empty() {
            true => self.optimizer.to_string(),
            false => format!("{} ({})", self.optimizer, numbers.join(", ")),
        }
    }

    /// Those of its settings in which cells differ, as people say them.
    pub fn name(&self, varied: &[usize]) -> String {
        let settings = self.settings();
        let named = varied.iter().map(|&column| (&COLUMNS[column], &settings[column]));
        let named = named.filter(|(_, value)| !value.is_empty()).map(|(column, value)| match column.is_clear {
            true => value.clone(),
            false => format!("{} {value}", column.shown),
        });
        named.collect::<Vec<_>>().join(", ")
    }
}

/// All of a list, or only its first.
fn first_unless(all: bool, list: &[f32]) -> &[f32] {
    if all { list } else { &list[..1] }
}

/// The columns in which cells differ; that a setting means nothing to some of them is no difference.
pub fn varied(cells: &[Cell]) -> Vec<usize> {
    let settings: Vec<_> = cells.iter().map(Cell::settings).collect();
    let differs = |column: &usize| {
        let mut meant = settings.iter().map(|settings| &settings[*column]).filter(|setting| !setting.is_empty());
        let first = meant.next();
        meant.any(|other| Some(other) != first)
    };
    (0..COLUMNS.len()).filter(differs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists() -> Lists {
        Lists {
            specs: [&[4, 3, 2], &[4, 7, 2]].map(|widths| NetworkSpec::new(widths).unwrap()).to_vec(),
            batch_sizes: vec![8],
            optimizers: vec![Optimizer::ASGD, Optimizer::SGD],
            learning_rates: vec![0.1, 0.2, 0.3],
            epsilons: vec![1e-8, 1.0],
            dropouts: vec![0.0],
            input_dropouts: vec![0.0],
            count_thresholds: vec![0.0],
        }
    }

    fn names(columns: &[usize]) -> Vec<&'static str> {
        columns.iter().map(|&column| COLUMNS[column].shown).collect()
    }

    /// What a sweep can vary, its tables show.
    #[test]
    fn every_number_has_a_column() {
        for (name, _) in Optimizer::all().flat_map(Optimizer::numbers) {
            assert!(COLUMNS.iter().any(|column| column.name == name), "{name}");
        }
        let momentum: Optimizer = "momentum".parse().unwrap();
        let changed = Optimizer { weight_decay: 0.5, ..momentum };
        let cells = Lists { optimizers: vec![momentum, changed], ..lists() }.cells().unwrap();
        assert_eq!(names(&varied(&cells)), ["lr", "weight decay", "hidden"]);
        assert_eq!(cells[3].name(&varied(&cells)), "lr 0.1, weight decay 0.5, 3");
        assert_eq!(cells[3].optimizer_with_numbers(), "momentum (momentum 0.9, weight decay 0.5)");
        assert_eq!((&cells[0].json()["weight_decay"], &cells[3].json()["weight_decay"]), (&Value::Null, &json!(0.5)));
    }

    #[test]
    fn every_combination_that_means_something_is_a_cell() {
        let cells = lists().cells().unwrap();
        assert_eq!(cells.len(), 2 * (2 * 3 + 3), "epsilon is aSGD's alone");
        assert_eq!(names(&varied(&cells)), ["optimizer", "lr", "epsilon", "hidden"]);
        assert_eq!(cells[1].name(&varied(&cells)), "asgd, lr 0.2, epsilon 1e-8, 3");
        assert_eq!(cells[17].name(&varied(&cells)), "sgd, lr 0.3, 7");
        let one_epsilon = Lists { epsilons: vec![1.0], ..lists() }.cells().unwrap();
        assert_eq!(names(&varied(&one_epsilon)), ["optimizer", "lr", "hidden"]);
        let usual = Lists { learning_rates: Vec::new(), ..lists() }.cells().unwrap();
        assert_eq!(usual.len(), 2 * 3);
        assert_eq!((usual[0].learning_rate, usual[2].learning_rate), (0.01, 0.1));
    }

    #[test]
    fn thresholds_are_of_what_counts() {
        let cells = Lists { count_thresholds: vec![0.0, 0.25], epsilons: vec![1.0], ..lists() }.cells().unwrap();
        assert_eq!(cells.len(), 2 * (2 * 3 + 3));
        assert_eq!(names(&varied(&cells)), ["optimizer", "lr", "count threshold", "hidden"]);
        assert_eq!(cells[3].name(&varied(&cells)), "asgd, lr 0.1, count threshold 0.25, 3");
        let thresholds = [0, 3].map(|cell: usize| cells[cell].json()["count_threshold"].clone());
        assert_eq!(thresholds, [Value::Null, json!(0.25)]);
        assert_eq!(cells[0].json()["activation"], Value::Null);
    }

    #[test]
    fn networks_without_hidden_nodes_have_no_dropout() {
        let specs = [&[4, 2][..], &[4, 3, 2]].map(|widths| NetworkSpec::new(widths).unwrap()).to_vec();
        let dropped = Lists { specs, dropouts: vec![0.0, 0.5], optimizers: vec![Optimizer::SGD], ..lists() };
        let cells = dropped.cells().unwrap();
        assert_eq!(cells.len(), 3 + 2 * 3);
        assert_eq!(names(&varied(&cells)), ["lr", "dropout", "hidden"]);
        assert_eq!(cells[6].name(&varied(&cells)), "lr 0.1, dropout 0.5, 3");
        assert_eq!((&cells[3].json()["dropout"], &cells[6].json()["dropout"]), (&Value::Null, &json!(0.5)));
    }

    #[test]
    fn all_networks_have_dropout_of_inputs() {
        let specs = [&[4, 2][..], &[4, 3, 2]].map(|widths| NetworkSpec::new(widths).unwrap()).to_vec();
        let dropped = Lists { specs, input_dropouts: vec![0.0, 0.25], optimizers: vec![Optimizer::SGD], ..lists() };
        let cells = dropped.cells().unwrap();
        assert_eq!(cells.len(), 2 * 2 * 3);
        assert_eq!(names(&varied(&cells)), ["lr", "input dropout", "hidden"]);
        assert_eq!(cells[3].name(&varied(&cells)), "lr 0.1, input dropout 0.25, none");
        let kept = [0, 3].map(|cell: usize| cells[cell].json()["input_dropout"].clone());
        assert_eq!(kept, [Value::Null, json!(0.25)]);
    }

    #[test]
    fn nothing_trains_twice() {
        let error = Lists { learning_rates: vec![0.1, 0.1], ..lists() }.cells().unwrap_err().to_string();
        assert!(error.contains("asgd, lr 0.1") && error.contains("twice"), "{error}");
    }
}
