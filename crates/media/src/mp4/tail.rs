//! Reads a file while it grows, and when it is finished, as it will be played: samples in the order of time and filler
//! where nothing was recorded, by the same decisions as the finished file's index. Goes on from where it stopped.
//!
//! A hole is known when the sample behind it is there, or the end of the file. [`TailOptions::live`] does not wait for
//! that: what is missing before an edge that the caller names will not come any more. Then a picture that lasted long is
//! taken to stand still, whatever follows, so that the same comes out whenever the file is read.
//!
//! Fragments know nothing of pictures that took the place of others ([`Replacing`]): [`Tail::of_index`] reads those.

mod lane;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;

use super::{
    Anchor, Error, HEAD, Kind, Replacing, Result, SampleEntry,
    disk::{Disk, FileDisk},
    finish::{Opened, open},
    finished::Summary,
    moov::Track,
    scan::{self, Expected},
    timeline::{UNITS, units},
};
use lane::{Lane, Last, Queued};

/// What is read, and how.
#[derive(Debug, Clone, Copy)]
pub struct TailOptions {
    /// Nothing but the pictures, or the sound.
    pub only: Option<Kind>,
    /// Does not wait to know how long a hole is. A picture that lasted longer than so many ticks stands still in the hole
    /// behind it, and there is nothing before the first picture. While there is no sound track, silence of AAC at 48 kHz
    /// is in its place.
    pub live: Option<u32>,
}

/// A piece of a track, on the track's own timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Played {
    pub kind: Kind,
    /// In ticks of the track as heard or seen: below zero while the decoder is primed.
    pub at: i64,
    /// In ticks; a sample may be shown for longer.
    pub duration: u32,
    /// Number of the sample entry; of filler, that of the samples beside it.
    pub entry: u32,
    pub content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    Sample {
        key: bool,
        data: Bytes,
    },
    /// Black or silence, about a second at most, so that pieces stay in the order of time.
    Filler,
}

/// See the module's head.
pub struct Tail {
    path: PathBuf,
    options: TailOptions,
    disk: FileDisk,
    anchor: Anchor,
    tracks: Vec<Track>,
    /// The picture, then the sound.
    lanes: [Option<Lane>; 2],
    /// Where the next fragment is expected, and by how much all of them were moved by finishing.
    at: u64,
    shift: u64,
    summary: Option<Summary>,
    /// The pictures are those of the index; they are queued.
    indexed: bool,
    buffer: Vec<u8>,
}

/// What is known of what has not been read.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// Every fragment that is there was read.
    read: bool,
    /// Nothing comes any more before this time (common units).
    edge: Option<u128>,
}

/// What a lane has next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// The sample at the front of the queue.
    Sample,
    Filler(u32),
    /// Nothing known before this time (common units).
    Wait(u128),
    End,
}

impl Tail {
    /// # Errors
    /// [`Error::Empty`]: it is just being created.
    pub fn open(path: &Path, options: TailOptions) -> Result<Tail> {
        let disk = FileDisk::open_to_read(path)?;
        let mut tail = Tail {
            path: path.to_owned(),
            options,
            disk,
            anchor: Anchor::default(),
            tracks: Vec::new(),
            lanes: [None, None],
            at: HEAD,
            shift: 0,
            summary: None,
            indexed: false,
            buffer: Vec::new(),
        };
        tail.refresh()?;
        Ok(tail)
    }

    /// The pictures of a finished file are those that its index names: black ones are samples like all others.
    ///
    /// # Errors
    /// Those of [`Replacing::open`].
    pub fn of_index(path: &Path, options: TailOptions) -> Result<Tail> {
        let mut tail = Tail::open(path, options)?;
        let index = Replacing::open(path)?;
        tail.indexed = true;
        if let (Some(lane), Some(index)) = (&mut tail.lanes[index_of(Kind::Video)], index) {
            lane.queue_index(index.pictures(), tail.shift);
        }
        Ok(tail)
    }

    /// Takes notice of new tracks and sample entries, and of the file's being finished.
    pub fn refresh(&mut self) -> Result<()> {
        if self.summary.is_some() {
            return Ok(());
        }
        // A finished file may be another one in the same place.
        self.disk = FileDisk::open_to_read(&self.path)?;
        match open(&self.disk)? {
            Opened::Growing(head) => {
                self.anchor = head.anchor;
                self.tracks = head.tracks;
            }
            Opened::Finished(head, summary) => {
                self.anchor = head.anchor;
                self.tracks = head.tracks;
                self.shift = summary.head - HEAD;
                self.summary = Some(summary);
            }
            Opened::Finishing => return Err(Error::Finished),
        }
        self.kinds().for_each(|kind| self.refresh_lane(kind));
        Ok(())
    }

