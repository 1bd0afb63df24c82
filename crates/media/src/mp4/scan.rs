//! Walking over the fragments of a growing file.

use std::ops::Range;

use super::{
    HEAD, Result,
    cursor::Cursor,
    disk::Disk,
    fragment::{self, ReadRun},
    moov::Track,
};

/// Read at once: mostly a whole `moof` and the header of its `mdat`.
const BLOCK: usize = 4096;
/// No `moof` is larger: the writer's bound on buffered samples sees to it.
const MAX_MOOF: usize = 4 << 20;

/// Where the fragments end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Extent {
    /// The first byte behind the last whole fragment.
    pub end: u64,
    /// Number of fragments.
    pub fragments: u32,
    /// Where whole fragments begin whose content makes no sense; they were passed over.
    pub unsound: Vec<u64>,
}

/// What runs may be of.
#[derive(Clone, Copy)]
pub(super) struct Expected<'a> {
    pub tracks: &'a [Track],
    /// A finished file has no sample entries that nothing uses any more: fragments may name others than it has.
    pub finished: bool,
}

/// Gives every run of every whole fragment to `visit`, in order, with `offset` counted from the beginning of the file.
/// The first fragment that is not whole ends the walk.
pub(super) fn scan(disk: &dyn Disk, tracks: &[Track], visit: impl FnMut(ReadRun)) -> Result<Extent> {
    scan_from(disk, HEAD, Expected { tracks, finished: false }, visit)
}

/// The same where the first fragment is elsewhere.
pub(super) fn scan_from(
    disk: &dyn Disk,
    from: u64,
    expected: Expected,
    mut visit: impl FnMut(ReadRun),
) -> Result<Extent> {
    let len = disk.len()?;
    let mut extent = Extent { end: from, fragments: 0, unsound: Vec::new() };
    let mut buffer = Vec::new();
    while let Some(found) = next(disk, expected, extent.end, len, &mut buffer)? {
        match found.runs {
            Some(runs) => runs.into_iter().for_each(&mut visit),
            None => extent.unsound.push(extent.end),
        }
        extent.end = found.end;
        extent.fragments = extent.fragments.saturating_add(1);
    }
    Ok(extent)
}

/// A whole fragment.
pub(super) struct Found {
    /// Where the next one begins.
    pub end: u64,
    /// Its runs, with `offset` counted from the beginning of the file; none in a buried one. Nothing when its content makes
    /// no sense with these tracks.
    pub runs: Option<Vec<ReadRun>>,
}

/// The fragment at `at` of a file of `len` bytes; `None` when no whole one is there.
pub(super) fn next(
    disk: &dyn Disk,
    expected: Expected,
    at: u64,
    len: u64,
    buffer: &mut Vec<u8>,
) -> Result<Option<Found>> {
    let Some(fragment) = read_fragment(disk, at, len, buffer)? else { return Ok(None) };
    let end = at + fragment.len;
    if fragment.dead {
        return Ok(Some(Found { end, runs: Some(Vec::new()) }));
    }
    let payload = fragment.moof_len + 8..fragment.len;
    let moof = &buffer[8..fragment.moof_len as usize];
    let runs = fragment::decode(moof).filter(|runs| runs.iter().all(|run| is_sound(run, expected, &payload)));
    let placed = |run: ReadRun| ReadRun { offset: at + run.offset, ..run };
    Ok(Some(Found { end, runs: runs.map(|runs| runs.into_iter().map(placed).collect()) }))
}

/// Makes the fragment at `at` one that is always passed over, by players, too: it may name what the head does not know
/// yet, because power failed before the head was on the medium.
pub(super) fn bury(disk: &mut dyn Disk, at: u64) -> Result<()> {
    Ok(disk.write_at(DEAD, at + 4)?)
}

/// The type of a buried `moof`.
const DEAD: &[u8; 4] = b"free";

/// Whether the run is of a known track and entry, ends in time, and lies inside the `mdat`.
fn is_sound(run: &ReadRun, Expected { tracks, finished }: Expected, payload: &Range<u64>) -> bool {
    let inside = run.offset >= payload.start && run.offset.saturating_add(run.size()) <= payload.end;
    let named = |track: &Track| finished || (run.entry as usize) < track.entries.len();
    let fits = |track: &Track| named(track) && run.end() <= track.first().max_ticks();
    inside && tracks.iter().find(|track| track.id == run.track).is_some_and(fits)
}

/// A whole fragment: the length of its `moof`, and of `moof` and `mdat` together.
struct Fragment {
    moof_len: u64,
    len: u64,
    dead: bool,
}

/// Reads the `moof` at `at` into `buffer`; `None` when no whole fragment is there.
fn read_fragment(disk: &dyn Disk, at: u64, len: u64, buffer: &mut Vec<u8>) -> Result<Option<Fragment>> {
    buffer.resize(BLOCK, 0);
    let read = disk.read_at(buffer, at)?;
    buffer.truncate(read);
    let dead = box_len(buffer, DEAD).is_some();
    let moof_len = box_len(buffer, if dead { DEAD } else { b"moof" });
    let Some(moof_len) = moof_len.filter(|size| *size <= MAX_MOOF) else { return Ok(None) };
    if buffer.len() < moof_len + 8 {
        buffer.resize(moof_len + 8, 0);
        let read = disk.read_at(buffer, at)?;
        buffer.truncate(read);
    }
    let Some(mdat_len) = buffer.get(moof_len..).and_then(|rest| box_len(rest, b"mdat")) else { return Ok(None) };
    let (moof_len, mdat_len) = (moof_len as u64, mdat_len as u64);
    let fragment = Fragment { moof_len, len: moof_len + mdat_len, dead };
    Ok((at + fragment.len <= len).then_some(fragment))
}

/// The size of the box that `bytes` begin with, if it is of this kind.
fn box_len(bytes: &[u8], kind: &[u8; 4]) -> Option<usize> {
    let mut header = Cursor(bytes);
    let size = header.u32()? as usize;
    (header.take(4)? == kind && size >= 8).then_some(size)
}
