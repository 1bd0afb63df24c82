//! What a bad link does to a datagram: a pure function of the seed, the settings and the datagrams before it.
//! No sockets and no clock here; times are given and returned as [`Duration`]s since the link began.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

/// How bad one direction of a link is. Probabilities are 0 to 1 and per datagram; the default changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, clap::Args)]
#[serde(default, deny_unknown_fields)]
pub struct Impairment {
    /// Probability that a datagram is lost on its own.
    #[arg(long, default_value_t = 0.0)]
    pub loss: f64,
    /// Probability that a burst of losses begins with a datagram.
    #[arg(long, default_value_t = 0.0)]
    pub burst_start: f64,
    /// Mean length of such a burst, in datagrams (1 or more).
    #[arg(long, default_value_t = 5.0)]
    pub burst_len: f64,
    /// Probability that a datagram arrives twice.
    #[arg(long, default_value_t = 0.0)]
    pub duplicate: f64,
    /// Delay of every datagram, in milliseconds.
    #[arg(long, default_value_t = 0)]
    pub delay_ms: u32,
    /// Further delay, evenly spread from 0 to this many milliseconds.
    #[arg(long, default_value_t = 0)]
    pub jitter_ms: u32,
    /// Share of datagrams that may overtake others or be overtaken because of jitter; the rest keep their order.
    #[arg(long, default_value_t = 1.0)]
    pub reorder: f64,
    /// Kilobits per second that the link carries; 0 for no bound. What comes faster waits.
    #[arg(long, default_value_t = 0)]
    pub rate_kbits: u32,
    /// How long a datagram may wait for those before it, in milliseconds; beyond it is lost.
    #[arg(long, default_value_t = 300)]
    pub queue_ms: u32,
}

impl Default for Impairment {
    fn default() -> Self {
        Self {
            loss: 0.0,
            burst_start: 0.0,
            burst_len: 5.0,
            duplicate: 0.0,
            delay_ms: 0,
            jitter_ms: 0,
            reorder: 1.0,
            rate_kbits: 0,
            queue_ms: 300,
        }
    }
}

impl Impairment {
    /// The settings, or which of them is out of range.
    pub fn check(self) -> Result<Self, String> {
        let shares = [
            ("loss", self.loss),
            ("burst_start", self.burst_start),
            ("duplicate", self.duplicate),
            ("reorder", self.reorder),
        ];
        for (name, value) in shares {
            if !(0.0..=1.0).contains(&value) {
                return Err(format!("{name} is {value}, not within 0 to 1"));
            }
        }
        if !self.burst_len.is_finite() || self.burst_len < 1.0 {
            return Err(format!("burst_len is {}, not 1 or more", self.burst_len));
        }
        Ok(self)
    }
}

/// What becomes of one datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It never arrives.
    Lost,
    /// It arrives at this time, and once more at the second if there is one.
    Arrives(Duration, Option<Duration>),
}

/// One direction of a link.
pub struct Link {
    rng: StdRng,
    bursting: bool,
    last_in_order: Duration,
    /// When all that was taken in has gone out at the link's rate.
    free_at: Duration,
}

