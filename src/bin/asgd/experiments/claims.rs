//! What the paper claims in words, beside what these trainings say.

use std::fmt;

use crate::statistics::Summary;
use crate::table::Table;

/// Whether a claim holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Holds,
    Fails,
    Undecided,
}

impl Verdict {
    /// The claim is that a mean lies between `low` and `high`; it is known up to its 95 % confidence interval.
    pub fn of(ours: &Summary, low: f64, high: f64) -> Self {
        let [from, to] = ours.interval();
        if from.is_nan() || to.is_nan() {
            Self::Undecided
        } else if from >= low && to <= high {
            Self::Holds
        } else if to < low || from > high {
            Self::Fails
        } else {
            Self::Undecided
        }
    }

    /// That a difference is above 0.
    pub fn of_more(difference: &Summary) -> Self {
        if difference.deviation == 0.0 && difference.mean == 0.0 && difference.count > 1 {
            return Self::Fails;
        }
        Self::of(difference, f64::MIN_POSITIVE, f64::INFINITY)
    }

    /// That a mean is about `claimed`: from half of it to half more.
    pub fn of_about(ours: &Summary, claimed: f64) -> Self {
        Self::of(ours, 0.5 * claimed, 1.5 * claimed)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Holds => "holds",
            Self::Fails => "does not hold",
            Self::Undecided => "not decided at this size",
        })
    }
}

/// The caption of a table of claims that the paper makes.
pub const OF_THE_PAPER: &str = "The paper's claims. A claim holds, or does not, where the 95 % confidence interval of our mean lies \
                                wholly inside, or outside, what is claimed; \"about x\" means 0.5 x to 1.5 x. Differences are \
                                taken pair by pair: both optimizers start from the same parameters and see the same batches.";

/// A table of claims, to which [`add`] adds.
pub fn table(name: &'static str, caption: &str) -> Table {
    Table::new(name, caption, &["claim", "ours: mean and 95 % interval", "verdict"])
}

/// Adds a claim.
pub fn add(table: &mut Table, claim: impl Into<String>, ours: &Summary, digits: usize, verdict: Verdict) {
    let Summary { mean, count, .. } = *ours;
    let [low, high] = ours.interval();
    let shown = match count {
        0 => "–".to_string(),
        1 => format!("{mean:.digits$} (one training)"),
        _ => format!("{mean:.digits$} ({low:.digits$} to {high:.digits$})"),
    };
    table.rows.push(vec![claim.into().into(), shown.into(), verdict.to_string().into()]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_follow_the_interval() {
        let near = |mean: f64| Summary { mean, deviation: 1.0, count: 100 };
        assert_eq!(Verdict::of_about(&near(5.0), 5.0), Verdict::Holds);
        assert_eq!(Verdict::of_about(&near(2.4), 5.0), Verdict::Undecided);
        assert_eq!(Verdict::of_about(&near(2.0), 5.0), Verdict::Fails);
        assert_eq!(Verdict::of_more(&near(0.3)), Verdict::Holds);
        assert_eq!(Verdict::of_more(&near(0.1)), Verdict::Undecided);
        assert_eq!(Verdict::of_more(&near(-0.3)), Verdict::Fails);
        assert_eq!(Verdict::of_more(&Summary { mean: 9.0, deviation: 0.0, count: 1 }), Verdict::Undecided);
        assert_eq!(Verdict::of_more(&Summary { mean: f64::NAN, deviation: f64::NAN, count: 9 }), Verdict::Undecided);
        assert_eq!(Verdict::of_more(&Summary { mean: 0.0, deviation: 0.0, count: 9 }), Verdict::Fails);
    }
}
