//! The strict check of a finished file: does it hold what it promises to players? Shares no code with the writer, so
//! that a mistake there is not repeated here.

mod boxes;
mod pictures;
mod track;

use std::{path::Path, time::Duration};

use super::disk::{Disk, FileDisk};
use boxes::{Fields, find};
use track::Track;

/// What [`check`] found in a file without faults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Bytes of the file.
    pub size: u64,
    /// Of the longest track.
    pub duration: Duration,
    pub tracks: Vec<TrackReport>,
}

/// A track of a [`Report`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackReport {
    pub id: u32,
    /// Type of the first sample entry: `avc1`, `hev1`, `vp08`, `vp09`, `av01`, `mp4a`, `Opus`.
    pub codec: String,
    /// Number of sample entries.
    pub entries: usize,
    /// Of `tkhd`, in pixels.
    pub width: u16,
    pub height: u16,
    /// As heard or seen.
    pub duration: Duration,
    /// Number of samples, those that share their bytes with others included.
    pub samples: usize,
    /// Number of samples that share their bytes with others: filler.
    pub shared: usize,
    /// Number of key frames; all samples where nothing else is said.
    pub keys: usize,
}

/// Tracks may end this far apart, or one of their own frames of AAC where that is longer: a frame of AAC at 48 kHz.
const ONE_FRAME: Duration = Duration::from_millis(22);
/// No `moov` is larger.
const MAX_MOOV: u64 = 512 << 20;

/// Checks the finished file at `path`.
///
/// # Errors
/// Every fault found, in words.
pub fn check(path: &Path) -> Result<Report, Vec<String>> {
    let disk = FileDisk::open_to_read(path).map_err(|e| vec![format!("{}: {e}", path.display())])?;
    check_on(&disk)
}

pub(super) fn check_on(disk: &dyn Disk) -> Result<Report, Vec<String>> {
    let file = top_level(disk).map_err(|fault| vec![fault])?;
    let mut faults = Vec::new();
    let mut tracks = Vec::new();
    let mut movie = Fields(&file.moov);
    let mut mvhd = None;
    while let Some((kind, payload)) = movie.next_box() {
        match &kind {
            b"mvhd" => mvhd = track::header(payload).map(|header| (header.timescale, header.duration)),
            b"trak" => match Track::read(payload) {
                Some(track) => tracks.push(track),
                None => faults.push("a trak lacks a box or has a malformed one".to_owned()),
            },
            b"mvex" => faults.push("a finished file has an mvex".to_owned()),
            _ => {}
        }
    }
    if !movie.0.is_empty() {
        faults.push("moov: rubbish behind its last box".into());
    }
    let Some((timescale, duration)) = mvhd.filter(|(timescale, _)| *timescale > 0) else {
        faults.push("no mvhd, or one without timescale".into());
        return Err(faults);
    };
    if tracks.is_empty() {
        faults.push("no tracks".into());
    }
    let mut ranges = Vec::new();
    let mut reports = Vec::new();
    for track in &tracks {
        let before = faults.len();
        let samples = track.check(timescale, &file.mdat, &mut faults);
        track.check_keys(disk, &samples, &mut faults);
        faults[before..].iter_mut().for_each(|fault| *fault = format!("track {}: {fault}", track.id));
        reports.push(track.report(&samples));
        ranges.extend(samples.iter().map(|sample| (sample.offset, sample.size, track.id)));
    }
    check_overlaps(&mut ranges, &mut reports, &mut faults);
    if tracks.iter().map(|track| track.shown).max().unwrap_or(0) != duration {
        faults.push("mvhd duration is not that of the longest track".into());
    }
    let shortest = reports.iter().map(|report| report.duration).min().unwrap_or_default();
    let longest = reports.iter().map(|report| report.duration).max().unwrap_or_default();
    let one_frame = tracks.iter().map(Track::frame).fold(ONE_FRAME, Duration::max);
    if longest - shortest > one_frame {
        faults.push(format!("tracks end {:?} apart", longest - shortest));
    }
    let report = Report { size: file.size, duration: longest, tracks: reports };
    if faults.is_empty() { Ok(report) } else { Err(faults) }
}

/// The parts of a file.
struct Parts {
    moov: Vec<u8>,
    /// The payload of `mdat`, in bytes from the beginning of the file.
    mdat: std::ops::Range<u64>,
    size: u64,
}

/// Walks over the outermost boxes: `ftyp` first, one `moov`, then one `mdat`, and nothing that is no box.
fn top_level(disk: &dyn Disk) -> Result<Parts, String> {
    let broken = |e: std::io::Error| e.to_string();
    let size = disk.len().map_err(broken)?;
    let (mut at, mut moov, mut mdat) = (0, None, None);
    while at < size {
        let mut header = [0; 16];
        let read = disk.read_at(&mut header, at).map_err(broken)?;
        let (kind, header_len, len) = boxes::box_header(&header[..read]).ok_or(format!("no box at {at}"))?;
        let end = at.checked_add(len).filter(|end| len >= header_len && *end <= size);
        let end = end.ok_or_else(|| format!("the box at {at} does not fit the file"))?;
        match &kind {
            b"ftyp" if at == 0 => {}
            _ if at == 0 => return Err("the file does not begin with ftyp".into()),
            b"moov" if moov.is_none() && mdat.is_none() && len <= MAX_MOOV => {
                let mut bytes = vec![0; (len - header_len) as usize];
                disk.read_at(&mut bytes, at + header_len).map_err(broken)?;
                moov = Some(bytes);
            }
            b"mdat" if mdat.is_none() && moov.is_some() => mdat = Some(at + header_len..end),
            b"uuid" | b"free" => {}
            _ => return Err(format!("unexpected {} at {at}", String::from_utf8_lossy(&kind))),
        }
        at = end;
    }
    match (moov, mdat) {
        (Some(moov), Some(mdat)) => Ok(Parts { moov, mdat, size }),
        _ => Err("no moov, or no mdat".into()),
    }
}

/// Samples share all their bytes (filler, within a track) or none. Counts the sharing ones.
fn check_overlaps(ranges: &mut [(u64, u32, u32)], reports: &mut [TrackReport], faults: &mut Vec<String>) {
    ranges.sort_unstable();
    let mut free_from = 0;
    for same in ranges.chunk_by(|a, b| a == b) {
        let (offset, size, id) = same[0];
        if offset < free_from {
            faults.push(format!("track {id}: the sample at {offset} overlaps another"));
        }
        free_from = offset.saturating_add(size.into());
        if same.len() > 1
            && let Some(report) = reports.iter_mut().find(|report| report.id == id)
        {
            report.shared += same.len();
        }
    }
}

/// The payload of the first box of this path inside `payload`.
fn descend<'a>(payload: &'a [u8], path: &[&[u8; 4]]) -> Option<&'a [u8]> {
    path.iter().try_fold(payload, |payload, kind| find(payload, kind))
}
