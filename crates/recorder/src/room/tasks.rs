//! The tasks of a room: begun, changed, driven and ended.

use std::path::PathBuf;
use std::sync::Arc;

use rules::request::FileFormat;
use rules::select::{Source, StreamId};
use rules::time::{MILLI_NS, Mono};

use super::task::{Task, Told};
use super::tracks::Published;
use super::{Action, Connection, Room, user_clock};
use crate::disk::DiskJob;
use crate::messages::{MixChange, Report, TaskJob};
use crate::mix::MixEvent;
use crate::take::TakeEvent;
use crate::track::TrackReceiver;
use crate::transcode::Transcoder;

/// How long a stop waits for packets that were sent again, when some are missing.
const STOP_PATIENCE_NS: i64 = 500 * MILLI_NS;

/// How often key frames are asked for where segments are to begin with them; with what a key frame takes to come, less
/// than a segment's usual length.
const SEGMENT_MS: u32 = 5_500;

impl Room {
    pub fn start(&mut self, job: TaskJob, now: Mono) {
        let id = job.task;
        if self.tasks.contains_key(&id) {
            return;
        }
        let (dir, formats) = (job.dir.clone(), job.formats.clone());
        let mut task = match Task::new(job, &self.clock, self.settings, &self.syncs, now) {
            Ok(task) => task,
            Err(error) => return self.report(Report::Failed { task: id, reason: error.to_string() }),
        };
        if formats.contains(&FileFormat::Hls) {
            // So that no segment is longer than another.
            self.settings.key_frame_ms = self.settings.key_frame_ms.min(SEGMENT_MS);
            self.receivers.values_mut().for_each(|receiver| receiver.ask_for_key_frames(SEGMENT_MS));
        }
        self.actions.push(Action::Disk(DiskJob::Follow { dir, formats, clock: self.clock }));
        // What was counted before is not its own.
        self.count();
        let connected = self.connection == Connection::Up;
        if connected {
            task.set_room(true, now);
        }
        task.update(&self.tracks, connected, now);
        self.selection_changed = true;
        self.tasks.insert(id, task);
        for published in self.tracks.all().cloned().collect::<Vec<_>>() {
            self.offer(id, &published);
        }
        self.update_transcoders();
        for (sid, mime) in self.mimes.clone() {
            self.note_sent(&sid, &mime, now);
        }
        if let Some(task) = self.tasks.get_mut(&id) {
            task.note_presences(&self.tracks, now);
        }
        self.report(Report::Started { task: id, in_room: self.connection == Connection::Up });
    }

    /// Changes a mixed task.
    pub fn change(&mut self, task: i64, change: MixChange, now: Mono) {
        let changed = self
            .tasks
            .get_mut(&task)
            .is_some_and(|found| found.change(change, &self.tracks, self.connection == Connection::Up, now));
        match changed {
            true => {
                self.selection_changed = true;
                self.tasks.values_mut().for_each(|task| task.note_presences(&self.tracks, now));
            }
            false => tracing::warn!(task, "asked to change a task that is not mixed here"),
        }
    }

    pub fn stop(&mut self, task: i64, now: Mono) {
        match self.tasks.get_mut(&task) {
            Some(task) => _ = task.stopping.get_or_insert(now),
            None => tracing::warn!(task, "asked to stop a task that is not recorded here"),
        }
    }

    /// Completes what an earlier recorder left of a task that was being stopped.
    pub fn finish(&mut self, task: i64, dir: PathBuf) {
        self.actions.push(Action::Disk(DiskJob::Finish { task, dir, closed: Vec::new(), mix: None, lock: None }));
    }

