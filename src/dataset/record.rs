//! What a model keeps of the data that it was trained on, so that others are read, scaled and scored alike.

use super::points::Points;
use super::scaling::Scaling;
use super::split::SplitRecord;
use super::table::Schema;

/// How the data of a model was read, scaled and split. What is `None` is not known, as in a file of PyTorch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DataRecord {
    /// How its table was read.
    pub table: Option<Schema>,
    /// The settings of made-up points.
    pub points: Option<Points>,
    /// What was done to the inputs.
    pub scaling: Option<Scaling>,
    /// What was done to the targets of a regression, and is undone to the outputs.
    pub target_scaling: Option<Scaling>,
    /// Which samples were trained on.
    pub split: Option<SplitRecord>,
}

impl DataRecord {
    /// The scaling, or none.
    pub fn scaling_or_none(&self) -> Scaling {
        self.scaling.clone().unwrap_or_else(Scaling::none)
    }

    /// That of the targets, or none.
    pub fn target_scaling_or_none(&self) -> Scaling {
        self.target_scaling.clone().unwrap_or_else(Scaling::none)
    }
}
