//! One task of the room: its takes or its mix, and when it ends.

mod account;

use std::collections::{BTreeMap, BTreeSet};

use media::packet::VideoCodec;
use rules::select::{MAX_STREAMS, Source, StreamId};
use rules::time::{MILLI_NS, Mono, Wall};

use super::mixing::Mixing;
use super::seats::Seats;
use super::tracks::{Published, Tracks};
use crate::clock::Clock;
use crate::disk::{DiskJob, FolderLock};
use crate::facts::Facts;
use crate::growing::Place;
use crate::messages::{AudioPlan, MixChange, OutputPlan, OwnEnd, Settings, TaskJob};
use crate::mix::thread::MixThread;
use crate::mix::{MixEvent, MixJob};
use crate::pictures::{Form, PicturePlan, Target};
use crate::sync::SyncQueue;
use crate::take::{Take, TakeEvent, TakePlan};
use crate::unit::Unit;
use crate::{Result, audio, names, order};

/// Notes kept apart per task; more are not told.
const MAX_NOTES: usize = 1_000;

/// What became of a call to a take.
pub(super) type Told = Result<Option<TakeEvent>>;

pub(super) struct Task {
    job: TaskJob,
    lock: Option<FolderLock>,
    output: Output,
    /// Stop was asked for at this time.
    pub stopping: Option<Mono>,
    /// None of its streams is published, since this time.
    idle_since: Option<Mono>,
    /// Sources about which a note was given already.
    noted: BTreeSet<(Source, String)>,
    facts: Facts,
    /// Of streams in a mix.
    last: BTreeMap<StreamId, account::Last>,
}

/// How a track is to be received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// As good as it is sent.
    Best,
    /// Large enough to cover so many pixels.
    Covering(u32, u32),
}

impl Wanted {
    /// What serves both.
    pub fn or(self, other: Wanted) -> Wanted {
        match (self, other) {
            (Wanted::Covering(a, b), Wanted::Covering(c, d)) => Wanted::Covering(a.max(c), b.max(d)),
            _ => Wanted::Best,
        }
    }

    /// As the room client is told.
    pub fn size(self) -> Option<(u32, u32)> {
        match self {
            Wanted::Best => None,
            Wanted::Covering(width, height) => Some((width, height)),
        }
    }
}

/// What the task makes of its streams.
enum Output {
    Takes {
        audio: AudioPlan,
        pictures: PicturePlan,
        max_silence: i64,
        keep_source: bool,
        takes: BTreeMap<StreamId, Take>,
    },
    Mix(Box<Mixing>),
}

impl Task {
    /// # Errors
    /// A mix cannot be begun: an encoder or the machine refuses.
    pub fn new(job: TaskJob, clock: &Clock, settings: Settings, syncs: &SyncQueue, now: Mono) -> Result<Task> {
        let lock = FolderLock::take(&job.dir);
        let facts = Facts::open(&job.dir, matches!(job.output, OutputPlan::Mix(_)), clock, now);
        let output = match &job.output {
            OutputPlan::Streams { audio, anew, max_silence_ms, keep_source } => Output::Takes {
                audio: audio::plan_for(&job.formats, *audio),
                pictures: PicturePlan::of(&job.formats, *anew),
                max_silence: max_silence_ms.saturating_mul(MILLI_NS),
                keep_source: *keep_source,
                takes: BTreeMap::new(),
            },
            OutputPlan::Mix(plan) => {
                let (dir, syncs) = (job.dir.clone(), syncs.clone());
                let place = Place { source: Source::Mix, dir, keep_source: false, syncs };
                let mix = MixJob { place, plan: (**plan).clone(), audio_only: job.audio_only, settings };
                let thread = MixThread::start(mix, *clock)?;
                let seats = Seats::of(order::read(&job.dir));
                Output::Mix(Box::new(Mixing::new(thread, plan.layout.clone(), job.select.clone(), seats)))
            }
        };
        let (noted, last) = (BTreeSet::new(), BTreeMap::new());
        Ok(Task { job, lock, output, stopping: None, idle_since: None, noted, facts, last })
    }

    /// How pictures that were sent in this codec are encoded anew for it; nothing when it takes them as they come.
    pub fn target(&self, sent: VideoCodec) -> Option<Target> {
        match &self.output {
            Output::Takes { pictures, .. } if !self.job.audio_only => pictures.target(sent),
            // A mix decodes every codec.
            _ => None,
        }
    }

