//! From RTP time to the recorder's clock: one timeline for all tracks of all users (rule 6 of the design).
//!
//! RTP time advances at the sender's rate from a random start. Sender reports tie it to the sender's wall clock (NTP);
//! before the first report only the arrival of packets tells where it lies. [`TrackClock`] is one track's mapping,
//! [`UserClock`] what the tracks of one user share: the distance between the user's wall clock and ours.
//!
//! Sound leads: when the first reports correct a user's audio against the video, the audio keeps its place and the
//! video moves, because moving a picture by some milliseconds is invisible and stretching sound is not.

use crate::arrivals::{ArrivalFloor, LATE_NS};
use crate::ledger::Measured;
use crate::time::{MILLI_NS, Mono, SECOND_NS, Wall, ticks_to_ns};

/// Errors below this are left alone: sender reports are that noisy, and untouched timestamps stay exact.
const DEAD_BAND_NS: i64 = 4 * MILLI_NS;
/// A correction that has begun goes on until the error is below this.
const SETTLED_NS: i64 = MILLI_NS / 2;
/// Above this a mapping is corrected at once: stretching would take too long to be in sync.
const STEP_NS: i64 = 250 * MILLI_NS;
/// Two reports of one track whose relations differ by more than this show that one of the sender's clocks was moved, or
/// that its RTP clock stood still for a while.
const MOVED_NS: u64 = 100 * MILLI_NS as u64;
/// How far a report may place media from where its fastest packets arrived: capture comes before arrival, by as much as
/// the sender's pipeline takes, and only noise of the offset puts it a little after.
const CREDIBLE_NS: std::ops::RangeInclusive<i64> = -1_500 * MILLI_NS..=300 * MILLI_NS;
/// How fast the common offset of a user moves towards the shortest delay seen, in nanoseconds per second.
const OFFSET_SLEW: i64 = MILLI_NS;
/// How fast the shortest delay seen is forgotten, in nanoseconds per second: a wall clock that is slow by up to 200 ppm
/// is followed, and one report that came late moves nothing.
const IDEAL_RISE: i64 = MILLI_NS / 5;
/// Two sender reports of one user that disagree on the wall clock by more than this mean that the clock was set.
const CLOCK_SET_NS: i64 = 2 * SECOND_NS;

/// What kind of media a track carries: sound must be moved more gently than pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// At most 10 ms per second.
    Sound,
    /// At most 100 ms per second.
    Picture,
}

impl Pace {
    /// Largest correction, in nanoseconds per second of media.
    fn slew(self) -> i64 {
        match self {
            Pace::Sound => 10 * MILLI_NS,
            Pace::Picture => 100 * MILLI_NS,
        }
    }
}

/// The distance between one user's wall clock and the recorder's monotonic clock.
#[derive(Debug, Clone, Default)]
pub struct UserClock {
    /// `Mono = Wall + offset`, as used.
    offset: Option<i64>,
    /// The smallest `arrival - ntp` seen, rising with time: the offset with the shortest network delay.
    ideal: Option<i64>,
    /// Whether the offset was chosen so that the sound keeps its place.
    led_by_sound: bool,
    moved_at: Option<Mono>,
    /// Counts how often the user's wall clock was set: reports of before say nothing any more.
    epoch: u32,
}

impl UserClock {
    fn handle_report(&mut self, ntp: Wall, arrival: Mono, place: Option<i64>, pace: Pace) {
        let seen = arrival.0.saturating_sub(ntp.0);
        if self.ideal.is_some_and(|ideal| seen.abs_diff(ideal) > CLOCK_SET_NS as u64) {
            *self = UserClock { epoch: self.epoch + 1, ..UserClock::default() };
        }
        let rise = self.moved_at.map_or(0, |at| arrival.since(at).max(0)) / (SECOND_NS / IDEAL_RISE);
        self.ideal = Some(self.ideal.map_or(seen, |ideal| seen.min(ideal.saturating_add(rise))));
        let sound = pace == Pace::Sound;
        // A report that contradicts the arrivals is wrong: nothing is led by it.
        let place = place.filter(|place| CREDIBLE_NS.contains(&seen.saturating_sub(*place)));
        let leads = sound && place.is_some();
        if self.offset.is_none() || (leads && !self.led_by_sound) {
            self.offset = Some(place.unwrap_or(seen));
            self.led_by_sound = leads;
            self.moved_at = Some(arrival);
        }
        self.approach_ideal(arrival);
    }

