//! Times as plain numbers, so that rules and tests can write them down. Nothing here reads a clock.

use serde::{Deserialize, Serialize};

/// Nanoseconds in a second.
pub const SECOND_NS: i64 = 1_000_000_000;
/// Nanoseconds in a millisecond.
pub const MILLI_NS: i64 = 1_000_000;

/// An instant of one process's monotonic clock, in nanoseconds since an origin of that process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Mono(pub i64);

impl Mono {
    /// Nanoseconds from `earlier` to `self`; negative when `earlier` is the later one.
    pub fn since(self, earlier: Mono) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This instant moved by `ns` nanoseconds.
    pub fn plus(self, ns: i64) -> Mono {
        Mono(self.0.saturating_add(ns))
    }
}

/// An instant of the wall clock, in nanoseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Wall(pub i64);

impl Wall {
    /// Whole milliseconds since the Unix epoch, as the OpenAPI gives times.
    pub fn millis(self) -> i64 {
        self.0.div_euclid(MILLI_NS)
    }
}

/// `ticks` of a clock that runs at `rate` Hz, in nanoseconds, rounded to nearest.
pub fn ticks_to_ns(ticks: i64, rate: u32) -> i64 {
    div_round(i128::from(ticks) * i128::from(SECOND_NS), i128::from(rate.max(1)))
}

/// Nanoseconds in ticks of a clock that runs at `rate` Hz, rounded to nearest.
pub fn ns_to_ticks(ns: i64, rate: u32) -> i64 {
    div_round(i128::from(ns) * i128::from(rate), i128::from(SECOND_NS))
}

fn div_round(numerator: i128, denominator: i128) -> i64 {
    let rounded = (2 * numerator + denominator).div_euclid(2 * denominator);
    rounded.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_survive_the_way_to_nanoseconds_and_back() {
        for rate in [48_000, 90_000, 44_100, 8_000] {
            for ticks in [-90_001i64, -1, 0, 1, 2_999, 3_000, 90_000 * 86_400 * 30] {
                assert_eq!(ns_to_ticks(ticks_to_ns(ticks, rate), rate), ticks, "{ticks} at {rate} Hz");
            }
        }
    }
}
