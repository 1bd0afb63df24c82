//! The publisher's clock: RTP time of its streams to the moment of capture, by its sender reports. All times are
//! microseconds; `local` is the server's monotonic clock, `ntp` the publisher's wall clock.

use crate::rtp_time::RtpTime;
use rules::arrivals::{ArrivalFloor, LATE_NS};
use rules::time::{Mono, ticks_to_ns};

/// A moment in microseconds on one of the two clocks.
pub type Micros = i64;

/// A capture time further than this before the arrival shows sender reports that do not fit the stream.
const MAX_AGE: Micros = 10_000_000;
/// A capture time may seem this much later than the arrival before the reports are taken to be wrong.
const MAX_AHEAD: Micros = 1_000_000;
/// A change beyond this is the publisher setting its clock, not jitter or drift.
const CLOCK_STEP: Micros = 5_000_000;
/// How fast the offset follows a publisher whose clock is slow, in microseconds per report (about one a second).
const FOLLOW_PER_REPORT: Micros = 200;

/// A sender report of one stream: the two names of one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    pub ntp: Micros,
    pub rtp: u32,
}

impl Report {
    /// The publisher's time of `rtp` in a stream of `rate` Hz.
    pub fn ntp_of(&self, rtp: u32, rate: u32) -> Micros {
        let ticks = i64::from(rtp.wrapping_sub(self.rtp) as i32);
        self.ntp.saturating_add(ticks * 1_000_000 / i64::from(rate))
    }
}

/// The clock of one RTP stream: what the newest report says of it, and what its packets do.
#[derive(Debug)]
pub struct StreamClock {
    rate: u32,
    pub report: Option<Report>,
    time: Option<RtpTime>,
    arrivals: ArrivalFloor,
}

impl StreamClock {
    /// Of a stream of `rate` Hz.
    pub fn new(rate: u32) -> Self {
        Self { rate, report: None, time: None, arrivals: ArrivalFloor::default() }
    }

    /// When media with this RTP time would have arrived, had it come as fast as the fastest lately: one packet alone
    /// tells of the network's jitter. Never later than `arrival`.
    fn by_arrivals(&mut self, rtp: u32, arrival: Micros) -> Micros {
        let time = self.time.get_or_insert_with(|| RtpTime::starting_at(rtp)).advance(rtp);
        let media_ns = ticks_to_ns(time as i64, self.rate);
        let arrival = Mono(arrival.saturating_mul(1_000));
        let base = arrival.0.saturating_sub(media_ns);
        if self.arrivals.floor().is_some_and(|floor| !LATE_NS.contains(&base.saturating_sub(floor))) {
            self.arrivals = ArrivalFloor::default();
        }
        self.arrivals.add(base, arrival);
        self.arrivals.floor().unwrap_or(base).saturating_add(media_ns) / 1_000
    }
}

/// What is added to a publisher's wall clock to get the server's clock: learnt from all of its streams, the same for
/// all of them, so that they stay in sync. It is the smallest delay seen; going up it follows slowly.
#[derive(Debug, Clone, Default)]
pub struct PublisherClock {
    offset: Option<Micros>,
}

impl PublisherClock {
    /// Learns from a sender report that says `ntp` and arrived at `arrival`.
    pub fn on_report(&mut self, ntp: Micros, arrival: Micros) {
        let sample = arrival.saturating_sub(ntp);
        self.offset = Some(match self.offset {
            Some(offset) if sample.abs_diff(offset) < CLOCK_STEP as u64 => sample.min(offset + FOLLOW_PER_REPORT),
            _ => sample,
        });
    }

