//! The growing file: samples are buffered, written a fragment at a time, and found again after a kill.

use std::{fs::File, io, path::Path, time::Duration};

use bytes::Bytes;

use super::{
    Anchor, Error, HEAD, Kind, MAX_NOTE, Result, SampleEntry,
    disk::{Disk, FileDisk},
    finish::{Stage, stage},
    fragment::{self, Run},
    head::{Head, TWIN},
    moov::Track,
    scan::{bury, scan},
};

/// A track of a file, by the number it has in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrackId(pub(super) u32);

/// One coded picture or frame of sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The sample entry, as [`Writer::add_entry`] numbered it; the one of [`Writer::add_track`] is 0.
    pub entry: u32,
    /// When it begins, in ticks of its track from the beginning of the file (decoding time: in a track with priming,
    /// it is heard [`SampleEntry::priming`] ticks earlier). Not before the end of the sample before it; a hole is fine.
    pub dts: u64,
    /// In ticks, above zero.
    pub duration: u32,
    /// Whether decoding can begin here. Always true of sound.
    pub key: bool,
    /// The picture before stood still: a hole before this sample is no gap, but lengthens the one before.
    pub after_still: bool,
    /// H.264 and H.265: NAL units behind 4-byte lengths. VP8, VP9: a frame (VP9: or a superframe). AV1: OBUs with sizes.
    /// AAC: a raw frame. Opus: a packet.
    pub data: Bytes,
}

/// Appends to a growing file. Every write leaves a playable file.
pub struct Writer {
    disk: Box<dyn Disk>,
    head: Head,
    pending: Vec<Pending>,
    /// Bytes and samples in all of `pending`.
    buffered: (usize, usize),
    /// Where the next fragment goes.
    end: u64,
    /// Number of fragments written.
    fragments: u32,
    /// Whether the head in front may be on the medium in part.
    unsynced_head: bool,
    out: Vec<u8>,
}

/// The samples of one track that are not written yet, and where the last one ends.
#[derive(Default)]
struct Pending {
    samples: Vec<Sample>,
    end: u64,
}

/// See [`Writer::syncer`].
#[derive(Debug)]
pub struct Syncer(Option<File>);

impl Syncer {
    /// Returns when everything written so far is on the medium.
    pub fn sync(&self) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), File::sync_data)
    }
}

/// What [`Writer::recover`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    pub anchor: Anchor,
    pub tracks: Vec<RecoveredTrack>,
    /// Bytes of a fragment that was not whole, cut off.
    pub truncated: u64,
}

/// A track of a recovered file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveredTrack {
    pub id: TrackId,
    /// In the order of their numbers.
    pub entries: Vec<SampleEntry>,
    /// Where the last sample ends, in ticks of the track: the next one may begin here.
    pub end: u64,
    /// Number of samples.
    pub samples: u64,
}

/// A fragment is written without being asked for when this much is buffered.
const MAX_BUFFERED_BYTES: usize = 8 << 20;
const MAX_BUFFERED_SAMPLES: usize = 1 << 16;

impl Writer {
    /// Makes a new file at `path`, which must not exist. It has no tracks yet.
    pub fn create(path: &Path, anchor: Anchor) -> Result<Self> {
        Self::create_on(Box::new(FileDisk::create(path)?), anchor)
    }

    /// Opens the growing file at `path` after a kill, cuts off what is not whole, and goes on behind it.
    ///
    /// # Errors
    /// [`Error::Finished`]: there is nothing to add. [`Error::Empty`]: killed while it was created, make it anew.
    pub fn recover(path: &Path) -> Result<(Self, Recovered)> {
        Self::recover_on(Box::new(FileDisk::open(path)?))
    }

    pub(super) fn create_on(mut disk: Box<dyn Disk>, anchor: Anchor) -> Result<Self> {
        if anchor.note.len() > MAX_NOTE {
            return Err(Error::Invalid("the note is too long".into()));
        }
        let head = Head { anchor, tracks: Vec::new() };
        let image = head.encode(0)?;
        let twin = head.encode(TWIN)?;
        let mut bytes = vec![0; HEAD as usize];
        bytes[..image.len()].copy_from_slice(&image);
        bytes[image.len()..image.len() + 8].copy_from_slice(&Head::padding(&image));
        bytes[TWIN as usize..TWIN as usize + twin.len()].copy_from_slice(&twin);
        disk.write_at(&bytes, 0)?;
        Ok(Self::over(disk, head, HEAD, 0))
    }

