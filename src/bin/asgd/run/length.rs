//! When a training stops and when it is evaluated.

use asgd::Error;
use serde::{Deserialize, Serialize};

/// How long a training is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Extent {
    Epochs(u64),
    Steps(u64),
}

/// In steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Length {
    pub steps: u64,
    pub steps_per_epoch: u64,
    /// Evaluations are at step 0, at the multiples of this, and at the last step.
    pub evaluate_every: u64,
}

impl Extent {
    /// What asks for it.
    pub fn option(self) -> &'static str {
        match self {
            Self::Epochs(_) => "--epochs",
            Self::Steps(_) => "--steps",
        }
    }
}

impl Length {
    /// Evaluations are every `evaluate_every` epochs, or about 50 in all.
    ///
    /// # Errors
    /// [`Error::Setting`] for more steps than can be counted.
    pub fn new(extent: Extent, steps_per_epoch: u64, evaluate_every: Option<u64>) -> Result<Self, Error> {
        let too_many = || Error::Setting { setting: extent.option(), problem: "more steps than can be counted".into() };
        let steps = match extent {
            Extent::Steps(steps) => steps,
            Extent::Epochs(epochs) => epochs.checked_mul(steps_per_epoch).ok_or_else(too_many)?,
        };
        // The epoch keys the permutation as a 32-bit number.
        if steps / steps_per_epoch > u64::from(u32::MAX) {
            return Err(too_many());
        }
        let every = evaluate_every.unwrap_or_else(|| (steps / steps_per_epoch / 50).max(1));
        Ok(Self { steps, steps_per_epoch, evaluate_every: every.saturating_mul(steps_per_epoch) })
    }

    /// The same training, longer. It is evaluated at steps at which it was evaluated so far: as often as a new one of that
    /// length, if that allows it.
    ///
    /// # Errors
    /// [`Error::Setting`] if it is not longer.
    pub fn extended(self, extent: Extent, evaluate_every: Option<u64>) -> Result<Self, Error> {
        let longer = Self::new(extent, self.steps_per_epoch, evaluate_every)?;
        if longer.steps < self.steps {
            let problem = format!(
                "the run is {} steps ({} epochs) long already, and can only be made longer",
                self.steps,
                self.epoch(self.steps)
            );
            return Err(Error::Setting { setting: extent.option(), problem });
        }
        let evaluate_every = match longer.evaluate_every.is_multiple_of(self.evaluate_every) {
            true => longer.evaluate_every,
            false => self.evaluate_every,
        };
        Ok(Self { evaluate_every, ..longer })
    }

    /// A step in epochs.
    pub fn epoch(self, step: u64) -> f64 {
        step as f64 / self.steps_per_epoch as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_trainings_keep_to_the_evaluations_there_are() {
        let length = |extent, every| Length::new(extent, 8, every).unwrap();
        let short = length(Extent::Epochs(200), None);
        assert_eq!((short.steps, short.evaluate_every), (1600, 4 * 8));
        assert_eq!(short.extended(Extent::Epochs(400), None).unwrap(), length(Extent::Epochs(400), None));
        assert_eq!(short.extended(Extent::Epochs(300), None).unwrap().evaluate_every, 4 * 8, "6 is no multiple of 4");
        assert_eq!(short.extended(Extent::Epochs(200), None).unwrap(), short);
        assert!(short.extended(Extent::Steps(1599), None).unwrap_err().to_string().contains("1600 steps (200 epochs)"));
        assert!(Length::new(Extent::Epochs(u64::MAX), 8, None).is_err());
        assert!(Length::new(Extent::Steps(u64::MAX), 8, None).unwrap_err().to_string().contains("--steps"));
    }
}
