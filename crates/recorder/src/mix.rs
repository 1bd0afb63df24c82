//! A mixed recording: the pictures and sounds of all streams of a task in, one file out. No clock of its own: it is told
//! up to when everything has come, and makes the file up to there. [`thread`] runs it beside the media thread.
//!
//! The timeline: media time 0 is the first media of any stream. Frame k is of media time k / fps and shows the newest
//! picture of each stream captured up to half a frame later; sound lies at its own media time. While nobody is there
//! the last picture, which is the background, stands still and is made once a second, and the sound is a hole that
//! becomes silence. After a restart the file goes on with the first media, or a second after somebody is there who sends
//! none.

mod account;
mod cut;
pub mod feed;
#[cfg(test)]
mod golden;
mod held;
mod images;
mod job;
mod output;
mod overlay;
mod pace;
mod plate;
mod recording;
pub mod sound;
mod sound_lane;
mod stage;
#[cfg(test)]
mod tests;
mod text;
pub mod thread;
mod tile;
pub mod turn;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::time::Duration;

use rules::layout::{Member, Plan};
use rules::select::StreamId;
use rules::time::Mono;

use crate::Result;
use crate::clock::Clock;
use crate::take::Closed;
use crate::unit::Unit;
use account::Account;
use feed::Feed;
use held::Held;
pub use job::{MixEvent, MixJob};
use pace::Pace;
use recording::Recording;
use stage::Stage;

/// Fragments of a mix are this short at most (milliseconds): it is made later than it comes, and both together are what a
/// kill costs.
const FRAGMENT_MS: u32 = 200;

/// Changes of the frame rate that are noted one by one.
const MAX_PACE_NOTES: u32 = 10;

/// What changes at a moment.
enum Change {
    Members(Vec<Member>),
    Layout(Plan, BTreeMap<String, PathBuf>),
    Forget(StreamId),
}

/// See the module's head.
pub struct Mix {
    job: MixJob,
    clock: Clock,
    stage: Stage,
    feeds: BTreeMap<StreamId, Feed>,
    changes: VecDeque<(Mono, Change)>,
    pace: Pace,
    /// How often the frame rate changed.
    paced: u32,
    took: BTreeSet<StreamId>,
    waits: BTreeSet<StreamId>,
    state: State,
    events: Vec<MixEvent>,
    account: Account,
}

enum State {
    /// Nothing came yet.
    Idle,
    Held(Held),
    Open(Box<Recording>),
}