impl Link {
    /// A link whose whole behaviour follows from `seed`.
    pub fn new(seed: u64) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            bursting: false,
            last_in_order: Duration::ZERO,
            free_at: Duration::ZERO,
        }
    }

    /// Decides about the next datagram, of so many bytes, sent at `now`.
    ///
    /// Every datagram draws the same count of random numbers whatever the settings, so that changing one setting
    /// leaves the other decisions as they were.
    pub fn pass(&mut self, imp: &Impairment, now: Duration, bytes: usize) -> Fate {
        let [lost, burst, doubled, free, first, second]: [f64; 6] = self.rng.random();
        self.bursting = if self.bursting { burst >= 1.0 / imp.burst_len } else { burst < imp.burst_start };
        if self.bursting || lost < imp.loss {
            return Fate::Lost;
        }
        let Some(gone) = self.carry(imp, now, bytes) else { return Fate::Lost };
        let delayed =
            |draw: f64| gone + Duration::from_secs_f64((imp.delay_ms as f64 + imp.jitter_ms as f64 * draw) / 1e3);
        let mut arrival = delayed(first);
        if free >= imp.reorder {
            arrival = arrival.max(self.last_in_order);
            self.last_in_order = arrival;
        }
        Fate::Arrives(arrival, (doubled < imp.duplicate).then(|| delayed(second)))
    }

    /// When the datagram has gone out behind those before it; nothing when it would have to wait for too long.
    fn carry(&mut self, imp: &Impairment, now: Duration, bytes: usize) -> Option<Duration> {
        if imp.rate_kbits == 0 {
            return Some(now);
        }
        let begins = self.free_at.max(now);
        if begins - now > Duration::from_millis(imp.queue_ms.into()) {
            return None;
        }
        // Kilobits per second are bits per millisecond.
        self.free_at = begins + Duration::from_secs_f64(bytes as f64 * 8.0 / f64::from(imp.rate_kbits) / 1e3);
        Some(self.free_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPACING: Duration = Duration::from_millis(1);

    fn fates(imp: Impairment, seed: u64, count: u32) -> Vec<Fate> {
        let mut link = Link::new(seed);
        (0..count).map(|i| link.pass(&imp, SPACING * i, 1_000)).collect()
    }

    fn lost(fates: &[Fate]) -> usize {
        fates.iter().filter(|f| **f == Fate::Lost).count()
    }

    fn arrivals(fates: &[Fate]) -> Vec<Duration> {
        fates.iter().filter_map(|f| if let Fate::Arrives(at, _) = f { Some(*at) } else { None }).collect()
    }

    #[test]
    fn the_default_changes_nothing() {
        let want: Vec<_> = (0..1000).map(|i| Fate::Arrives(SPACING * i, None)).collect();
        assert_eq!(fates(Impairment::default(), 1, 1000), want);
    }

    #[test]
    fn the_seed_decides_everything() {
        let imp = Impairment { loss: 0.2, jitter_ms: 30, duplicate: 0.1, burst_start: 0.01, ..Impairment::default() };
        assert_eq!(fates(imp, 7, 5000), fates(imp, 7, 5000));
        assert_ne!(fates(imp, 7, 5000), fates(imp, 8, 5000));
    }

    #[test]
    fn loss_is_as_asked() {
        let got = lost(&fates(Impairment { loss: 0.05, ..Impairment::default() }, 3, 100_000));
        assert!((4_700..5_300).contains(&got), "{got} of 100000 lost");
    }

    #[test]
    fn another_setting_leaves_the_losses_as_they_were() {
        let plain = Impairment { loss: 0.1, ..Impairment::default() };
        let jittery = Impairment { jitter_ms: 50, duplicate: 0.5, ..plain };
        let which = |imp| fates(imp, 11, 2000).iter().map(|f| *f == Fate::Lost).collect::<Vec<_>>();
        assert_eq!(which(plain), which(jittery));
    }

    #[test]
    fn bursts_have_the_mean_length_asked() {
        let imp = Impairment { burst_start: 0.01, burst_len: 8.0, ..Impairment::default() };
        let fates = fates(imp, 5, 200_000);
        let bursts = fates.windows(2).filter(|w| w[0] != Fate::Lost && w[1] == Fate::Lost).count();
        let mean = lost(&fates) as f64 / bursts as f64;
        assert!((7.3..8.7).contains(&mean), "mean burst {mean}");
    }

    #[test]
    fn jitter_spreads_evenly_and_reorders() {
        let imp = Impairment { delay_ms: 20, jitter_ms: 60, ..Impairment::default() };
        let at = arrivals(&fates(imp, 9, 20_000));
        let waits: Vec<f64> = at.iter().zip(0..).map(|(t, i)| (*t - SPACING * i).as_secs_f64() * 1e3).collect();
        assert!(waits.iter().all(|w| (20.0..=80.0).contains(w)));
        let mean = waits.iter().sum::<f64>() / waits.len() as f64;
        assert!((49.0..51.0).contains(&mean), "mean delay {mean} ms");
        assert!(at.windows(2).any(|w| w[1] < w[0]), "nothing was reordered");
    }

    #[test]
    fn without_reordering_jitter_keeps_the_order() {
        let imp = Impairment { jitter_ms: 60, reorder: 0.0, ..Impairment::default() };
        assert!(arrivals(&fates(imp, 9, 20_000)).is_sorted());
    }

    #[test]
    fn a_rate_makes_datagrams_wait_and_loses_what_waits_too_long() {
        // 1000 bytes each millisecond are 8 Mbit/s; the link carries half of it.
        let imp = Impairment { rate_kbits: 4_000, queue_ms: 100, ..Impairment::default() };
        let fates = fates(imp, 1, 2_000);
        let at = arrivals(&fates);
        assert!(at.windows(2).all(|pair| pair[1] - pair[0] == Duration::from_millis(2)), "as the rate says");
        assert!((1_000..=1_051).contains(&at.len()), "{} arrived: half, and what waits at the end", at.len());
        let waits = fates.iter().zip(0..).filter_map(|(fate, i)| match fate {
            Fate::Arrives(at, _) => Some(*at - SPACING * i),
            Fate::Lost => None,
        });
        assert!(waits.max().is_some_and(|most| most <= Duration::from_millis(102)));
    }

    #[test]
    fn duplicates_are_as_many_as_asked() {
        let fates = fates(Impairment { duplicate: 0.1, ..Impairment::default() }, 2, 50_000);
        let twice = fates.iter().filter(|f| matches!(f, Fate::Arrives(_, Some(_)))).count();
        assert!((4_700..5_300).contains(&twice), "{twice} of 50000 doubled");
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let bad = Impairment { duplicate: 1.5, ..Impairment::default() };
        assert_eq!(bad.check(), Err("duplicate is 1.5, not within 0 to 1".into()));
        assert!(Impairment { burst_len: f64::NAN, ..Impairment::default() }.check().is_err());
    }
}
