//! What a replica's evaluations on the validation set decide: when it stops, which of its networks is kept, and when its rate falls.
//!
//! Every decision follows from the replica's own evaluations so far, so a replica decides as it would alone, and a resumed
//! training as one that was never interrupted.

use std::fmt;
use std::str::FromStr;

use asgd::{Error, Loss};

use super::metrics::{Point, has_diverged};

/// What is decided, and by what.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    pub criterion: Criterion,
    /// A replica stops after so many evaluations in a row without improvement.
    pub patience: Option<u64>,
    pub keep: Keep,
    pub plateau: Option<Plateau>,
}

/// What improves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Criterion {
    /// A lower validation loss.
    #[default]
    Loss,
    /// A higher validation accuracy.
    Accuracy,
    /// A higher R^2 on the validation samples.
    R2,
}

/// Which network of a replica is its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// That of the best evaluation, the first of equals.
    Best,
    /// That of the last evaluation.
    Last,
}

/// ReduceLROnPlateau of torch.optim.lr_scheduler, with a threshold of 0 and without a cooldown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plateau {
    /// So many evaluations in a row without improvement change nothing; the next one lowers the rate.
    pub patience: u64,
    /// What the rate is multiplied by.
    pub factor: f32,
}

/// A replica after some evaluations.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    /// Evaluations so far.
    evaluations: usize,
    /// The best one: its index, and its loss or score.
    best: Option<(usize, f64)>,
    /// Evaluations since the best one.
    without_improvement: u64,
    /// The same, or since the rate fell.
    on_plateau: u64,
    /// The steps at which the rate fell.
    falls: Vec<u64>,
    has_stopped: bool,
}

impl Rules {
    /// After these evaluations.
    pub fn progress(&self, points: &[Point]) -> Progress {
        let mut progress = Progress::default();
        points.iter().for_each(|point| progress.add(self, point));
        progress
    }

    /// The evaluation of the network that is kept.
    pub fn kept(&self, points: &[Point]) -> usize {
        let best = self.progress(points).best.filter(|_| self.keep == Keep::Best);
        best.map_or(points.len().saturating_sub(1), |(index, _)| index)
    }

    /// A learning rate after so many falls.
    pub fn rate(&self, initial: f32, falls: usize) -> f32 {
        let factor = self.plateau.map_or(1.0, |plateau| plateau.factor);
        (0..falls).fold(initial, |rate, _| rate * factor)
    }
}

impl Progress {
    /// Another evaluation.
    pub fn add(&mut self, rules: &Rules, point: &Point) {
        let index = self.evaluations;
        self.evaluations += 1;
        match rules.criterion.value(point) {
            Some(value) if self.best.is_none_or(|(_, best)| rules.criterion.is_better(value, best)) => {
                self.best = Some((index, value));
                (self.without_improvement, self.on_plateau) = (0, 0);
            }
            _ => (self.without_improvement, self.on_plateau) = (self.without_improvement + 1, self.on_plateau + 1),
        }
        if rules.plateau.is_some_and(|plateau| self.on_plateau > plateau.patience) {
            self.falls.push(point.step);
            self.on_plateau = 0;
        }
        self.has_stopped |= rules.patience.is_some_and(|patience| self.without_improvement >= patience);
    }

    /// The index of the best evaluation.
    pub fn best(&self) -> Option<usize> {
        self.best.map(|(index, _)| index)
    }

    /// Whether the last evaluation is the best.
    pub fn has_improved(&self) -> bool {
        self.best.is_some_and(|(index, _)| index + 1 == self.evaluations)
    }

    pub fn has_stopped(&self) -> bool {
        self.has_stopped
    }

    /// The steps at which the rate fell.
    pub fn falls(&self) -> &[u64] {
        &self.falls
    }
}

impl Criterion {
    /// A number that may be the best; none of a network that has diverged.
    fn value(self, point: &Point) -> Option<f64> {
        let validation = point.validation.as_ref().filter(|_| !has_diverged(point))?;
        let value = match self {
            Self::Loss => validation.loss,
            Self::Accuracy | Self::R2 => validation.score,
        };
        value.is_finite().then_some(value)
    }

    fn is_better(self, value: f64, best: f64) -> bool {
        match self {
            Self::Loss => value < best,
            Self::Accuracy | Self::R2 => value > best,
        }
    }

    /// Refuses the score of another kind of data.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(self, loss: Loss) -> Result<(), Error> {
        if self == Self::Loss || self.to_string() == loss.score() {
            return Ok(());
        }
        let problem = format!("{self}, but the score of a {} is {}", loss.task(), loss.score());
        Err(Error::Setting { setting: "--keep-by", problem })
    }

    /// The first of the best of these evaluations.
    pub fn best(self, points: &[Point]) -> Option<usize> {
        Rules { criterion: self, patience: None, keep: Keep::Best, plateau: None }.progress(points).best()
    }
}

