//! What is told of a task when it has ended, or so far: `report.json`, described in `docs/report.md`. Field names are the
//! documented ones, times Unix milliseconds.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Cause, Counts, Format, Further, Ledger, Measured, Media, Presence, Span};
use crate::ids::TaskKey;
use crate::select::{Source, StreamId, StreamKind};

/// Of the schema in `docs/report.md`.
pub const VERSION: u32 = 1;

/// While it goes on, media of this long ago is sure to be in the file if it came at all.
const PENDING_MS: i64 = 3_000;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Report {
    pub version: u32,
    pub app_id: String,
    pub room_id: String,
    pub task_id: String,
    /// Nothing more will be added.
    pub complete: bool,
    pub start: i64,
    pub end: i64,
    pub stop_reason: String,
    /// When recorders began; all but the first took over from one that had died.
    pub recorders: Vec<i64>,
    pub streams: Vec<StreamReport>,
    pub mix: Option<StreamReport>,
    pub files: Vec<FileReport>,
    pub notes: Vec<String>,
}

/// One stream, or the mix.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct StreamReport {
    /// Nobody's, of the mix.
    pub user_id: Option<String>,
    pub stream_type: Option<i64>,
    pub picture: Option<LaneReport>,
    pub sound: Option<LaneReport>,
    pub sync: Option<SyncReport>,
}

/// Pictures or sound of a stream.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct LaneReport {
    pub start: i64,
    pub end: i64,
    pub expected_ms: i64,
    pub written_ms: i64,
    pub gap_ms: BTreeMap<Cause, i64>,
    pub gaps: Vec<Gap>,
    pub further_gaps: BTreeMap<Cause, Further>,
    pub counts: Counts,
    pub formats: Vec<Format>,
    pub sent: Vec<Sent>,
    pub clock: Option<Measured>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Gap {
    pub start: i64,
    pub length_ms: i64,
    pub cause: Cause,
}

/// The codec that arrives, from a moment on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Sent {
    pub start: i64,
    pub mime: String,
}

/// Pictures against sound, in milliseconds; positive when pictures are late.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SyncReport {
    /// As they arrived.
    pub arrival_offset_ms: Option<f64>,
    /// As they are written.
    pub written_offset_ms: Option<f64>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct FileReport {
    /// Relative to the library.
    pub path: String,
    pub vid: String,
    /// Nobody's, of the mix.
    pub user_id: Option<String>,
    pub stream_type: Option<i64>,
    pub sequence: u32,
    /// As a request names it.
    pub format: String,
    pub start: i64,
    pub duration_ms: i64,
    pub size: u64,
    pub video_codec: Option<String>,
    pub audio_codec: Option<String>,
    pub width: u32,
    pub height: u32,
    /// Lower-case hex; nothing while it is not computed.
    pub sha256: Option<String>,
    /// Of HLS, in the order in which they are played.
    pub segments: Vec<SegmentReport>,
}

/// A file that another one names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SegmentReport {
    /// Relative to the library.
    pub path: String,
    pub sha256: String,
}

impl Report {
    /// Whose report it is.
    pub fn of(key: &TaskKey) -> Report {
        Report {
            version: VERSION,
            app_id: key.app_id.to_string(),
            room_id: key.room_id.to_string(),
            task_id: key.task_id.to_string(),
            ..Report::default()
        }
    }
}

impl Ledger {
    /// Fills in what the facts tell; while the recording goes on, up to some seconds before `now`.
    pub fn tell(&self, now: i64, report: &mut Report) {
        let Some(period) = self.period else { return };
        report.start = period.start;
        report.end = self.ended.unwrap_or((now - PENDING_MS).max(period.start));
        report.recorders.clone_from(&self.recorders);
        let sources: BTreeSet<&Source> =
            self.lanes.keys().map(|(source, _)| source).chain(self.files.keys().map(|(source, _)| source)).collect();
        for source in sources {
            let told = self.stream(source, report.end);
            match source {
                Source::Mix => report.mix = Some(told),
                Source::Stream(_) => report.streams.push(told),
            }
        }
    }

