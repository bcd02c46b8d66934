//! What a network makes of a data set.

/// Which samples of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// Training set.
    Train,
    /// Test set.
    Test,
    /// Validation set, if there is one.
    Validation,
}

/// What the samples of a set make of a hidden node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// No sample activates it: a true dummy, which can be cut out without changing the output.
    Never,
    /// Some do.
    Sometimes,
    /// Every sample does: a pseudo dummy, linear on this set.
    Always,
}

/// What one replica makes of a data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The mean over the samples of what training minimises: cross-entropy, in nats, or the mean squared error.
    pub loss: f64,
    /// Accuracy, the share of samples whose highest logit is their label's; of a regression R^2, see [`r2`].
    pub score: f64,
    /// Every hidden node, layer by layer.
    pub nodes: Vec<Activity>,
    /// Whether the loss or a parameter is NaN or infinite.
    pub has_diverged: bool,
}

/// R^2, the coefficient of determination: 1 - SS_res / SS_tot over all samples and outputs together, from the mean squared
/// error and the [variance](crate::dataset::Targets::variance) of the targets. Where the targets do not vary, it is 1 for outputs
/// that equal them, else 0, as scikit-learn's r2_score has it.
pub fn r2(mean_squared_error: f64, variance: f64) -> f64 {
    match variance == 0.0 {
        // NaN stays NaN.
        true if mean_squared_error.is_nan() => mean_squared_error,
        true => f64::from(u8::from(mean_squared_error == 0.0)),
        false => 1.0 - mean_squared_error / variance,
    }
}

impl Evaluation {
    /// Hidden nodes that no sample activates.
    pub fn true_dummies(&self) -> u32 {
        self.count(Activity::Never)
    }

    /// Hidden nodes that every sample activates.
    pub fn pseudo_dummies(&self) -> u32 {
        self.count(Activity::Always)
    }

    fn count(&self, activity: Activity) -> u32 {
        self.nodes.iter().filter(|&&node| node == activity).count() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r2_is_one_for_perfect_outputs_and_zero_for_the_mean() {
        assert_eq!((r2(0.0, 2.0), r2(2.0, 2.0), r2(6.0, 2.0)), (1.0, 0.0, -2.0));
        assert_eq!((r2(0.0, 0.0), r2(1e-9, 0.0)), (1.0, 0.0), "targets that do not vary");
        assert!(r2(f64::NAN, 2.0).is_nan() && r2(f64::NAN, 0.0).is_nan());
    }
}
