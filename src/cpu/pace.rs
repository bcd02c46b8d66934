//! How many steps a round has, and how many threads of a team take part in it.

use std::time::Duration;

/// The caller hears of progress about this often, and can stop the training.
const ROUND: Duration = Duration::from_millis(100);

/// Every so many rounds, the other crew is tried for a short one.
const TRIAL_EVERY: u64 = 8;

/// A trial has this share of a round's steps.
const TRIAL_SHARE: u64 = 8;

/// Sizes rounds by measured time, and lets a team of several threads work as one thread while the machine is busy with
/// something else: then a member that waits for its core would hold up all others. Bits do not depend on any of it.
#[derive(Debug)]
pub struct Pace {
    /// Steps of a round.
    steps: u64,
    /// Rounds so far.
    rounds: u64,
    /// Threads of a whole team.
    members: usize,
    /// Seconds of a step with the whole team and with one thread, when last measured.
    seconds: [f64; 2],
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round {
    /// Steps.
    pub steps: u64,
    /// Threads of each team that take part.
    pub crew: usize,
}

impl Pace {
    /// For teams of `members`.
    pub fn new(members: usize) -> Self {
        Self { steps: 1, rounds: 0, members, seconds: [0.0, f64::INFINITY] }
    }

    /// The next round, of at most `left` steps.
    pub fn next(&self, left: u64) -> Round {
        let best = usize::from(self.seconds[1] < self.seconds[0]);
        let is_trial = self.members > 1 && self.rounds % TRIAL_EVERY == TRIAL_EVERY - 1;
        let (choice, steps) = if is_trial { (1 - best, self.steps.div_ceil(TRIAL_SHARE)) } else { (best, self.steps) };
        Round { steps: steps.min(left), crew: [self.members, 1][choice] }
    }

    /// Learns how long a round took.
    pub fn done(&mut self, round: Round, elapsed: Duration) {
        let seconds = elapsed.as_secs_f64().max(1e-6) / round.steps as f64;
        self.seconds[usize::from(round.crew < self.members)] = seconds;
        self.rounds += 1;
        let fitting = (ROUND.as_secs_f64() / seconds.min(self.seconds[0]).min(self.seconds[1])) as u64;
        // Page faults make the first rounds slow: grow step by step, shrink at once.
        self.steps = fitting.clamp(1, self.steps.saturating_mul(4));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crew_of_one_works_while_the_team_is_slow() {
        let mut pace = Pace::new(2);
        let mut crews = [0; 3];
        // A step takes 1 ms with the team and 2 ms with one thread; after 1,000 steps the team takes 6 ms.
        let mut steps = 0;
        while steps < 4000 {
            let round = pace.next(u64::MAX);
            let milliseconds = if round.crew == 1 {
                2
            } else if steps < 1000 {
                1
            } else {
                6
            };
            pace.done(round, Duration::from_millis(milliseconds * round.steps));
            steps += round.steps;
            if !(1000..=2500).contains(&steps) {
                crews[round.crew + usize::from(steps > 2500) - 1] += round.steps;
            }
            assert!(round.steps <= 100);
        }
        assert!(crews[1] > 5 * crews[0], "{crews:?}");
        assert_eq!(Pace::new(1).next(7), Round { steps: 1, crew: 1 });
    }
}
