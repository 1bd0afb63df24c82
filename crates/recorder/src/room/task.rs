//! One task of the room: its takes, and when it ends.

use std::collections::{BTreeMap, BTreeSet};

use rules::select::{MAX_STREAMS, StreamId};
use rules::time::{MILLI_NS, Mono};

use super::tracks::{Published, Tracks};
use crate::clock::Clock;
use crate::disk::{DiskJob, FolderLock};
use crate::messages::{Settings, TaskJob};
use crate::sync::SyncQueue;
use crate::take::{Take, TakeEvent, TakePlan};
use crate::unit::Unit;

/// Notes kept apart per task; more are not told.
const MAX_NOTES: usize = 1_000;

/// What became of a call to a take.
pub(super) type Told = crate::Result<Option<TakeEvent>>;

pub(super) struct Task {
    job: TaskJob,
    lock: Option<FolderLock>,
    takes: BTreeMap<StreamId, Take>,
    /// Stop was asked for at this time.
    pub stopping: Option<Mono>,
    /// None of its streams is published, since this time.
    idle_since: Option<Mono>,
    /// Streams about which a note was given already.
    noted: BTreeSet<(StreamId, String)>,
}

impl Task {
    pub fn new(job: TaskJob) -> Task {
        let lock = FolderLock::take(&job.dir);
        Task { job, lock, takes: BTreeMap::new(), stopping: None, idle_since: None, noted: BTreeSet::new() }
    }

    /// Whether the track has to be received for it.
    pub fn wants(&self, published: &Published) -> bool {
        !(published.is_video() && self.job.audio_only) && self.records(&published.stream)
    }

    pub fn records(&self, stream: &StreamId) -> bool {
        self.takes.contains_key(stream)
    }

    pub fn streams(&self) -> impl Iterator<Item = &StreamId> {
        self.takes.keys()
    }

    /// Makes a take for a stream that the task wants and has none of. Returns what is to be noted about it.
    pub fn offer(&mut self, published: &Published, settings: Settings, syncs: &SyncQueue) -> Option<String> {
        if published.fault.is_some() {
            return published.fault.clone();
        }
        let stream = &published.stream;
        if self.records(stream) {
            return published.note.clone();
        }
        if !self.job.select.wants(stream, 0) {
            return None;
        }
        if !self.job.select.wants(stream, self.takes.len()) {
            return Some(format!("not recorded: the task has recorded {MAX_STREAMS} streams already"));
        }
        let plan = TakePlan {
            stream: stream.clone(),
            dir: self.job.dir.clone(),
            audio: self.job.audio,
            settings,
            syncs: syncs.clone(),
        };
        self.takes.insert(stream.clone(), Take::new(plan));
        published.note.clone()
    }

    pub fn take(&mut self, stream: &StreamId) -> Option<&mut Take> {
        self.takes.get_mut(stream)
    }

    /// Whether a note about the stream is new and the task's business.
    pub fn note(&mut self, stream: &StreamId, text: &str) -> bool {
        self.job.select.wants(stream, 0)
            && self.noted.len() < MAX_NOTES
            && self.noted.insert((stream.clone(), text.to_owned()))
    }

    pub fn needs_key_frame(&self, stream: &StreamId) -> bool {
        self.stopping.is_none() && self.takes.get(stream).is_some_and(Take::waits_for_key)
    }

    /// Takes one unit of a stream.
    pub fn push(&mut self, stream: &StreamId, unit: &Unit, clock: &Clock, now: Mono) -> Told {
        let Some(take) = self.takes.get_mut(stream) else { return Ok(None) };
        let late = self.stopping.is_some_and(|since| unit.arrival() > since);
        let unwanted = self.job.audio_only && matches!(unit, Unit::Picture(_));
        if late || unwanted { Ok(None) } else { take.push(unit.clone(), clock, now) }
    }

    /// Does what is due. `unsettled`: streams of which pictures wait for earlier ones.
    pub fn handle_time(
        &mut self,
        clock: &Clock,
        now: Mono,
        settled: impl Fn(&StreamId) -> bool,
    ) -> Vec<(StreamId, Told)> {
        let stopping = self.stopping.is_some();
        let mut told = Vec::new();
        for (stream, take) in &mut self.takes {
            match take.handle_time(clock, now, !stopping && settled(stream)) {
                Ok(None) => {}
                other => told.push((stream.clone(), other)),
            }
        }
        told
    }

    /// Whether the task ends now because nothing of it was published for too long. Told once.
    pub fn ends_idle(&mut self, tracks: &Tracks, now: Mono) -> bool {
        if self.stopping.is_some() {
            return false;
        }
        if self.takes.keys().any(|stream| tracks.has(stream)) {
            self.idle_since = None;
            return false;
        }
        let idle = now.since(*self.idle_since.get_or_insert(now)) >= self.job.max_idle_ms * MILLI_NS;
        if idle {
            self.stopping = Some(now);
        }
        idle
    }

    /// Closes all takes as of `since`. Returns what is left to do on the disk, and what went wrong.
    pub fn close(self, tracks: &Tracks, clock: &Clock, since: Mono) -> (DiskJob, Vec<(StreamId, crate::Error)>) {
        let (mut closed, mut failed) = (Vec::new(), Vec::new());
        for (stream, take) in self.takes {
            match take.close(tracks.has(&stream), clock, since) {
                Ok(file) => closed.extend(file),
                Err(error) => failed.push((stream, error)),
            }
        }
        (DiskJob::Finish { task: self.job.task, dir: self.job.dir, closed, lock: self.lock }, failed)
    }

    /// Writes everything received and leaves the files open-ended.
    pub fn suspend(&mut self, clock: &Clock) {
        for (stream, take) in std::mem::take(&mut self.takes) {
            if let Err(error) = take.suspend(clock) {
                tracing::error!(?stream, %error, "cannot write the rest");
            }
        }
    }
}
