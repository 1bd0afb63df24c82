//! Who publishes what in the room, which task wants it, and how packets get from the one to the other.
//!
//! [`Room`] is driven by [`crate::child`]: events of the subscriber and commands in, reports out, `handle_time` every few
//! milliseconds.

#[cfg(test)]
mod idle_tests;
mod mixing;
mod seats;
#[cfg(test)]
mod stop_tests;
mod task;
mod tasks;
#[cfg(test)]
mod tests;
mod tracks;
mod transcoding;
#[cfg(test)]
mod walk_tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use rtc::client::{CloseReason, Participant, RoomEvent, Wants};
use rules::select::{Source, StreamId};
use rules::sync::UserClock;
use rules::time::{MILLI_NS, Mono};

use crate::clock::Clock;
use crate::disk::DiskJob;
use crate::messages::{Report, Settings};
use crate::sync::SyncQueue;
use crate::track::TrackReceiver;
use crate::transcode::Transcoder;
use crate::unit::Unit;
use task::{Task, Wanted};
use tracks::{Published, Tracks};

/// What the room wants its driver to do.
#[derive(Debug)]
pub enum Action {
    Report(Report),
    /// Ask the sender of this track for a key frame (throttled by the client).
    KeyFrame(Arc<str>),
    Disk(DiskJob),
}

/// See the module's head.
pub struct Room {
    clock: Clock,
    settings: Settings,
    syncs: SyncQueue,
    users: BTreeMap<String, UserClock>,
    tracks: Tracks,
    receivers: BTreeMap<Arc<str>, TrackReceiver>,
    /// What the tracks that are received are coded in.
    mimes: BTreeMap<Arc<str>, String>,
    /// Of tracks whose pictures some task does not take as they come, one for each thing that is wanted.
    transcoders: BTreeMap<Arc<str>, Vec<Transcoder>>,
    tasks: BTreeMap<i64, Task>,
    connection: Connection,
    /// What [`Room::wanted`] tells may have changed.
    selection_changed: bool,
    actions: Vec<Action>,
    units: Vec<Unit>,
}

/// The connection to the room.
#[derive(Debug, Clone, PartialEq)]
enum Connection {
    /// Never yet.
    Joining,
    Up,
    /// Since this time, for this reason. That no picture comes does not mean that the picture stands still.
    Lost(Mono, String),
}

