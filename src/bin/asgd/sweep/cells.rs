//! The cells of a sweep: every combination of the settings that were listed.

use std::collections::HashSet;

use asgd::{Error, Gradient, NetworkSpec, Optimizer};
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
}

/// Columns of tables that tell cells apart, beside their numbers.
pub const COLUMNS: [&str; 5] = ["optimizer", "learning_rate", "epsilon", "batch_size", "hidden"];

/// What people call them.
pub const SHOWN: [&str; 5] = ["optimizer", "lr", "epsilon", "batch", "hidden"];

impl Lists {
    /// Every combination once, the learning rate fastest. Optimizers without epsilon do not combine with it.
    ///
    /// # Errors
    /// [`Error::Setting`] if something is listed twice.
    pub fn cells(&self) -> Result<Vec<Cell>, Error> {
        let mut cells: Vec<Cell> = Vec::new();
        for spec in &self.specs {
            for &batch_size in &self.batch_sizes {
                for &optimizer in &self.optimizers {
                    let uses_epsilon = optimizer.gradient == Gradient::Effective;
                    let epsilons = if uses_epsilon { &self.epsilons[..] } else { &self.epsilons[..1] };
                    for &epsilon in epsilons {
                        let usual = [optimizer.default_learning_rate()];
                        let rates = if self.learning_rates.is_empty() { &usual } else { &self.learning_rates[..] };
                        let cell =
                            |&learning_rate| Cell { spec: spec.clone(), batch_size, optimizer, learning_rate, epsilon };
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
}

impl Cell {
    /// Its settings, as [`COLUMNS`] has them; empty where one means nothing.
    pub fn settings(&self) -> [String; 5] {
        let epsilon = match self.optimizer.gradient {
            Gradient::Effective => number(self.epsilon),
            Gradient::Mean => String::new(),
        };
        [
            self.optimizer.to_string(),
            number(self.learning_rate),
            epsilon,
            self.batch_size.to_string(),
            widths(self.spec.hidden()),
        ]
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
        let numbers = self.optimizer.rule.hyperparameters();
        if !numbers.is_empty() {
            settings["hyperparameters"] = numbers.into_iter().map(|(name, value)| (name, json!(value))).collect();
            settings["weight_decay"] = json!(self.optimizer.weight_decay);
        }
        settings
    }

    /// Those of its settings in which cells differ, as people say them.
    pub fn name(&self, varied: &[usize]) -> String {
        let settings = self.settings();
        let named = varied.iter().filter(|&&column| !settings[column].is_empty()).map(|&column| match column {
            0 => settings[0].clone(),
            1 => format!("lr {}", settings[1]),
            2 => format!("epsilon {}", settings[2]),
            3 => format!("batch {}", settings[3]),
            _ => settings[4].clone(),
        });
        named.collect::<Vec<_>>().join(", ")
    }
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
        }
    }

    #[test]
    fn every_combination_that_means_something_is_a_cell() {
        let cells = lists().cells().unwrap();
        assert_eq!(cells.len(), 2 * (2 * 3 + 3), "epsilon is aSGD's alone");
        assert_eq!(varied(&cells), [0, 1, 2, 4]);
        assert_eq!(cells[1].name(&varied(&cells)), "asgd, lr 0.2, epsilon 1e-8, 3");
        assert_eq!(cells[17].name(&varied(&cells)), "sgd, lr 0.3, 7");
        let one_epsilon = Lists { epsilons: vec![1.0], ..lists() }.cells().unwrap();
        assert_eq!(varied(&one_epsilon), [0, 1, 4]);
        let usual = Lists { learning_rates: Vec::new(), ..lists() }.cells().unwrap();
        assert_eq!(usual.len(), 2 * 3);
        assert_eq!((usual[0].learning_rate, usual[2].learning_rate), (0.01, 0.1));
    }

    #[test]
    fn nothing_trains_twice() {
        let error = Lists { learning_rates: vec![0.1, 0.1], ..lists() }.cells().unwrap_err().to_string();
        assert!(error.contains("asgd, lr 0.1") && error.contains("twice"), "{error}");
    }
}