    fn approach_ideal(&mut self, now: Mono) {
        let (Some(offset), Some(ideal), Some(moved_at)) = (self.offset, self.ideal, self.moved_at) else { return };
        let limit = (now.since(moved_at).clamp(0, 60 * SECOND_NS) / MILLI_NS) * OFFSET_SLEW / 1000;
        self.offset = Some(offset + ideal.saturating_sub(offset).clamp(-limit, limit));
        self.moved_at = Some(now);
    }
}

/// One track's mapping from extended RTP time to the recorder's clock.
///
/// Contract: `handle_packet` for every packet as it arrives, `handle_report` for every sender report, `place` for every
/// frame in order of its RTP time.
#[derive(Debug, Clone)]
pub struct TrackClock {
    rate: u32,
    pace: Pace,
    /// Where RTP time zero lies on the recorder's clock, in nanoseconds, as used; moved by corrections.
    base: Option<i64>,
    correcting: bool,
    last_placed: Option<Mono>,
    arrivals: ArrivalFloor,
    /// NTP time minus RTP time of the newest report, in nanoseconds, and the [`UserClock::epoch`] it belongs to.
    report: Option<(i64, u32)>,
    restarts: u32,
}

impl TrackClock {
    /// A track whose RTP clock runs at `rate` Hz.
    pub fn new(rate: u32, pace: Pace) -> TrackClock {
        TrackClock {
            rate,
            pace,
            base: None,
            correcting: false,
            last_placed: None,
            arrivals: ArrivalFloor::default(),
            report: None,
            restarts: 0,
        }
    }

    /// Tells when a packet with this RTP time arrived. Returns true when the sender's RTP clock was found restarted.
    pub fn handle_packet(&mut self, rtp_time: u64, arrival: Mono) -> bool {
        let media = self.media_ns(rtp_time);
        let mut restarted = false;
        if let Some(base) = self.base.or(self.arrivals.floor()) {
            let late = arrival.0.saturating_sub(base.saturating_add(media));
            restarted = !LATE_NS.contains(&late);
        }
        if restarted {
            self.base = None;
            self.report = None;
            self.arrivals = ArrivalFloor::default();
            self.restarts += 1;
        }
        self.arrivals.add(arrival.0 - media, arrival);
        restarted
    }

    /// Takes a sender report: at `ntp` on the sender's wall clock its RTP clock showed `rtp_time`.
    pub fn handle_report(&mut self, user: &mut UserClock, ntp: Wall, rtp_time: u64, arrival: Mono) {
        let relation = ntp.0.saturating_sub(self.media_ns(rtp_time));
        let place = self.base.or(self.arrivals.floor()).map(|base| base.saturating_sub(relation));
        if self.is_rtp_moved(user, relation, arrival.0.saturating_sub(ntp.0)) {
            // It speaks against the new report; the packets that come next will tell whether the report is credible.
            self.arrivals = ArrivalFloor::default();
        }
        user.handle_report(ntp, arrival, place, self.pace);
        self.report = Some((relation, user.epoch));
    }

    /// Whether a report shows that the RTP clock was moved and not the wall clock: that would have changed `seen`,
    /// which is `arrival - ntp`, by as much the other way. Only a late report makes `seen` larger.
    fn is_rtp_moved(&self, user: &UserClock, relation: i64, seen: i64) -> bool {
        let (Some((before, epoch)), Some(ideal)) = (self.report, user.ideal) else { return false };
        let (change, kept) = (relation.saturating_sub(before), seen.saturating_sub(ideal));
        let set = kept.saturating_add(change);
        epoch == user.epoch && change.unsigned_abs() > MOVED_NS && kept.unsigned_abs() < set.unsigned_abs()
    }

