//! Inputs, and the targets of a regression, brought to one scale: fitted on the training samples, kept with the model, applied wherever
//! it is used.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::samples::{Inputs, Samples, Targets};
use crate::error::{Error, Result};
use crate::names::expected;

/// What is done to the inputs before a network sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// Nothing. (Images of 8 bits are divided by 255 all the same.)
    None,
    /// (x - mean) / standard deviation of each feature; features of nothing but 0 and 1 stay as they are.
    Standard,
    /// x / the largest |x| of each feature: zeros stay zeros.
    MaxAbs,
    /// x / 255: pixels in a table.
    Pixels,
}

impl fmt::Display for Scale {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::None => "none",
            Self::Standard => "standard",
            Self::MaxAbs => "maxabs",
            Self::Pixels => "pixels",
        })
    }
}

impl FromStr for Scale {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            "standard" => Ok(Self::Standard),
            "maxabs" => Ok(Self::MaxAbs),
            "pixels" => Ok(Self::Pixels),
            _ => Err(expected(text, &["none", "standard", "maxabs", "pixels"])),
        }
    }
}

/// How inputs and targets are scaled; what is `None` suits them, or is as in the model that a training starts from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scales {
    /// The inputs.
    pub inputs: Option<Scale>,
    /// The targets of a regression.
    pub targets: Option<Scale>,
}

impl Scales {
    /// Everything as it is.
    pub const NONE: Self = Self { inputs: Some(Scale::None), targets: Some(Scale::None) };
}

/// A scale with its numbers: x becomes (x - shift) / divisor, computed in f64 and rounded once to f32.
#[derive(Debug, Clone, PartialEq)]
pub struct Scaling {
    scale: Scale,
    /// A number a feature; empty for [`Scale::None`].
    shift: Vec<f64>,
    /// A number a feature; empty for [`Scale::None`].
    divisor: Vec<f64>,
}

/// Features from which on a table may be one of pixels.
const IMAGE_FEATURES: usize = 16;

impl Scaling {
    /// Inputs as they are.
    pub fn none() -> Self {
        Self { scale: Scale::None, shift: Vec::new(), divisor: Vec::new() }
    }

    /// From its numbers; `None` if they do not belong together.
    pub fn from_parts(scale: Scale, shift: Vec<f64>, divisor: Vec<f64>) -> Option<Self> {
        let is_sound = shift.len() == divisor.len()
            && shift.iter().all(|value| value.is_finite())
            && divisor.iter().all(|value| value.is_finite() && *value != 0.0)
            && (scale == Scale::None) == shift.is_empty();
        is_sound.then_some(Self { scale, shift, divisor })
    }