impl Mix {
    pub fn new(mut job: MixJob, clock: Clock) -> Result<Mix> {
        job.settings.fragment_ms = job.settings.fragment_ms.min(FRAGMENT_MS);
        let (stage, faults) = Stage::of(&job.plan)?;
        let account = Account::open(&job.place.dir, &clock);
        Ok(Mix {
            job,
            clock,
            stage,
            feeds: BTreeMap::new(),
            changes: VecDeque::new(),
            pace: Pace::default(),
            paced: 0,
            took: BTreeSet::new(),
            waits: BTreeSet::new(),
            state: State::Idle,
            events: faults.into_iter().map(MixEvent::Note).collect(),
            account,
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
            State::Idle => self.state = State::Held(Held::of(stream, unit, &self.job.place, &self.clock)?),
            State::Held(held) => held.push(stream, unit),
            State::Open(recording) => match unit {
                Unit::Picture(picture) => self.feeds.entry(stream.clone()).or_default().push(picture),
                Unit::Sound(sound) => recording.push(stream, &sound, &self.stage)?,
            },
        }
        Ok(())
    }

    /// The stream's picture is not received any more from `at` on, because nobody would see it: when it comes again, what
    /// was before is nothing to show.
    pub fn forget(&mut self, stream: StreamId, at: Mono) {
        self.changes.push_back((at, Change::Forget(stream)));
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
        if let State::Open(recording) = &mut self.state {
            recording.sound_ended(stream);
        }
    }

    /// The mix is made `behind` nanoseconds later than it could be.
    pub fn observe(&mut self, behind: i64, now: Mono) {
        let Some(step) = self.pace.observe(behind, now) else { return };
        let (at, fps) = (self.clock.wall(now).millis(), self.job.plan.video.fps);
        let rate = f64::from(fps) / f64::from(step);
        tracing::warn!(step, rate, "the mix's frame rate changes");
        let why = if step == 1 { "encoding keeps up again" } else { "encoding fell behind" };
        // There is room for a few notes per task, and others may matter more.
        self.paced += 1;
        match self.paced {
            1..MAX_PACE_NOTES => {
                self.events.push(MixEvent::Note(format!("from {at} (ms) on {rate:.1} frames/s: {why}")));
            }
            MAX_PACE_NOTES => {
                self.events.push(MixEvent::Note(format!("from {at} (ms) on the frame rate goes up and down: {why}")));
            }
            _ => {}
        }
    }

    /// Everything captured before `until` has come: makes the file up to there.
    pub fn advance(&mut self, until: Mono, now: Mono) -> Result<()> {
        self.take_images()?;
        self.make(until)?;
        if matches!(&self.state, State::Held(held) if held.until <= until) {
            self.open(until)?;
            self.make(until)?;
        }
        if let State::Open(recording) = &mut self.state {
            recording.flush_if_due(now, &self.job.settings)?;
        }
        if self.account.is_due(now) {
            self.write_account(until, now);
        }
        let waits: BTreeSet<StreamId> =
            self.feeds.iter().filter(|(_, feed)| feed.needs_key_frame()).map(|(stream, _)| stream.clone()).collect();
        if waits != self.waits {
            self.events.push(MixEvent::Waits(waits.clone()));
            self.waits = waits;
        }
        Ok(())
    }

    /// Ends the recording at `end`. What happened meanwhile is still to be taken.
    pub fn close(&mut self, end: Mono) -> Result<Option<Closed>> {
        self.make(end)?;
        self.open(end)?;
        self.make(end)?;
        let Some(recording) = self.finish()? else { return Ok(None) };
        let (file, end, made) = recording.file(&self.job, end);
        let path = self.job.place.path(file.sequence);
        let time = Duration::from_nanos(end.max(0) as u64);
        // The tail that is less than a frame belongs to the last picture. What was shown of an empty room after the end
        // does not count.
        let cut = (made > end).then_some(time);
        Ok(Some(Closed { file, path, end: Some(time), still: true, cut }))
    }

    /// Writes everything received and leaves the file open-ended.
    pub fn suspend(&mut self) -> Result<()> {
        // Without media there is nothing to write.
        if let State::Held(held) = &self.state
            && let Some(first) = held.first()
        {
            self.open(first)?;
        }
        self.finish().map(drop)
    }

    /// From the next frame on images are shown that were decoded meanwhile.
    fn take_images(&mut self) -> Result<()> {
        let (changed, faults) = self.stage.take_images()?;
        self.events.extend(faults.into_iter().map(MixEvent::Note));
        if changed && let State::Open(recording) = &mut self.state {
            recording.arranged(&self.stage)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<Option<Box<Recording>>> {
        let State::Open(mut recording) = std::mem::replace(&mut self.state, State::Idle) else { return Ok(None) };
        let finished = recording.finish();
        self.events.extend(recording.take_events());
        let made = recording.made_until();
        self.account.add_all(recording.take_news());
        self.write_account(made, made);
        for (stream, feed) in &self.feeds {
            tracing::info!(?stream, counts = ?feed.counts(), "pictures of the mix");
        }
        finished.map(|()| Some(recording))
    }

    /// Begins the file with what is held, or goes on in it; at `now` if nothing is.
    fn open(&mut self, now: Mono) -> Result<()> {
        let held = match std::mem::replace(&mut self.state, State::Idle) {
            State::Held(held) => held,
            other => {
                self.state = other;
                return Ok(());
            }
        };
        let first = held.first().unwrap_or(now);
        let recording = Recording::open(&self.job, held.file, &self.clock, first, &self.stage)?;
        self.state = State::Open(Box::new(recording));
        held.units.into_iter().try_for_each(|(stream, unit)| self.push(&stream, unit))
    }

    /// The moment of the first change up to `until` that can be made: what is held is still to be shown as it was.
    fn next_change(&self, until: Mono) -> Option<Mono> {
        let until = match &self.state {
            // What came before anybody was told to be there shows who comes next.
            State::Held(held) if !self.stage.members().is_empty() => held.first().map_or(until, |at| at.min(until)),
            _ => until,
        };
        self.changes.front().map(|(at, _)| *at).filter(|at| *at <= until)
    }

    /// Makes everything up to `until`, change by change.
    fn make(&mut self, until: Mono) -> Result<()> {
        loop {
            let next = self.next_change(until);
            if let State::Open(recording) = &mut self.state {
                let made = recording.make(next.unwrap_or(until), self.pace.step(), &mut self.stage, &mut self.feeds);
                self.events.extend(recording.take_events());
                made?;
            }
            match next {
                Some(at) => self.apply_changes(at)?,
                None => return Ok(()),
            }
        }
    }

    /// Applies what changes up to `at`.
    fn apply_changes(&mut self, at: Mono) -> Result<()> {
        while let Some((when, change)) = self.changes.pop_front_if(|(when, _)| *when <= at) {
            match change {
                Change::Members(members) => {
                    // Of who left, a region may go on showing the last picture; others come back as strangers. Some
                    // have come already, with pictures of later than this change.
                    let stays = |stream: &StreamId| members.iter().any(|member| member.stream == *stream);
                    let (plan, account) = (self.stage.plan(), &mut self.account);
                    self.feeds.retain(|stream, feed| {
                        plan.has_region(stream) || stays(stream) || account.forget(stream, feed, when)
                    });
                    self.stage.set_members(members)?;
                    // A file of before a restart goes on, with the first media or soon without.
                    if matches!(self.state, State::Idle)
                        && !self.stage.members().is_empty()
                        && let Some(held) = Held::without_media(&self.job.place, &self.clock, when)?
                    {
                        self.state = State::Held(held);
                    }
                }
                Change::Forget(stream) => {
                    let account = &mut self.account;
                    self.feeds.retain(|of, feed| *of != stream || account.forget(of, feed, when));
                }
                Change::Layout(plan, images) => self.stage.set_plan(plan, &images)?,
            }
            if let State::Open(recording) = &mut self.state {
                recording.arranged(&self.stage)?;
            }
        }
        Ok(())
    }
}
