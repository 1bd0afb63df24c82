//! Who publishes what in the room, which task wants it, and how packets get from the one to the other.
//!
//! [`Room`] is driven by [`crate::child`]: events of the subscriber and commands in, reports out, `handle_time` every few
//! milliseconds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use rtc::client::{CloseReason, Participant, RoomEvent, Track, TrackKind, TrackSource};
use rules::select::{StreamId, StreamKind};
use rules::sync::UserClock;
use rules::time::{MILLI_NS, Mono};

use crate::clock::Clock;
use crate::disk::{DiskJob, FolderLock};
use crate::messages::{Report, Settings, TaskJob};
use crate::names;
use crate::take::{Take, TakeEvent, TakePlan};
use crate::track::TrackReceiver;
use crate::unit::Unit;

/// How long a stop waits for packets that were sent again, when some are missing.
const STOP_PATIENCE_NS: i64 = 500 * MILLI_NS;

/// What the room wants its driver to do.
#[derive(Debug)]
pub enum Action {
    Report(Report),
    /// Ask the sender of this track for a key frame (throttled by the client).
    KeyFrame(Arc<str>),
    Disk(DiskJob),
}

/// A track that is published, as far as recording it matters.
#[derive(Debug, Clone, PartialEq)]
struct Published {
    stream: StreamId,
    kind: TrackKind,
    muted: bool,
}

struct Task {
    job: TaskJob,
    lock: Option<FolderLock>,
    takes: BTreeMap<StreamId, Take>,
    /// Stop was asked for at this time.
    stopping: Option<Mono>,
    /// None of its streams is published, since this time.
    idle_since: Option<Mono>,
    /// Streams about which a note was given already.
    noted: BTreeSet<(StreamId, String)>,
}

/// See the module's head.
pub struct Room {
    clock: Clock,
    settings: Settings,
    users: BTreeMap<String, UserClock>,
    published: BTreeMap<Arc<str>, Published>,
    receivers: BTreeMap<Arc<str>, TrackReceiver>,
    tasks: BTreeMap<i64, Task>,
    /// The connection is lost: that no picture comes does not mean that the picture stands still.
    interrupted: bool,
    /// What [`Room::wanted`] tells may have changed.
    selection_changed: bool,
    actions: Vec<Action>,
    units: Vec<Unit>,
}

impl Room {
    pub fn new(clock: Clock, settings: Settings) -> Room {
        Room {
            clock,
            settings,
            users: BTreeMap::new(),
            published: BTreeMap::new(),
            receivers: BTreeMap::new(),
            tasks: BTreeMap::new(),
            interrupted: false,
            selection_changed: false,
            actions: Vec::new(),
            units: Vec::new(),
        }
    }

    /// What is to be done since the last call.
    pub fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// The tracks to be subscribed to, if they changed since the last call.
    pub fn take_wanted(&mut self) -> Option<BTreeSet<String>> {
        std::mem::take(&mut self.selection_changed).then(|| self.wanted())
    }

    /// The tracks to be subscribed to.
    pub fn wanted(&self) -> BTreeSet<String> {
        let wanted = |published: &Published| {
            self.tasks.values().any(|task| {
                (published.kind == TrackKind::Audio || !task.job.audio_only)
                    && task.takes.contains_key(&published.stream)
            })
        };
        self.published.iter().filter(|(_, published)| wanted(published)).map(|(sid, _)| sid.to_string()).collect()
    }

    pub fn start(&mut self, job: TaskJob) {
        let task = job.task;
        if self.tasks.contains_key(&task) {
            return;
        }
        self.selection_changed = true;
        let lock = FolderLock::take(&job.dir);
        self.tasks.insert(
            task,
            Task { job, lock, takes: BTreeMap::new(), stopping: None, idle_since: None, noted: BTreeSet::new() },
        );
        let published: Vec<Published> = self.published.values().cloned().collect();
        for published in &published {
            self.offer(task, published);
        }
        self.report(Report::Started { task });
    }

    pub fn stop(&mut self, task: i64, now: Mono) {
        match self.tasks.get_mut(&task) {
            Some(task) => _ = task.stopping.get_or_insert(now),
            None => tracing::warn!(task, "asked to stop a task that is not recorded here"),
        }
    }

    /// Completes what an earlier recorder left of a task that was being stopped.
    pub fn finish(&mut self, task: i64, dir: PathBuf) {
        self.actions.push(Action::Disk(DiskJob::Finish { task, dir, closed: Vec::new(), lock: None }));
    }

