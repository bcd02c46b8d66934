//! The learning rate over the steps of a training: a factor on every replica's, named and defined as in
//! torch.optim.lr_scheduler.

use std::f64::consts::PI;
use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::names::expected;

/// How the factor falls, once the warm-up is over.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Decay {
    /// 1.
    #[default]
    Constant,
    /// StepLR, stepped at the end of every epoch: gamma^floor(epoch / every).
    Step {
        /// Epochs between two falls.
        every: u64,
        /// What each multiplies the rate by.
        gamma: f32,
    },
    /// ExponentialLR, stepped at the end of every epoch: gamma^epoch.
    Exponential {
        /// What each epoch multiplies the rate by.
        gamma: f32,
    },
    /// CosineAnnealingLR, stepped after every batch: minimum + (1 - minimum) (1 + cos(pi step / T)) / 2, where T is all steps
    /// after the warm-up.
    Cosine {
        /// The factor at the end; torch's eta_min over the rate.
        minimum: f32,
    },
}

/// A warm-up, then a decay, which counts its steps and epochs from the end of the warm-up: SequentialLR.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Schedule {
    /// After the warm-up.
    pub decay: Decay,
    /// Steps of the warm-up, W: LinearLR(start_factor = 1 / (W + 1), total_iters = W), so step s, from 0, has the factor
    /// (s + 1) / (W + 1).
    pub warmup: u64,
    /// Steps of the whole training, warm-up included, which the cosine ends with. The other decays know no end.
    pub steps: u64,
}

impl Schedule {
    /// What the rate of step `step`, from 0, is multiplied by.
    pub fn factor(&self, step: u64, steps_per_epoch: u64) -> f32 {
        let Self { decay, warmup, steps } = *self;
        let Some(step) = step.checked_sub(warmup) else {
            return ((step + 1) as f64 / (warmup + 1) as f64) as f32;
        };
        let epoch = step / steps_per_epoch;
        // The pure Rust library's functions: the same bits on every machine.
        let power = |gamma: f32, exponent: u64| libm::pow(f64::from(gamma), exponent as f64) as f32;
        match decay {
            Decay::Constant => 1.0,
            Decay::Step { every, gamma } => power(gamma, epoch / every),
            Decay::Exponential { gamma } => power(gamma, epoch),
            Decay::Cosine { minimum } => {
                let end = steps.saturating_sub(warmup).max(1);
                let (minimum, done) = (f64::from(minimum), step.min(end) as f64 / end as f64);
                (minimum + (1.0 - minimum) * (1.0 + libm::cos(PI * done)) / 2.0) as f32
            }
        }
    }

    /// Whether the factor is 1 at every step.
    pub fn is_constant(&self) -> bool {
        self.decay == Decay::Constant && self.warmup == 0
    }

    /// Whether a longer training would have other factors in its first steps.
    pub fn depends_on_the_end(&self) -> bool {
        matches!(self.decay, Decay::Cosine { .. })
    }

    /// Refuses numbers that make no sense.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        let Self { decay, warmup, steps } = *self;
        decay.check().map_err(|problem| Error::setting("--schedule", problem))?;
        if self.depends_on_the_end() && steps <= warmup {
            let problem = format!("a cosine needs steps after the warm-up, but of {steps} steps {warmup} are warm-up");
            return Err(Error::setting("--schedule", problem));
        }
        Ok(())
    }
}

impl Decay {
    fn check(self) -> Result<(), String> {
        match self {
            Self::Step { every: 0, .. } => Err("a step is every 1 or more epochs".into()),
            Self::Step { gamma, .. } | Self::Exponential { gamma } if !(gamma > 0.0 && gamma <= 1.0) => {
                Err(format!("gamma is {gamma}; it must be above 0 and at most 1"))
            }
            Self::Cosine { minimum } if !(0.0..=1.0).contains(&minimum) => {
                Err(format!("the minimum of a cosine is a factor from 0 to 1, not {minimum}"))
            }
            _ => Ok(()),
        }
    }
}

/// constant, step:EVERY:GAMMA, exponential:GAMMA, cosine or cosine:MINIMUM.
impl FromStr for Decay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split(':').collect();
        let number = |word: &str| word.parse::<f32>().map_err(|_| format!("'{word}' is no number"));
        let decay = match words[..] {
            ["constant"] => Self::Constant,
            ["step", every, gamma] => {
                let every = every.parse().map_err(|_| format!("'{every}' is no whole number of epochs"))?;
                Self::Step { every, gamma: number(gamma)? }
            }
            ["step", ..] => return Err("write for example step:30:0.1, a tenth every 30 epochs".into()),
            ["exponential", gamma] => Self::Exponential { gamma: number(gamma)? },
            ["exponential", ..] => return Err("write for example exponential:0.95".into()),
            ["cosine"] => Self::Cosine { minimum: 0.0 },
            ["cosine", minimum] => Self::Cosine { minimum: number(minimum)? },
            [name, ..] => return Err(expected(name, &["constant", "step", "exponential", "cosine"])),
            [] => return Err("is empty".into()),
        };
        decay.check()?;
        Ok(decay)
    }
}

impl fmt::Display for Decay {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant => write!(formatter, "constant"),
            Self::Step { every, gamma } => write!(formatter, "step:{every}:{gamma}"),
            Self::Exponential { gamma } => write!(formatter, "exponential:{gamma}"),
            Self::Cosine { minimum: 0.0 } => write!(formatter, "cosine"),
            Self::Cosine { minimum } => write!(formatter, "cosine:{minimum}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decays_are_read_as_they_are_written() {
        for text in ["constant", "step:30:0.1", "exponential:0.95", "cosine", "cosine:0.01"] {
            assert_eq!(text.parse::<Decay>().map(|decay| decay.to_string()), Ok(text.to_string()));
        }
        for (wrong, word) in [
            ("step", "step:30:0.1"),
            ("step:0:0.1", "1 or more"),
            ("step:2.5:0.1", "whole number"),
            ("exponential:0", "above 0"),
            ("exponential:1.1", "at most 1"),
            ("exponential:NaN", "above 0"),
            ("cosine:2", "0 to 1"),
            ("cosine:0:1", "expected"),
            ("cosin", "did you mean 'cosine'?"),
            ("", "expected"),
        ] {
            let error = wrong.parse::<Decay>().unwrap_err();
            assert!(error.contains(word), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_factor_of_one_is_exactly_one() {
        let constant = Schedule::default();
        assert!(constant.is_constant() && (0..99).all(|step| constant.factor(step, 7) == 1.0));
        for text in ["step:1:0.5", "exponential:0.5", "cosine:0.1"] {
            let schedule = Schedule { decay: text.parse().unwrap(), warmup: 3, steps: 50 };
            let factors: Vec<f32> = (0..4).map(|step| schedule.factor(step, 5)).collect();
            assert_eq!(factors, [0.25, 0.5, 0.75, 1.0], "{text}");
        }
    }

    #[test]
    fn a_cosine_stays_at_its_end() {
        let schedule = Schedule { decay: Decay::Cosine { minimum: 0.125 }, warmup: 2, steps: 12 };
        assert_eq!([7, 12, 13, 99].map(|step| schedule.factor(step, 4)), [0.5625, 0.125, 0.125, 0.125]);
        assert!(Schedule { warmup: 12, ..schedule }.check().is_err());
        assert!(schedule.check().is_ok());
    }
}
