//! What made-up sets of points share.

use serde::{Deserialize, Serialize};

use super::circles::Circles;
use super::samples::{Dataset, Inputs, Samples};
use super::sine::Sine;
use super::spirals::Spirals;
use crate::error::{Error, Result};
use crate::random::Random;

/// A made-up set of points with its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Points {
    /// Concentric circles.
    Circles(Circles),
    /// A noisy function, for a regression.
    Sine(Sine),
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
            Self::Sine(sine) => sine.dataset(),
            Self::Spirals(spirals) => spirals.dataset(),
        }
    }
}

/// Splits samples 7:3 into training and test set, after a shuffle.
pub fn shuffled_split<T>(mut samples: Vec<T>, random: &mut Random) -> (Vec<T>, Vec<T>) {
    random.shuffle(&mut samples);
    let test = samples.split_off((samples.len() * 7 + 5) / 10);
    (samples, test)
}

/// Two-dimensional points of two classes, split into training and test set.
pub fn from_points(name: &str, points: Vec<([f32; 2], u32)>, random: &mut Random) -> Result<Dataset> {
    let (train, test) = shuffled_split(points, random);
    let samples = |points: &[([f32; 2], u32)]| {
        let inputs = points.iter().flat_map(|(point, _)| *point).collect();
        Samples::new(2, Inputs::F32(inputs), points.iter().map(|(_, label)| *label).collect(), 2)
    };
    Ok(Dataset {
        name: name.to_string(),
        classes: 2,
        class_names: Vec::new(),
        train: samples(&train)?,
        test: samples(&test)?,
        validation: None,
    })
}

/// A made-up set needs enough points for both sets, and finite settings.
pub fn check_points(samples: usize, settings: &[(&'static str, f64)]) -> Result<()> {
    if !(4..=10_000_000).contains(&samples) {
        return Err(Error::setting("--samples", format!("{samples} points; 4 to 10,000,000 are possible")));
    }
    for &(setting, value) in settings {
        if !value.is_finite() || value < 0.0 {
            return Err(Error::setting(setting, format!("{value} is not a finite number of at least 0")));
        }
    }
    Ok(())
}
