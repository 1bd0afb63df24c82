//! At most so many pictures a second, of pictures that come at any rate.

use rules::time::{Mono, SECOND_NS};

/// Says which pictures are left out, so that the others are spread evenly.
pub struct Pace {
    period_ns: i64,
    /// When the next picture is due.
    due: Option<Mono>,
}

impl Pace {
    /// A sender that has just this rate, by its own clock and not quite evenly, loses nothing: the period is two percent
    /// shorter, and a picture may come a quarter of it early.
    pub fn new(fps: u32) -> Pace {
        Pace { period_ns: SECOND_NS * 98 / 100 / i64::from(fps.max(1)), due: None }
    }

    /// Whether the picture of this time is kept.
    pub fn keeps(&mut self, at: Mono) -> bool {
        let late = self.due.map_or(0, |due| at.since(due));
        if late < -self.period_ns / 4 {
            return false;
        }
        // After a pause everything begins anew.
        let from = self.due.filter(|_| late < self.period_ns).unwrap_or(at);
        self.due = Some(from.plus(self.period_ns));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kept ones of pictures that come every `step` µs, each up to `jitter` µs early or late, for ten seconds.
    fn kept(fps: u32, step: i64, jitter: i64) -> (usize, usize) {
        let mut pace = Pace::new(fps);
        let times: Vec<i64> = (0..10_000_000 / step).map(|n| n * step + (n * 7 % 5 - 2) * jitter / 2).collect();
        let kept = times.iter().filter(|at| pace.keeps(Mono(*at * 1_000))).count();
        (kept, times.len())
    }

    #[test]
    fn what_comes_no_faster_is_kept_whole() {
        for (fps, step) in [(15, 66_667), (15, 66_000), (30, 33_333), (60, 16_667), (15, 100_000), (1, 1_000_000)] {
            let (kept, all) = kept(fps, step, step / 10);
            assert_eq!(kept, all, "{fps} at {step}");
        }
    }

    #[test]
    fn what_comes_faster_is_thinned_to_the_rate() {
        for (fps, step) in [(15, 33_333), (15, 40_000), (10, 33_333), (24, 33_333), (1, 40_000), (30, 16_667)] {
            let (kept, _) = kept(fps, step, step / 10);
            let most = fps as usize * 10;
            assert!((most * 9 / 10..=most * 103 / 100 + 1).contains(&kept), "{fps} at {step}: {kept}");
        }
    }

    #[test]
    fn after_a_pause_nothing_is_made_up_for() {
        let mut pace = Pace::new(10);
        assert!(pace.keeps(Mono(0)) && pace.keeps(Mono(10 * SECOND_NS)));
        assert!(!pace.keeps(Mono(10 * SECOND_NS + SECOND_NS / 30)));
    }
}