    fn refresh_lane(&mut self, kind: Kind) {
        let slot = &mut self.lanes[index_of(kind)];
        let Some(track) = self.tracks.iter().position(|track| track.first().kind() == kind) else {
            // Not there yet; or it had no samples, and was left out when the file was finished.
            let silence = kind == Kind::Audio && self.options.live.is_some();
            *slot = silence.then(|| Lane { track: None, ..slot.take().unwrap_or_else(Lane::silence) });
            return;
        };
        let entry = self.tracks[track].first();
        match slot {
            Some(lane) if lane.track.is_some() => lane.track = Some(track),
            Some(silence) => *slot = Some(Lane::new(track, entry).behind(silence)),
            None => *slot = Some(Lane::new(track, entry)),
        }
    }

    fn kinds(&self) -> impl Iterator<Item = Kind> + use<> {
        let only = self.options.only;
        [Kind::Video, Kind::Audio].into_iter().filter(move |kind| only.is_none_or(|only| only == *kind))
    }

    /// What media time 0 is on the wall clock.
    pub fn anchor(&self) -> &Anchor {
        &self.anchor
    }

    /// A track's sample entry of this number; of the first number, that of the whole track.
    pub fn entry(&self, kind: Kind, number: u32) -> Option<&SampleEntry> {
        let track = self.tracks.iter().find(|track| track.first().kind() == kind)?;
        Some(track.entries.get(number as usize).unwrap_or_else(|| track.first()))
    }

    /// How long the file is, once it is finished.
    pub fn length(&self) -> Option<Duration> {
        self.summary.as_ref().map(|summary| summary.finished().duration())
    }

    /// The same of one track, in its own ticks, as heard or seen.
    pub fn ticks(&self, kind: Kind) -> Option<u64> {
        let track = self.tracks.iter().find(|track| track.first().kind() == kind)?;
        let summary = self.summary.as_ref()?;
        summary.tracks.iter().find(|of| of.id == track.id).map(|of| of.ticks)
    }

    /// Whether filler was given out beyond the end of the file.
    pub fn overran(&self) -> bool {
        let over = |lane: &Lane| self.end_of(lane).is_some_and(|end| lane.cursor > end);
        self.lanes.iter().flatten().any(over)
    }

    /// The next piece, if it is known yet. `edge`: no media before this media time is missing that still comes; only
    /// heeded by a live tail.
    pub fn next(&mut self, edge: Option<Duration>) -> Result<Option<Played>> {
        let edge = edge.filter(|_| self.options.live.is_some() && self.summary.is_none()).map(units);
        let mut known = Known { read: false, edge: None };
        loop {
            if let Some(kind) = self.due(known) {
                return self.give(kind, known).map(Some);
            }
            if known.read {
                return Ok(None);
            }
            if !self.read_on()? {
                known = Known { read: true, edge };
            }
        }
    }

    /// The kind whose turn it is, if that is known.
    fn due(&self, known: Known) -> Option<Kind> {
        let mut due: Option<(u128, Kind)> = None;
        let mut waits = None;
        for kind in self.kinds() {
            let next = match &self.lanes[index_of(kind)] {
                Some(lane) => self.next_of(lane, known),
                None if self.summary.is_some() => Next::End,
                None => Next::Wait(known.edge.unwrap_or(0)),
            };
            let at = match (&self.lanes[index_of(kind)], next) {
                (Some(lane), Next::Sample) => lane.units(lane.queue.front().map_or(0, |queued| queued.dts)),
                (Some(lane), Next::Filler(_)) => lane.units(lane.cursor),
                (_, Next::Wait(until)) => {
                    waits = waits.into_iter().chain([(until, kind)]).min();
                    continue;
                }
                _ => continue,
            };
            due = due.into_iter().chain([(at, kind)]).min();
        }
        due.filter(|due| waits.is_none_or(|waits| *due < waits)).map(|(_, kind)| kind)
    }

    fn next_of(&self, lane: &Lane, known: Known) -> Next {
        let filler = |until, stays| lane.filler(until, stays).filter(|_| !self.holds(lane)).map(Next::Filler);
        let end = self.end_of(lane);
        // What lies behind the end is in the next file.
        if let Some(front) = lane.queue.front().filter(|front| end.is_none_or(|end| front.dts < end)) {
            return filler(front.dts, front.info.after_still).unwrap_or(Next::Sample);
        }
        if let Some(end) = end.filter(|_| known.read) {
            return filler(end, self.stays_to_end(lane, end)).unwrap_or(Next::End);
        }
        match known.edge {
            Some(edge) if self.holds(lane) => Next::Wait(edge.max(lane.units(lane.cursor))),
            Some(edge) if edge >= lane.units(lane.cursor + u64::from(lane.chunk())) => Next::Filler(lane.chunk()),
            _ => Next::Wait(lane.units(lane.cursor)),
        }
    }

