//! The account of a task: what of every stream should be there, what is written, and why the rest is not. Facts in, in
//! the order in which they were noted; a [`report::Report`] out. No clock: all times are Unix milliseconds of the facts.
//!
//! Recorders append facts to a file and die at any moment; whoever reads the file makes the account. What is written is
//! told by the files themselves ([`Fact::File`]), or, of a member of a mix, by what came ([`Tally::came`]).

mod account;
#[cfg(test)]
mod property_tests;
pub mod report;
mod spans;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::select::{Source, StreamId};
pub use account::MAX_GAPS;
use account::{Account, State};
pub use report::Report;
pub use spans::Span;
use spans::Spans;

/// Changes remembered of one source of them; what comes beyond is not told apart any more.
const MAX_CHANGES: usize = 100_000;

/// What an account is about: one kind of media of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Media {
    Picture,
    Sound,
}

impl Media {
    pub const ALL: [Media; 2] = [Media::Picture, Media::Sound];
}

/// Why something is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Nobody published it.
    NotPublished,
    /// Its sender had switched it off.
    Muted,
    /// Published or switched on, and its first picture or sound had not come yet.
    Starting,
    /// Published, switched on and connected, and nothing came.
    NotReceived,
    /// Packets were lost; of pictures, up to the next one that can be decoded without them.
    Lost,
    /// The same, but packets came after they had been given up.
    Late,
    /// It came and could not be decoded.
    DecoderError,
    /// It came and was dropped, because the machine could not keep up.
    Overload,
    /// The recorder had no connection to the room.
    ConnectionLost,
    /// No recorder was running, or its first media had not come yet.
    RecorderRestarted,
}

/// Whether a track is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    Away,
    Muted,
    On,
}

/// One line of the facts: what was the case at `at` (Unix milliseconds).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub at: i64,
    pub fact: Fact,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// A recorder begins with the task, or goes on with it.
    Recorder,
    /// Whether it is connected to the room.
    Room {
        up: bool,
    },
    Presence {
        stream: StreamId,
        media: Media,
        is: Presence,
    },
    /// The codec that arrives.
    Sent {
        stream: StreamId,
        media: Media,
        mime: String,
    },
    /// What happened since the last one.
    Tally {
        stream: StreamId,
        media: Media,
        tally: Box<Tally>,
    },
    /// A complete file.
    File(FileFact),
    /// The recorder is still there.
    Alive,
    /// The recording ended.
    End,
}

/// Numbers and spans of one stream's pictures or sound, from one moment to the next.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    #[serde(skip_serializing_if = "Counts::is_zero")]
    pub counts: Counts,
    /// What is missing though the file may seem to have it: a picture that stood still, silence that was put in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<(Span, Cause)>,
    /// More of it, counted only.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub further: BTreeMap<Cause, Further>,
    /// When media was captured whose packets came after they had been given up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub late: Vec<i64>,
    /// Media that came, where no file of its own tells of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub came: Vec<Span>,
    /// The newest measurement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock: Option<Measured>,
}

/// Gaps that are not listed one by one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Further {
    pub count: u64,
    pub length_ms: i64,
}

impl Further {
    pub fn add(&mut self, count: u64, length_ms: i64) {
        self.count += count;
        self.length_ms += length_ms;
    }
}

/// Counters of one stream's pictures or sound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Counts {
    /// RTP packets that came, copies and late ones included.
    pub packets_received: u64,
    /// Never came, or too late.
    pub packets_lost: u64,
    /// Were missing, and came in time: overtaken, or sent again.
    pub packets_recovered: u64,
    /// Of the lost ones, those that came after they had been given up.
    pub packets_late: u64,
    /// Came a second time.
    pub packets_duplicate: u64,
    /// Whole pictures, or packets of sound, that came.
    pub frames_received: u64,
    /// Pictures of which a part was lost.
    pub frames_lost: u64,
    /// Came whole and were left out: they refer to a lost one, or there was no key frame yet.
    pub frames_dropped: u64,
    /// Could not be decoded.
    pub frames_undecodable: u64,
    /// Lost sound that was taken from the copy in a later packet (in-band FEC).
    pub recovered_ms: u64,
    /// Lost sound that the decoder made up.
    pub concealed_ms: u64,
}

impl Counts {
    pub fn is_zero(&self) -> bool {
        *self == Counts::default()
    }

    pub fn add(&mut self, other: &Counts) {
        self.packets_received += other.packets_received;
        self.packets_lost += other.packets_lost;
        self.packets_recovered += other.packets_recovered;
        self.packets_late += other.packets_late;
        self.packets_duplicate += other.packets_duplicate;
        self.frames_received += other.frames_received;
        self.frames_lost += other.frames_lost;
        self.frames_dropped += other.frames_dropped;
        self.frames_undecodable += other.frames_undecodable;
        self.recovered_ms += other.recovered_ms;
        self.concealed_ms += other.concealed_ms;
    }
}

/// What was measured of a track's clock.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Measured {
    /// How much faster the track's RTP clock runs than the recorder's, in millionths.
    pub drift_ppm: Option<f64>,
    /// How long after the moment that the sender's reports tell its fastest packets came, in milliseconds. Its origin is
    /// the user's; the difference of two tracks of one user is what their media came apart.
    pub delay_ms: Option<f64>,
    /// How far from the moment that the reports tell the media is placed, in milliseconds.
    pub error_ms: Option<f64>,
}

/// A complete file, by what is in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FileFact {
    pub source: Source,
    pub sequence: u32,
    pub tracks: Vec<TrackFact>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrackFact {
    pub media: Media,
    /// Where there is media and no filler.
    pub written: Vec<Span>,
    pub formats: Vec<Format>,
}

