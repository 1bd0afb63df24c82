//! One stream of one task on its way into a file: decides when the file begins, lays pictures and sound on its timeline
//! and writes fragments in time. Media time 0 is the first media received, sound or key frame, whichever came earlier.

mod cut;
mod open_file;

use std::path::PathBuf;
use std::time::Duration;

use media::mp4::RecoveredTrack;
use rules::time::{MILLI_NS, Mono, Wall, ticks_to_ns};

use cut::{Age, Before};
use open_file::OpenFile;

use crate::clock::Clock;
use crate::growing::{Growing, Place, Resumed};
use crate::messages::{AudioPlan, FileName, Settings};
use crate::tally::Both;
use crate::unit::Unit;
use crate::video::VideoLane;
use crate::{Error, Result};

/// How long the first media is kept before the file begins, so that sound and picture that started together begin
/// together although one of them arrived first.
const HOLD_NS: i64 = 250 * MILLI_NS;
/// After the camera went off, pictures that were on their way are still taken for this long.
const AWAY_DELAY_NS: i64 = 300 * MILLI_NS;

/// Which file a take writes, and how.
#[derive(Debug, Clone)]
pub struct TakePlan {
    pub place: Place,
    pub audio: AudioPlan,
    pub settings: Settings,
    /// A gap of the whole stream that lasts longer is not filled: it ends the file.
    pub max_silence: i64,
}

/// See the module's head. `push` units in the order they come, `handle_time` a few times a second, `close` at the end.
pub struct Take {
    plan: TakePlan,
    sequence: u32,
    state: State,
    before: Option<Before>,
    /// Files that have come to their end.
    closed: Vec<Closed>,
    /// The present file is as long as files may be.
    due: bool,
    /// When the picture goes away, if the camera was switched off.
    away_at: Option<Mono>,
    /// Nothing of the stream is to be expected, since this time.
    absent_since: Option<Mono>,
    happened: Both,
}

enum State {
    /// Nothing came yet. A file of before a restart may be there to go on with.
    Idle,
    /// The first media, kept until the file begins.
    Held {
        units: Vec<Unit>,
        until: Mono,
    },
    Open(Box<OpenFile>),
}

/// Something the take's owner should know.
#[derive(Debug, Clone, PartialEq)]
pub enum TakeEvent {
    Opened {
        file: FileName,
        started: Wall,
        resumed: bool,
    },
    /// The stream was away for too long: the file ends where its media did. Or it was as long as files may be, or its picture
    /// goes on in another codec.
    Ended(Closed),
}

/// What has to be done, away from the media thread, to complete a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Closed {
    pub file: FileName,
    pub path: PathBuf,
    /// The tracks are filled up to this media time.
    pub end: Option<Duration>,
    /// The picture stands still: it stays up to the end, instead of black.
    pub still: bool,
    /// What lies behind this media time is in the next file.
    pub cut: Option<Duration>,
}

impl Take {
    /// A take that goes on in the stream's newest file in the plan's folder if that is unfinished.
    pub fn new(plan: TakePlan) -> Take {
        let sequence = plan.place.newest();
        Take {
            plan,
            sequence,
            state: State::Idle,
            before: None,
            closed: Vec::new(),
            due: false,
            away_at: None,
            absent_since: None,
            happened: Both::default(),
        }
    }

    /// What happened since the last call.
    pub fn take_happened(&mut self) -> Both {
        std::mem::take(&mut self.happened)
    }

    /// Whether a key frame is needed before pictures can be written.
    pub fn waits_for_key(&self) -> bool {
        match &self.state {
            State::Open(file) => self.due || file.video.as_ref().is_none_or(VideoLane::waits_for_key),
            State::Held { units, .. } => !units.iter().any(|unit| matches!(unit, Unit::Picture(_))),
            State::Idle => true,
        }
    }

