//! A mixed recording: the pictures and sounds of all streams of a task in, one file out. No clock of its own: it is told
//! up to when everything has come, and makes the file up to there. [`thread`] runs it beside the media thread.
//!
//! The timeline: media time 0 is the first media of any stream. Frame k is of media time k / fps and shows the newest
//! picture of each stream captured up to half a frame later; sound lies at its own media time. While nobody is there
//! nothing is made: the last picture, which is the background, stands still, and the sound is a hole that becomes silence.

pub mod feed;
mod output;
mod pace;
pub mod sound;
mod stage;
#[cfg(test)]
mod tests;
pub mod thread;
mod turn;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::time::Duration;

use rules::layout::{Arrangement, Member, Plan};
use rules::select::StreamId;
use rules::time::{MILLI_NS, Mono, SECOND_NS, Wall, ns_to_ticks, ticks_to_ns};

use crate::clock::Clock;
use crate::growing::{Growing, Place, Resumed};
use crate::messages::{FileName, MixPlan, MixedAudio, Settings};
use crate::take::Closed;
use crate::unit::Unit;
use crate::{Error, Result};
use feed::Feed;
use output::{Output, PictureLane, SoundLane};
use pace::Pace;
use stage::Stage;

/// How long the first media is kept before the file begins, so that what began together begins together.
const HOLD_NS: i64 = 250 * MILLI_NS;

/// Fragments of a mix are this short at most (milliseconds): it is made later than it comes, and both together are what a
/// kill costs.
const FRAGMENT_MS: u32 = 200;

/// What a mix makes, and where.
#[derive(Debug, Clone)]
pub struct MixJob {
    pub place: Place,
    pub plan: MixPlan,
    pub audio_only: bool,
    pub settings: Settings,
}

/// Something the mix's owner should know.
#[derive(Debug, Clone, PartialEq)]
pub enum MixEvent {
    Opened {
        file: FileName,
        started: Wall,
        resumed: bool,
    },
    /// The first media of a stream.
    Took(StreamId),
    /// Something a reader of the recording must know.
    Note(String),
    /// These streams wait for a key frame.
    Waits(BTreeSet<StreamId>),
}

/// What changes at a moment.
enum Change {
    Members(Vec<Member>),
    Layout(Plan, BTreeMap<String, PathBuf>),
}

/// See the module's head.
pub struct Mix {
    job: MixJob,
    clock: Clock,
    stage: Stage,
    feeds: BTreeMap<StreamId, Feed>,
    changes: VecDeque<(Mono, Change)>,
    pace: Pace,
    took: BTreeSet<StreamId>,
    waits: BTreeSet<StreamId>,
    state: State,
    events: Vec<MixEvent>,
}

enum State {
    /// Nothing came yet. A file of before a restart may be there to go on with.
    Idle,
    /// The first media, kept until the file begins.
    Held {
        units: Vec<(StreamId, Unit)>,
        until: Mono,
    },
    Open(Box<Open>),
}

struct Open {
    output: Output,
    picture: Option<PictureLane>,
    /// Nothing while nobody is there.
    sound: Option<SoundLane>,
    /// Media time up to which everything was made, nanoseconds.
    made: i64,
    /// Nobody is there.
    resting: bool,
}

impl Open {
    /// The sound, begun at media time `from` (nanoseconds) if there is none.
    fn sound(&mut self, from: i64, plan: MixedAudio, stage: &Stage) -> Result<&mut SoundLane> {
        match self.sound {
            Some(ref mut lane) => Ok(lane),
            None => {
                let mut lane = SoundLane::new(plan, from.max(self.made), &mut self.output)?;
                place_all(&mut lane, stage);
                Ok(self.sound.insert(lane))
            }
        }
    }
}

impl Mix {
    pub fn new(mut job: MixJob, clock: Clock) -> Result<Mix> {
        job.settings.fragment_ms = job.settings.fragment_ms.min(FRAGMENT_MS);
        let (stage, faults) = Stage::new(job.plan.layout.clone(), &job.plan.images)?;
        Ok(Mix {
            job,
            clock,
            stage,
            feeds: BTreeMap::new(),
            changes: VecDeque::new(),
            pace: Pace::default(),
            took: BTreeSet::new(),
            waits: BTreeSet::new(),
            state: State::Idle,
            events: faults.into_iter().map(MixEvent::Note).collect(),
        })
    }

    /// What happened since the last call.
    pub fn take_events(&mut self) -> Vec<MixEvent> {
        std::mem::take(&mut self.events)
    }

    /// Who is there from `at` on, in the order of joining.
    pub fn set_members(&mut self, members: Vec<Member>, at: Mono) {
        self.changes.push_back((at, Change::Members(members)));
    }

    /// The layout from `at` on.
    pub fn set_layout(&mut self, plan: Plan, images: BTreeMap<String, PathBuf>, at: Mono) {
        self.changes.push_back((at, Change::Layout(plan, images)));
    }

