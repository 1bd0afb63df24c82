//! What is noted for a task's report: who is published, and what came of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use rules::ledger::{Cause, Media, Presence};
use rules::select::StreamId;
use rules::time::{Mono, ticks_to_ns};

use super::{Output, Task};
use crate::facts::Facts;
use crate::pcm::JUMP_FROM;
use crate::room::tracks::Tracks;
use crate::room::{Room, user_clock};
use crate::tally::Happened;
use crate::unit::Unit;

/// A picture is never taken to be shown for longer by itself: 1/5 s.
const LONGEST_NS: i64 = 200_000_000;

/// What came last of a stream in a mix.
#[derive(Debug, Default)]
pub(super) struct Last {
    /// When the picture was captured that is shown.
    picture: Option<Mono>,
    /// How long one was shown.
    length: i64,
    /// Pictures after it were lost, or need one that was.
    lost: bool,
    sound_end: Option<Mono>,
}

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
        let on = |stream: &StreamId| seen.get(&(stream.clone(), Media::Picture)) == Some(&Presence::On);
        for last in self.last.iter_mut().filter_map(|(stream, last)| (!on(stream)).then_some(last)) {
            (last.picture, last.lost) = (None, false);
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
        if !up {
            self.last.clear();
        }
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

/// Notes what came for a mix: no file tells of it. A picture stands until the next one, unless some between them were lost.
pub(super) fn came(facts: &mut Facts, last: &mut Last, stream: &StreamId, unit: &Unit) {
    let happened = facts.of(stream);
    match unit {
        Unit::Sound(sound) => {
            let end = sound.at.plus(ticks_to_ns(sound.duration.into(), 48_000));
            match last.sound_end.replace(end) {
                Some(before) if sound.after_loss && before < sound.at => {
                    happened.sound.missing.push((before, sound.at, Cause::Lost));
                }
                Some(before) if before < sound.at && sound.at.since(before) < ticks_to_ns(JUMP_FROM, 48_000) => {
                    happened.sound.came(before, sound.at);
                }
                _ => {}
            }
            happened.sound.came(sound.at, end);
        }
        Unit::Picture(picture) if picture.after_loss && !picture.key => {
            happened.picture.counts.frames_dropped += 1;
            last.lost = true;
        }
        Unit::Picture(picture) => {
            let before = last.picture.replace(picture.at).unwrap_or(picture.at);
            let lost = std::mem::take(&mut last.lost) || picture.after_loss;
            match picture.missing_before {
                _ if lost => {
                    happened.picture.missing.push((before, picture.at, Cause::Lost));
                    happened.picture.came(picture.at, picture.at);
                }
                Some((cause, pictures)) => {
                    // A key frame comes late when some before it were lost.
                    let most = i64::try_from(pictures).unwrap_or(i64::MAX).saturating_mul(last.length);
                    let since = before.plus(last.length).max(Mono(picture.at.0.saturating_sub(most)));
                    happened.picture.came(before, since.min(picture.at));
                    if since.plus(last.length / 2) < picture.at {
                        happened.picture.missing.push((since, picture.at, cause));
                    }
                    happened.picture.came(since.min(picture.at), picture.at);
                }
                None => {
                    happened.picture.came(before, picture.at);
                    last.length = picture.at.since(before).clamp(0, LONGEST_NS);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use rules::select::StreamKind;
    use rules::time::MILLI_NS;

    use super::*;
    use crate::clock::Clock;
    use crate::unit::{Picture, SoundPacket};

    fn ms(ms: i64) -> Mono {
        Mono(ms * MILLI_NS)
    }

    fn picture(at: i64, key: bool, after_loss: bool) -> Unit {
        let (at, data) = (ms(at), Bytes::new());
        let picture =
            Picture { at, arrival: at, data, key, after_loss, missing_before: None, config: None, rotation: 0 };
        Unit::Picture(picture)
    }

    fn sound(at: i64, after_loss: bool) -> Unit {
        Unit::Sound(SoundPacket { at: ms(at), arrival: ms(at), data: Bytes::new(), duration: 960, after_loss })
    }

    #[test]
    fn what_was_lost_did_not_come_and_what_stood_still_or_was_silent_did() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut facts = Facts::open(dir.path(), true, &Clock::start(), ms(0));
        let stream = StreamId { user: "u".into(), kind: StreamKind::Screen };
        let mut last = Last::default();
        let pictures = [(0, true, false), (40, false, false), (9_000, false, false), (9_100, false, true)];
        for (at, key, after_loss) in pictures.into_iter().chain([(9_500, true, false), (9_540, false, false)]) {
            came(&mut facts, &mut last, &stream, &picture(at, key, after_loss));
        }
        // Of a loss that ends with a key frame no more is known than how many packets were lost.
        for (at, lost) in [(9_580, 0), (9_700, 2), (19_700, 1), (19_740, 1)] {
            let Unit::Picture(key) = picture(at, true, false) else { continue };
            let missing_before = (lost > 0).then_some((Cause::Lost, lost));
            came(&mut facts, &mut last, &stream, &Unit::Picture(Picture { missing_before, ..key }));
        }
        for (at, after_loss) in [(0, false), (20, false), (420, false), (3_000, false), (3_100, true)] {
            came(&mut facts, &mut last, &stream, &sound(at, after_loss));
        }
        let spans = |spans: &[(Mono, Mono)]| {
            spans.iter().map(|(from, to)| (from.0 / MILLI_NS, to.0 / MILLI_NS)).collect::<Vec<_>>()
        };
        let missing = |missing: &[(Mono, Mono, Cause)]| {
            assert!(missing.iter().all(|(.., cause)| *cause == Cause::Lost));
            spans(&missing.iter().map(|(from, to, _)| (*from, *to)).collect::<Vec<_>>())
        };
        let both = facts.of(&stream);
        assert_eq!(spans(&both.picture.came), [(0, 9_000), (9_500, 19_740)]);
        assert_eq!(missing(&both.picture.missing), [(9_000, 9_500), (9_620, 9_700), (19_660, 19_700)]);
        assert_eq!(spans(&both.sound.came), [(0, 440), (3_000, 3_020), (3_100, 3_120)]);
        assert_eq!(missing(&both.sound.missing), [(3_020, 3_100)]);
    }
}
