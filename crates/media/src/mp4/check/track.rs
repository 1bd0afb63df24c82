//! One track's boxes, and whether they agree with each other and with the file.

use std::{ops::Range, time::Duration};

use super::{
    Disk, TrackReport,
    boxes::{Fields, find, full},
    descend,
    pictures::{Coding, Window},
};

/// The tables of a track as they are in the file.
pub(super) struct Track {
    pub id: u32,
    /// `tkhd` duration, in ticks of the movie.
    pub shown: u64,
    size: (u16, u16),
    media: Header,
    /// Duration and media time of the edit, if there is one.
    edit: Option<(u64, i64)>,
    entries: Vec<Entry>,
    /// Counts and durations.
    stts: Vec<(u32, u32)>,
    /// First chunk, samples per chunk, sample entry.
    stsc: Vec<(u32, u32, u32)>,
    sizes: Vec<u32>,
    offsets: Vec<u64>,
    keys: Option<Vec<u32>>,
}

/// A sample entry.
struct Entry {
    kind: [u8; 4],
    /// Of sound, in Hz.
    rate: u32,
}

/// What `mvhd` and `mdhd` have in common.
pub(super) struct Header {
    pub timescale: u32,
    pub duration: u64,
}

/// Where a sample lies.
pub(super) struct Placed {
    pub offset: u64,
    pub size: u32,
}

pub(super) fn header(payload: &[u8]) -> Option<Header> {
    let (version, mut fields) = full(payload)?;
    let width = if version == 1 { 8 } else { 4 };
    fields.bytes(2 * width)?;
    Some(Header { timescale: fields.u32()?, duration: fields.number(width)? })
}

impl Track {
    pub fn read(trak: &[u8]) -> Option<Self> {
        let (version, mut tkhd) = full(find(trak, b"tkhd")?)?;
        let width = if version == 1 { 8 } else { 4 };
        tkhd.bytes(2 * width)?;
        let id = tkhd.u32()?;
        tkhd.bytes(4)?;
        let shown = tkhd.number(width)?;
        tkhd.bytes(8 + 8 + 36)?;
        let size = ((tkhd.u32()? >> 16) as u16, (tkhd.u32()? >> 16) as u16);
        let edit = match descend(trak, &[b"edts", b"elst"]) {
            Some(elst) => Some(read_edit(elst)?),
            None => None,
        };
        let stbl = descend(trak, &[b"mdia", b"minf", b"stbl"])?;
        let table = |kind| full(find(stbl, kind)?).map(|(_, fields)| fields);
        let pair = |fields: &mut Fields| Some((fields.u32()?, fields.u32()?));
        let offsets = match table(b"stco") {
            Some(stco) => stco.table(4, |fields| fields.number(4))?,
            None => table(b"co64")?.table(8, |fields| fields.number(8))?,
        };
        let keys = match table(b"stss") {
            Some(stss) => Some(stss.table(4, |fields| fields.u32())?),
            None => None,
        };
        let stsc = table(b"stsc")?.table(12, |fields| Some((fields.u32()?, fields.u32()?, fields.u32()?)))?;
        Some(Self {
            id,
            shown,
            size,
            media: header(descend(trak, &[b"mdia", b"mdhd"])?).filter(|header| header.timescale > 0)?,
            edit,
            entries: read_entries(table(b"stsd")?)?,
            stts: table(b"stts")?.table(8, pair)?,
            stsc,
            sizes: read_sizes(table(b"stsz")?)?,
            offsets,
            keys,
        })
    }

