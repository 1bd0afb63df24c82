//! Where the packets of a stream say that its media lies, as long as nobody says better.

use std::ops::RangeInclusive;

use crate::time::{MILLI_NS, Mono, SECOND_NS};

/// How much later than where its media lies a packet may come, in nanoseconds: retransmissions come within two seconds. One
/// that comes further from it, or before it, shows that the RTP clock was restarted.
pub const LATE_NS: RangeInclusive<i64> = -500 * MILLI_NS..=4 * SECOND_NS;

/// The shortest way packets took lately: the minimum over the last one to two windows of ten seconds, so that a slow
/// drift of the sender's clock is followed.
#[derive(Debug, Clone, Default)]
pub struct ArrivalFloor {
    current: Option<i64>,
    previous: Option<i64>,
    window_start: Option<Mono>,
    /// The minimum of the first window, and when that began; and the same of the last one that is over.
    measured: Option<[(i64, Mono); 2]>,
}

impl ArrivalFloor {
    const WINDOW_NS: i64 = 10 * SECOND_NS;
    /// A jitter of a millisecond is 33 ppm then.
    const DRIFT_AFTER_NS: i64 = 30 * SECOND_NS;

    /// Takes in a packet: `base` is where RTP time zero lies by it, `arrival` minus its media time, in nanoseconds.
    pub fn add(&mut self, base: i64, arrival: Mono) {
        let start = *self.window_start.get_or_insert(arrival);
        if arrival.since(start) > Self::WINDOW_NS {
            if let Some(least) = self.current {
                let (first, last) = (self.measured.map_or((least, start), |[first, _]| first), (least, start));
                self.measured = Some([first, last]);
            }
            self.previous = self.current.take();
            self.window_start = Some(arrival);
        }
        self.current = Some(self.current.map_or(base, |least| least.min(base)));
    }

    /// How much faster than the recorder's clock the track's runs, in millionths; once both were watched for long enough.
    pub fn drift_ppm(&self) -> Option<f64> {
        let [(first, began), (last, at)] = self.measured?;
        let elapsed = at.since(began);
        (elapsed >= Self::DRIFT_AFTER_NS).then(|| first.saturating_sub(last) as f64 * 1e6 / elapsed as f64)
    }

    /// Where RTP time zero lies by the fastest packets; nothing before the first one.
    pub fn floor(&self) -> Option<i64> {
        match (self.current, self.previous) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}
