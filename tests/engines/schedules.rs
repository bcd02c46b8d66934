//! Learning rates over the steps: against torch.optim.lr_scheduler, trainings against the reference, and against themselves, bit
//! for bit.

use std::ops::ControlFlow;

use asgd::check::Comparison;
use asgd::check::training::{Course, Stop};
use asgd::{Decay, Model, Optimizer, Schedule, TrainSettings};

use crate::support::{ENGINES, FORMS, circles, images, model, replicas};

/// tests/golden/make_schedules.py.
#[derive(serde::Deserialize)]
struct Golden {
    steps_per_epoch: u64,
    steps: u64,
    cases: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    decay: String,
    warmup: u64,
    factors: Vec<f64>,
}

#[test]
fn factors_are_those_of_torch() {
    let Golden { steps_per_epoch, steps, cases } =
        serde_json::from_str(include_str!("../golden/schedules.json")).unwrap();
    assert_eq!(cases.len(), 5 * 3);
    for Case { decay, warmup, factors } in cases {
        let schedule = Schedule { decay: decay.parse().unwrap(), warmup, steps };
        assert_eq!(factors.len() as u64, steps);
        for (step, expected) in (0..).zip(factors) {
            let own = f64::from(schedule.factor(step, steps_per_epoch));
            // One rounding to f32; torch goes from rate to rate by a recursion in f64.
            assert!(
                (own - expected).abs() <= 6e-8 * expected + 1e-14,
                "{decay}, {warmup}: {own}, not {expected}, at {step}"
            );
        }
    }
}

/// With a warm-up of 5 steps and 40 steps in all.
fn schedules() -> [Schedule; 4] {
    let decays = [
        Decay::Constant,
        Decay::Step { every: 2, gamma: 0.3 },
        Decay::Exponential { gamma: 0.8 },
        Decay::Cosine { minimum: 0.1 },
    ];
    decays.map(|decay| Schedule { decay, warmup: 5, steps: 40 })
}

#[test]
fn scheduled_trainings_follow_the_reference() {
    let optimizers = ["asgd", "sgd", "adamw", "anesterov"].map(|name| name.parse::<Optimizer>().unwrap());
    for schedule in schedules() {
        let mut course = Course::new(circles(), &[6, 5], 100, 40, &optimizers).unwrap();
        course.settings.schedule = schedule;
        let stops = Stop::all(&course, &[1, 40]);
        for engine in ENGINES {
            let mut trainer = engine.trainer(&course.dataset, &course.initial, course.settings.clone()).unwrap();
            for stop in &stops {
                let mut comparison = Comparison::default();
                stop.check(&mut *trainer, &mut comparison).unwrap();
                assert_eq!(comparison.mismatch(), None, "{engine:?} {schedule:?}");
            }
        }
    }
}

/// A step's factor is that of its number, wherever the training was stopped, resumed, or cut into submissions: in the warm-up and
/// in the decay.
#[test]
fn schedules_leave_no_trace_of_how_steps_are_grouped() {
    let dataset = images();
    let initial = model(&dataset, &[8, 6], &[1, 2]);
    for schedule in schedules() {
        for (engine, hidden) in ENGINES.into_iter().map(|engine| (engine, [8, 6])).chain(FORMS) {
            let initial = if hidden == [8, 6] { initial.clone() } else { model(&dataset, &hidden, &[1, 2]) };
            let settings = TrainSettings { schedule, replicas: replicas(1..3), ..Default::default() };
            let start = |initial: &Model| engine.trainer(&dataset, initial, settings.clone()).unwrap();
            let mut at_once = start(&initial);
            at_once.train(40).unwrap();
            let expected = at_once.model().unwrap();

            let mut broken_off = start(&initial);
            while broken_off.step() < 40 {
                let left = 40 - broken_off.step();
                broken_off.train_while(left.min(3), &mut |_| ControlFlow::Break(())).unwrap();
            }
            assert_eq!(broken_off.model().unwrap(), expected, "{engine:?} {schedule:?}");

            for stop in [2, 5, 23] {
                let mut first = start(&initial);
                first.train(stop).unwrap();
                let mut resumed = start(&first.model().unwrap());
                resumed.resume_at(stop, &[]).unwrap();
                resumed.train(40 - stop).unwrap();
                assert_eq!(resumed.model().unwrap(), expected, "{engine:?} {schedule:?} resumed at {stop}");
            }
        }
    }
}

/// Another rate from some step on is what a training with that rate makes of the parameters there.
#[test]
fn rates_may_change_between_steps() {
    let dataset = images();
    let initial = model(&dataset, &[8, 6], &[1, 2]);
    for engine in ENGINES {
        let start = |initial: &Model, factor: f32| {
            let replicas = replicas(1..3).into_iter().map(|replica| replica.scaled(factor)).collect();
            engine.trainer(&dataset, initial, TrainSettings { replicas, ..Default::default() }).unwrap()
        };
        let mut changed = start(&initial, 1.0);
        changed.train(7).unwrap();
        let between = changed.model().unwrap();
        let rates: Vec<f32> = replicas(1..3).iter().map(|replica| replica.learning_rate * 0.3).collect();
        changed.set_learning_rates(&rates).unwrap();
        changed.train(6).unwrap();
        let mut resumed = start(&between, 0.3);
        resumed.resume_at(7, &[]).unwrap();
        resumed.train(6).unwrap();
        assert_eq!(changed.model().unwrap(), resumed.model().unwrap(), "{engine:?}");
        let mut same = start(&between, 1.0);
        same.resume_at(7, &[]).unwrap();
        same.train(6).unwrap();
        assert_ne!(changed.model().unwrap(), same.model().unwrap(), "{engine:?}");
        for (wrong, word) in [(vec![0.1], "1 given for 2"), (vec![0.1, f32::NAN], "NaN"), (vec![-1.0, 0.1], "-1")] {
            let error = changed.set_learning_rates(&wrong).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}

#[test]
fn schedules_without_sense_are_refused() {
    let dataset = circles();
    let initial = model(&dataset, &[3], &[0]);
    for (schedule, word) in [
        (Schedule { decay: Decay::Cosine { minimum: 0.0 }, warmup: 0, steps: 0 }, "a cosine needs steps"),
        (Schedule { decay: Decay::Exponential { gamma: f32::NAN }, warmup: 0, steps: 9 }, "gamma"),
    ] {
        for engine in ENGINES {
            let settings = TrainSettings { schedule, ..Default::default() };
            let error = engine.trainer(&dataset, &initial, settings).err().expect("refused").to_string();
            assert!(error.contains("--schedule") && error.contains(word), "{error}");
        }
    }
}
