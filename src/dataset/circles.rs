//! Concentric circles, as scikit-learn's make_circles.

use serde::{Deserialize, Serialize};

use super::points::{check_points, from_points};
use super::samples::Dataset;
use crate::error::Result;
use crate::random::Random;

/// Two rings of evenly spaced points around the origin; class 0 has radius 1, class 1 radius `factor`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Circles {
    /// Points in all, half of them on each ring, split 7:3 into training and test set.
    pub samples: usize,
    /// Radius of the inner ring.
    pub factor: f64,
    /// Standard deviation of the normal noise added to each coordinate.
    pub noise: f64,
    /// Makes the noise and the split.
    pub seed: u64,
}

impl Default for Circles {
    fn default() -> Self {
        Self { samples: 1000, factor: 0.5, noise: 0.1, seed: 0 }
    }
}

impl Circles {
    /// Makes the data set.
    ///
    /// # Errors
    /// [`crate::Error::Setting`] for less than 4 points or a setting that is negative or not finite.
    pub fn dataset(&self) -> Result<Dataset> {
        let Self { samples, factor, noise, seed } = *self;
        check_points(samples, &[("--factor", factor), ("--noise", noise)])?;
        let mut random = Random::new(seed, 0x63_6972_636c_6573);
        let outer = samples / 2;
        let mut points = Vec::with_capacity(samples);
        for (label, count, radius) in [(0, outer, 1.0), (1, samples - outer, factor)] {
            for index in 0..count {
                let angle = std::f64::consts::TAU * index as f64 / count as f64;
                let x = radius * libm::cos(angle) + noise * random.normal();
                let y = radius * libm::sin(angle) + noise * random.normal();
                points.push(([x as f32, y as f32], label));
            }
        }
        from_points("circles", points, &mut random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_lie_on_their_rings_and_are_split_7_to_3() {
        let dataset = Circles { samples: 1001, noise: 0.0, factor: 0.25, seed: 5 }.dataset().unwrap();
        assert_eq!((dataset.train.len(), dataset.test.len()), (701, 300));
        for samples in [&dataset.train, &dataset.test] {
            for index in 0..samples.len() {
                let point = samples.sample(index);
                let radius = if samples.labels()[index] == 0 { 1.0 } else { 0.25 };
                assert!((point[0].hypot(point[1]) - radius).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn the_seed_decides() {
        let set = |seed| Circles { seed, ..Circles::default() }.dataset().unwrap();
        assert_eq!(set(1), set(1));
        assert_ne!(set(1), set(2));
    }
}
