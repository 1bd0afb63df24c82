//! What a mix leaves out of the media that came for it, and of its own frames, noted for the task's report. What came, and
//! what was lost before, the room notes.

use std::collections::BTreeMap;
use std::path::Path;

use rules::ledger::{Cause, Fact, Media};
use rules::select::StreamId;
use rules::time::{Mono, ticks_to_ns};

use super::feed::Feed;
use super::{Mix, State};
use crate::clock::Clock;
use crate::facts::{Journal, MIX_BEAT_NS};
use crate::tally::{Both, Happened};
use crate::unit::Unit;

/// See the module's head.
pub struct Account {
    journal: Journal,
    /// Still to be written.
    news: News,
    beat_at: Mono,
}

/// What happened.
#[derive(Debug, Default)]
pub struct News {
    streams: BTreeMap<StreamId, Both>,
    /// To the frames of the mix.
    pub frames: Happened,
}

impl News {
    /// Adds what happened to a stream's pictures or sound.
    pub fn add(&mut self, stream: &StreamId, media: Media, happened: Happened) {
        self.streams.entry(stream.clone()).or_default().of(media).add(happened);
    }
}

impl Account {
    /// That of the task in this folder.
    pub fn open(dir: &Path, clock: &Clock) -> Account {
        Account { journal: Journal::open(dir, clock), news: News::default(), beat_at: Mono(i64::MIN) }
    }

    /// Adds what happened to a stream's pictures or sound.
    pub fn add(&mut self, stream: &StreamId, media: Media, happened: Happened) {
        self.news.add(stream, media, happened);
    }

    pub fn add_all(&mut self, news: News) {
        for (stream, both) in news.streams {
            self.news.add(&stream, Media::Picture, both.picture);
            self.news.add(&stream, Media::Sound, both.sound);
        }
        self.news.frames.add(news.frames);
    }

    /// Nothing of before `at` is shown any more. Answers whether the stream has pictures that came after it.
    pub fn forget(&mut self, stream: &StreamId, feed: &mut Feed, at: Mono) -> bool {
        let goes_on = feed.forget(at);
        self.add(stream, Media::Picture, feed.take_happened(at));
        goes_on
    }

    /// Whether numbers are to be gathered and written.
    pub fn is_due(&self, now: Mono) -> bool {
        now >= self.beat_at
    }

    /// Writes what happened.
    pub fn write(&mut self, now: Mono) {
        self.beat_at = now.plus(MIX_BEAT_NS);
        let mut facts = Vec::new();
        let News { streams, frames } = std::mem::take(&mut self.news);
        for (stream, both) in streams {
            for (media, happened) in [(Media::Picture, both.picture), (Media::Sound, both.sound)] {
                let tally = happened.told(&self.journal.clock).map(Box::new);
                facts.extend(tally.map(|tally| Fact::Tally { stream: stream.clone(), media, tally }));
            }
        }
        let frames = frames.told(&self.journal.clock).map(Box::new);
        facts.extend(frames.map(|tally| Fact::Mixed { media: Media::Picture, tally }));
        self.journal.write(now, facts);
    }
}

impl Mix {
    /// Of the stream this came, and found no room.
    pub fn leave_out(&mut self, stream: &StreamId, left_out: LeftOut) {
        if let Some((since, pictures)) = left_out.pictures {
            self.feeds.entry(stream.clone()).or_default().leave_out(since, pictures);
        }
        self.account.add(stream, Media::Sound, left_out.sound);
    }

    /// Writes what happened up to `until`.
    pub(super) fn write_account(&mut self, until: Mono, now: Mono) {
        for (stream, feed) in &mut self.feeds {
            self.account.add(stream, Media::Picture, feed.take_happened(until));
        }
        if let State::Open(recording) = &mut self.state {
            self.account.add_all(recording.take_news());
        }
        self.account.write(now);
    }
}

/// Media of a stream that came and never reached the mix, because it stood still.
#[derive(Debug, Default)]
pub struct LeftOut {
    /// Since when pictures are missing, and how many.
    pub pictures: Option<(Mono, u64)>,
    pub sound: Happened,
}

impl LeftOut {
    pub fn add(&mut self, unit: &Unit) {
        match unit {
            Unit::Picture(picture) => self.pictures.get_or_insert((picture.at, 0)).1 += 1,
            Unit::Sound(sound) => {
                self.sound.counts.frames_dropped += 1;
                let end = sound.at.plus(ticks_to_ns(sound.duration.into(), 48_000));
                self.sound.lacks(sound.at, end, Cause::Overload);
            }
        }
    }
}
