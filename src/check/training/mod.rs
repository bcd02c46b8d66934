//! Whole trainings of an engine against the reference.

mod alone;
mod course;
mod evaluation;
mod order;
mod subnormals;
mod trajectory;

pub use alone::check as alone;
pub use course::Course;
pub use evaluation::check as evaluation;
pub use order::check as order;
pub use subnormals::keeps_subnormals;
pub use trajectory::Stop;

use crate::dataset::{Dataset, Samples};
use crate::engine::{EvaluationEngine, TrainingEngine};
use crate::error::Result;
use crate::model::Model;
use crate::settings::TrainSettings;

/// What makes trainers and predictors: a device, or in tests an engine in one of its forms.
pub trait Engine {
    /// Ready to train.
    ///
    /// # Errors
    /// What the driver reported.
    fn trainer(&self, dataset: &Dataset, initial: &Model, settings: TrainSettings) -> Result<Box<dyn TrainingEngine>>;

    /// Ready to evaluate.
    ///
    /// # Errors
    /// What the driver reported.
    fn predictor(&self, model: &Model, samples: &Samples) -> Result<Box<dyn EvaluationEngine>>;
}
