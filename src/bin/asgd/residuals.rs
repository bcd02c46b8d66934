//! How far a regression's outputs are from its targets, each target by itself and in its own units.

use anyhow::Result;
use asgd::dataset::{Samples, Targets};
use asgd::{Model, Predictor, r2};
use serde_json::{Value, json};

use crate::statistics::Summary;
use crate::table::{Cell, Table};
use crate::trained::target_names;

/// Errors of every network of a model.
pub struct Residuals {
    /// (targets)
    targets: Vec<OfTarget>,
}

/// Of one target, over the networks.
struct OfTarget {
    name: String,
    r2: Summary,
    /// The root of the mean squared error.
    rmse: Summary,
    /// The mean absolute error.
    mae: Summary,
}

impl Residuals {
    /// Of every network of `model` on `samples`, which `predictor` holds.
    ///
    /// # Errors
    /// What the driver reported.
    pub fn of(predictor: &Predictor, model: &Model, samples: &Samples) -> Result<Self> {
        let (outputs, scaling) = (predictor.logits()?, model.data.target_scaling_or_none());
        let (width, count) = (model.spec().outputs(), samples.len() as f64);
        let Targets::Numbers { values, .. } = samples.targets() else { return Ok(Self { targets: Vec::new() }) };
        let of_target = |(target, name): (usize, String)| {
            let column: Vec<f32> = values[target..].iter().step_by(width).copied().collect();
            // What the scale's divisor makes of an error of 1.
            let unit = scaling.undo(target, 1.0) - scaling.undo(target, 0.0);
            let errors = |network: &[f32]| -> Vec<f64> {
                let outputs = network[target..].iter().step_by(width);
                outputs.zip(&column).map(|(&output, &value)| f64::from(output) - f64::from(value)).collect()
            };
            let networks: Vec<Vec<f64>> = outputs.chunks_exact(width * samples.len()).map(errors).collect();
            let mean = |errors: &[f64], of: fn(f64) -> f64| errors.iter().map(|&error| of(error)).sum::<f64>() / count;
            let squares: Vec<f64> = networks.iter().map(|errors| mean(errors, |error| error * error)).collect();
            let variance = Targets::Numbers { values: column.clone(), outputs: 1 }.variance();
            OfTarget {
                name,
                r2: Summary::of(squares.iter().map(|&square| r2(square, variance))),
                rmse: Summary::of(squares.iter().map(|square| square.sqrt() * unit.abs())),
                mae: Summary::of(networks.iter().map(|errors| mean(errors, f64::abs) * unit.abs())),
            }
        };
        Ok(Self { targets: target_names(model).into_iter().enumerate().map(of_target).collect() })
    }

    /// A row a target.
    pub fn table(&self, caption: &str) -> Table {
        let mut table = Table::new("targets", caption, &["target", "R\u{b2}", "RMSE", "mean absolute error"]);
        for OfTarget { name, r2, rmse, mae } in &self.targets {
            let cells = [Cell::Spread(*r2, 4), size(*rmse, rmse.mean), size(*mae, rmse.mean)];
            table.rows.push([Cell::from(name.as_str())].into_iter().chain(cells).collect());
        }
        table
    }

    /// An object a target, for programs.
    pub fn json(&self) -> Value {
        let of_target = |OfTarget { name, r2, rmse, mae }: &OfTarget| {
            json!({
                "target": name, "r2": r2.mean, "r2_std": r2.deviation, "rmse": rmse.mean, "rmse_std": rmse.deviation,
                "mae": mae.mean, "mae_std": mae.deviation,
            })
        };
        self.targets.iter().map(of_target).collect()
    }
}

/// An error with as many digits as show four of `like`; with an exponent, where these would be many.
fn size(error: Summary, like: f64) -> Cell {
    let magnitude = like.abs().log10().floor();
    match magnitude {
        -6.0..9.0 => Cell::Spread(error, (3.0 - magnitude).max(0.0) as usize),
        _ if like == 0.0 || !like.is_finite() => Cell::Spread(error, 4),
        _ if error.count == 1 => Cell::Text(format!("{:.3e}", error.mean)),
        _ => Cell::Text(format!("{:.3e} \u{b1} {:.1e}", error.mean, error.deviation)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_digits_are_shown() {
        let shown = |number: f64| match size(Summary::of([number]), number) {
            Cell::Spread(error, digits) => format!("{:.digits$}", error.mean),
            Cell::Text(text) => text,
            Cell::Number(..) => String::new(),
        };
        let numbers = [12345.6, 1.5, 0.0123, 1.2345e-6, 1e-20, 9.1234e29, 0.0, f64::NAN].map(shown);
        let expected = ["12346", "1.500", "0.01230", "0.000001234", "1.000e-20", "9.123e29", "0.0000", "NaN"];
        assert_eq!(numbers, expected);
    }
}