    /// Writes everything received to the files and leaves them open-ended, for another recorder to go on with.
    pub fn flush(&mut self) {
        self.end_all_tracks();
        for task in self.tasks.values_mut() {
            for (stream, take) in std::mem::take(&mut task.takes) {
                if let Err(error) = take.suspend(&self.clock) {
                    tracing::error!(?stream, %error, "cannot write the rest");
                }
            }
        }
    }

    pub fn handle_event(&mut self, event: RoomEvent, now: Mono) {
        match event {
            RoomEvent::Connected { rejoined } => {
                self.interrupted = false;
                self.report(Report::Joined { rejoined });
            }
            // Media may go on meanwhile. If it does not, its tracks end when they are subscribed to anew.
            RoomEvent::Interrupted { reason } => {
                self.interrupted = true;
                self.report(Report::Interrupted { reason });
            }
            RoomEvent::Closed { reason } => {
                self.end_all_tracks();
                self.published.clear();
                self.selection_changed = true;
                let text = format!("{reason:?}");
                self.report(match may_come_back(&reason) {
                    true => Report::Interrupted { reason: text },
                    false => Report::Refused { reason: text },
                });
            }
            RoomEvent::Participant(participant) => self.update(&participant, now),
            RoomEvent::ParticipantLeft { identity } => {
                let empty = Participant { identity, tracks: Vec::new(), ..nobody() };
                self.update(&empty, now);
            }
            RoomEvent::Subscribed { track_sid, mime, clock_rate } => self.subscribed(track_sid, &mime, clock_rate),
            RoomEvent::Packet(packet) => {
                let Some(receiver) = self.receivers.get_mut(&packet.track_sid) else { return };
                let sid = packet.track_sid.clone();
                let user = user_clock(&mut self.users, receiver.stream());
                let arrival = self.clock.mono(packet.arrival);
                receiver.handle_packet(packet, arrival, now, user, &mut self.units);
                self.deliver(&sid, now);
            }
            RoomEvent::SenderReport { track_sid, ntp_ns, rtp_time, arrival } => {
                let Some(receiver) = self.receivers.get_mut(&track_sid) else { return };
                let user = user_clock(&mut self.users, receiver.stream());
                receiver.handle_report(user, ntp_ns, rtp_time, self.clock.mono(arrival));
            }
        }
    }

    /// Does what is due; call it every few milliseconds.
    pub fn handle_time(&mut self, now: Mono) {
        let sids: Vec<Arc<str>> = self.receivers.keys().cloned().collect();
        for sid in sids {
            if let Some(receiver) = self.receivers.get_mut(&sid) {
                let user = user_clock(&mut self.users, receiver.stream());
                receiver.handle_time(now, user, &mut self.units);
            }
            self.deliver(&sid, now);
            self.ask_for_key_frame(&sid, now);
        }
        let ids: Vec<i64> = self.tasks.keys().copied().collect();
        for id in ids {
            self.drive_takes(id, now);
            self.check_idle(id, now);
            self.finish_stop(id, now);
        }
    }