    /// How the track has to be received for it, if it has to.
    pub fn wants(&self, published: &Published) -> Option<Wanted> {
        if published.is_video() && self.job.audio_only {
            return None;
        }
        match &self.output {
            Output::Takes { takes, .. } => takes.contains_key(&published.stream).then_some(Wanted::Best),
            Output::Mix(mix) => mix.wants(published),
        }
    }

    pub fn records(&self, stream: &StreamId) -> bool {
        match &self.output {
            Output::Takes { takes, .. } => takes.contains_key(stream),
            Output::Mix(mix) => mix.records(stream),
        }
    }

    pub fn streams(&self) -> Vec<StreamId> {
        match &self.output {
            Output::Takes { takes, .. } => takes.keys().cloned().collect(),
            Output::Mix(mix) => mix.streams().cloned().collect(),
        }
    }

    /// Takes in who is published now. Only a mix has to know all at once, and whether that is the room as it is or the
    /// room is lost.
    pub fn update(&mut self, tracks: &Tracks, connected: bool, now: Mono) {
        if let Output::Mix(mix) = &mut self.output {
            mix.update(tracks, connected, now);
        }
    }

    /// Changes a mix; `false` for a task that is none.
    pub fn change(&mut self, change: MixChange, tracks: &Tracks, connected: bool, now: Mono) -> bool {
        let Output::Mix(mix) = &mut self.output else { return false };
        self.job.select = change.select.clone();
        mix.change(change, tracks, connected, now);
        true
    }

    /// Makes a take for a stream that the task wants and has none of. Returns what is to be noted about it.
    pub fn offer(&mut self, published: &Published, settings: Settings, syncs: &SyncQueue) -> Option<String> {
        if published.fault.is_some() {
            return published.fault.clone();
        }
        let stream = &published.stream;
        let (audio, max_silence, keep_source, takes) = match &mut self.output {
            Output::Takes { audio, max_silence, keep_source, takes, .. } => (*audio, *max_silence, *keep_source, takes),
            Output::Mix(mix) => return mix.refusal(stream).or_else(|| published.note.clone()),
        };
        if takes.contains_key(stream) {
            return published.note.clone();
        }
        if !self.job.select.wants(stream, 0) {
            return None;
        }
        // A mix has no names of users in its file's name.
        if !names::is_nameable(&stream.user) {
            return Some("not recorded: the user's id is too long for a file name".into());
        }
        if !self.job.select.wants(stream, takes.len()) {
            return Some(format!("not recorded: the task has recorded {MAX_STREAMS} streams already"));
        }
        let (source, dir, syncs) = (stream.clone().into(), self.job.dir.clone(), syncs.clone());
        let place = Place { source, dir, keep_source, syncs };
        takes.insert(stream.clone(), Take::new(TakePlan { place, audio, settings, max_silence }));
        published.note.clone()
    }

    /// The stream's camera was switched off (`true`) or on.
    pub fn set_video_muted(&mut self, stream: &StreamId, muted: bool, now: Mono) {
        match &mut self.output {
            Output::Takes { takes, .. } => {
                if let Some(take) = takes.get_mut(stream) {
                    take.set_video_muted(muted, now);
                }
            }
            Output::Mix(mix) => mix.set_video_muted(stream, muted, now),
        }
    }

    /// The stream's pictures (`video`) or sound end here: unpublished, or the connection was lost.
    pub fn track_ended(&mut self, stream: &StreamId, video: bool, now: Mono) -> Result<()> {
        match &mut self.output {
            Output::Takes { takes, .. } => match takes.get_mut(stream) {
                Some(take) if video => take.video_ended(),
                Some(take) => take.audio_ended(now),
                None => Ok(()),
            },
            Output::Mix(mix) => {
                mix.track_ended(stream, video, now);
                Ok(())
            }
        }
    }

    /// Whether a note about the source is new and the task's business.
    pub fn note(&mut self, source: &Source, text: &str) -> bool {
        source.stream().is_none_or(|stream| self.job.select.wants(stream, 0))
            && self.noted.len() < MAX_NOTES
            && self.noted.insert((source.clone(), text.to_owned()))
    }

    pub fn needs_key_frame(&self, stream: &StreamId) -> bool {
        self.stopping.is_none()
            && match &self.output {
                Output::Takes { takes, .. } => takes.get(stream).is_some_and(Take::waits_for_key),
                Output::Mix(mix) => mix.needs_key_frame(stream),
            }
    }

