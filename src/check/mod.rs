//! What `asgd check` runs on a device, and the tests of this crate on more cases: every shader alone, and whole trainings,
//! held against the reference. Integers must be equal, bits of a replica the same whoever trains beside it, and floats
//! within a bound, in units of which errors are told.

mod comparison;
pub mod shaders;
pub mod training;

use std::time::Instant;

pub use comparison::{Comparison, Mismatch};

use self::training::{Course, Engine, Stop};
use crate::dataset::{Dataset, Samples};
use crate::device::Device;
use crate::engine::{EvaluationEngine, TrainingEngine};
use crate::error::Result;
use crate::model::Model;
use crate::settings::TrainSettings;

/// Steps of a training after which it is compared.
const STOPS: [u64; 2] = [1, 50];

/// What a test found on a device.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Which test.
    pub test: String,
    /// How long it took, kernels' compilation included.
    pub seconds: f64,
    /// What was compared, or what the driver reported instead.
    pub result: Result<Comparison>,
}

impl Finding {
    fn of(test: String, check: impl FnOnce(&mut Comparison) -> Result<()>) -> Self {
        Self::since(Instant::now(), test, check)
    }

    fn since(begin: Instant, test: String, check: impl FnOnce(&mut Comparison) -> Result<()>) -> Self {
        let mut comparison = Comparison::default();
        let result = check(&mut comparison);
        Self { test, seconds: begin.elapsed().as_secs_f64(), result: result.map(|()| comparison) }
    }

    /// Whether everything is as it should be.
    pub fn passed(&self) -> bool {
        self.result.as_ref().is_ok_and(Comparison::passed)
    }
}

impl Engine for Device {
    fn trainer(&self, dataset: &Dataset, initial: &Model, settings: TrainSettings) -> Result<Box<dyn TrainingEngine>> {
        self.training_engine(dataset, initial, settings)
    }

    fn predictor(&self, model: &Model, samples: &Samples) -> Result<Box<dyn EvaluationEngine>> {
        self.evaluation_engine(model, samples)
    }
}

/// What the reference makes of the trainings that every device repeats.
pub struct Checks {
    courses: Vec<(Course, Vec<Stop>)>,
}

impl Checks {
    /// Trains the reference.
    ///
    /// # Errors
    /// None that a user could cause.
    pub fn new() -> Result<Self> {
        let with_stops = |course: Course| {
            let stops = Stop::all(&course, &STOPS);
            (course, stops)
        };
        Ok(Self { courses: Course::standard()?.into_iter().map(with_stops).collect() })
    }

    /// Runs all tests on a device: its shaders if it is a GPU, then trainings. `found` hears of each test when it is done.
    /// A test that fails stops none of the others.
    pub fn run(&self, device: &Device, found: &mut dyn FnMut(Finding)) {
        if let Some(gpu) = device.gpu() {
            for check in &shaders::ALL {
                let test = format!("shader {}", check.name);
                found(Finding::of(test, |comparison| check.quick(gpu, comparison)));
            }
        }
        self.run_trainings(device, found);
    }

    /// Runs the trainings on an engine.
    pub fn run_trainings(&self, engine: &dyn Engine, found: &mut dyn FnMut(Finding)) {
        found(Finding::of("batches".into(), |comparison| training::order(engine, comparison)));
        for (course, stops) in &self.courses {
            follow(engine, course, stops, found);
        }
    }
}