    fn drive_takes(&mut self, id: i64, now: Mono) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        let mut results = Vec::new();
        for (stream, take) in &mut task.takes {
            let settled = !self.interrupted
                && task.stopping.is_none()
                && !self.receivers.values().any(|r| r.stream() == stream && r.is_video() && r.has_gap());
            match take.handle_time(&self.clock, now, settled) {
                Ok(None) => {}
                told => results.push((stream.clone(), told)),
            }
        }
        for (stream, result) in results {
            self.took(id, &stream, result);
        }
    }

    fn check_idle(&mut self, id: i64, now: Mono) {
        let Some(task) = self.tasks.get_mut(&id).filter(|task| task.stopping.is_none()) else { return };
        if self.published.values().any(|published| task.takes.contains_key(&published.stream)) {
            task.idle_since = None;
        } else if now.since(*task.idle_since.get_or_insert(now)) >= task.job.max_idle_ms * MILLI_NS {
            // Told once; the worker answers with a stop.
            task.stopping = Some(now);
            self.report(Report::Idle { task: id });
        }
    }

    /// Closes the takes of a task whose stop was asked for, as soon as nothing received before it is missing.
    fn finish_stop(&mut self, id: i64, now: Mono) {
        let Some(since) = self.tasks.get(&id).and_then(|task| task.stopping) else { return };
        let complete = |r: &TrackReceiver| !r.has_gap();
        if now.since(since) < STOP_PATIENCE_NS && !self.receivers.values().all(complete) {
            return;
        }
        let sids: Vec<Arc<str>> = self.receivers.keys().cloned().collect();
        for sid in sids {
            if let Some(receiver) = self.receivers.get_mut(&sid) {
                let user = user_clock(&mut self.users, receiver.stream());
                receiver.release_held(user, &mut self.units);
            }
            self.deliver(&sid, now);
        }
        let Some(task) = self.tasks.remove(&id) else { return };
        self.selection_changed = true;
        let (dir, lock) = (task.job.dir, task.lock);
        let mut closed = Vec::new();
        for (stream, take) in task.takes {
            let present = self.published.values().any(|published| published.stream == stream);
            match take.close(present, &self.clock, since) {
                Ok(file) => closed.extend(file),
                Err(error) => self.report(Report::Note { task: id, stream, text: format!("closing: {error}") }),
            }
        }
        self.actions.push(Action::Disk(DiskJob::Finish { task: id, dir, closed, lock }));
    }

    /// Everybody's tracks end, because the connection does; what comes after it begins anew.
    fn end_all_tracks(&mut self) {
        let sids: Vec<Arc<str>> = self.receivers.keys().cloned().collect();
        for sid in sids {
            self.end_track(&sid);
        }
    }

    fn end_track(&mut self, sid: &Arc<str>) {
        let Some(mut receiver) = self.receivers.remove(sid) else { return };
        let user = user_clock(&mut self.users, receiver.stream());
        receiver.finish(user, &mut self.units);
        let (stream, video) = (receiver.stream().clone(), receiver.is_video());
        self.deliver_to(&stream, self.clock.now());
        let mut results = Vec::new();
        for (id, task) in &mut self.tasks {
            if let Some(take) = task.takes.get_mut(&stream) {
                let ended = if video { take.video_ended() } else { take.audio_ended() };
                results.push((*id, ended.map(|()| None)));
            }
        }
        for (id, result) in results {
            self.took(id, &stream, result);
        }
    }

    fn update(&mut self, participant: &Participant, now: Mono) {
        let user = &participant.identity;
        let gone: Vec<Arc<str>> = self
            .published
            .iter()
            .filter(|(sid, published)| {
                published.stream.user == *user && !participant.tracks.iter().any(|track| *track.sid == ***sid)
            })
            .map(|(sid, _)| sid.clone())
            .collect();
        self.selection_changed = true;
        for sid in gone {
            self.published.remove(&sid);
            self.end_track(&sid);
        }
        for track in &participant.tracks {
            self.update_track(user, track, now);
        }
    }

    fn update_track(&mut self, user: &str, track: &Track, now: Mono) {
        let kind = match track.source {
            TrackSource::ScreenShare | TrackSource::ScreenShareAudio => StreamKind::Screen,
            _ => StreamKind::Camera,
        };
        let stream = StreamId { user: user.to_owned(), kind };
        let fault = if track.encrypted {
            Some("is end-to-end encrypted")
        } else if !names::is_nameable(user) {
            Some("has an identity too long for a file name")
        } else {
            None
        };
        if let Some(fault) = fault {
            self.note_all(&stream, &format!("track {} {fault} and is not recorded", track.sid));
            return;
        }
        let sid: Arc<str> = track.sid.as_str().into();
        let published = Published { stream: stream.clone(), kind: track.kind, muted: track.muted };
        let before = self.published.insert(sid, published.clone());
        if before.as_ref() == Some(&published) {
            return;
        }
        let ids: Vec<i64> = self.tasks.keys().copied().collect();
        for id in ids {
            self.offer(id, &published);
        }
        if track.kind == TrackKind::Video {
            for task in self.tasks.values_mut() {
                if let Some(take) = task.takes.get_mut(&stream) {
                    take.set_video_muted(track.muted, now);
                }
            }
        }
    }

    /// Gives a task a take for a stream that it wants and has none of.
    fn offer(&mut self, id: i64, published: &Published) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        let stream = &published.stream;
        if task.takes.contains_key(stream) || !task.job.select.wants(stream, task.takes.len()) {
            return;
        }
        let plan = TakePlan {
            stream: stream.clone(),
            dir: task.job.dir.clone(),
            audio: task.job.audio,
            settings: self.settings,
        };
        task.takes.insert(stream.clone(), Take::new(plan));
    }

    fn subscribed(&mut self, sid: Arc<str>, mime: &str, clock_rate: u32) {
        self.end_track(&sid);
        let Some(published) = self.published.get(&sid) else { return };
        match TrackReceiver::new(published.stream.clone(), mime, clock_rate, self.settings) {
            Some(receiver) => _ = self.receivers.insert(sid, receiver),
            None => {
                let stream = published.stream.clone();
                let what = if published.kind == TrackKind::Video { "picture" } else { "sound" };
                self.note_all(&stream, &format!("the {what} is {mime}, which cannot be recorded into MP4 yet"));
            }
        }
    }

    fn ask_for_key_frame(&mut self, sid: &Arc<str>, now: Mono) {
        let Some(receiver) = self.receivers.get(sid).filter(|receiver| receiver.is_video()) else { return };
        if self.published.get(sid).is_some_and(|published| published.muted) {
            return;
        }
        let waiting = self
            .tasks
            .values()
            .any(|task| task.takes.get(receiver.stream()).is_some_and(Take::waits_for_key) && task.stopping.is_none());
        if waiting || receiver.key_frame_is_due(now) {
            self.actions.push(Action::KeyFrame(sid.clone()));
        }
    }

    /// Hands the units that a track gave to the takes of its stream.
    fn deliver(&mut self, sid: &Arc<str>, now: Mono) {
        if self.units.is_empty() {
            return;
        }
        match self.receivers.get(sid).map(|receiver| receiver.stream().clone()) {
            Some(stream) => self.deliver_to(&stream, now),
            None => self.units.clear(),
        }
    }

    fn deliver_to(&mut self, stream: &StreamId, now: Mono) {
        let units = std::mem::take(&mut self.units);
        let mut results = Vec::new();
        for (id, task) in &mut self.tasks {
            let Some(take) = task.takes.get_mut(stream) else { continue };
            for unit in &units {
                let late = task.stopping.is_some_and(|since| unit.arrival() > since);
                let unwanted = task.job.audio_only && matches!(unit, Unit::Picture(_));
                if !late && !unwanted {
                    match take.push(unit.clone(), &self.clock, now) {
                        Ok(None) => {}
                        told => results.push((*id, told)),
                    }
                }
            }
        }
        self.units = units;
        self.units.clear();
        for (id, result) in results {
            self.took(id, stream, result);
        }
    }

    /// Reports what became of a call to a take.
    fn took(&mut self, task: i64, stream: &StreamId, result: crate::Result<Option<TakeEvent>>) {
        match result {
            Ok(None) => {}
            Ok(Some(TakeEvent::Opened { file, started, resumed })) => {
                self.report(Report::FileOpened { task, file, started_ms: started.millis(), resumed });
            }
            Err(error) => self.note(task, stream, error.to_string()),
        }
    }

    fn note_all(&mut self, stream: &StreamId, text: &str) {
        let ids: Vec<i64> = self.tasks.keys().copied().collect();
        for id in ids {
            self.note(id, stream, text.to_owned());
        }
    }

    /// Notes a fault once per task, stream and text.
    fn note(&mut self, id: i64, stream: &StreamId, text: String) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        if task.noted.len() < 1_000 && task.noted.insert((stream.clone(), text.clone())) {
            self.report(Report::Note { task: id, stream: stream.clone(), text });
        }
    }

    fn report(&mut self, report: Report) {
        self.actions.push(Action::Report(report));
    }
}

/// Whether a recorder that was put out of the room may join it again. A room that was closed is made anew by whoever
/// joins, and the tasks that wait for somebody to publish are still to be served.
pub fn may_come_back(reason: &CloseReason) -> bool {
    !matches!(reason, CloseReason::Refused { .. } | CloseReason::Left)
}

/// The clock of the stream's user, made at the first use.
fn user_clock<'a>(users: &'a mut BTreeMap<String, UserClock>, stream: &StreamId) -> &'a mut UserClock {
    if !users.contains_key(&stream.user) {
        users.insert(stream.user.clone(), UserClock::default());
    }
    users.get_mut(&stream.user).expect("inserted above if it was not there")
}

fn nobody() -> Participant {
    Participant {
        sid: String::new(),
        identity: String::new(),
        name: String::new(),
        attributes: BTreeMap::new(),
        tracks: Vec::new(),
    }
}
