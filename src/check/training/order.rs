//! Which samples are in each batch, as integers: every sample has a feature of its own, so that the adaptive batch sizes of
//! the first layer's weights name the samples of the last batch.

use super::Engine;
use super::course::Course;
use crate::check::comparison::Comparison;
use crate::dataset::{Dataset, Inputs, Samples};
use crate::error::{Error, Result};
use crate::optimizer::Optimizer;

/// Samples, and features.
const SAMPLES: usize = 45;

/// As many output units as the widest layer of the first standard course has nodes: the kernels are the same.
const CLASSES: usize = 30;

/// Several epochs, the last batch of each short.
const BATCH_SIZE: usize = 16;
const STEPS: u64 = 10;

fn course() -> Result<Course> {
    let pixel = |index: usize| if index.is_multiple_of(SAMPLES + 1) { 255 } else { 0 };
    let inputs = Inputs::U8((0..SAMPLES * SAMPLES).map(pixel).collect());
    let labels = (0..SAMPLES as u32).map(|index| index % CLASSES as u32).collect();
    let samples = Samples::new(SAMPLES, inputs, labels, CLASSES)?;
    let (train, test) = (samples.clone(), samples);
    let name = "markers".into();
    let dataset = Dataset { name, classes: CLASSES, class_names: Vec::new(), train, test, validation: None };
    Course::new(dataset, &[], BATCH_SIZE, u64::MAX / 3, &[Optimizer::ASGD, Optimizer::SGD, Optimizer::ASGD])
}

/// Holds the samples of every batch of every replica against the reference's permutation.
///
/// # Errors
/// What the driver reported.
pub fn check(engine: &dyn Engine, comparison: &mut Comparison) -> Result<()> {
    let course = course()?;
    let mut trainer = engine.trainer(&course.dataset, &course.initial, course.settings.clone())?;
    for step in 0..STEPS {
        trainer.train(1)?;
        let (_, counts) = trainer.last_reduction()?.ok_or_else(|| Error::Gpu("a step left no counts".into()))?;
        for (replica, settings) in course.settings.replicas.iter().enumerate() {
            let mut expected = vec![0; SAMPLES];
            course.batch(settings.seed, step).into_iter().for_each(|sample| expected[sample as usize] = 1);
            for weights in counts.weight(0, replica).chunks(SAMPLES) {
                let place = || format!("how often each sample is in the batch of step {step}, replica {replica}");
                comparison.all_equal(place, weights, &expected);
            }
        }
    }
    Ok(())
}