    /// The capture time of a packet on the server's clock, never later than its `arrival`; by how the stream's packets
    /// arrive while there is no report that fits.
    pub fn capture(&mut self, stream: &mut StreamClock, rtp: u32, arrival: Micros) -> Micros {
        let by_arrivals = stream.by_arrivals(rtp, arrival);
        let (Some(offset), Some(report)) = (self.offset, stream.report) else { return by_arrivals };
        let captured = report.ntp_of(rtp, stream.rate).saturating_add(offset);
        let ahead = captured.saturating_sub(arrival);
        if !(-MAX_AGE..=MAX_AHEAD).contains(&ahead) {
            return by_arrivals;
        }
        if ahead > 0 {
            // The reports so far were slower than this packet: the true offset is smaller.
            self.offset = Some(offset - ahead);
            return arrival;
        }
        captured
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Micros = 3_600_000_000;

    fn reported(rate: u32, ntp: Micros, rtp: u32) -> StreamClock {
        StreamClock { report: Some(Report { ntp, rtp }), ..StreamClock::new(rate) }
    }

    #[test]
    fn streams_of_one_publisher_share_one_clock() {
        let mut clock = PublisherClock::default();
        // Publisher's clock is an hour behind; report took 30 ms, media takes 50 ms.
        clock.on_report(1_000_000, HOUR + 1_030_000);
        let mut sound = reported(48_000, 1_000_000, u32::MAX - 10);
        let mut picture = reported(90_000, 1_000_000, 90_000);
        let arrival = HOUR + 2_050_000;
        let a = clock.capture(&mut sound, (u32::MAX - 10).wrapping_add(48_000), arrival);
        let v = clock.capture(&mut picture, 180_000, arrival);
        assert_eq!((a, v), (HOUR + 2_030_000, HOUR + 2_030_000));
    }

    #[test]
    fn capture_is_never_after_arrival() {
        let mut clock = PublisherClock::default();
        clock.on_report(0, 400_000);
        let mut stream = reported(90_000, 0, 0);
        assert_eq!(clock.capture(&mut stream, 90_000, 1_010_000), 1_010_000);
        assert_eq!(clock.capture(&mut stream, 180_000, 2_030_000), 2_010_000, "the smaller offset was kept");
    }

    #[test]
    fn without_fitting_reports_the_arrival_counts() {
        let mut clock = PublisherClock::default();
        assert_eq!(clock.capture(&mut StreamClock::new(90_000), 5, 77), 77);
        clock.on_report(0, 0);
        assert_eq!(clock.capture(&mut reported(90_000, 0, 0), 90_000 * 60, 77), 77, "RTP clock jumped ahead");
        assert_eq!(clock.capture(&mut reported(90_000, 0, 0), 0, 60_000_000), 60_000_000, "or stood still");
        assert_eq!(clock.capture(&mut reported(90_000, 0, 0), 90_000, 1_000_000), 1_000_000);
    }

    #[test]
    fn without_reports_jitter_is_no_part_of_the_time() {
        let (mut clock, mut stream) = (PublisherClock::default(), StreamClock::new(48_000));
        let mut capture = |number: u32, late: Micros| {
            let rtp = (u32::MAX - 1_000).wrapping_add(number * 960);
            clock.capture(&mut stream, rtp, i64::from(number) * 20_000 + late)
        };
        assert_eq!(capture(0, 30_000), 30_000);
        assert_eq!(capture(1, 10_000), 30_000);
        assert_eq!(
            [capture(3, 50_000), capture(2, 60_000)],
            [70_000, 50_000],
            "as fast as the fastest, overtaken or not"
        );
        assert_eq!(capture(2_000, 8_000_000), 48_000_000, "and anew after the RTP clock was moved");
    }

    #[test]
    fn jitter_is_ignored_drift_followed_and_a_set_clock_taken() {
        let mut clock = PublisherClock::default();
        clock.on_report(0, 20_000);
        clock.on_report(1_000_000, 1_150_000);
        assert_eq!(clock.offset, Some(20_200));
        clock.on_report(2_000_000, 2_010_000);
        assert_eq!(clock.offset, Some(10_000));
        clock.on_report(HOUR, 3_000_000);
        assert_eq!(clock.offset, Some(3_000_000 - HOUR));
    }
}
