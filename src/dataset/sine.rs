//! A noisy function of a few features, for regressions.

use serde::{Deserialize, Serialize};

use super::points::{check_points, shuffled_split};
use super::samples::{Dataset, Inputs, Samples};
use crate::error::Result;
use crate::random::Random;

/// y = sin(pi x1) + x2 x3 + noise of three features, which are uniform in [-1, 1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sine {
    /// Samples in all, split 7:3 into training and test set.
    pub samples: usize,
    /// Standard deviation of the normal noise added to y.
    pub noise: f64,
    /// Makes the samples and the split.
    pub seed: u64,
}

impl Default for Sine {
    fn default() -> Self {
        Self { samples: 1000, noise: 0.1, seed: 0 }
    }
}

/// x1, x2 and x3.
const FEATURES: usize = 3;

impl Sine {
    /// Makes the data set.
    ///
    /// # Errors
    /// [`crate::Error::Setting`] for less than 4 samples or a noise that is negative or not finite.
    pub fn dataset(&self) -> Result<Dataset> {
        let Self { samples, noise, seed } = *self;
        check_points(samples, &[("--noise", noise)])?;
        let mut random = Random::new(seed, 0x7369_6e65);
        let sample = |_| {
            let x: [f64; FEATURES] = std::array::from_fn(|_| 2.0 * random.uniform() - 1.0);
            let y = libm::sin(std::f64::consts::PI * x[0]) + x[1] * x[2] + noise * random.normal();
            (x.map(|x| x as f32), y as f32)
        };
        let samples: Vec<([f32; FEATURES], f32)> = (0..samples).map(sample).collect();
        let (train, test) = shuffled_split(samples, &mut random);
        let set = |samples: &[([f32; FEATURES], f32)]| {
            let inputs = samples.iter().flat_map(|(x, _)| *x).collect();
            Samples::of_numbers(FEATURES, Inputs::F32(inputs), samples.iter().map(|(_, y)| *y).collect(), 1)
        };
        Ok(Dataset {
            name: "sine".into(),
            classes: 0,
            class_names: Vec::new(),
            train: set(&train)?,
            test: set(&test)?,
            validation: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Targets;

    #[test]
    fn samples_lie_on_their_function_and_are_split_7_to_3() {
        let dataset = Sine { samples: 1001, noise: 0.0, seed: 5 }.dataset().unwrap();
        assert_eq!((dataset.train.len(), dataset.test.len(), dataset.output_units()), (701, 300, 1));
        for samples in [&dataset.train, &dataset.test] {
            let Targets::Numbers { values, .. } = samples.targets() else { panic!("classes") };
            for (index, y) in values.iter().enumerate() {
                let x = samples.sample(index);
                let expected = (std::f32::consts::PI * x[0]).sin() + x[1] * x[2];
                assert!(x.iter().all(|x| (-1.0..1.0).contains(x)) && (y - expected).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn noise_has_its_deviation_and_the_seed_decides() {
        let set = |noise, seed| Sine { samples: 4000, noise, seed }.dataset().unwrap();
        assert_eq!(set(0.1, 1), set(0.1, 1));
        assert_ne!(set(0.1, 1), set(0.1, 2));
        // sin has the variance 1/2, x2 x3 1/9.
        let variance = set(0.5, 1).train.targets().variance();
        assert!((variance - (0.5 + 1.0 / 9.0 + 0.25)).abs() < 0.05, "{variance}");
    }
}