    /// Whether nothing comes before the next picture of a live tail: the last one is taken to stand still, or there was
    /// none yet.
    fn holds(&self, lane: &Lane) -> bool {
        let Some(limit) = self.options.live.filter(|_| lane.kind == Kind::Video) else { return false };
        match lane.last {
            Last::Nothing => true,
            Last::Sample(ticks) => ticks > limit,
            Last::Filler => false,
        }
    }

    /// Where a track ends in the finished file, in ticks.
    fn end_of(&self, lane: &Lane) -> Option<u64> {
        let summary = self.summary.as_ref()?;
        match lane.track {
            Some(track) => {
                let id = self.tracks.get(track)?.id;
                let ticks = summary.tracks.iter().find(|track| track.id == id).map(|track| track.ticks)?;
                Some(ticks + lane.priming)
            }
            None => {
                let end = units(summary.finished().duration()) * u128::from(lane.timescale) / UNITS;
                let step = u64::from(lane.step);
                Some((end as u64 + lane.priming + step / 2) / step * step)
            }
        }
    }

    /// Whether the finished file shows its last picture up to its end: then nothing behind it is counted as filler.
    fn stays_to_end(&self, lane: &Lane, end: u64) -> bool {
        let Some(summary) = &self.summary else { return false };
        let track = lane.track.and_then(|track| self.tracks.get(track));
        let filled = track.and_then(|track| summary.tracks.iter().find(|of| of.id == track.id)).map(|of| of.filled);
        lane.kind == Kind::Video && end > lane.media_end && filled == Some(lane.filled)
    }

    fn give(&mut self, kind: Kind, known: Known) -> Result<Played> {
        let lane = self.lanes[index_of(kind)].as_ref().expect("its turn has come");
        let next = self.next_of(lane, known);
        let lane = self.lanes[index_of(kind)].as_mut().expect("its turn has come");
        if let Next::Filler(duration) = next {
            let at = lane.cursor as i64 - lane.priming as i64;
            lane.entry =
                lane.queue.front().filter(|_| lane.last == Last::Nothing).map_or(lane.entry, |next| next.entry);
            lane.cursor += u64::from(duration);
            lane.last = Last::Filler;
            return Ok(Played { kind, at, duration, entry: lane.entry, content: Content::Filler });
        }
        let Queued { dts, offset, entry, info } = lane.queue.pop_front().expect("its turn has come");
        let mut data = vec![0; info.size as usize];
        let read = self.disk.read_at(&mut data, offset + self.shift)?;
        if read < data.len() {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
        }
        lane.cursor = dts + u64::from(info.duration);
        lane.last = Last::Sample(info.duration);
        lane.entry = entry;
        let at = dts as i64 - lane.priming as i64;
        let content = Content::Sample { key: info.key, data: data.into() };
        Ok(Played { kind, at, duration: info.duration, entry, content })
    }

    /// Reads one fragment, if there is a whole one.
    fn read_on(&mut self) -> Result<bool> {
        // While a track is missing that this waits for, what is there of the other need not be kept.
        let blocked = self.options.live.is_none() && self.summary.is_none();
        if blocked && self.kinds().any(|kind| self.lanes[index_of(kind)].is_none()) {
            return Ok(false);
        }
        let mut found = self.fragment()?;
        if found.as_ref().is_some_and(|found| found.runs.is_none()) {
            // It may be of a track, or an entry, that is new.
            self.refresh()?;
            found = self.fragment()?;
        }
        let Some(found) = found else { return Ok(false) };
        self.at = found.end - self.shift;
        for run in found.runs.into_iter().flatten() {
            let track = self.tracks.iter().position(|track| track.id == run.track);
            let lane = self.lanes.iter_mut().flatten().find(|lane| lane.track == track);
            if let Some(lane) = lane.filter(|lane| !self.indexed || lane.kind == Kind::Audio) {
                lane.add(run, self.shift);
            }
        }
        Ok(true)
    }

    fn fragment(&mut self) -> Result<Option<scan::Found>> {
        let len = self.disk.len()?;
        let expected = Expected { tracks: &self.tracks, finished: self.summary.is_some() };
        scan::next(&self.disk, expected, self.at + self.shift, len, &mut self.buffer)
    }
}

fn index_of(kind: Kind) -> usize {
    match kind {
        Kind::Video => 0,
        Kind::Audio => 1,
    }
}
