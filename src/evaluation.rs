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
    /// Mean cross-entropy, in nats.
    pub loss: f64,
    /// Share of samples whose highest logit is their label's.
    pub accuracy: f64,
    /// Every hidden node, layer by layer.
    pub nodes: Vec<Activity>,
    /// Whether the loss or a parameter is NaN or infinite.
    pub has_diverged: bool,
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