    /// Fits a scale to rows of `features` numbers. The sums run in the order of the rows.
    ///
    /// # Errors
    /// [`Error::Setting`] if numbers are so large that their squares are not finite.
    pub fn fit<'a>(scale: Scale, features: usize, rows: impl Iterator<Item = &'a [f64]> + Clone) -> Result<Self> {
        let count = rows.clone().count() as f64;
        let (shift, divisor) = match scale {
            Scale::None => return Ok(Self::none()),
            Scale::Pixels => (vec![0.0; features], vec![255.0; features]),
            Scale::MaxAbs => {
                let mut largest = vec![0.0_f64; features];
                for row in rows {
                    for (largest, x) in largest.iter_mut().zip(row) {
                        *largest = largest.max(x.abs());
                    }
                }
                let divisor = largest.into_iter().map(|largest| if largest == 0.0 { 1.0 } else { largest });
                (vec![0.0; features], divisor.collect())
            }
            Scale::Standard => {
                let mut mean = vec![0.0; features];
                let mut is_binary = vec![true; features];
                for row in rows.clone() {
                    for ((mean, is_binary), &x) in mean.iter_mut().zip(&mut is_binary).zip(row) {
                        *mean += x / count;
                        *is_binary &= x == 0.0 || x == 1.0;
                    }
                }
                let mut variance = vec![0.0; features];
                for row in rows {
                    for ((variance, mean), x) in variance.iter_mut().zip(&mean).zip(row) {
                        *variance += (x - mean) * (x - mean) / count;
                    }
                }
                let numbers = mean.into_iter().zip(variance).zip(is_binary).map(|((mean, variance), is_binary)| {
                    let deviation = variance.sqrt();
                    // A feature that does not vary, but for rounding, has no scale of its own.
                    let is_constant = deviation <= 64.0 * f64::EPSILON * mean.abs();
                    match (is_binary, is_constant) {
                        (true, _) => (0.0, 1.0),
                        (false, true) => (mean, 1.0),
                        (false, false) => (mean, deviation),
                    }
                });
                numbers.unzip()
            }
        };
        Self::from_parts(scale, shift, divisor).ok_or_else(|| {
            Error::setting("--scale", "a feature's numbers are too large to be scaled; leave it out with --drop")
        })
    }

    /// Which one.
    pub fn scale(&self) -> Scale {
        self.scale
    }

    /// What is subtracted from each feature; empty for [`Scale::None`].
    pub fn shift(&self) -> &[f64] {
        &self.shift
    }

    /// What each feature is then divided by; empty for [`Scale::None`].
    pub fn divisor(&self) -> &[f64] {
        &self.divisor
    }

    /// Appends a row, scaled.
    pub fn apply(&self, row: &[f64], inputs: &mut Vec<f32>) {
        if self.scale == Scale::None {
            inputs.extend(row.iter().map(|&x| x as f32));
        } else {
            let numbers = row.iter().zip(self.shift.iter().zip(&self.divisor));
            inputs.extend(numbers.map(|(x, (shift, divisor))| ((x - shift) / divisor) as f32));
        }
    }

    /// The inverse: what a scaled value of a column (a feature, a target) was.
    pub fn undo(&self, column: usize, scaled: f64) -> f64 {
        match self.scale {
            Scale::None => scaled,
            _ => scaled * self.divisor[column] + self.shift[column],
        }
    }

    /// Samples with scaled targets, where these are numbers.
    ///
    /// # Errors
    /// [`Error::Setting`] if a scaled target is no finite f32, or the samples have others.
    pub fn targets(&self, samples: Samples) -> Result<Samples> {
        let Targets::Numbers { values, outputs } = samples.targets() else { return Ok(samples) };
        if self.scale == Scale::None {
            return Ok(samples);
        }
        if *outputs != self.shift.len() {
            let problem = format!("the model scales {} targets, but the samples have {outputs}", self.shift.len());
            return Err(Error::setting("dataset", problem));
        }
        let mut scaled = Vec::with_capacity(values.len());
        for row in values.chunks_exact(*outputs) {
            self.apply(&row.iter().map(|&value| f64::from(value)).collect::<Vec<_>>(), &mut scaled);
        }
        samples.with_numbers(scaled)
    }

    /// Samples, scaled: bytes count as themselves divided by 255.
    ///
    /// # Errors
    /// [`Error::Setting`] if a scaled value is no finite f32, or the samples have other features.
    pub fn samples(&self, samples: Samples) -> Result<Samples> {
        if self.scale == Scale::None {
            return Ok(samples);
        }
        let features = samples.features();
        if features != self.shift.len() {
            let problem =
                format!("the model scales {} inputs, but the samples have {features} features", self.shift.len());
            return Err(Error::setting("dataset", problem));
        }
        let mut inputs = Vec::with_capacity(samples.len() * features);
        for index in 0..samples.len() {
            let row: Vec<f64> = samples.sample(index).into_iter().map(f64::from).collect();
            self.apply(&row, &mut inputs);
        }
        Samples::with_targets(features, Inputs::F32(inputs), samples.targets().clone())
    }
}

