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
            let digits = digits(rmse.mean);
            let cells = [Cell::Spread(*r2, 4), Cell::Spread(*rmse, digits), Cell::Spread(*mae, digits)];
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

/// Digits behind the point that show four of a number, at most 12.
fn digits(number: f64) -> usize {
    match number.is_finite() && number != 0.0 {
        true => (3.0 - number.abs().log10().floor()).clamp(0.0, 12.0) as usize,
        false => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_digits_are_shown() {
        assert_eq!([12345.6, 1.5, 0.0123, 1e-20, 0.0, f64::NAN].map(digits), [0, 3, 5, 12, 4, 4]);
    }
}