    pub(super) fn recover_on(mut disk: Box<dyn Disk>) -> Result<(Self, Recovered)> {
        let Stage::Growing(head) = stage(&*disk)? else { return Err(Error::Finished) };
        let mut tracks: Vec<_> = head.tracks.iter().map(RecoveredTrack::new).collect();
        let extent = scan(&*disk, &head.tracks, |run| {
            let track = tracks.iter_mut().find(|track| track.id.0 == run.track).expect("scan gives known tracks only");
            track.end = track.end.max(run.end());
            track.samples += run.samples.len() as u64;
        })?;
        for fragment in &extent.unsound {
            tracing::warn!(at = fragment, "damaged fragment passed over");
            bury(&mut *disk, *fragment)?;
        }
        let truncated = disk.len()?.saturating_sub(extent.end);
        disk.truncate(extent.end)?;
        let recovered = Recovered { anchor: head.anchor.clone(), tracks, truncated };
        let mut writer = Self::over(disk, head, extent.end, extent.fragments);
        for (pending, track) in writer.pending.iter_mut().zip(&recovered.tracks) {
            pending.end = track.end;
        }
        // One of the two heads may be torn, or older than the other.
        writer.write_head(writer.head.clone())?;
        Ok((writer, recovered))
    }

    fn over(disk: Box<dyn Disk>, head: Head, end: u64, fragments: u32) -> Self {
        let pending = head.tracks.iter().map(|_| Pending::default()).collect();
        Self { disk, head, pending, buffered: (0, 0), end, fragments, unsynced_head: true, out: Vec::new() }
    }

    /// Adds a track whose samples are described by `entry`. The head on disk names it when this returns.
    pub fn add_track(&mut self, entry: SampleEntry) -> Result<TrackId> {
        let mut head = self.head.clone();
        let id = head.tracks.len() as u32 + 1;
        head.tracks.push(Track { id, entries: vec![entry] });
        self.write_head(head)?;
        self.pending.push(Pending::default());
        Ok(TrackId(id))
    }

    /// The number of `entry` in the track, added if the track has no equal one. The head on disk names it when this
    /// returns.
    ///
    /// # Errors
    /// [`Error::HeadFull`] after about a hundred; [`Error::Invalid`] for an entry of another codec or sample rate.
    pub fn add_entry(&mut self, track: TrackId, entry: SampleEntry) -> Result<u32> {
        let index = self.index(track)?;
        let entries = &self.head.tracks[index].entries;
        if let Some(known) = entries.iter().position(|known| *known == entry) {
            return Ok(known as u32);
        }
        if !entry.shares_track_with(self.head.tracks[index].first()) {
            return Err(Error::Invalid("a track has one codec and one rate".into()));
        }
        let number = entries.len() as u32;
        let mut head = self.head.clone();
        head.tracks[index].entries.push(entry);
        self.write_head(head)?;
        Ok(number)
    }

    /// Buffers a sample; writes a fragment first if too much is buffered already.
    ///
    /// # Errors
    /// [`Error::BadSample`]: the sample was not taken, the next ones may be.
    pub fn push(&mut self, track: TrackId, sample: Sample) -> Result<()> {
        let index = self.index(track)?;
        let track = &self.head.tracks[index];
        let end = sample.dts.saturating_add(sample.duration.into());
        let fault = match &sample {
            Sample { dts, .. } if *dts < self.pending[index].end => Some("begins before the end of the one before it"),
            Sample { entry, .. } if *entry as usize >= track.entries.len() => Some("unknown entry"),
            Sample { duration: 0, .. } => Some("without duration"),
            Sample { data, .. } if data.is_empty() || data.len() > MAX_BUFFERED_BYTES => Some("empty or too large"),
            _ if end > track.first().max_ticks() => Some("too late"),
            _ => None,
        };
        if let Some(fault) = fault {
            return Err(Error::BadSample(fault));
        }
        let (bytes, samples) = self.buffered;
        if bytes + sample.data.len() > MAX_BUFFERED_BYTES || samples == MAX_BUFFERED_SAMPLES {
            self.flush()?;
        }
        self.buffered.0 += sample.data.len();
        self.buffered.1 += 1;
        self.pending[index].samples.push(sample);
        self.pending[index].end = end;
        Ok(())
    }