/// Codec and size from a moment on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Format {
    pub start: i64,
    pub codec: String,
    /// Pixels; 0 of sound.
    pub width: u32,
    pub height: u32,
}

/// See the module's head.
#[derive(Debug, Default)]
pub struct Ledger {
    /// From the first fact to the last one.
    period: Option<Span>,
    ended: Option<i64>,
    recorders: Vec<i64>,
    /// Away or not, from a moment on, for everybody.
    shared: Vec<(i64, Option<Cause>)>,
    lanes: BTreeMap<(Source, Media), Lane>,
    files: BTreeMap<(Source, u32), FileFact>,
}

/// What is known of one kind of media of a stream, or of the mix.
#[derive(Debug, Default)]
struct Lane {
    presence: Vec<(i64, Presence)>,
    sent: Vec<(i64, String)>,
    tally: Tally,
    came: Spans,
}

impl Ledger {
    /// Takes the next fact.
    pub fn take(&mut self, entry: Entry) {
        let at = entry.at;
        let last = self.period.map_or(at, |period| period.end).max(at);
        match entry.fact {
            Fact::Recorder => {
                // Up to when the one before was there is not known better than by its last word.
                if let Some(period) = self.period {
                    self.share(period.end, Some(Cause::RecorderRestarted));
                }
                self.recorders.push(at);
            }
            Fact::Room { up: true } => self.share(at, None),
            Fact::Room { up: false } => self.share(at, Some(Cause::ConnectionLost)),
            Fact::Presence { stream, media, is } => change(&mut self.lane(stream, media).presence, at, is),
            Fact::Sent { stream, media, mime } => change(&mut self.lane(stream, media).sent, at, mime),
            Fact::Tally { stream, media, tally } => self.lane(stream, media).add(*tally),
            Fact::File(file) => {
                // What is told of a file ends with it, and it is no sign that anything goes on.
                self.files.insert((file.source.clone(), file.sequence), file);
                return;
            }
            Fact::Alive => {}
            Fact::End => self.ended = Some(at),
        }
        self.period = Some(Span { start: self.period.map_or(at, |period| period.start.min(at)), end: last });
    }

    /// The files that were told of.
    pub fn files(&self) -> impl Iterator<Item = (&Source, u32)> {
        self.files.keys().map(|(source, sequence)| (source, *sequence))
    }

    /// Who was published when the facts broke off.
    pub fn presences(&self) -> impl Iterator<Item = (&StreamId, Media, Presence)> {
        self.lanes.iter().filter_map(|((source, media), lane)| {
            let (_, is) = lane.presence.last()?;
            Some((source.stream()?, *media, *is))
        })
    }

    fn share(&mut self, at: i64, cause: Option<Cause>) {
        change(&mut self.shared, at, cause);
    }

    fn lane(&mut self, stream: StreamId, media: Media) -> &mut Lane {
        self.lanes.entry((stream.into(), media)).or_default()
    }

    /// The account of one lane from `start` to `end`.
    fn account(&self, source: &Source, media: Media, period: Span) -> Account {
        let mut written = Spans::default();
        for file in self.files.values().filter(|file| file.source == *source) {
            let tracks = file.tracks.iter().filter(|track| track.media == media);
            tracks.flat_map(|track| &track.written).for_each(|span| written.add(*span));
        }
        let lane = self.lanes.get(&(source.clone(), media));
        if let Some(lane) = lane {
            lane.came.iter().for_each(|span| written.add(span));
        }
        let presence = match source {
            Source::Stream(_) => lane.map(|lane| lane.presence.clone()).unwrap_or_default(),
            Source::Mix => self.anybody(media),
        };
        let states = State::timeline(&self.shared, &presence);
        let empty = Tally::default();
        account::account(period, &written, &states, lane.map_or(&empty, |lane| &lane.tally))
    }

    /// When anybody was there for the mix.
    fn anybody(&self, media: Media) -> Vec<(i64, Presence)> {
        let of = self.lanes.iter().filter(|((_, of), _)| *of == media);
        let mut changes: Vec<(i64, usize, Presence)> = of
            .enumerate()
            .flat_map(|(lane, (_, of))| of.presence.iter().map(move |(at, is)| (*at, lane, *is)))
            .collect();
        changes.sort_by_key(|(at, lane, _)| (*at, *lane));
        let (mut now, mut all) = (BTreeMap::new(), Vec::new());
        for (at, lane, is) in changes {
            now.insert(lane, is);
            let on = now.values().any(|is| *is == Presence::On);
            let there = now.values().any(|is| *is != Presence::Away);
            all.push((
                at,
                if on {
                    Presence::On
                } else if there {
                    Presence::Muted
                } else {
                    Presence::Away
                },
            ));
        }
        all
    }
}

/// Notes what holds from `at` on, in order of time, as long as there is room.
fn change<T: PartialEq>(changes: &mut Vec<(i64, T)>, at: i64, value: T) {
    let last = changes.last();
    if last.is_none_or(|(_, last)| *last != value) && changes.len() < MAX_CHANGES {
        let at = last.map_or(at, |(last, _)| at.max(*last));
        changes.push((at, value));
    }
}

impl Lane {
    fn add(&mut self, tally: Tally) {
        self.tally.counts.add(&tally.counts);
        self.tally.missing.extend(tally.missing);
        self.tally.late.extend(tally.late);
        for (cause, more) in tally.further {
            self.tally.further.entry(cause).or_default().add(more.count, more.length_ms);
        }
        tally.came.into_iter().for_each(|span| self.came.add(span));
        self.tally.clock = tally.clock.or(self.tally.clock);
        // The oldest are told one by one.
        for (span, cause) in self.tally.missing.drain(MAX_CHANGES.min(self.tally.missing.len())..) {
            self.tally.further.entry(cause).or_default().add(1, span.length());
        }
    }
}