    /// Takes one unit of a stream.
    pub fn push(&mut self, stream: &StreamId, unit: Unit) -> Result<()> {
        if self.took.insert(stream.clone()) {
            self.events.push(MixEvent::Took(stream.clone()));
        }
        match &mut self.state {
            State::Idle => {
                let until = unit.arrival().plus(HOLD_NS);
                self.state = State::Held { units: vec![(stream.clone(), unit)], until };
            }
            State::Held { units, .. } => units.push((stream.clone(), unit)),
            State::Open(open) => match unit {
                Unit::Picture(picture) => self.feeds.entry(stream.clone()).or_default().push(picture),
                Unit::Sound(sound) => {
                    let media = open.output.since_start(sound.at);
                    let lane = open.sound(media, self.job.plan.audio, &self.stage)?;
                    let position = ns_to_ticks(media, 48_000);
                    lane.mixer.push(stream, position, &sound.data, sound.duration, sound.after_loss);
                }
            },
        }
        Ok(())
    }

    /// The stream's picture ends at `at`: muted, unpublished, or the connection was lost.
    pub fn picture_ended(&mut self, stream: &StreamId, at: Mono) {
        if let Some(feed) = self.feeds.get_mut(stream) {
            feed.end(at);
        }
    }

    /// The stream's picture goes on: not muted any more.
    pub fn picture_goes_on(&mut self, stream: &StreamId) {
        if let Some(feed) = self.feeds.get_mut(stream) {
            feed.go_on();
        }
    }

    /// The stream's sound ends: unpublished, or the connection was lost.
    pub fn sound_ended(&mut self, stream: &StreamId) {
        if let State::Open(open) = &mut self.state
            && let Some(sound) = &mut open.sound
        {
            sound.mixer.ended(stream);
        }
    }

    /// The mix is made `behind` nanoseconds later than it could be.
    pub fn observe(&mut self, behind: i64, now: Mono) {
        let Some(step) = self.pace.observe(behind, now) else { return };
        let (at, fps) = (self.clock.wall(now).millis(), self.job.plan.video.fps);
        let rate = f64::from(fps) / f64::from(step);
        tracing::warn!(step, rate, "the mix's frame rate changes");
        let why = if step == 1 { "encoding keeps up again" } else { "encoding fell behind" };
        self.events.push(MixEvent::Note(format!("from {at} (ms) on {rate:.1} frames/s: {why}")));
    }

    /// Everything captured before `until` has come: makes the file up to there.
    pub fn advance(&mut self, until: Mono, now: Mono) -> Result<()> {
        if matches!(&self.state, State::Held { until: hold, .. } if *hold <= until) {
            self.open()?;
        }
        if !matches!(self.state, State::Open(_)) {
            self.apply_changes(until)?;
            return Ok(());
        }
        self.make(until)?;
        if let State::Open(open) = &mut self.state {
            open.output.file.flush_if_due(now, &self.job.settings)?;
        }
        let waits: BTreeSet<StreamId> =
            self.feeds.iter().filter(|(_, feed)| feed.needs_key_frame()).map(|(stream, _)| stream.clone()).collect();
        if waits != self.waits {
            self.events.push(MixEvent::Waits(waits.clone()));
            self.waits = waits;
        }
        Ok(())
    }

    /// Ends the recording at `end`.
    pub fn close(mut self, end: Mono) -> Result<Option<Closed>> {
        let Some((open, file)) = self.finish(Some(end))? else { return Ok(None) };
        let end = Duration::from_nanos(open.output.since_start(end).max(0) as u64);
        let path = self.job.place.path(file.sequence);
        // The tail that is less than a frame belongs to the last picture.
        Ok(Some(Closed { file, path, end: Some(end), still: true }))
    }

    /// Writes everything received and leaves the file open-ended.
    pub fn suspend(mut self) -> Result<()> {
        self.finish(None).map(drop)
    }

    fn finish(&mut self, end: Option<Mono>) -> Result<Option<(Box<Open>, FileName)>> {
        if matches!(self.state, State::Held { .. }) {
            self.open()?;
        }
        if let Some(end) = end
            && matches!(self.state, State::Open(_))
        {
            self.make(end)?;
        }
        let State::Open(mut open) = std::mem::replace(&mut self.state, State::Idle) else { return Ok(None) };
        if let Some(sound) = open.sound.take() {
            self.events.extend(sound.losses().map(MixEvent::Note));
            sound.finish(open.made, &mut open.output)?;
        }
        for (stream, feed) in &self.feeds {
            tracing::info!(?stream, counts = ?feed.counts, "pictures of the mix");
        }
        if let Some(picture) = open.picture.take() {
            picture.finish(&mut open.output)?;
        }
        open.output.file.writer.flush()?;
        let file = self.job.place.file(open.output.file.sequence);
        Ok(Some((open, file)))
    }

