//! Two-arm spirals, as in the N-Arm Spiral Dataset that the paper used.

use serde::{Deserialize, Serialize};

use super::points::{check_points, from_points};
use super::samples::Dataset;
use crate::error::Result;
use crate::random::Random;

/// Points at angle and radius p = sqrt(u) 2 pi, x = cos(p) p + noise u', y = sin(p) p + noise u''; the second
/// arm is the first rotated by 180 degrees. u, u' and u'' are uniform in [0, 1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spirals {
    /// Points in all, half of them on each arm, split 7:3 into training and test set.
    pub samples: usize,
    /// Width of the uniform noise added to each coordinate.
    pub noise: f64,
    /// Makes the points and the split.
    pub seed: u64,
}

impl Default for Spirals {
    fn default() -> Self {
        Self { samples: 1000, noise: 0.5, seed: 0 }
    }
}

impl Spirals {
    /// Makes the data set.
    ///
    /// # Errors
    /// [`crate::Error::Setting`] for less than 4 points or a noise that is negative or not finite.
    pub fn dataset(&self) -> Result<Dataset> {
        let Self { samples, noise, seed } = *self;
        check_points(samples, &[("--noise", noise)])?;
        let mut random = Random::new(seed, 0x0073_7069_7261_6c73);
        let first_arm = samples / 2;
        let points = (0..samples)
            .map(|index| {
                let p = libm::sqrt(random.uniform()) * std::f64::consts::TAU;
                let x = libm::cos(p) * p + noise * random.uniform();
                let y = libm::sin(p) * p + noise * random.uniform();
                let (sign, label) = if index < first_arm { (1.0, 0) } else { (-1.0, 1) };
                ([(sign * x) as f32, (sign * y) as f32], label)
            })
            .collect();
        from_points("spirals", points, &mut random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_noise_angle_and_radius_agree() {
        let dataset = Spirals { samples: 500, noise: 0.0, seed: 2 }.dataset().unwrap();
        assert_eq!((dataset.train.len(), dataset.test.len()), (350, 150));
        for index in 0..dataset.train.len() {
            let point = dataset.train.sample(index);
            let radius = f64::from(point[0]).hypot(f64::from(point[1]));
            let sign = if dataset.train.labels()[index] == 0 { 1.0 } else { -1.0 };
            assert!((radius * radius.cos() * sign - f64::from(point[0])).abs() < 1e-5);
            assert!((radius * radius.sin() * sign - f64::from(point[1])).abs() < 1e-5);
        }
    }
}