    /// Takes one unit.
    pub fn push(&mut self, unit: Unit, clock: &Clock, now: Mono) -> Result<Option<TakeEvent>> {
        match &mut self.state {
            State::Open(file) => {
                let age = Age::of(file, unit.at(), &self.plan.settings);
                // A picture that went away may come back in another codec, which a file cannot have.
                let away = file.video.as_ref().is_some_and(VideoLane::is_away);
                if let Some(lane) = &mut file.audio {
                    lane.remember(age > Age::Young || away);
                }
                self.due = age == Age::Due && self.before.is_none();
                let changes = cut::changes_codec(file, &unit);
                if self.due && cut::may_begin(file, &unit) || changes {
                    self.move_on(now, changes)?;
                    return self.begin_next(&unit, clock, now).map(Some);
                }
                self.write(&unit, now)?;
                Ok(self.take_closed())
            }
            State::Held { units, .. } => {
                units.push(unit);
                Ok(None)
            }
            State::Idle => {
                if matches!(&unit, Unit::Picture(picture) if !picture.key || picture.after_loss) {
                    return Ok(None);
                }
                let mut ended = None;
                match Growing::resume(&self.plan.place, self.sequence, clock)? {
                    Resumed::File(file, tracks) if unit.at().since(end_of(&file, &tracks)) > self.plan.max_silence => {
                        self.sequence = file.sequence;
                        ended = Some(self.ended());
                    }
                    Resumed::File(file, tracks) => {
                        return self.begin(OpenFile::over(file, tracks), vec![unit], true).map(Some);
                    }
                    Resumed::Begin(sequence) => self.sequence = sequence,
                }
                self.state = State::Held { units: vec![unit], until: now.plus(HOLD_NS) };
                Ok(ended)
            }
        }
    }

    /// Does what is due: begins the file, writes fragments, lets the picture go.
    /// `settled`: no picture that arrived waits for an earlier one.
    pub fn handle_time(&mut self, clock: &Clock, now: Mono, settled: bool) -> Result<Option<TakeEvent>> {
        if matches!(&self.state, State::Held { until, .. } if *until <= now) {
            return self.open(clock).map(Some);
        }
        let away = self.away_at.is_some_and(|at| at <= now);
        self.move_on(now, false)?;
        if let State::Open(file) = &mut self.state {
            if away {
                self.away_at = None;
                file.picture_away(&mut self.happened)?;
            }
            if self.absent_since.is_some_and(|since| now.since(since) > self.plan.max_silence) {
                file.finish(None, &mut self.happened)?;
                self.state = State::Idle;
                return Ok(Some(self.ended()));
            }
            file.handle_time(now, settled, &self.plan.settings)?;
        }
        if let Some(before) = &mut self.before {
            before.file.file.flush_if_due(now, &self.plan.settings)?;
        }
        Ok(self.take_closed())
    }

    /// Whether media of the stream is to be expected: published, not muted, and the connection is there.
    pub fn set_present(&mut self, present: bool, now: Mono) {
        self.absent_since = if present { None } else { self.absent_since.or(Some(now)) };
    }

    /// The present file has ended where its media did, and the next one has its turn.
    fn ended(&mut self) -> TakeEvent {
        let place = &self.plan.place;
        let closed = Closed {
            path: place.path(self.sequence),
            file: place.file(self.sequence),
            end: None,
            still: false,
            cut: None,
        };
        self.sequence += 1;
        TakeEvent::Ended(closed)
    }

    /// The camera was switched off (`true`) or on.
    pub fn set_video_muted(&mut self, muted: bool, now: Mono) {
        self.away_at = muted.then(|| now.plus(AWAY_DELAY_NS));
    }

    /// The pictures end here: unpublished, or the connection was lost.
    pub fn video_ended(&mut self) -> Result<()> {
        self.away_at = None;
        if let State::Open(file) = &mut self.state { file.picture_away(&mut self.happened) } else { Ok(()) }
    }

    /// The sound ends here: unpublished, or the connection was lost.
    pub fn audio_ended(&mut self, now: Mono) -> Result<()> {
        self.move_on(now, true)?;
        if let State::Open(file) = &mut self.state { file.sound_away() } else { Ok(()) }
    }