    /// Whether a sender report has tied this track to its user's wall clock.
    pub fn is_tied(&self) -> bool {
        self.report.is_some()
    }

    /// How often the sender's RTP clock was found restarted.
    pub fn restarts(&self) -> u32 {
        self.restarts
    }

    /// When the media with this RTP time was captured, on the recorder's clock. Corrections are spread over the
    /// frames placed; a large one is made at once.
    pub fn place(&mut self, user: &UserClock, rtp_time: u64) -> Mono {
        let media = self.media_ns(rtp_time);
        let target = self.target(user);
        let base = self.base.or(target).unwrap_or(-media);
        let error = target.unwrap_or(base).saturating_sub(base);
        let base = base.saturating_add(self.correction(error, Mono(base.saturating_add(media))));
        self.base = Some(base);
        let placed = Mono(base.saturating_add(media));
        self.last_placed = Some(self.last_placed.map_or(placed, |last| last.max(placed)));
        placed
    }

    /// Where RTP time zero should lie: by the report, unless it contradicts the arrivals so much that it must be wrong.
    /// Nothing is changed while there are no arrivals to compare with.
    fn target(&self, user: &UserClock) -> Option<i64> {
        let floor = self.arrivals.floor();
        let by_report = match (self.report, user.offset) {
            (Some((relation, epoch)), Some(offset)) if epoch == user.epoch => Some(relation.saturating_add(offset)),
            _ => None,
        };
        let credible = |target: &i64| match floor {
            Some(floor) => CREDIBLE_NS.contains(&target.saturating_sub(floor)),
            None => self.base.is_none(),
        };
        by_report.filter(credible).or(floor)
    }

    fn correction(&mut self, error: i64, at: Mono) -> i64 {
        if error.unsigned_abs() > STEP_NS as u64 {
            self.correcting = false;
            return error;
        }
        self.correcting = error.abs() > if self.correcting { SETTLED_NS } else { DEAD_BAND_NS };
        if !self.correcting {
            return 0;
        }
        let elapsed = self.last_placed.map_or(0, |last| at.since(last)).clamp(0, SECOND_NS);
        let limit = self.pace.slew() * (elapsed / 1000) / (SECOND_NS / 1000);
        error.clamp(-limit, limit)
    }

    /// Where media with this RTP time would be placed now; for media that is not placed any more.
    pub fn at(&self, rtp_time: u64) -> Option<Mono> {
        let base = self.base.or(self.arrivals.floor())?;
        Some(Mono(base.saturating_add(self.media_ns(rtp_time))))
    }

    /// What is known of the track's clock by now.
    pub fn measured(&self, user: &UserClock) -> Measured {
        let by_report = match (self.report, user.offset) {
            (Some((relation, epoch)), Some(offset)) if epoch == user.epoch => Some(relation.saturating_add(offset)),
            _ => None,
        };
        let ms = |ns: i64| ns as f64 / MILLI_NS as f64;
        let since_report = |base: Option<i64>| Some(ms(base?.saturating_sub(by_report?)));
        Measured {
            drift_ppm: self.arrivals.drift_ppm(),
            delay_ms: since_report(self.arrivals.floor()),
            error_ms: since_report(self.base),
        }
    }

    fn media_ns(&self, rtp_time: u64) -> i64 {
        // Extended RTP time counts up from a 32-bit start: years of media stay far below this bound.
        ticks_to_ns(rtp_time.min(i64::MAX as u64) as i64, self.rate).min(i64::MAX / 8)
    }
}

#[cfg(test)]
#[path = "sync_tests.rs"]
mod tests;
