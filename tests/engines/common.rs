//! What many features of a training are held to: against the reference, against themselves however steps are grouped, and the
//! reference by finite differences.

use std::ops::ControlFlow;

use asgd::check::Comparison;
use asgd::check::training::{self, Course, Stop};
use asgd::dataset::Samples;
use asgd::engine::TrainingEngine;
use asgd::reference::step::Training;
use asgd::{Model, Split};

use crate::support::{ENGINES, Engine};

/// The first course on which nothing comes so near a kink, or a threshold of the counts, that rounding could carry it across.
pub fn first_clear(courses: impl Iterator<Item = Course>, steps: &[u64]) -> (Course, Vec<Stop>) {
    let mut with_stops = courses.map(|course| (Stop::all(&course, steps), course));
    let is_clear = |(stops, _): &(Vec<Stop>, Course)| stops.iter().all(|stop| stop.clearance() > 10.0);
    let (stops, course) = with_stops.find(is_clear).expect("a training that keeps clear");
    (course, stops)
}

/// Both engines evaluate as the reference, have its S, c and parameters at every stop, and the last replica is what it is alone.
pub fn follows(what: &str, course: &Course, stops: &[Stop]) {
    for engine in ENGINES {
        let mut trainer = engine.trainer(&course.dataset, &course.initial, course.settings.clone()).unwrap();
        let mut comparison = Comparison::default();
        training::evaluation(&engine, &mut *trainer, course, &mut comparison).unwrap();
        for stop in stops {
            stop.check(&mut *trainer, &mut comparison).unwrap();
        }
        training::alone(&engine, &mut *trainer, course, &mut comparison).unwrap();
        assert!(comparison.passed(), "{what} {} {engine:?}: {:#?}", course.name(), comparison.mismatch());
    }
}

/// Steps in submissions of three or fewer with looks in between, and resumed anywhere, are the same steps.
pub fn grouping_leaves_no_trace(
    engine: Engine,
    start: impl Fn(&Model) -> Box<dyn TrainingEngine>,
    initial: &Model,
    steps: u64,
) {
    let mut at_once = start(initial);
    at_once.train(steps).unwrap();
    let expected = at_once.model().unwrap();

    let mut piecewise = start(initial);
    while piecewise.step() < steps {
        let left = steps - piecewise.step();
        piecewise.train_while(left.min(3), &mut |_| ControlFlow::Break(())).unwrap();
        piecewise.evaluate(Split::Train).unwrap();
        piecewise.last_reduction().unwrap();
        piecewise.mean_adaptive_batch_sizes().unwrap();
    }
    assert_eq!(piecewise.model().unwrap(), expected, "{engine:?}");
    assert_eq!(piecewise.last_reduction().unwrap(), at_once.last_reduction().unwrap(), "{engine:?}");

    for stop in [1, 5, 23] {
        let mut first = start(initial);
        first.train(stop).unwrap();
        let mut resumed = start(&first.model().unwrap());
        resumed.resume_at(stop, &first.moments().unwrap()).unwrap();
        resumed.train(steps - stop).unwrap();
        assert_eq!(resumed.model().unwrap(), expected, "{engine:?} resumed at {stop}");
    }
}

/// Central differences of the reference's loss, away from kinks: where |z| stays well above the difference, the loss is smooth.
pub fn has_the_gradient(mut training: Training, samples: &Samples, indices: &[u32], bound: f64) {
    let difference = 1e-6;
    let sums = training.reduce(samples, indices);
    assert!(training.nearest > 1e3 * difference, "a kink is near: {}", training.nearest);
    for (layer, sums) in sums.iter().enumerate() {
        for (index, sum) in sums.iter().enumerate() {
            let loss_at = |offset: f64| {
                let mut moved = training.clone();
                moved.parameters[layer][index] += offset;
                moved.loss(samples, indices)
            };
            let slope = (loss_at(difference) - loss_at(-difference)) / (2.0 * difference);
            assert!((slope - sum).abs() < bound, "layer {layer} index {index}: {slope} {sum}");
        }
    }
}
