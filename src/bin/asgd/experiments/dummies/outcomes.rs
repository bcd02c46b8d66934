//! The trainings of experiment 2, and where each of them counts as stopped.

use asgd::{Dataset, Optimizer};

use super::arguments::StopRule;
use crate::experiments::bench::OPTIMIZERS;
use crate::run::metrics::Point;
use crate::statistics::Summary;

pub const HIDDEN: [usize; 5] = [10; 5];
pub const BATCH_SIZE: usize = 128;

/// What the paper says of a data set.
pub struct Case {
    pub data: Dataset,
    pub learning_rate: f32,
    /// True dummies of an aSGD training more than of an SGD training.
    pub more_dummies: f64,
    /// Probability that a node near the output is a true dummy under aSGD.
    pub probability: f64,
    /// Steps that aSGD converges sooner than SGD.
    pub sooner: Option<f64>,
}

/// One replica.
#[derive(Debug, Clone, Copy)]
pub struct Member {
    /// Which of the initialisations.
    pub init: usize,
    pub optimizer: Optimizer,
    pub seed: u64,
}

/// What a training came to.
pub struct Outcome {
    pub member: Member,
    pub points: Vec<Point>,
}

impl StopRule {
    /// The evaluation at which a training counts as stopped.
    pub fn stop(self, points: &[Point]) -> &Point {
        let lowest = |points: &'_ [Point], loss: fn(&Point) -> f64| {
            // A diverged loss is no minimum.
            let value =
                |index: &usize| if loss(&points[*index]).is_nan() { f64::INFINITY } else { loss(&points[*index]) };
            (0..points.len()).min_by(|a, b| value(a).total_cmp(&value(b))).unwrap_or(0)
        };
        let index = match self {
            Self::LowestTestLoss => lowest(points, |point| point.test.loss),
            Self::LowestTrainLoss => lowest(points, |point| point.train.loss),
            Self::Last => points.len() - 1,
            Self::Patience(steps) => {
                let mut best = 0;
                for (index, point) in points.iter().enumerate() {
                    if point.test.loss < points[best].test.loss {
                        best = index;
                    } else if point.step - points[best].step >= steps {
                        break;
                    }
                }
                best
            }
        };
        &points[index]
    }
}

/// A number of a stopped training.
pub type Column = fn(&Point) -> f64;

pub const COLUMNS: [(&str, usize, Column); 6] = [
    ("final step", 0, |point| point.step as f64),
    ("train accuracy", 4, |point| point.train.score),
    ("train loss", 4, |point| point.train.loss),
    ("test accuracy", 4, |point| point.test.score),
    ("test loss", 4, |point| point.test.loss),
    ("true dummies", 2, |point| f64::from(point.train.true_dummies())),
];

/// The trainings of one initialisation and optimizer.
pub fn group(outcomes: &[Outcome], init: usize, optimizer: Optimizer) -> impl Iterator<Item = &Outcome> {
    outcomes.iter().filter(move |outcome| outcome.member.init == init && outcome.member.optimizer == optimizer)
}

/// A number of both optimizers' trainings, seed by seed: aSGD minus SGD.
pub fn difference(outcomes: &[Outcome], init: usize, rule: StopRule, value: Column) -> Summary {
    let [asgd, sgd] = OPTIMIZERS.map(|optimizer| group(outcomes, init, optimizer));
    Summary::of(asgd.zip(sgd).map(|(asgd, sgd)| value(rule.stop(&asgd.points)) - value(rule.stop(&sgd.points))))
}

#[cfg(test)]
mod tests {
    use asgd::Evaluation;

    use super::*;

    fn points(test_losses: &[f64]) -> Vec<Point> {
        let evaluation = |loss| Evaluation { loss, score: 0.5, nodes: Vec::new(), has_diverged: false };
        let point = |(index, &loss)| Point {
            step: 100 * index as u64,
            train: evaluation(-(index as f64)),
            test: evaluation(loss),
            validation: None,
            mean_adaptive_batch_sizes: Vec::new(),
        };
        test_losses.iter().enumerate().map(point).collect()
    }

    #[test]
    pub fn stop_rules() {
        let points = points(&[5.0, 3.0, 4.0, 3.5, 2.0, f64::NAN, 2.0]);
        let step = |rule: StopRule| rule.stop(&points).step;
        assert_eq!(step(StopRule::LowestTestLoss), 400, "the first of equal ones");
        assert_eq!(step(StopRule::LowestTrainLoss), 600);
        assert_eq!(step(StopRule::Last), 600);
        assert_eq!(step(StopRule::Patience(200)), 100);
        assert_eq!(step(StopRule::Patience(300)), 400);
        assert_eq!("patience:200".parse(), Ok(StopRule::Patience(200)));
        for wrong in ["", "patience", "patience:", "patience:0", "patience:-1", "first"] {
            assert!(wrong.parse::<StopRule>().is_err(), "{wrong}");
        }
    }
}
