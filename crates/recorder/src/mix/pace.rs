//! How many frames per second a mix can afford: all, or every second, third or fourth of them while encoding falls
//! behind. Pure: the caller says how far behind the mix is.

use rules::time::{MILLI_NS, Mono, SECOND_NS};

/// Every how-manieth frame is made at the slowest.
const SLOWEST: u32 = 4;
/// Behind by more than this, the next slower step is taken.
const TOO_FAR: i64 = 600 * MILLI_NS;
/// Behind by less than this all the time, the mix keeps up.
const NEAR: i64 = 150 * MILLI_NS;
/// A slower step is given so long to help before the next is taken.
const HELPS_AFTER: i64 = SECOND_NS;
/// Kept up for so long, the next faster step is tried.
const CALM: i64 = 8 * SECOND_NS;

/// See the module's head.
#[derive(Debug, Clone)]
pub struct Pace {
    step: u32,
    changed_at: Option<Mono>,
    calm_since: Option<Mono>,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { step: 1, changed_at: None, calm_since: None }
    }
}

impl Pace {
    /// Every how-manieth frame is to be made.
    pub fn step(&self) -> u32 {
        self.step
    }

    /// The mix is `behind` nanoseconds late at `now`. Answers the new step when it changes.
    pub fn observe(&mut self, behind: i64, now: Mono) -> Option<u32> {
        if behind > NEAR {
            self.calm_since = None;
        }
        let settled = self.changed_at.is_none_or(|at| now.since(at) >= HELPS_AFTER);
        let step = if behind > TOO_FAR && settled {
            (self.step + 1).min(SLOWEST)
        } else if behind <= NEAR && now.since(*self.calm_since.get_or_insert(now)) >= CALM {
            (self.step - 1).max(1)
        } else {
            self.step
        };
        if step == self.step {
            return None;
        }
        self.step = step;
        self.changed_at = Some(now);
        self.calm_since = None;
        Some(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine that can make `affordable` of 100 frames: how far behind, and at which step, second by second.
    fn run(affordable: impl Fn(i64) -> u32, seconds: i64) -> Vec<(i64, u32)> {
        let (mut pace, mut behind, mut seen) = (Pace::default(), 0i64, Vec::new());
        for tick in 0..seconds * 100 {
            let wanted = 100 / pace.step();
            let load = i64::from(wanted) - i64::from(affordable(tick / 100));
            behind = (behind + load * 10 * MILLI_NS / 100).clamp(0, 10 * SECOND_NS);
            pace.observe(behind, Mono(tick * 10 * MILLI_NS));
            if tick % 100 == 99 {
                seen.push((behind / MILLI_NS, pace.step()));
            }
        }
        seen
    }

    #[test]
    fn a_machine_that_keeps_up_is_left_alone() {
        assert!(run(|_| 120, 60).iter().all(|(behind, step)| (*behind, *step) == (0, 1)));
    }

    #[test]
    fn the_rate_drops_in_steps_until_the_machine_keeps_up_and_comes_back() {
        let seen = run(|second| if (10..40).contains(&second) { 45 } else { 150 }, 100);
        assert!(seen.iter().all(|(behind, _)| *behind < 2_500), "{seen:?}");
        assert!(seen[15..40].iter().all(|(_, step)| *step >= 2), "{seen:?}");
        assert_eq!(seen[99], (0, 1), "{seen:?}");
    }

    #[test]
    fn it_never_drops_below_every_fourth_frame() {
        let seen = run(|_| 5, 60);
        assert_eq!(seen[59].1, SLOWEST);
    }
}