    /// Takes one unit of a stream; a picture has a form.
    pub fn push(&mut self, stream: &StreamId, form: Option<Form>, unit: &Unit, clock: &Clock, now: Mono) -> Told {
        // By capture: a picture that was sent again arrives after those that refer to it.
        let late = self.stopping.is_some_and(|since| unit.at() > since);
        let unwanted = form.is_some_and(|form| self.job.audio_only || self.target(form.sent) != form.made);
        if late || unwanted {
            return Ok(None);
        }
        match &mut self.output {
            Output::Takes { takes, .. } => match takes.get_mut(stream) {
                Some(take) => take.push(unit.clone(), clock, now),
                None => Ok(None),
            },
            Output::Mix(mix) => {
                if mix.records(stream) {
                    // For every packet: the id is copied for the first only.
                    if !self.last.contains_key(stream) {
                        self.last.insert(stream.clone(), account::Last::default());
                    }
                    if let Some(last) = self.last.get_mut(stream) {
                        account::came(&mut self.facts, last, stream, unit);
                    }
                }
                mix.push(stream, unit.clone());
                Ok(None)
            }
        }
    }

    /// Does what is due for the takes. `settled`: no picture of the stream waits for an earlier one; `present`: media of
    /// the stream is to be expected.
    pub fn drive_takes(
        &mut self,
        clock: &Clock,
        now: Mono,
        settled: impl Fn(&StreamId) -> bool,
        present: impl Fn(&StreamId) -> bool,
    ) -> Vec<(StreamId, Told)> {
        let Output::Takes { takes, .. } = &mut self.output else { return Vec::new() };
        let stopping = self.stopping.is_some();
        let mut told = Vec::new();
        for (stream, take) in takes {
            take.set_present(present(stream), now);
            match take.handle_time(clock, now, !stopping && settled(stream)) {
                Ok(None) => {}
                other => told.push((stream.clone(), other)),
            }
        }
        told
    }

    /// Does what is due for the mix. `complete`: up to when everything of its streams has come.
    pub fn drive_mix(&mut self, complete: Mono, now: Mono) -> Vec<MixEvent> {
        match &mut self.output {
            Output::Mix(mix) => mix.handle_time(complete, now),
            Output::Takes { .. } => Vec::new(),
        }
    }

    /// Why the task ends now without being told to. Told once.
    pub fn ends_by_itself(&mut self, tracks: &Tracks, now: Mono, wall: Wall) -> Option<OwnEnd> {
        if self.stopping.is_some() {
            return None;
        }
        let why = if self.job.ends_ms.is_some_and(|end| wall.millis() >= end) {
            OwnEnd::TimeIsUp
        } else if self.streams().iter().any(|stream| tracks.has(stream)) {
            self.idle_since = None;
            return None;
        } else if now.since(*self.idle_since.get_or_insert(now)) >= self.job.max_idle_ms * MILLI_NS {
            OwnEnd::Idle
        } else {
            return None;
        };
        self.stopping = Some(now);
        Some(why)
    }

    /// Ends the recording as of `since`. Returns what is left to do on the disk, and what went wrong.
    pub fn close(mut self, tracks: &Tracks, clock: &Clock, since: Mono) -> (DiskJob, Vec<(StreamId, crate::Error)>) {
        let (mut closed, mut failed, mut mix) = (Vec::new(), Vec::new(), None);
        match self.output {
            Output::Takes { takes, .. } => {
                for (stream, take) in takes {
                    match take.close(tracks.has(&stream), clock, since) {
                        Ok((files, happened)) => {
                            closed.extend(files);
                            self.facts.add(&stream, happened);
                        }
                        Err(error) => failed.push((stream, error)),
                    }
                }
            }
            // What nobody is in is no part of the recording.
            Output::Mix(mixing) => mix = Some(mixing.close(self.idle_since.unwrap_or(since))),
        }
        self.facts.end(since);
        (DiskJob::Finish { task: self.job.task, dir: self.job.dir, closed, mix, lock: self.lock }, failed)
    }

    /// Writes everything received and leaves the files open-ended.
    pub fn suspend(mut self, clock: &Clock, now: Mono) {
        match self.output {
            Output::Takes { takes, .. } => {
                for (stream, take) in takes {
                    match take.suspend(clock, now) {
                        Ok(happened) => self.facts.add(&stream, happened),
                        Err(error) => tracing::error!(?stream, %error, "cannot write the rest"),
                    }
                }
            }
            Output::Mix(mix) => mix.suspend(),
        }
        self.facts.beat(now);
    }
}
