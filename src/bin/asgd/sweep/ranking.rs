//! Which cell is the best. Validation samples decide, never test samples: a choice by these would make the best cell's own
//! test figures too good.

use super::groups::CellTrained;
use crate::run::metrics::Point;
use crate::statistics::Summary;

/// What tells how good a cell is.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Replicas that have not diverged.
    pub sound: usize,
    /// Of the sound replicas, at the end; `None` without a validation set.
    pub validation_loss: Option<Summary>,
    /// The evaluation whose mean validation loss is lowest; its index and the loss.
    pub best_evaluation: Option<(usize, f64)>,
    /// The sound replica with the lowest validation loss at the end.
    pub best_replica: Option<usize>,
}

impl Standing {
    pub fn of(cell: &CellTrained) -> Self {
        let sound: Vec<(usize, &Point)> = cell.sound().collect();
        let trajectories: Vec<&Vec<Point>> = sound.iter().map(|(replica, _)| &cell.trajectories[*replica]).collect();
        let loss = |point: &Point| point.validation.as_ref().map(|validation| validation.loss);
        let at_end = |point: &Point| loss(point).filter(|loss| loss.is_finite());
        let validation_loss = Summary::of(sound.iter().filter_map(|(_, end)| at_end(end)));
        let evaluations = trajectories.iter().map(|points| points.len()).max().unwrap_or(0);
        // Replicas that have stopped stay where they stopped.
        let mean = |index: usize| {
            let points = trajectories.iter().filter_map(|points| points.get(index).or(points.last()));
            (index, Summary::of(points.filter_map(loss)).mean)
        };
        let means = (0..evaluations).map(mean);
        let ends = sound.iter().filter_map(|(replica, end)| Some((*replica, at_end(end)?)));
        Self {
            sound: sound.len(),
            validation_loss: (validation_loss.count > 0).then_some(validation_loss),
            best_evaluation: means.filter(|(_, mean)| mean.is_finite()).min_by(|a, b| a.1.total_cmp(&b.1)),
            best_replica: ends.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(replica, _)| replica),
        }
    }
}

/// The cells from best to worst: by how many replicas have diverged, then by mean validation loss. Without a validation
/// set nothing is best.
pub fn rank(standings: &[Standing]) -> Option<Vec<usize>> {
    standings.iter().any(|standing| standing.validation_loss.is_some()).then(|| {
        let mut order: Vec<usize> = (0..standings.len()).collect();
        let loss = |cell: usize| standings[cell].validation_loss.map_or(f64::INFINITY, |loss| loss.mean);
        order.sort_by(|&a, &b| standings[b].sound.cmp(&standings[a].sound).then(loss(a).total_cmp(&loss(b))));
        order
    })
}

#[cfg(test)]
mod tests {
    use asgd::{AdaptiveBatchSizes, Evaluation, Model, NetworkSpec};

    use super::*;

    /// A cell with these validation losses, replica by replica.
    fn cell(losses: &[&[f64]]) -> CellTrained {
        let spec = NetworkSpec::new(&[2, 1]).unwrap();
        let evaluation = |loss: f64| Evaluation { loss, score: 0.5, nodes: Vec::new(), has_diverged: loss.is_nan() };
        let point = |(step, &loss): (usize, &f64)| Point {
            step: step as u64,
            // The test set would say the contrary.
            train: evaluation(loss),
            test: evaluation(-loss),
            validation: Some(evaluation(loss)),
            mean_adaptive_batch_sizes: Vec::new(),
        };
        CellTrained {
            trajectories: losses.iter().map(|losses| losses.iter().enumerate().map(point).collect()).collect(),
            kept: losses.iter().map(|losses| losses.len() - 1).collect(),
            model: Model::zeros(&spec, losses.len()),
            counts: AdaptiveBatchSizes::zeros(&spec, losses.len()),
        }
    }

    #[test]
    fn validation_decides_among_those_that_have_not_diverged() {
        let cells = [
            cell(&[&[3.0, 2.0, 2.5], &[3.0, 1.0, 1.5]]),
            cell(&[&[3.0, 0.1, 0.1], &[3.0, f64::NAN, f64::NAN]]),
            cell(&[&[3.0, 2.0, 1.0], &[3.0, 2.0, 1.8]]),
        ];
        let standings: Vec<Standing> = cells.iter().map(Standing::of).collect();
        assert_eq!(rank(&standings), Some(vec![2, 0, 1]));
        assert_eq!(standings[0].best_evaluation, Some((1, 1.5)));
        assert_eq!((standings[0].best_replica, standings[1].best_replica), (Some(1), Some(0)));
        assert_eq!((standings[1].sound, standings[2].validation_loss.unwrap().mean), (1, 1.4));
    }

    #[test]
    fn without_validation_nothing_is_best() {
        let mut without = cell(&[&[1.0], &[2.0]]);
        without.trajectories.iter_mut().flatten().for_each(|point| point.validation = None);
        assert_eq!(rank(&[Standing::of(&without)]), None);
    }
}