    /// Checks the tables; gives every sample's place as far as they allow.
    pub fn check(&self, movie: u32, mdat: &Range<u64>, faults: &mut Vec<String>) -> Vec<Placed> {
        let mut fault = |wrong: bool, text: &str| {
            if wrong {
                faults.push(text.to_owned());
            }
        };
        fault(self.id == 0, "its number is 0");
        fault(self.sizes.is_empty(), "no samples");
        fault(self.sizes.contains(&0), "an empty sample");
        let count: u64 = self.stts.iter().map(|(count, _)| u64::from(*count)).sum();
        fault(count != self.sizes.len() as u64, "stts and stsz count differently");
        let total = self
            .stts
            .iter()
            .try_fold(0u64, |sum, (count, delta)| sum.checked_add(u64::from(*count) * u64::from(*delta)));
        fault(total != Some(self.media.duration), "the durations in stts are not the mdhd duration");
        fault(self.stts.iter().any(|(count, delta)| *count == 0 || *delta == 0), "an empty entry in stts");
        let (edited, media_time) = self.edit.unwrap_or((self.shown, 0));
        fault(edited != self.shown, "elst and tkhd durations differ");
        let start = u64::try_from(media_time).ok().filter(|start| *start <= self.media.duration);
        fault(start.is_none(), "the edit begins outside of the media");
        let ticks = u128::from(self.media.duration.saturating_sub(start.unwrap_or(0)));
        let expected = ticks * u128::from(movie) / u128::from(self.media.timescale);
        fault(u128::from(self.shown).abs_diff(expected) > 1, "tkhd and mdhd durations differ");
        if let Some(keys) = &self.keys {
            let ascending = keys.windows(2).all(|pair| pair[0] < pair[1]);
            let last = keys.last().copied().unwrap_or(0) as usize;
            fault(
                !ascending || keys.first() != Some(&1) || last > self.sizes.len(),
                "stss is not sorted, or not within the track, or does not begin with the first sample",
            );
        } else {
            fault(self.picture().is_some(), "video without stss");
        }
        let rate = |entry: &Entry| entry.kind != *b"mp4a" || entry.rate == self.media.timescale;
        fault(!self.entries.iter().all(rate), "the timescale is not the sample rate");
        let placed = self.place(&mut fault);
        let inside = |sample: &Placed| {
            let end = sample.offset.checked_add(sample.size.into());
            sample.offset >= mdat.start && end.is_some_and(|end| end <= mdat.end)
        };
        fault(!placed.iter().all(inside), "a sample lies outside of mdat");
        placed
    }

    fn place(&self, fault: &mut impl FnMut(bool, &str)) -> Vec<Placed> {
        let mut placed = Vec::with_capacity(self.sizes.len());
        let mut sizes = self.sizes.iter();
        let mut runs = self.stsc.iter().peekable();
        let (mut per_chunk, mut entry) = (0, 0);
        let (mut empty, mut unknown) = (false, false);
        fault(self.stsc.first().is_none_or(|first| first.0 != 1), "stsc does not begin with chunk 1");
        fault(!self.stsc.windows(2).all(|pair| pair[0].0 < pair[1].0), "stsc is not sorted");
        for (chunk, offset) in (1..).zip(&self.offsets) {
            if let Some(run) = runs.next_if(|run| run.0 == chunk) {
                (per_chunk, entry) = (run.1, run.2);
            }
            empty |= per_chunk == 0;
            unknown |= entry == 0 || entry as usize > self.entries.len();
            let mut offset = *offset;
            for size in sizes.by_ref().take(per_chunk as usize) {
                placed.push(Placed { offset, size: *size });
                offset = offset.saturating_add((*size).into());
            }
        }
        fault(empty, "a chunk without samples");
        fault(unknown, "a chunk of an unknown sample entry");
        fault(runs.next().is_some(), "stsc names chunks that are not there");
        let chunked = self.chunked();
        fault(chunked != Some(self.sizes.len() as u64), "the chunks and stsz count samples differently");
        placed
    }