    fn stream(&self, source: &Source, end: i64) -> StreamReport {
        let start = self.beginning(source).unwrap_or(end).min(end);
        let lane = |media| self.lane_report(source, media, Span { start, end });
        let (picture, sound) = (lane(Media::Picture), lane(Media::Sound));
        let (user_id, stream_type) = name(source);
        let measured = |lane: &Option<LaneReport>| lane.as_ref().and_then(|lane| lane.clock);
        let sync = measured(&picture).zip(measured(&sound)).map(|(picture, sound)| SyncReport {
            arrival_offset_ms: picture.delay_ms.zip(sound.delay_ms).map(|(picture, sound)| rounded(picture - sound)),
            written_offset_ms: picture.error_ms.zip(sound.error_ms).map(|(picture, sound)| rounded(picture - sound)),
        });
        StreamReport { user_id, stream_type, picture, sound, sync }
    }

    /// When anything of the source is to be expected first: it was published, or, of the mix, its file begins.
    fn beginning(&self, source: &Source) -> Option<i64> {
        let lanes = Media::ALL.iter().filter_map(|media| self.lanes.get(&(source.clone(), *media)));
        let there = lanes.filter_map(|lane| lane.presence.iter().find(|(_, is)| *is != Presence::Away));
        let files = self.files.values().filter(|file| file.source == *source);
        let written = files.flat_map(|file| &file.tracks).filter_map(|track| Some(track.written.first()?.start));
        let start = there.map(|(at, _)| *at).min().or_else(|| written.min());
        let period = self.period?;
        start.map(|start| start.max(period.start))
    }

    /// Nothing where there never was such media.
    fn lane_report(&self, source: &Source, media: Media, period: Span) -> Option<LaneReport> {
        let of_files = self.files.values().filter(|file| file.source == *source);
        let tracks: Vec<_> = of_files.flat_map(|file| &file.tracks).filter(|track| track.media == media).collect();
        let lane = self.lanes.get(&(source.clone(), media));
        if lane.is_none() && tracks.is_empty() {
            return None;
        }
        let account = self.account(source, media, period);
        let mut gap_ms = BTreeMap::new();
        let further = account.further.iter().map(|(cause, more)| (*cause, more.length_ms));
        for (cause, length) in account.gaps.iter().map(|(span, cause)| (*cause, span.length())).chain(further) {
            *gap_ms.entry(cause).or_default() += length;
        }
        let mut formats: Vec<Format> = tracks.into_iter().flat_map(|track| track.formats.iter().cloned()).collect();
        formats.sort_by_key(|format| format.start);
        formats.dedup_by(|next, last| (&next.codec, next.width, next.height) == (&last.codec, last.width, last.height));
        let gap = |(span, cause): &(Span, Cause)| Gap { start: span.start, length_ms: span.length(), cause: *cause };
        Some(LaneReport {
            start: period.start,
            end: period.end,
            expected_ms: account.expected_ms,
            written_ms: account.written_ms,
            gap_ms,
            gaps: account.gaps.iter().map(gap).collect(),
            further_gaps: account.further,
            counts: lane.map(|lane| lane.tally.counts).unwrap_or_default(),
            formats,
            sent: lane.map_or(Vec::new(), |lane| {
                lane.sent.iter().map(|(start, mime)| Sent { start: *start, mime: mime.clone() }).collect()
            }),
            clock: lane.and_then(|lane| lane.tally.clock),
        })
    }
}

/// `UserId` and `StreamType`.
pub fn name(source: &Source) -> (Option<String>, Option<i64>) {
    let stream = source.stream();
    (stream.map(|stream| stream.user.clone()), stream.map(|stream| stream.kind.number()))
}

impl StreamReport {
    /// As a source; the inverse of [`name`].
    pub fn source(&self) -> Source {
        let kind = if self.stream_type == Some(1) { StreamKind::Screen } else { StreamKind::Camera };
        self.user_id.clone().map_or(Source::Mix, |user| StreamId { user, kind }.into())
    }
}

fn rounded(ms: f64) -> f64 {
    (ms * 100.0).round() / 100.0
}
