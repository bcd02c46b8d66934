//! What made-up sets of points share.

use serde::{Deserialize, Serialize};

use super::circles::Circles;
use super::samples::{Dataset, Inputs, Samples};
use super::spirals::Spirals;
use crate::error::{Error, Result};
use crate::random::Random;

/// A made-up set of points with its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Points {
    /// Concentric circles.
    Circles(Circles),
    /// Two-arm spirals.
    Spirals(Spirals),
}

impl Points {
    /// Makes the data set.
    ///
    /// # Errors
    /// [`Error::Setting`] for a setting that makes none.
    pub fn dataset(&self) -> Result<Dataset> {
        match self {
            Self::Circles(circles) => circles.dataset(),
            Self::Spirals(spirals) => spirals.dataset(),
        }
    }
}

/// Splits two-dimensional points 7:3 into training and test set, after a shuffle.
pub fn from_points(name: &str, mut points: Vec<([f32; 2], u32)>, random: &mut Random) -> Result<Dataset> {
    random.shuffle(&mut points);
    let train_count = (points.len() * 7 + 5) / 10;
    let samples = |points: &[([f32; 2], u32)]| {
        let inputs = points.iter().flat_map(|(point, _)| *point).collect();
        Samples::new(2, Inputs::F32(inputs), points.iter().map(|(_, label)| *label).collect(), 2)
    };
    let (train, test) = points.split_at(train_count);
    Ok(Dataset {
        name: name.to_string(),
        classes: 2,
        class_names: Vec::new(),
        train: samples(train)?,
        test: samples(test)?,
        validation: None,
    })
}

/// A made-up set needs enough points for both sets, and finite settings.
pub fn check_points(samples: usize, settings: [(&'static str, f64); 2]) -> Result<()> {
    if !(4..=10_000_000).contains(&samples) {
        return Err(Error::setting("--samples", format!("{samples} points; 4 to 10,000,000 are possible")));
    }
    for (setting, value) in settings {
        if !value.is_finite() || value < 0.0 {
            return Err(Error::setting(setting, format!("{value} is not a finite number of at least 0")));
        }
    }
    Ok(())
}
