//! Walking over the fragments of a growing file.

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    /// The first byte behind the last whole fragment.
    pub end: u64,
    /// Number of fragments.
    pub fragments: u32,
}

/// Gives every run of every whole fragment to `visit`, in order, with `offset` counted from the beginning of the file.
/// A fragment whose content makes no sense is passed over; the first one that is not whole ends the walk.
pub(super) fn scan(disk: &dyn Disk, tracks: &[Track], mut visit: impl FnMut(ReadRun)) -> Result<Extent> {
    let len = disk.len()?;
    let mut extent = Extent { end: HEAD, fragments: 0 };
    let mut buffer = Vec::new();
    while let Some(fragment) = read_fragment(disk, extent.end, len, &mut buffer)? {
        let start = extent.end;
        let payload = fragment.moof_len + 8..fragment.len;
        let runs = fragment::decode(&buffer[8..fragment.moof_len as usize]).unwrap_or_default();
        let sound = |run: &ReadRun| {
            let known = tracks.iter().find(|track| track.id == run.track);
            let inside = run.offset >= payload.start && run.offset.saturating_add(run.size()) <= payload.end;
            inside
                && known.is_some_and(|track| {
                    (run.entry as usize) < track.entries.len() && run.end() <= track.first().max_ticks()
                })
        };
        for mut run in runs.into_iter().filter(sound) {
            run.offset += start;
            visit(run);
        }
        extent = Extent { end: start + fragment.len, fragments: extent.fragments.saturating_add(1) };
    }
    Ok(extent)
}

/// A whole fragment: the length of its `moof`, and of `moof` and `mdat` together.
struct Fragment {
    moof_len: u64,
    len: u64,
}

/// Reads the `moof` at `at` into `buffer`; `None` when no whole fragment is there.
fn read_fragment(disk: &dyn Disk, at: u64, len: u64, buffer: &mut Vec<u8>) -> Result<Option<Fragment>> {
    buffer.resize(BLOCK, 0);
    let read = disk.read_at(buffer, at)?;
    buffer.truncate(read);
    let Some(moof_len) = box_len(buffer, b"moof").filter(|size| *size <= MAX_MOOF) else { return Ok(None) };
    if buffer.len() < moof_len + 8 {
        buffer.resize(moof_len + 8, 0);
        let read = disk.read_at(buffer, at)?;
        buffer.truncate(read);
    }
    let Some(mdat_len) = buffer.get(moof_len..).and_then(|rest| box_len(rest, b"mdat")) else { return Ok(None) };
    let (moof_len, mdat_len) = (moof_len as u64, mdat_len as u64);
    let fragment = Fragment { moof_len, len: moof_len + mdat_len };
    Ok((at + fragment.len <= len).then_some(fragment))
}

/// The size of the box that `bytes` begin with, if it is of this kind.
fn box_len(bytes: &[u8], kind: &[u8; 4]) -> Option<usize> {
    let mut header = Cursor(bytes);
    let size = header.u32()? as usize;
    (header.take(4)? == kind && size >= 8).then_some(size)
}
