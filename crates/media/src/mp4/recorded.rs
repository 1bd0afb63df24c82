//! What was recorded into a file, growing or finished, by its fragments: where there is media and where none. A finished
//! file still holds them, as dead bytes in front of its samples.

use std::{path::Path, time::Duration};

use super::{
    Codec, Error, HEAD, Result,
    disk::{Disk, FileDisk},
    duration,
    finish::{Opened, open},
    finished::TrackSummary,
    fragment::ReadRun,
    head::Head,
    moov::Track,
    scan::{Expected, scan_from},
};

/// What [`recorded`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Unix time of media time 0, in nanoseconds.
    pub epoch_ns: i64,
    /// Bytes of the file.
    pub size: u64,
    /// The file is not finished.
    pub growing: bool,
    pub tracks: Vec<RecordedTrack>,
}

/// A track of it; all times are media time, as heard or seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedTrack {
    pub codec: Codec,
    pub samples: u64,
    pub keys: u64,
    /// Where the track ends, filler included.
    pub end: Duration,
    /// Where there is media: from, to.
    pub media: Vec<(Duration, Duration)>,
    /// Holes in which the picture before stands still.
    pub still: Vec<(Duration, Duration)>,
    /// Width and height from a media time on; zero for sound.
    pub sizes: Vec<(Duration, u16, u16)>,
}

/// Reads the file at `path`; changes nothing.
///
/// # Errors
/// [`Error::Empty`] where nothing is recorded, and what keeps the file from being read.
pub fn recorded(path: &Path) -> Result<Recorded> {
    recorded_on(&FileDisk::open_to_read(path)?)
}

pub(super) fn recorded_on(disk: &dyn Disk) -> Result<Recorded> {
    let (head, from, summary) = match open(disk)? {
        Opened::Growing(head) => (head, HEAD, None),
        Opened::Finished(head, summary) => (head, summary.head, Some(summary)),
        Opened::Finishing => return Err(Error::Corrupt("finishing it was cut off; finish it first".into())),
    };
    let Head { anchor, tracks } = head;
    let mut found: Vec<Gathered> = tracks.iter().map(|_| Gathered::default()).collect();
    scan_from(disk, from, Expected { tracks: &tracks, finished: summary.is_some() }, |run| {
        if let Some(index) = tracks.iter().position(|track| track.id == run.track) {
            found[index].add(&tracks[index], &run);
        }
    })?;
    let summaries = summary.map(|summary| summary.tracks);
    let of = |id: u32| summaries.as_ref().and_then(|all| all.iter().find(|summary| summary.id == id));
    let tracks: Vec<_> =
        tracks.iter().zip(found).filter_map(|(track, found)| found.told(track, of(track.id))).collect();
    if tracks.is_empty() {
        return Err(Error::Empty);
    }
    Ok(Recorded { epoch_ns: anchor.epoch_ns, size: disk.len()?, growing: summaries.is_none(), tracks })
}

/// Of one track, in ticks.
#[derive(Default)]
struct Gathered {
    samples: u64,
    keys: u64,
    media: Vec<(u64, u64)>,
    still: Vec<(u64, u64)>,
    sizes: Vec<(u64, u16, u16)>,
}

impl Gathered {
    fn add(&mut self, track: &Track, run: &ReadRun) {
        let (begin, end) = (run.dts, run.end());
        let before = self.media.last().map_or(0, |(_, end)| *end);
        if begin < before {
            return;
        }
        self.samples += run.samples.len() as u64;
        self.keys += run.samples.iter().filter(|sample| sample.key).count() as u64;
        if begin > before && run.samples.first().is_some_and(|sample| sample.after_still) {
            self.still.push((before, begin));
        }
        match self.media.last_mut() {
            Some((_, end_before)) if *end_before == begin => *end_before = end,
            _ => self.media.push((begin, end)),
        }
        // Where pictures took the place of those of an entry, all are like the first.
        let (width, height) = track.entries.get(run.entry as usize).unwrap_or_else(|| track.first()).size();
        if self.sizes.last().is_none_or(|(_, w, h)| (*w, *h) != (width, height)) {
            self.sizes.push((begin, width, height));
        }
    }

    /// `finished`: what finishing made of it. What is behind its end is in the next file.
    fn told(mut self, track: &Track, finished: Option<&TrackSummary>) -> Option<RecordedTrack> {
        let entry = track.first();
        let last = self.media.last()?.1;
        let end = finished.map_or(last, |finished| finished.ticks + entry.priming());
        if let Some(finished) = finished.filter(|_| last < end) {
            // What is neither media nor filler at the end is the last picture, which stands still.
            let held: u64 = self.media.iter().chain(&self.still).map(|(from, to)| to - from).sum();
            if finished.filled < (last - held.min(last)) + (end - last).div_ceil(2) {
                self.still.push((last, end));
            }
        }
        let shown = |ticks: u64| duration(ticks.min(end).saturating_sub(entry.priming()), entry.timescale());
        let spans = |spans: Vec<(u64, u64)>| {
            let spans = spans.into_iter().map(|(from, to)| (shown(from), shown(to)));
            spans.filter(|(from, to)| from < to).collect()
        };
        Some(RecordedTrack {
            codec: entry.codec(),
            samples: finished.map_or(self.samples, |finished| finished.samples),
            keys: self.keys,
            end: shown(end),
            media: spans(self.media),
            still: spans(self.still),
            sizes: self.sizes.into_iter().map(|(at, width, height)| (shown(at), width, height)).collect(),
        })
    }
}