impl FromStr for Criterion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "loss" => Ok(Self::Loss),
            "accuracy" => Ok(Self::Accuracy),
            "r2" => Ok(Self::R2),
            _ => Err("expected loss, accuracy or r2".into()),
        }
    }
}

impl fmt::Display for Criterion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Loss => "loss",
            Self::Accuracy => "accuracy",
            Self::R2 => "r2",
        })
    }
}

impl FromStr for Keep {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "best" => Ok(Self::Best),
            "last" => Ok(Self::Last),
            _ => Err("expected best or last".into()),
        }
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Best => "best",
            Self::Last => "last",
        })
    }
}

#[cfg(test)]
mod tests {
    use asgd::Evaluation;

    use super::*;

    /// Evaluations every 10 steps with these validation losses; accuracies go the other way.
    fn points(losses: &[f64]) -> Vec<Point> {
        let evaluation =
            |loss: f64| Evaluation { loss, score: 1.0 / (1.0 + loss), nodes: Vec::new(), has_diverged: loss.is_nan() };
        let point = |(index, &loss): (usize, &f64)| Point {
            step: index as u64 * 10,
            train: evaluation(loss),
            test: evaluation(loss),
            validation: Some(evaluation(loss)),
            mean_adaptive_batch_sizes: Vec::new(),
        };
        losses.iter().enumerate().map(point).collect()
    }

    fn rules(patience: Option<u64>, plateau: Option<Plateau>) -> Rules {
        Rules { criterion: Criterion::Loss, patience, keep: Keep::Best, plateau }
    }

    #[test]
    fn patience_counts_evaluations_without_improvement() {
        let rules = rules(Some(3), None);
        let stops =
            |losses: &[f64]| (1..=losses.len()).find(|&count| rules.progress(&points(&losses[..count])).has_stopped());
        assert_eq!(stops(&[3.0, 2.0, 2.5, 2.5, 1.0, 1.0, 1.0, 1.0, 0.5]), Some(8), "an equal loss is no improvement");
        assert_eq!(stops(&[3.0, f64::NAN, f64::NAN, f64::NAN]), Some(4), "nor is one that is no number");
        assert_eq!(stops(&[f64::NAN, f64::NAN, 2.0, 2.0, 2.0]), None);
        assert_eq!(rules.kept(&points(&[3.0, 2.0, 2.5, f64::NAN])), 1);
        assert_eq!(rules.kept(&points(&[f64::NAN; 2])), 1, "without a best one the last");
        assert_eq!(Rules { keep: Keep::Last, ..rules }.kept(&points(&[3.0, 2.0, 2.5])), 2);
        assert!(rules.progress(&points(&[3.0, 2.0])).has_improved());
        assert!(!rules.progress(&points(&[3.0, 2.0, 2.0])).has_improved());
    }

    #[test]
    fn a_network_that_has_left_all_bounds_is_not_the_best() {
        let mut points = points(&[3.0, 2.0, 1.0]);
        points[2].train.has_diverged = true;
        assert_eq!(Criterion::Loss.best(&points), Some(1));
    }

    #[test]
    fn accuracies_improve_upwards() {
        let mut points = points(&[3.0, 2.0, 1.0]);
        points[1].validation.as_mut().unwrap().score = 0.9;
        assert_eq!((Criterion::Loss.best(&points), Criterion::Accuracy.best(&points)), (Some(2), Some(1)));
        points.iter_mut().for_each(|point| point.validation = None);
        assert_eq!(Criterion::Loss.best(&points), None);
        assert!(
            Criterion::R2.check(Loss::MeanSquaredError).is_ok() && Criterion::Loss.check(Loss::CrossEntropy).is_ok()
        );
        let problem = Criterion::Accuracy.check(Loss::MeanSquaredError).unwrap_err().to_string();
        assert!(problem.contains("--keep-by") && problem.contains("r2"), "{problem}");
        assert!(Criterion::R2.check(Loss::BinaryCrossEntropy).is_err());
    }

    /// As torch's ReduceLROnPlateau(factor=0.5, patience=1, threshold=0) falls on these losses: after the evaluations 3 and 5.
    #[test]
    fn rates_fall_on_a_plateau() {
        let rules = rules(None, Some(Plateau { patience: 1, factor: 0.5 }));
        let losses = [3.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0];
        let progress = rules.progress(&points(&losses));
        assert_eq!(progress.falls(), [30, 50]);
        assert_eq!(rules.rate(0.1, progress.falls().len()), 0.1 * 0.5 * 0.5);
        assert!(!progress.has_stopped());
    }
}