/// The tests of one training.
fn follow(engine: &dyn Engine, course: &Course, stops: &[Stop], found: &mut dyn FnMut(Finding)) {
    type Check<'a> = &'a dyn Fn(&mut dyn TrainingEngine, &mut Comparison) -> Result<()>;
    let mut begin = Instant::now();
    let mut trainer = engine.trainer(&course.dataset, &course.initial, course.settings.clone());
    let mut test = |what: &str, check: Check<'_>| {
        let check = |comparison: &mut Comparison| match &mut trainer {
            Ok(trainer) => check(&mut **trainer, comparison),
            Err(error) => Err(error.clone()),
        };
        found(Finding::since(begin, format!("{what} {}", course.name()), check));
        begin = Instant::now();
    };
    test("evaluation", &|trainer, comparison| training::evaluation(engine, trainer, course, comparison));
    for stop in stops {
        let what = if stop.step == 1 { "1 step".into() } else { format!("{} steps", stop.step) };
        test(&what, &|trainer, comparison| stop.check(trainer, comparison));
    }
    test("alone", &|trainer, comparison| training::alone(engine, trainer, course, comparison));
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::evaluation::{Evaluation, Split};
    use crate::model::AdaptiveBatchSizes;

    /// The CPU engine with an error planted in what it gives.
    struct Planted(Device, fn(&mut Given<'_>));

    /// What a trainer gives.
    enum Given<'a> {
        Model(&'a mut Model),
        Sums(&'a mut Model),
        Counts(&'a mut AdaptiveBatchSizes),
        Evaluations(&'a mut Vec<Evaluation>),
    }

    struct PlantedTrainer(Box<dyn TrainingEngine>, fn(&mut Given<'_>));

    impl Engine for Planted {
        fn trainer(
            &self,
            dataset: &Dataset,
            initial: &Model,
            settings: TrainSettings,
        ) -> Result<Box<dyn TrainingEngine>> {
            Ok(Box::new(PlantedTrainer(self.0.trainer(dataset, initial, settings)?, self.1)))
        }

        fn predictor(&self, model: &Model, samples: &Samples) -> Result<Box<dyn EvaluationEngine>> {
            self.0.predictor(model, samples)
        }
    }

    impl TrainingEngine for PlantedTrainer {
        fn steps_per_epoch(&self) -> u64 {
            self.0.steps_per_epoch()
        }

        fn step(&self) -> u64 {
            self.0.step()
        }

        fn resume_at(&mut self, step: u64, moments: &[Model]) -> Result<()> {
            self.0.resume_at(step, moments)
        }

        fn moments(&self) -> Result<Vec<Model>> {
            self.0.moments()
        }

        fn set_learning_rates(&mut self, rates: &[f32]) -> Result<()> {
            self.0.set_learning_rates(rates)
        }

        fn train_while(&mut self, steps: u64, submitted: &mut dyn FnMut(u64) -> ControlFlow<()>) -> Result<()> {
            self.0.train_while(steps, submitted)
        }

        fn evaluate(&mut self, split: Split) -> Result<Vec<Evaluation>> {
            let mut evaluations = self.0.evaluate(split)?;
            self.1(&mut Given::Evaluations(&mut evaluations));
            Ok(evaluations)
        }

        fn model(&self) -> Result<Model> {
            let mut model = self.0.model()?;
            self.1(&mut Given::Model(&mut model));
            Ok(model)
        }

        fn last_reduction(&self) -> Result<Option<(Model, AdaptiveBatchSizes)>> {
            let mut reduction = self.0.last_reduction()?;
            if let Some((sums, counts)) = &mut reduction {
                self.1(&mut Given::Sums(sums));
                self.1(&mut Given::Counts(counts));
            }
            Ok(reduction)
        }

        fn mean_adaptive_batch_sizes(&self) -> Result<Option<Vec<Vec<f64>>>> {
            self.0.mean_adaptive_batch_sizes()
        }
    }

    /// The tests that fail on the CPU with this error, by their first words.
    fn failing(checks: &Checks, plant: fn(&mut Given<'_>)) -> Vec<String> {
        let device = Device::open(Some("cpu")).unwrap();
        let mut failing = Vec::new();
        checks.run_trainings(&Planted(device, plant), &mut |finding| {
            let word = finding.test.split(' ').next().unwrap().to_string();
            if !finding.passed() && !failing.contains(&word) {
                failing.push(word);
            }
        });
        failing
    }

    /// A planted error fails the tests that look at what it is in, and no others.
    #[test]
    fn planted_errors_are_found() {
        let checks = Checks::new().unwrap();
        assert!(failing(&checks, |_| {}).is_empty());
        let of_model = failing(&checks, |given| {
            if let Given::Model(model) = given {
                // Some tenth of a learning rate, in the last replica of several.
                let last = model.replicas() - 1;
                model.weight_mut(0, last)[1] += if last > 0 { 1e-3 } else { 0.0 };
            }
        });
        assert_eq!(of_model, ["1", "50", "alone"]);
        let of_sums = failing(&checks, |given| {
            if let Given::Sums(sums) = given {
                let last = sums.replicas() - 1;
                sums.bias_mut(0, last)[0] *= if last > 0 { 1.01 } else { 1.0 };
            }
        });
        assert_eq!(of_sums, ["1", "50", "alone"]);
        let of_counts = failing(&checks, |given| {
            if let Given::Counts(counts) = given {
                let last = counts.replicas() - 1;
                counts.weight_mut(0, last)[7] += u32::from(last > 0);
            }
        });
        assert_eq!(of_counts, ["batches", "1", "50", "alone"]);
        let of_evaluations = failing(&checks, |given| {
            if let Given::Evaluations(evaluations) = given {
                evaluations[0].loss = f64::NAN;
            }
        });
        assert!(of_evaluations.starts_with(&["evaluation".to_string()]), "{of_evaluations:?}");
    }

    /// No hidden node of the standard trainings comes so near its kink that rounding could carry it across.
    #[test]
    fn kinks_are_far() {
        for (course, stops) in Checks::new().unwrap().courses {
            for stop in stops {
                let clearance = stop.clearance();
                println!("{} after {}: {clearance}", course.name(), stop.step);
                assert!(clearance > 10.0, "{} after {} steps: {clearance}", course.name(), stop.step);
            }
        }
    }

    #[test]
    fn nothing_compared_is_no_success() {
        assert!(!Finding::of("empty".into(), |_| Ok(())).passed());
        let lost = Finding::of("lost".into(), |_| Err(crate::Error::DeviceLost("unplugged".into())));
        assert!(!lost.passed());
    }
}