impl Room {
    pub fn new(clock: Clock, settings: Settings, syncs: SyncQueue) -> Room {
        Room {
            clock,
            settings,
            syncs,
            users: BTreeMap::new(),
            tracks: Tracks::default(),
            receivers: BTreeMap::new(),
            mimes: BTreeMap::new(),
            transcoders: BTreeMap::new(),
            tasks: BTreeMap::new(),
            connection: Connection::Joining,
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
    pub fn take_wanted(&mut self) -> Option<Wants> {
        std::mem::take(&mut self.selection_changed).then(|| self.wanted())
    }

    /// The tracks to be subscribed to.
    pub fn wanted(&self) -> Wants {
        let size = |published: &Published| {
            let wishes = self.tasks.values().filter_map(|task| task.wants(published));
            wishes.reduce(Wanted::or).map(Wanted::size)
        };
        self.tracks.recorded().filter_map(|(sid, published)| Some((sid.to_string(), size(published)?))).collect()
    }

    /// Writes everything received to the files and leaves them open-ended, for another recorder to go on with.
    pub fn flush(&mut self, now: Mono) {
        self.end_all_tracks(now);
        std::mem::take(&mut self.tasks).into_values().for_each(|task| task.suspend(&self.clock, now));
    }

    pub fn handle_event(&mut self, event: RoomEvent, now: Mono) {
        match event {
            RoomEvent::Connected { rejoined } => self.connected(rejoined, now),
            // Media may go on meanwhile. If it does not, its tracks end when they are subscribed to anew.
            RoomEvent::Interrupted { reason } => self.interrupted(reason, now),
            RoomEvent::Closed { reason } => {
                let text = format!("{reason:?}");
                match self.may_come_back(&reason) {
                    true => self.interrupted(text, now),
                    false => self.report(Report::Refused { reason: text }),
                }
                self.end_all_tracks(now);
                self.tracks.clear();
                // First: that nobody is known any more does not mean that nobody publishes.
                self.tasks.values_mut().for_each(|task| task.set_room(false, now));
                self.update_tasks(now);
            }
            RoomEvent::Participant(participant) => self.update(&participant, now),
            RoomEvent::ParticipantLeft { identity } => {
                let empty = Participant { identity, tracks: Vec::new(), ..nobody() };
                self.update(&empty, now);
            }
            RoomEvent::Subscribed { track_sid, mime, clock_rate } => self.subscribed(track_sid, &mime, clock_rate, now),
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

    /// Whether a recorder that was put out of the room may join it again. A room that was closed is made anew by whoever
    /// joins, and the tasks that wait for somebody to publish are still to be served. A refusal is final only before
    /// the first join: later it is a server or a proxy on its way up again.
    pub fn may_come_back(&self, reason: &CloseReason) -> bool {
        match reason {
            CloseReason::Refused { .. } => self.connection != Connection::Joining,
            CloseReason::Left => false,
            _ => true,
        }
    }

    fn connected(&mut self, rejoined: bool, now: Mono) {
        if let Connection::Lost(since, reason) = std::mem::replace(&mut self.connection, Connection::Up) {
            let gone_ms = now.since(since) / MILLI_NS;
            let at = self.clock.wall(since).millis();
            let text = format!("the connection to the room was lost at {at} (ms) for {gone_ms} ms: {reason}");
            for id in self.task_ids() {
                let streams = self.tasks.get(&id).map_or(Vec::new(), Task::streams);
                streams.into_iter().for_each(|stream| self.note(id, &stream.into(), &text));
            }
        }
        self.tasks.values_mut().for_each(|task| task.set_room(true, now));
        self.report(Report::Joined { rejoined });
    }

    fn interrupted(&mut self, reason: String, now: Mono) {
        if self.connection == Connection::Up {
            self.connection = Connection::Lost(now, reason.clone());
            self.tasks.values_mut().for_each(|task| task.set_room(false, now));
        }
        self.report(Report::Interrupted { reason });
    }

    /// Does what is due; call it every few milliseconds.
    pub fn handle_time(&mut self, now: Mono) {
        let holding = self.receivers.iter().filter(|(sid, r)| r.holds_media() || self.transcoders.contains_key(*sid));
        for sid in holding.map(|(sid, _)| sid.clone()).collect::<Vec<_>>() {
            if let Some(receiver) = self.receivers.get_mut(&sid) {
                let user = user_clock(&mut self.users, receiver.stream());
                receiver.handle_time(now, user, &mut self.units);
            }
            self.deliver(&sid, now);
        }
        self.ask_for_key_frames(now);
        self.write_facts(now);
        for id in self.task_ids() {
            self.drive_takes(id, now);
            self.drive_mix(id, now);
            let wall = self.clock.wall(now);
            if let Some(why) = self.tasks.get_mut(&id).and_then(|task| task.ends_by_itself(&self.tracks, now, wall)) {
                // The worker answers with a stop.
                self.report(Report::Ends { task: id, why });
            }
            self.finish_stop(id, now);
        }
    }

    fn task_ids(&self) -> Vec<i64> {
        self.tasks.keys().copied().collect()
    }

    /// Everybody's tracks end, because the connection does; what comes after it begins anew.
    fn end_all_tracks(&mut self, now: Mono) {
        let sids: Vec<Arc<str>> = self.receivers.keys().cloned().collect();
        for sid in sids {
            self.end_track(&sid, now);
        }
    }

    fn end_track(&mut self, sid: &Arc<str>, now: Mono) {
        let Some(receiver) = self.receivers.get_mut(sid) else { return };
        let user = user_clock(&mut self.users, receiver.stream());
        receiver.finish(user, &mut self.units);
        let counted = receiver.take_happened(user);
        self.tasks.values_mut().for_each(|task| task.count(receiver.stream(), receiver.media(), &counted));
        let (stream, video) = (receiver.stream().clone(), receiver.is_video());
        self.deliver(sid, now);
        self.deliver_transcoded(sid, now, Transcoder::rest);
        self.transcoders.remove(sid);
        self.mimes.remove(sid);
        self.receivers.remove(sid);
        for id in self.task_ids() {
            let Some(task) = self.tasks.get_mut(&id) else { continue };
            let ended = task.track_ended(&stream, video, now);
            self.took(id, &stream, ended.map(|()| None));
        }
    }

    fn update(&mut self, participant: &Participant, now: Mono) {
        let changes = self.tracks.update(participant);
        for sid in changes.gone {
            self.end_track(&sid, now);
        }
        // Only then it is known who is refused.
        self.update_tasks(now);
        for published in changes.changed {
            for id in self.task_ids() {
                self.offer(id, &published);
                if let Some(task) = self.tasks.get_mut(&id)
                    && published.is_video()
                    && published.fault.is_none()
                {
                    task.set_video_muted(&published.stream, published.muted, now);
                }
            }
        }
        self.tasks.values_mut().for_each(|task| task.note_presences(&self.tracks, now));
        self.update_transcoders();
    }

    /// Tells every task who publishes now.
    fn update_tasks(&mut self, now: Mono) {
        self.selection_changed = true;
        let connected = self.connection == Connection::Up;
        self.tasks.values_mut().for_each(|task| task.update(&self.tracks, connected, now));
    }

    fn subscribed(&mut self, sid: Arc<str>, mime: &str, clock_rate: u32, now: Mono) {
        self.end_track(&sid, now);
        let Some(published) = self.tracks.recorded_track(&sid) else { return };
        let source = Source::from(published.stream.clone());
        match TrackReceiver::new(published.stream.clone(), mime, clock_rate, self.settings) {
            Some(receiver) => {
                self.receivers.insert(sid.clone(), receiver);
                self.mimes.insert(sid.clone(), mime.to_owned());
                self.note_sent(&sid, mime, now);
                self.update_transcoders();
            }
            None => {
                let what = if published.is_video() { "picture" } else { "sound" };
                let text = format!("the {what} is {mime}, which cannot be recorded");
                self.task_ids().into_iter().for_each(|id| self.note(id, &source, &text));
                self.tracks.set_note(&sid, text);
            }
        }
    }

    fn ask_for_key_frames(&mut self, now: Mono) {
        let waits = |sid: &Arc<str>, stream: &StreamId| {
            self.tasks.values().any(|task| task.needs_key_frame(stream))
                || self.transcoders.get(sid).into_iter().flatten().any(Transcoder::needs_key_frame)
        };
        let muted = |sid: &str| self.tracks.recorded_track(sid).is_some_and(|published| published.muted);
        let wanted =
            |sid: &Arc<str>, r: &TrackReceiver| r.is_video() && r.key_frame_is_due(waits(sid, r.stream()), now);
        let due = self.receivers.iter().filter(|(sid, receiver)| wanted(sid, receiver));
        self.actions.extend(due.filter(|(sid, _)| !muted(sid)).map(|(sid, _)| Action::KeyFrame(sid.clone())));
    }

    fn report(&mut self, report: Report) {
        self.actions.push(Action::Report(report));
    }
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
        joined_ms: 0,
        tracks: Vec::new(),
    }
}
