//! What is noted for a task's report: who is published, and what came of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use rules::ledger::{Media, Presence};
use rules::select::StreamId;
use rules::time::{Mono, SECOND_NS, ticks_to_ns};

use super::{Output, Task};
use crate::facts::Facts;
use crate::room::tracks::Tracks;
use crate::room::{Room, user_clock};
use crate::tally::Happened;
use crate::unit::Unit;

/// Without a picture for longer than this (two seconds), a stream in a mix has none, as far as the report goes.
const STILL_NS: i64 = 2 * SECOND_NS;

impl Room {
    /// Tells the tasks what the tracks counted.
    pub(in crate::room) fn count(&mut self) {
        for receiver in self.receivers.values_mut() {
            let user = user_clock(&mut self.users, receiver.stream());
            let counted = receiver.take_happened(user);
            for task in self.tasks.values_mut() {
                task.count(receiver.stream(), receiver.media(), &counted);
            }
        }
    }

    /// Has the tasks write their numbers when it is time.
    pub(in crate::room) fn write_facts(&mut self, now: Mono) {
        if self.tasks.values().any(|task| task.facts_are_due(now)) {
            self.count();
            self.tasks.values_mut().for_each(|task| task.write_facts(&self.tracks, now));
        }
    }

    pub(in crate::room) fn note_sent(&mut self, sid: &Arc<str>, mime: &str, now: Mono) {
        let Some(receiver) = self.receivers.get(sid) else { return };
        for task in self.tasks.values_mut() {
            task.set_sent(receiver.stream(), receiver.media(), mime, now);
        }
    }
}

impl Task {
    /// Notes who is published now, once the streams were offered.
    pub fn note_presences(&mut self, tracks: &Tracks, now: Mono) {
        let mut seen = BTreeMap::new();
        for (_, published) in tracks.recorded() {
            let media = if published.is_video() { Media::Picture } else { Media::Sound };
            if !self.accounts_for(&published.stream, media) {
                continue;
            }
            let is = match (published.muted, self.wants(published)) {
                (true, _) => Presence::Muted,
                (false, None) => Presence::Unshown,
                (false, Some(_)) => Presence::On,
            };
            seen.insert((published.stream.clone(), media), is);
        }
        if self.stopping.is_none() {
            self.facts.set_presences(&seen, now);
        }
    }

    fn accounts_for(&self, stream: &StreamId, media: Media) -> bool {
        self.records(stream) && !(self.job.audio_only && media == Media::Picture)
    }

    /// The connection to the room is there, or is not.
    pub fn set_room(&mut self, up: bool, now: Mono) {
        self.facts.set_room(up, now);
    }

    /// The stream's codec, from now on.
    pub fn set_sent(&mut self, stream: &StreamId, media: Media, mime: &str, now: Mono) {
        if self.accounts_for(stream, media) {
            self.facts.set_sent(stream, media, mime, now);
        }
    }

    /// Whether its numbers are to be gathered.
    pub fn facts_are_due(&self, now: Mono) -> bool {
        self.facts.is_due(now)
    }

    /// What a track of the stream counted.
    pub fn count(&mut self, stream: &StreamId, media: Media, counted: &Happened) {
        if self.accounts_for(stream, media) {
            let Happened { counts, late, clock, .. } = counted;
            let counted = Happened { counts: *counts, late: late.clone(), clock: *clock, ..Happened::default() };
            self.facts.of(stream).of(media).add(counted);
        }
    }

    /// Writes its numbers.
    pub fn write_facts(&mut self, tracks: &Tracks, now: Mono) {
        if let Output::Takes { takes, .. } = &mut self.output {
            for (stream, take) in takes {
                self.facts.add(stream, take.take_happened());
            }
        }
        self.note_presences(tracks, now);
        self.facts.beat(now);
    }
}

/// A picture stands until the next one in a mix, unless there is something wrong between them.
pub(super) fn came(facts: &mut Facts, shown: &mut BTreeMap<StreamId, Mono>, stream: &StreamId, unit: &Unit) {
    match unit {
        Unit::Sound(sound) => {
            let end = sound.at.plus(ticks_to_ns(sound.duration.into(), 48_000));
            facts.of(stream).sound.came(sound.at, end);
        }
        Unit::Picture(picture) if picture.after_loss && !picture.key => {
            facts.of(stream).picture.counts.frames_dropped += 1;
        }
        Unit::Picture(picture) => {
            let before = shown.insert(stream.clone(), picture.at);
            let from = before.filter(|before| picture.at.since(*before) < STILL_NS).unwrap_or(picture.at);
            facts.of(stream).picture.came(from, picture.at);
        }
    }
}
