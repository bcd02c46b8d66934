//! The learning rate over the steps of a run: what `--schedule` and `--warmup` ask for, and how it is drawn.

use std::fmt;
use std::str::FromStr;

use asgd::{Decay, Schedule};

use super::curve::{band, thinned};
use super::metrics::Trajectories;
use super::stopping::{Plateau, Rules};
use crate::figures::{Curve, INK, Legend, LinePanel};

/// How rates fall: with the steps, or with a replica's own evaluations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RateSchedule {
    Decay(Decay),
    Plateau(Plateau),
}

impl RateSchedule {
    /// What all replicas have in common.
    pub fn decay(self) -> Decay {
        match self {
            Self::Decay(decay) => decay,
            Self::Plateau(_) => Decay::Constant,
        }
    }

    pub fn plateau(self) -> Option<Plateau> {
        match self {
            Self::Decay(_) => None,
            Self::Plateau(plateau) => Some(plateau),
        }
    }
}

/// As [`Decay`] is written, or plateau:PATIENCE:FACTOR.
impl FromStr for RateSchedule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split(':').collect();
        let (patience, factor) = match words[..] {
            ["plateau", patience, factor] => (patience, factor),
            ["plateau", ..] => return Err("write for example plateau:10:0.1".into()),
            _ => {
                return text.parse().map(Self::Decay).map_err(|error: String| match error.contains("expected") {
                    true => error.replace("expected constant", "expected constant, plateau"),
                    false => error,
                });
            }
        };
        let patience = patience.parse().map_err(|_| format!("'{patience}' is no whole number of evaluations"))?;
        match factor.parse() {
            Ok(factor) if factor > 0.0 && factor < 1.0 => Ok(Self::Plateau(Plateau { patience, factor })),
            _ => Err(format!("the factor of a plateau is above 0 and below 1, not '{factor}'")),
        }
    }
}

impl fmt::Display for RateSchedule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decay(decay) => decay.fmt(formatter),
            Self::Plateau(Plateau { patience, factor }) => write!(formatter, "plateau:{patience}:{factor}"),
        }
    }
}

/// How long the warm-up is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Warmup {
    Epochs(f64),
    Steps(u64),
}

impl Warmup {
    /// Whole steps.
    pub fn steps(self, steps_per_epoch: u64) -> u64 {
        match self {
            Self::Epochs(epochs) => (epochs * steps_per_epoch as f64).round() as u64,
            Self::Steps(steps) => steps,
        }
    }
}

/// 2 or 0.5 epochs, or 100steps.
impl FromStr for Warmup {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write epochs, for example 2 or 0.5, or steps, for example 100steps".to_string();
        match text.strip_suffix("steps") {
            Some(steps) => steps.trim().parse().map(Self::Steps).map_err(|_| wrong()),
            None => match text.parse::<f64>() {
                Ok(epochs) if (0.0..1e9).contains(&epochs) => Ok(Self::Epochs(epochs)),
                _ => Err(wrong()),
            },
        }
    }
}

impl fmt::Display for Warmup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Epochs(epochs) => write!(formatter, "{epochs}"),
            Self::Steps(steps) => write!(formatter, "{steps}steps"),
        }
    }
}

/// What decides the rates of replicas under the same settings.
#[derive(Debug, Clone, Copy)]
pub struct Rates {
    pub learning_rate: f32,
    pub schedule: Schedule,
    pub rules: Option<Rules>,
    pub steps: u64,
    pub steps_per_epoch: u64,
}

impl Rates {
    /// Lines are means over the replicas that train, bands span them; `None` for a constant rate.
    pub fn panel(&self, trajectories: &Trajectories) -> Option<LinePanel> {
        let plateau = self.rules.and_then(|rules| Some((rules, rules.plateau?)));
        if self.schedule.is_constant() && plateau.is_none() {
            return None;
        }
        /// More points than a panel has pixels for.
        const POINTS: u64 = 400;
        let falls: Vec<Vec<u64>> = trajectories
            .iter()
            .map(|points| plateau.map_or_else(Vec::new, |(rules, _)| rules.progress(points).falls().to_vec()))
            .collect();
        let ends: Vec<u64> = trajectories.iter().map(|points| points.last().map_or(0, |point| point.step)).collect();
        let end = ends.iter().copied().max().unwrap_or(0).min(self.steps);
        let point = |step: u64| {
            let training = falls.iter().zip(&ends).filter(|(_, end)| step < **end);
            let rates = training.map(|(falls, _)| {
                let fallen = falls.iter().filter(|fall| **fall <= step).count();
                self.rules.map_or(self.learning_rate, |rules| rules.rate(self.learning_rate, fallen))
            });
            let scale = self.schedule.factor(step, self.steps_per_epoch);
            let values = band(rates.map(|rate| f64::from(rate * scale)))?;
            Some((step as f64 / self.steps_per_epoch as f64, values))
        };
        let last = end.saturating_sub(1);
        let count = POINTS.min(last).max(1);
        let steps = (0..=count).map(|index| (u128::from(last) * u128::from(index) / u128::from(count)) as u64);
        let points = thinned(steps.filter_map(point).collect());
        let top = points.iter().map(|(_, [_, _, high])| *high).fold(0.0, f64::max);
        Some(LinePanel {
            title: String::new(),
            x: "epoch",
            y: "learning rate",
            curves: vec![Curve { name: "learning rate".into(), color: INK, points }],
            legend: Legend::Hidden,
            y_range: Some((0.0, if top > 0.0 { 1.05 * top } else { 1.0 })),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_read_as_they_are_written() {
        for text in ["constant", "step:30:0.1", "cosine:0.01", "plateau:10:0.1"] {
            assert_eq!(text.parse::<RateSchedule>().map(|schedule| schedule.to_string()), Ok(text.to_string()));
        }
        for (wrong, word) in [
            ("plateau", "plateau:10:0.1"),
            ("plateau:x:0.1", "'x' is no whole number"),
            ("plateau:1:1", "below 1"),
            ("plateau:1:NaN", "below 1"),
            ("linear", "expected constant, plateau"),
            ("step:0:0.1", "1 or more"),
        ] {
            let error = wrong.parse::<RateSchedule>().unwrap_err();
            assert!(error.contains(word), "{wrong}: {error}");
        }
    }

    #[test]
    fn warmups_are_epochs_or_steps() {
        let steps = |text: &str| text.parse::<Warmup>().map(|warmup| warmup.steps(11));
        assert_eq!([steps("2"), steps("0.5"), steps("7steps"), steps("0")], [Ok(22), Ok(6), Ok(7), Ok(0)]);
        for wrong in ["", "-1", "NaN", "x", "steps", "1.5steps", "2 epochs"] {
            assert!(steps(wrong).is_err(), "{wrong}");
        }
        assert_eq!(["0.5", "7steps"].map(|text| text.parse::<Warmup>().unwrap().to_string()), ["0.5", "7steps"]);
    }
}