    /// Ends the take. `present` tells that the stream is still published: then the file lasts until `now`, with black
    /// and silence for what is switched off. Gives the files that have come to their end, and what
    /// happened.
    pub fn close(mut self, present: bool, clock: &Clock, now: Mono) -> Result<(Vec<Closed>, Both)> {
        if matches!(self.state, State::Held { .. }) {
            self.open(clock)?;
        }
        self.move_on(now, true)?;
        let mut closed = self.closed;
        let State::Open(mut file) = self.state else { return Ok((closed, self.happened)) };
        let end = present.then(|| now.since(file.file.epoch).max(0));
        let away = self.away_at.is_some();
        file.finish(end.filter(|_| !away), &mut self.happened)?;
        let still = !away && file.video.as_ref().is_some_and(VideoLane::stands_still);
        let end = end.map(|ns| Duration::from_nanos(ns as u64));
        let place = &self.plan.place;
        let (path, file) = (place.path(self.sequence), place.file(self.sequence));
        closed.push(Closed { path, file, end, still, cut: None });
        Ok((closed, self.happened))
    }

    /// Writes everything received and leaves the file open-ended. Gives what happened.
    pub fn suspend(mut self, clock: &Clock, now: Mono) -> Result<Both> {
        if matches!(self.state, State::Held { .. }) {
            self.open(clock)?;
        }
        self.move_on(now, true)?;
        if let State::Open(file) = &mut self.state {
            file.finish(None, &mut self.happened)?;
        }
        Ok(self.happened)
    }

    fn take_closed(&mut self) -> Option<TakeEvent> {
        self.closed.pop().map(TakeEvent::Ended)
    }

    /// The file has become as long as files may, or pictures of another codec come: the next one begins with this unit.
    fn begin_next(&mut self, unit: &Unit, clock: &Clock, now: Mono) -> Result<TakeEvent> {
        let State::Open(old) = std::mem::replace(&mut self.state, State::Idle) else {
            return Err(Error::Internal("no file is followed by another"));
        };
        let (index, epoch) = cut::grid_after(old.file.epoch, unit.at(), self.plan.audio.rate());
        match Growing::create(&self.plan.place, self.sequence + 1, epoch, clock) {
            Ok(next) => {
                self.before = Some(Before::new(old, self.sequence, index, now));
                self.due = false;
                self.sequence += 1;
                let started = next.started();
                self.state = State::Open(Box::new(OpenFile::over(Box::new(next), Vec::new())));
                self.write(unit, now)?;
                Ok(TakeEvent::Opened { file: self.plan.place.file(self.sequence), started, resumed: false })
            }
            Err(error) => {
                // Rather a file that is too long than no file.
                self.state = State::Open(old);
                self.write(unit, now)?;
                Err(error)
            }
        }
    }

    /// Writes a unit to the file that is open; sound to the one before as long as its lane is there.
    fn write(&mut self, unit: &Unit, now: Mono) -> Result<()> {
        match (unit, &mut self.before, &mut self.state) {
            (Unit::Sound(sound), Some(before), _) if before.file.audio.is_some() => {
                before.file.push_sound(sound, self.plan.audio, &mut self.happened)?;
                self.move_on(now, false)
            }
            (_, _, State::Open(file)) => file.push(unit, self.plan.audio, &mut self.happened),
            _ => Err(Error::Internal("no file is open")),
        }
    }

    fn open(&mut self, clock: &Clock) -> Result<TakeEvent> {
        let State::Held { units, .. } = std::mem::replace(&mut self.state, State::Idle) else {
            return Err(Error::Internal("a take was opened that held nothing"));
        };
        let epoch = units.iter().map(Unit::at).min().unwrap_or_default();
        let file = Growing::create(&self.plan.place, self.sequence, epoch, clock)?;
        self.begin(OpenFile::over(Box::new(file), Vec::new()), units, false)
    }

    fn begin(&mut self, mut file: OpenFile, units: Vec<Unit>, resumed: bool) -> Result<TakeEvent> {
        let started = file.file.started();
        for unit in &units {
            file.push(unit, self.plan.audio, &mut self.happened)?;
        }
        self.sequence = file.file.sequence;
        self.state = State::Open(Box::new(file));
        let file = self.plan.place.file(self.sequence);
        Ok(TakeEvent::Opened { file, started, resumed })
    }
}

/// Where the media of a file found again ends.
fn end_of(file: &Growing, tracks: &[RecoveredTrack]) -> Mono {
    let ends =
        tracks.iter().filter_map(|track| Some(ticks_to_ns(track.end as i64, track.entries.first()?.timescale())));
    file.epoch.plus(ends.max().unwrap_or(0))
}

#[cfg(test)]
#[path = "take_tests.rs"]
mod tests;