    pub(super) fn offer(&mut self, id: i64, published: &Published) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        if let Some(text) = task.offer(published, self.settings, &self.syncs) {
            self.note(id, &published.stream.clone().into(), &text);
        }
    }

    pub(super) fn drive_takes(&mut self, id: i64, now: Mono) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        let unsettled: Vec<&StreamId> =
            self.receivers.values().filter(|r| r.is_video() && r.has_gap()).map(TrackReceiver::stream).collect();
        let up = self.connection == Connection::Up;
        let settled = |stream: &StreamId| up && !unsettled.contains(&stream);
        let told = task.drive_takes(&self.clock, now, settled, |stream| up && self.tracks.is_sent(stream));
        for (stream, told) in told {
            self.took(id, &stream, told);
        }
    }

    pub(super) fn drive_mix(&mut self, id: i64, now: Mono) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        let own = self.receivers.values().filter(|receiver| task.records(receiver.stream()));
        let complete = own.filter_map(|receiver| receiver.waits_since(now)).min().unwrap_or(now);
        for event in task.drive_mix(complete, now) {
            match event {
                MixEvent::Note(text) => self.note(id, &Source::Mix, &text),
                MixEvent::Ended(closed) => self.actions.push(Action::Disk(DiskJob::Close { task: id, closed })),
                other => self.actions.extend(other.report(id).map(Action::Report)),
            }
        }
    }

    /// Closes the takes of a task whose stop was asked for, as soon as nothing received before it is missing.
    pub(super) fn finish_stop(&mut self, id: i64, now: Mono) {
        let Some(task) = self.tasks.get(&id) else { return };
        let Some(since) = task.stopping else { return };
        let own = |receiver: &TrackReceiver| task.records(receiver.stream());
        let missing = self.receivers.values().any(|receiver| own(receiver) && receiver.has_gap());
        if missing && now.since(since) < STOP_PATIENCE_NS {
            return;
        }
        // What other tasks record, too, may still wait for them.
        let others =
            |stream: &StreamId| self.tasks.values().any(|other| other.stopping.is_none() && other.records(stream));
        let mine = self.receivers.iter().filter(|(_, receiver)| own(receiver) && !others(receiver.stream()));
        let sids: Vec<Arc<str>> = mine.map(|(sid, _)| sid.clone()).collect();
        for sid in sids {
            if let Some(receiver) = self.receivers.get_mut(&sid) {
                let user = user_clock(&mut self.users, receiver.stream());
                receiver.release_held(user, &mut self.units);
            }
            self.deliver(&sid, now);
        }
        self.deliver_transcoded_of(id, now);
        self.count();
        let Some(mut task) = self.tasks.remove(&id) else { return };
        self.selection_changed = true;
        self.update_transcoders();
        if self.connection != Connection::Up {
            // What was not received is black, and no picture that stands still.
            for stream in task.streams() {
                if let Err(error) = task.track_ended(&stream, true, since) {
                    tracing::error!(%error, "cannot end the picture");
                }
            }
        }
        let (job, failed) = task.close(&self.tracks, &self.clock, since);
        for (stream, error) in failed {
            self.report(Report::Note { task: id, source: stream.into(), text: format!("closing: {error}") });
        }
        self.actions.push(Action::Disk(job));
    }

    /// Hands over what is still being transcoded of the task's streams.
    fn deliver_transcoded_of(&mut self, id: i64, now: Mono) {
        let Some(task) = self.tasks.get(&id) else { return };
        let own = |sid: &Arc<str>| self.receivers.get(sid).is_some_and(|receiver| task.records(receiver.stream()));
        let sids: Vec<Arc<str>> = self.transcoders.keys().filter(|sid| own(sid)).cloned().collect();
        for sid in sids {
            self.deliver_transcoded(&sid, now, Transcoder::rest);
        }
    }

    /// Reports what became of a call to a take.
    pub(super) fn took(&mut self, task: i64, stream: &StreamId, told: Told) {
        match told {
            Ok(None) => {}
            Ok(Some(TakeEvent::Opened { file, started, resumed })) => {
                self.report(Report::FileOpened { task, file, started_ms: started.millis(), resumed });
            }
            Ok(Some(TakeEvent::Ended(closed))) => self.actions.push(Action::Disk(DiskJob::Close { task, closed })),
            Err(error) => self.note(task, &stream.clone().into(), &error.to_string()),
        }
    }

    /// Notes a fault once per task, source and text.
    pub(super) fn note(&mut self, id: i64, source: &Source, text: &str) {
        if self.tasks.get_mut(&id).is_some_and(|task| task.note(source, text)) {
            self.report(Report::Note { task: id, source: source.clone(), text: text.to_owned() });
        }
    }
}
