//! Means, deviations and quartiles of samples.

/// Mean, standard deviation and size of a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    pub mean: f64,
    /// Of the sample, with n - 1; 0 for a single value.
    pub deviation: f64,
    pub count: usize,
}

impl Summary {
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.into_iter().collect();
        let count = values.len();
        let mean = values.iter().sum::<f64>() / count as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let deviation = if count > 1 { (squares / (count - 1) as f64).sqrt() } else { 0.0 };
        Self { mean, deviation, count }
    }

    /// Of the mean.
    pub fn standard_error(&self) -> f64 {
        self.deviation / (self.count as f64).sqrt()
    }

    /// The 95 % confidence interval of the mean; all numbers for a single value.
    pub fn interval(&self) -> [f64; 2] {
        if self.count < 2 {
            return [f64::NEG_INFINITY, f64::INFINITY];
        }
        let half = student_t_975(self.count - 1) * self.standard_error();
        [self.mean - half, self.mean + half]
    }

    /// How far `self` lies above `other`, in units of their combined standard error; NaN where none can be told.
    pub fn standard_errors_above(&self, other: &Self) -> f64 {
        if self.count < 2 || other.count < 2 {
            return f64::NAN;
        }
        (self.mean - other.mean) / self.standard_error().hypot(other.standard_error())
    }
}

/// The 0.975 quantile of Student's t distribution: exact for 1 and 2 degrees of freedom, else the expansion of Cornish
/// and Fisher in 1 / degrees (Abramowitz and Stegun 26.7.5), whose error is below 0.5 %.
fn student_t_975(degrees: usize) -> f64 {
    match degrees {
        1 => return 12.706_205,
        2 => return 4.302_653,
        _ => {}
    }
    let (x, n) = (1.959_964_f64, degrees as f64);
    let terms = [
        (x.powi(3) + x) / 4.0,
        (5.0 * x.powi(5) + 16.0 * x.powi(3) + 3.0 * x) / 96.0,
        (3.0 * x.powi(7) + 19.0 * x.powi(5) + 17.0 * x.powi(3) - 15.0 * x) / 384.0,
        (79.0 * x.powi(9) + 776.0 * x.powi(7) + 1482.0 * x.powi(5) - 1920.0 * x.powi(3) - 945.0 * x) / 92_160.0,
    ];
    terms.iter().zip(1..).fold(x, |sum, (term, power)| sum + term / n.powi(power))
}

/// The values below which lie 0, a quarter, half, three quarters and all of the sample, interpolated linearly.
pub fn quartiles(values: &[f64]) -> [f64; 5] {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    [0.0, 0.25, 0.5, 0.75, 1.0].map(|share| {
        let place = share * (sorted.len() - 1) as f64;
        let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
        low + (high - low) * place.fract()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries() {
        let summary = Summary::of([1.0, 2.0, 3.0, 4.0]);
        assert_eq!((summary.mean, summary.count), (2.5, 4));
        assert!((summary.deviation - 1.290_994).abs() < 1e-6);
        assert!((summary.standard_error() - 0.645_497).abs() < 1e-6);
        // t(0.975, 3) = 3.182446
        let [low, high] = summary.interval();
        assert!((high - low - 2.0 * 3.182_446 * 0.645_497).abs() < 0.02, "{low} {high}");
        assert_eq!(Summary::of([7.0]).interval(), [f64::NEG_INFINITY, f64::INFINITY]);
        assert!(Summary::of([7.0]).standard_errors_above(&summary).is_nan());
        assert!(Summary::of([]).mean.is_nan());
    }

    #[test]
    fn student_t_agrees_with_tables() {
        for (degrees, expected) in
            [(1, 12.7062), (2, 4.3027), (3, 3.1824), (5, 2.5706), (10, 2.2281), (30, 2.0423), (99, 1.9842)]
        {
            assert!((student_t_975(degrees) / expected - 1.0).abs() < 5e-3, "{degrees}");
        }
    }

    #[test]
    fn quartiles_interpolate() {
        assert_eq!(quartiles(&[4.0, 1.0, 3.0, 2.0, 5.0]), [1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(quartiles(&[0.0, 1.0]), [0.0, 0.25, 0.5, 0.75, 1.0]);
        assert_eq!(quartiles(&[3.0]), [3.0; 5]);
    }
}
