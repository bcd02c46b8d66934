//! Curves of a run: means over the replicas, evaluation by evaluation, with bands over all of them; learning_curve.svg.

use anyhow::Result;
use asgd::{Evaluation, Loss};
use plotters::prelude::SeriesLabelPosition;

use super::metrics::{Point, Trajectories};
use super::rates::Rates;
use crate::figures::{BLUE, Curve, GREEN, Legend, LinePanel, VERMILION, lines};

/// Loss and score over the epochs of a run, and its rate where that is not constant: lines are means, bands span all replicas.
pub fn learning_curve(title: &str, trajectories: &Trajectories, rates: &Rates, loss: Loss) -> Result<String> {
    let replicas = trajectories.len();
    let band = if replicas > 1 { format!("; mean and range of {replicas} replicas") } else { String::new() };
    let panels: Vec<LinePanel> = learning_panels(trajectories, rates.steps_per_epoch, loss)
        .into_iter()
        .chain(rates.panel(trajectories))
        .collect();
    lines(&format!("{title}{band}"), &panels, panels.len(), (450, 390))
}

/// An evaluation of a point, if there is one on that set.
pub type OfPoint = fn(&Point) -> Option<&Evaluation>;

/// Loss and score of all sets.
pub fn learning_panels(trajectories: &Trajectories, steps_per_epoch: u64, loss: Loss) -> [LinePanel; 2] {
    let sets: [(&str, _, OfPoint); 3] = [
        ("training set", BLUE, |point| Some(&point.train)),
        ("validation set", GREEN, |point| point.validation.as_ref()),
        ("test set", VERMILION, |point| Some(&point.test)),
    ];
    let panel = |y, value: fn(&Evaluation) -> f64, legend| {
        let curves = sets.iter().map(|(name, color, of)| Curve {
            name: name.to_string(),
            color: *color,
            points: mean_and_range(trajectories, steps_per_epoch, |point| of(point).map_or(f64::NAN, value)),
        });
        LinePanel {
            title: String::new(),
            x: "epoch",
            y,
            curves: curves.filter(|curve| !curve.points.is_empty()).collect(),
            legend: Legend::Inside(legend),
            y_range: None,
        }
    };
    [
        panel(loss.task().loss_label(), |evaluation| evaluation.loss, SeriesLabelPosition::UpperRight),
        panel(loss.score_label(), |evaluation| evaluation.score, SeriesLabelPosition::LowerRight),
    ]
}

/// Over the replicas that have a number, evaluation by evaluation; those that have stopped stay where they stopped.
pub fn mean_and_range(
    trajectories: &Trajectories,
    steps_per_epoch: u64,
    value: impl Fn(&Point) -> f64,
) -> Vec<(f64, [f64; 3])> {
    let longest = trajectories.iter().max_by_key(|points| points.len()).map_or(&[][..], |points| &points[..]);
    let point = |(index, of_longest): (usize, &Point)| {
        let points = trajectories.iter().filter_map(|points| points.get(index).or(points.last()));
        let epoch = of_longest.step as f64 / steps_per_epoch as f64;
        band(points.map(&value)).map(|values| (epoch, values))
    };
    thinned(longest.iter().enumerate().filter_map(point).collect())
}

/// Mean, lowest and highest of the finite values.
pub fn band(values: impl Iterator<Item = f64>) -> Option<[f64; 3]> {
    let (mut sum, mut count) = (0.0, 0);
    let [mut low, mut high] = [f64::INFINITY, f64::NEG_INFINITY];
    for value in values.filter(|value| value.is_finite()) {
        (sum, count) = (sum + value, count + 1);
        (low, high) = (low.min(value), high.max(value));
    }
    let mean = sum / f64::from(count);
    (count > 0).then_some([mean, low, high])
}

/// More points than this a panel has no pixels for.
const POINTS_SHOWN: usize = 400;

/// Neighbours as one point, where there are too many: mean of the means, range of the ranges. The ends stay as they are.
pub fn thinned(points: Vec<(f64, [f64; 3])>) -> Vec<(f64, [f64; 3])> {
    let (Some(&first), Some(&last), true) = (points.first(), points.last(), points.len() > POINTS_SHOWN) else {
        return points;
    };
    let inner = &points[1..points.len() - 1];
    let merged = |group: &[(f64, [f64; 3])]| {
        let mean = |value: fn(&(f64, [f64; 3])) -> f64| group.iter().map(value).sum::<f64>() / group.len() as f64;
        let low = group.iter().map(|(_, [_, low, _])| *low).fold(f64::INFINITY, f64::min);
        let high = group.iter().map(|(_, [_, _, high])| *high).fold(f64::NEG_INFINITY, f64::max);
        (mean(|(x, _)| *x), [mean(|(_, [mean, ..])| *mean), low, high])
    };
    let groups = inner.chunks(inner.len().div_ceil(POINTS_SHOWN - 2)).map(merged);
    [first].into_iter().chain(groups).chain([last]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinned_curves_keep_their_ends_and_their_range() {
        let wave = |index: usize| (index as f64, [(index as f64).sin(), -(index as f64), 2.0 * index as f64]);
        let few: Vec<_> = (0..POINTS_SHOWN).map(wave).collect();
        assert_eq!(thinned(few.clone()), few);
        let many: Vec<_> = (0..12_345).map(wave).collect();
        let thin = thinned(many.clone());
        assert!(thin.len() <= POINTS_SHOWN && thin.len() > POINTS_SHOWN / 2, "{}", thin.len());
        assert_eq!((thin[0], thin[thin.len() - 1]), (many[0], many[12_344]));
        assert!(thin.is_sorted_by_key(|(x, _)| *x));
        assert!(thin.iter().any(|(_, [_, low, high])| (*low, *high) == (-12_343.0, 24_686.0)), "the last but one");
    }

    #[test]
    fn bands_leave_out_what_is_no_number() {
        assert_eq!(band([1.0, f64::NAN, 3.0, f64::INFINITY].into_iter()), Some([2.0, 1.0, 3.0]));
        assert_eq!(band([f64::NAN].into_iter()), None);
    }
}