    fn open(&mut self) -> Result<()> {
        let State::Held { units, .. } = std::mem::replace(&mut self.state, State::Idle) else {
            return Err(Error::Internal("a mix was opened that held nothing"));
        };
        let first = units.iter().map(|(_, unit)| unit.at()).min().unwrap_or_default();
        let place = &self.job.place;
        let (file, tracks, resumed) = match Growing::resume(place, place.newest(), &self.clock)? {
            Resumed::File(file, tracks) => (file, tracks, true),
            Resumed::Begin(number) => {
                (Box::new(Growing::create(place, number, first, &self.clock)?), Vec::new(), false)
            }
        };
        self.events.push(MixEvent::Opened { file: place.file(file.sequence), started: file.started(), resumed });
        let mut output = Output::over(file, &tracks);
        let start = output.since_start(first).max(0);
        let video_end = ticks_to_ns(output.video_end(), crate::video::RATE);
        let picture = match self.job.audio_only {
            true => None,
            false => {
                let plan = self.job.plan.video.clone();
                let mut lane = PictureLane::new(plan, self.stage.size(), 0, resumed)?;
                lane.skip_to(lane.frame_from(start.max(video_end)));
                Some(lane)
            }
        };
        let mut sound = SoundLane::new(self.job.plan.audio, start, &mut output)?;
        place_all(&mut sound, &self.stage);
        self.state = State::Open(Box::new(Open { output, picture, sound: Some(sound), made: start, resting: false }));
        units.into_iter().try_for_each(|(stream, unit)| self.push(&stream, unit))
    }

    /// Makes everything up to `until`, change by change.
    fn make(&mut self, until: Mono) -> Result<()> {
        loop {
            let next = self.changes.front().map(|(at, _)| *at).filter(|at| *at <= until);
            self.make_steadily(next.unwrap_or(until))?;
            match next {
                Some(at) => self.apply_changes(at)?,
                None => return Ok(()),
            }
        }
    }

    /// Makes everything up to `until`, in which nothing changes.
    fn make_steadily(&mut self, until: Mono) -> Result<()> {
        let State::Open(open) = &mut self.state else { return Ok(()) };
        let end = open.output.since_start(until);
        if end <= open.made {
            return Ok(());
        }
        if self.stage.members().is_empty() {
            return self.rest(end);
        }
        if let Some(sound) = &mut open.sound {
            sound.advance(end, &mut open.output)?;
        }
        if let Some(picture) = &mut open.picture {
            let half = SECOND_NS / i64::from(self.job.plan.video.fps) / 2;
            let step = self.pace.step();
            while picture.time(picture.next()) + half <= end {
                let at = open.output.file.epoch.plus(picture.time(picture.next()) + half);
                self.feeds.values_mut().for_each(|feed| feed.advance(at));
                let canvas = self.stage.compose(&self.feeds)?;
                picture.push(canvas, step, &mut open.output)?;
                if let Some(why) = picture.fallen_back.take() {
                    self.events.push(MixEvent::Note(format!("encoded by the processor: {why}")));
                }
            }
        }
        open.made = end;
        Ok(())
    }

    /// Nobody is there up to media time `end`: one picture that stands still, and no sound.
    fn rest(&mut self, end: i64) -> Result<()> {
        let State::Open(open) = &mut self.state else { return Ok(()) };
        if !std::mem::replace(&mut open.resting, true) {
            if let Some(sound) = open.sound.take() {
                sound.finish(open.made, &mut open.output)?;
            }
            if let Some(picture) = &mut open.picture {
                picture.push(self.stage.compose(&self.feeds)?, 1, &mut open.output)?;
            }
        }
        if let Some(picture) = &mut open.picture {
            picture.skip_to(picture.frame_from(end));
        }
        open.made = end;
        Ok(())
    }

    /// Applies what changes up to `at`.
    fn apply_changes(&mut self, at: Mono) -> Result<()> {
        while self.changes.front().is_some_and(|(when, _)| *when <= at) {
            match self.changes.pop_front() {
                Some((_, Change::Members(members))) => {
                    // Of who left, a region may go on showing the last picture; others come back as strangers.
                    let stays = |stream: &StreamId| members.iter().any(|member| member.stream == *stream);
                    let custom = matches!(self.stage.plan().arrangement, Arrangement::Custom(_));
                    self.feeds.retain(|stream, _| custom || stays(stream));
                    self.stage.set_members(members);
                }
                Some((_, Change::Layout(plan, images))) => {
                    let faults = self.stage.set_plan(plan, &images)?;
                    self.events.extend(faults.into_iter().map(MixEvent::Note));
                }
                None => break,
            }
            if let State::Open(open) = &mut self.state {
                if open.resting && !self.stage.members().is_empty() {
                    open.resting = false;
                    open.sound(open.made, self.job.plan.audio, &self.stage)?;
                }
                if let Some(sound) = &mut open.sound {
                    place_all(sound, &self.stage);
                }
            }
        }
        Ok(())
    }
}

/// Tells the mixer who is heard, and where.
fn place_all(sound: &mut SoundLane, stage: &Stage) {
    for member in stage.members() {
        let (stream, plan) = (&member.stream, stage.plan());
        sound.mixer.set_place(stream, plan.hears(stream), plan.pan(stream));
    }
}