    /// Writes everything buffered with one write: one fragment, or several where there are holes or changes of entry.
    /// After an error everything is still buffered.
    pub fn flush(&mut self) -> Result<()> {
        if self.buffered.1 == 0 {
            return Ok(());
        }
        let runs: Vec<Vec<Run>> = self.head.tracks.iter().zip(&self.pending).map(runs).collect();
        let fragments = runs.iter().map(Vec::len).max().unwrap_or(0);
        self.out.clear();
        for n in 0..fragments {
            let sequence = self.fragments.wrapping_add(n as u32 + 1);
            let together: Vec<Run> = runs.iter().filter_map(|runs| runs.get(n).copied()).collect();
            fragment::encode(&mut self.out, sequence, &together)?;
        }
        self.disk.write_at(&self.out, self.end)?;
        self.end += self.out.len() as u64;
        self.fragments = self.fragments.wrapping_add(fragments as u32);
        self.pending.iter_mut().for_each(|pending| pending.samples.clear());
        self.buffered = (0, 0);
        Ok(())
    }

    /// Returns when everything flushed is on the medium.
    pub fn sync(&mut self) -> Result<()> {
        self.disk.sync()?;
        self.unsynced_head = false;
        Ok(())
    }

    /// Does what [`Writer::sync`] does from another thread, so that whoever writes never waits for the medium.
    pub fn syncer(&self) -> Result<Syncer> {
        Ok(Syncer(self.disk.handle()?))
    }

    /// Bytes of the file that are written, the head included.
    pub fn size(&self) -> u64 {
        self.end
    }

    /// Bytes that wait for [`Writer::flush`].
    pub fn buffered(&self) -> usize {
        self.buffered.0
    }

    /// Where the last sample of the track ends, buffered ones included, in ticks of the track.
    pub fn end(&self, track: TrackId) -> u64 {
        self.index(track).map_or(0, |index| self.pending[index].end)
    }

    /// What media time 0 is on the wall clock.
    pub fn anchor(&self) -> &Anchor {
        &self.head.anchor
    }

    fn index(&self, track: TrackId) -> Result<usize> {
        let position = self.head.tracks.iter().position(|known| known.id == track.0);
        position.ok_or_else(|| Error::Invalid("unknown track".into()))
    }

    /// Puts `head` in the present one's place: first the twin, then the one in front, so that one is always whole, on
    /// the medium as well once there is media to lose.
    fn write_head(&mut self, head: Head) -> Result<()> {
        let (front, twin) = (head.encode(0)?, head.encode(TWIN)?);
        let media = self.end > HEAD;
        if media && self.unsynced_head {
            self.sync()?;
        }
        self.disk.write_at(&twin, TWIN)?;
        if media {
            self.sync()?;
        }
        self.unsynced_head = true;
        let padding = Head::padding(&front);
        self.disk.write_at(&[&front[..], &padding].concat(), 0)?;
        self.head = head;
        Ok(())
    }
}

impl RecoveredTrack {
    fn new(track: &Track) -> Self {
        Self { id: TrackId(track.id), entries: track.entries.clone(), end: 0, samples: 0 }
    }

    /// Where the last sample ends, as heard or seen: from media time 0.
    pub fn presented_end(&self) -> Duration {
        let Some(entry) = self.entries.first() else { return Duration::ZERO };
        let ticks = self.end.saturating_sub(entry.priming());
        super::duration(ticks, entry.timescale())
    }
}

/// Cuts the buffered samples of a track where the next one does not follow on, or has another entry.
fn runs<'a>((track, pending): (&Track, &'a Pending)) -> Vec<Run<'a>> {
    let follows = |a: &Sample, b: &Sample| a.entry == b.entry && a.dts + u64::from(a.duration) == b.dts;
    let kind: Kind = track.first().kind();
    pending.samples.chunk_by(follows).map(|samples| Run { track: track.id, kind, samples }).collect()
}