impl Scale {
    /// What suits rows of `features` numbers that nobody has said anything about, and why.
    pub fn for_rows<'a>(features: usize, rows: impl Iterator<Item = &'a [f64]>) -> (Self, &'static str) {
        let (mut are_bytes, mut are_shares) = (features >= IMAGE_FEATURES, features >= IMAGE_FEATURES);
        let mut largest = vec![0.0_f64; features];
        for row in rows {
            for (largest, &x) in largest.iter_mut().zip(row) {
                are_bytes &= x.fract() == 0.0 && (0.0..=255.0).contains(&x);
                are_shares &= (0.0..=1.0).contains(&x) && (x * 255.0 - (x * 255.0).round()).abs() < 0.01;
                *largest = largest.max(x);
            }
            if !are_bytes && !are_shares {
                break;
            }
        }
        // Counts and marks are whole as well; pixels use the upper half of their range in many features.
        let varying = largest.iter().filter(|&&largest| largest > 0.0).count();
        let bright = |above: f64| largest.iter().filter(|&&largest| largest > above).count() * 4 >= varying.max(1);
        if are_bytes && bright(127.0) {
            (Self::Pixels, "all are whole numbers from 0 to 255, as pixels are")
        } else if are_shares && !are_bytes && bright(0.5) {
            (Self::None, "they look like pixels that are divided by 255 already")
        } else {
            (Self::Standard, "")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(values: &[[f64; 4]]) -> impl Iterator<Item = &[f64]> + Clone {
        values.iter().map(|row| &row[..])
    }

    #[test]
    fn standard_leaves_binary_and_constant_features_sound() {
        let values = [[0.1, 0.0, 50_000.0, 0.1], [0.1, 1.0, 70_000.0, 0.3], [0.1, 1.0, 30_000.0, 0.2]];
        let scaling = Scaling::fit(Scale::Standard, 4, rows(&values)).unwrap();
        let mut inputs = Vec::new();
        rows(&values).for_each(|row| scaling.apply(row, &mut inputs));
        let column = |column: usize| inputs.iter().skip(column).step_by(4).copied().collect::<Vec<f32>>();
        assert!(column(0).iter().all(|x| x.abs() < 1e-15), "a constant of 0.1 stays small: {:?}", column(0));
        assert_eq!(column(1), [0.0, 1.0, 1.0], "0 and 1 stay");
        assert_eq!(column(2), [0.0, 1.224_744_9, -1.224_744_9]);
        assert!(Scaling::fit(Scale::Standard, 4, rows(&[[1e300; 4], [-1e300; 4]])).is_err());
        assert!(Scaling::fit(Scale::MaxAbs, 4, rows(&[[1e300; 4], [-1e300; 4]])).is_ok());
        let undone = |column: usize| scaling.undo(column, f64::from(inputs[4 + column]));
        assert!((undone(2) - 70_000.0).abs() < 0.01 && undone(1) == 1.0 && (undone(0) - 0.1).abs() < 1e-15);
    }

    #[test]
    fn maxabs_keeps_zeros() {
        let values = [[0.0, 0.0, -8.0, 1e-3], [4.0, 0.0, 2.0, 0.0]];
        let scaling = Scaling::fit(Scale::MaxAbs, 4, rows(&values)).unwrap();
        let mut inputs = Vec::new();
        rows(&values).for_each(|row| scaling.apply(row, &mut inputs));
        assert_eq!(inputs, [0.0, 0.0, -1.0, 1.0, 1.0, 0.0, 0.25, 0.0]);
    }

    /// Bytes divided by 255 in f64 and rounded are those divided by 255 in f32.
    #[test]
    fn pixels_of_a_table_are_those_of_an_image() {
        let scaling = Scaling::fit(Scale::Pixels, 256, std::iter::empty()).unwrap();
        let mut inputs = Vec::new();
        scaling.apply(&(0..256).map(f64::from).collect::<Vec<_>>(), &mut inputs);
        assert!((0..=255u8).zip(inputs).all(|(byte, input)| (f32::from(byte) / 255.0).to_bits() == input.to_bits()));
    }

    #[test]
    fn pixels_are_told_from_other_numbers() {
        let image = |value: fn(usize) -> f64| (0..64 * 20).map(value).collect::<Vec<f64>>();
        let chosen = |values: &[f64], features: usize| Scale::for_rows(features, values.chunks_exact(features)).0;
        let bytes = image(|i| ((i * 37) % 256) as f64);
        assert_eq!(chosen(&bytes, 64), Scale::Pixels);
        assert_eq!(chosen(&bytes, 8), Scale::Standard, "few features are no image");
        assert_eq!(chosen(&image(|i| ((i * 37) % 256) as f64 / 255.0), 64), Scale::None);
        assert_eq!(chosen(&image(|i| ((i * 37) % 17) as f64), 64), Scale::Standard, "digits from 0 to 16");
        assert_eq!(chosen(&image(|i| ((i * 37) % 256) as f64 - 1.0), 64), Scale::Standard);
        assert_eq!(chosen(&image(|i| ((i * 37) % 300) as f64), 64), Scale::Standard);
        assert_eq!(chosen(&image(|i| ((i * 37) % 2) as f64), 64), Scale::Standard, "0 and 1 are left alone by it");
        assert_eq!(chosen(&image(|i| ((i * 37) % 100) as f64 / 100.0), 64), Scale::Standard);
    }
}