    /// Number of samples in all chunks, by `stsc` alone.
    fn chunked(&self) -> Option<u64> {
        let ends = self.stsc.iter().skip(1).map(|run| run.0).chain([self.offsets.len() as u32 + 1]);
        self.stsc.iter().zip(ends).try_fold(0u64, |sum, (run, end)| {
            let chunks = u64::from(end.checked_sub(run.0)?);
            sum.checked_add(chunks * u64::from(run.1))
        })
    }

    /// How pictures are coded, if the samples are.
    fn picture(&self) -> Option<Coding> {
        match &self.entries.first()?.kind {
            b"avc1" => Some(Coding::H264),
            b"hev1" => Some(Coding::H265),
            b"vp08" => Some(Coding::Vp8),
            b"vp09" => Some(Coding::Vp9),
            b"av01" => Some(Coding::Av1),
            _ => None,
        }
    }

    /// How long a frame of AAC is, if the samples are.
    pub fn frame(&self) -> Duration {
        match self.entries.first() {
            Some(entry) if entry.kind == *b"mp4a" => Duration::from_secs(1024) / self.media.timescale,
            _ => Duration::ZERO,
        }
    }

    /// The samples in `stss` are those whose picture is a random access point (in H.264, an IDR picture; in AV1, a key
    /// frame behind its sequence header).
    pub fn check_keys(&self, disk: &dyn Disk, samples: &[Placed], faults: &mut Vec<String>) {
        let (Some(keys), Some(coding)) = (&self.keys, self.picture()) else { return };
        let mut keys = keys.iter().copied().peekable();
        let mut window = Window::new(disk);
        for (number, sample) in (1..).zip(samples) {
            let key = keys.next_if_eq(&number).is_some();
            match window.is_key(sample, coding) {
                None => faults.push(format!("sample {number} is not {coding:?}")),
                Some(found) if found != key => faults.push(format!("sample {number}: stss is wrong")),
                Some(_) => continue,
            }
            return;
        }
    }

    pub fn report(&self, samples: &[Placed]) -> TrackReport {
        let start = self.edit.map_or(0, |(_, start)| u64::try_from(start).unwrap_or(0));
        let nanos = u128::from(self.media.duration.saturating_sub(start)) * 1_000_000_000;
        let nanos = nanos / u128::from(self.media.timescale);
        TrackReport {
            id: self.id,
            codec: self
                .entries
                .first()
                .map(|entry| String::from_utf8_lossy(&entry.kind).into_owned())
                .unwrap_or_default(),
            entries: self.entries.len(),
            width: self.size.0,
            height: self.size.1,
            duration: Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)),
            samples: samples.len(),
            shared: 0,
            keys: self.keys.as_ref().map_or(samples.len(), Vec::len),
        }
    }
}

/// Duration and media time of the only edit, at normal speed.
fn read_edit(elst: &[u8]) -> Option<(u64, i64)> {
    let (version, mut fields) = full(elst)?;
    if fields.u32()? != 1 {
        return None;
    }
    let (duration, media_time) = match version {
        1 => (fields.number(8)?, fields.number(8)? as i64),
        _ => (fields.number(4)?, i64::from(fields.u32()? as i32)),
    };
    (fields.u32()? == 0x1_0000 && fields.0.is_empty()).then_some((duration, media_time))
}

fn read_entries(mut stsd: Fields) -> Option<Vec<Entry>> {
    let count = stsd.u32()? as usize;
    let entries = std::iter::from_fn(|| stsd.next_box()).map(|(kind, payload)| {
        let mut fields = Fields(payload);
        fields.bytes(24)?;
        Some(Entry { kind, rate: fields.u32()? >> 16 })
    });
    let entries: Vec<_> = entries.collect::<Option<_>>()?;
    (count > 0 && entries.len() == count && stsd.0.is_empty()).then_some(entries)
}

fn read_sizes(mut stsz: Fields) -> Option<Vec<u32>> {
    // One size for all samples is not expected, so it needs no room to be read.
    (stsz.u32()? == 0).then(|| stsz.table(4, |fields| fields.u32()))?
}
