//! From the growing file to an ordinary one, in place, in steps that can each be cut off and taken up again:
//!
//! 1. What is behind the last whole fragment is cut off (an earlier attempt's rest, too).
//! 2. Filler media and the [`Journal`] with the new head are appended, and synced.
//! 3. Where the new head is larger than [`HEAD`], room for it is inserted in front; where the file system cannot, a copy
//!    of the file takes its place instead of all that follows.
//! 4. The new head is written and synced, then the journal is cut off.
//!
//! Before step 3 the head still says "growing", and a new attempt begins with step 1. From then until the head is
//! whole, the journal at the end says what is left to do. Pictures of a finished file are replaced by the same steps
//! (see [`replace`](super::replace)); there the head still says "finished", and step 1 makes the file what it was.

use std::{path::Path, time::Duration};

use bytes::Bytes;

use super::{
    Codec, Error, HEAD, Result, SampleEntry,
    disk::{Disk, FileDisk},
    finished::{Finished, Summary},
    head::{self, Head, State, TWIN},
    journal::{Journal, MAX_LEN},
    plan,
};

/// Gives the bytes of filler media. Asked only for what is needed, once per file.
pub trait Filler {
    /// One black key frame of this codec and size: its sample entry and the sample, with its parameter sets or sequence
    /// header in band.
    fn black(&self, codec: Codec, width: u16, height: u16) -> std::result::Result<(SampleEntry, Bytes), FillerError>;
    /// One silent frame, of [`SampleEntry::filler_duration`], for a track of this entry.
    fn silence(&self, entry: &SampleEntry) -> std::result::Result<Bytes, FillerError>;
}

/// Why there is no filler.
pub type FillerError = Box<dyn std::error::Error + Send + Sync>;

/// How a file ends.
#[derive(Debug, Clone, Default)]
pub struct FinishOptions {
    /// Media time up to which filler lengthens all tracks; without effect when media goes on for longer.
    pub end: Option<Duration>,
    /// The last picture stood still: it is shown up to the end, instead of black.
    pub still: bool,
    /// Samples that begin at this media time or later are left out: the next file has them.
    pub cut: Option<Duration>,
}

/// Finishes the file at `path`; of a file that is finished, only tells what it is. May be repeated after any failure.
///
/// # Errors
/// [`Error::Empty`] when there is no sample in the file.
pub fn finish(path: &Path, options: &FinishOptions, filler: &dyn Filler) -> Result<Finished> {
    finish_on(&mut FileDisk::open(path)?, options, filler)
}

pub(super) fn finish_on(disk: &mut dyn Disk, options: &FinishOptions, filler: &dyn Filler) -> Result<Finished> {
    let summary = match stage(disk)? {
        Stage::Finished(summary) => {
            if disk.len()? > summary.size {
                // The journal goes only when the head is on the medium.
                disk.sync()?;
                disk.truncate(summary.size)?;
                disk.sync()?;
            }
            summary
        }
        Stage::Finishing(journal) => carry_out(disk, &journal)?,
        Stage::Growing(head) => {
            let (end, plan) = plan::plan(disk, head, options, filler)?;
            disk.truncate(end)?;
            disk.write_at(&plan.tail, end)?;
            disk.sync()?;
            carry_out(disk, &plan.journal)?
        }
    };
    Ok(summary.finished())
}

/// How far a file is.
pub(super) enum Stage {
    Growing(Head),
    Finishing(Journal),
    Finished(Summary),
}

pub(super) fn stage(disk: &dyn Disk) -> Result<Stage> {
    let len = disk.len()?;
    let mut bytes = vec![0; HEAD.min(len) as usize];
    let read = disk.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    if let Some(head) = head::decode_growing(&bytes, 0) {
        return head.map(Stage::Growing);
    }
    if let Some((_, summary)) = read_finished(disk)? {
        return Ok(Stage::Finished(summary));
    }
    // The journal before the twin: if the front was torn by finishing, the twin may be older than the front was.
    if let Some(journal) = Journal::read(disk)? {
        return Ok(Stage::Finishing(journal));
    }
    match head::decode_growing(&bytes, TWIN) {
        Some(head) => head.map(Stage::Growing),
        None if len <= HEAD => Err(Error::Empty),
        None => Err(Error::Corrupt("neither a head nor a journal".into())),
    }
}

/// The whole head of a finished file, and what it says.
pub(super) fn read_finished(disk: &dyn Disk) -> Result<Option<(Vec<u8>, Summary)>> {
    let len = disk.len()?;
    let mut bytes = vec![0; HEAD.min(len) as usize];
    let read = disk.read_at(&mut bytes, 0)?;
    let Some(image) = head::image_len(&bytes[..read]).filter(|image| *image as u64 <= len) else { return Ok(None) };
    bytes.resize(image, 0);
    let read = disk.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    let summary = finished_summary(&bytes).filter(|summary| summary.size <= len);
    Ok(summary.map(|summary| (bytes, summary)))
}

/// A file as it is to be read.
pub(super) enum Opened {
    Growing(Head),
    Finished(Head, Summary),
    /// [`finish`] is at work, or was cut off.
    Finishing,
}

/// Reads what file it is, whatever its stage.
pub(super) fn open(disk: &dyn Disk) -> Result<Opened> {
    match stage(disk)? {
        Stage::Growing(head) => Ok(Opened::Growing(head)),
        Stage::Finishing(_) => Ok(Opened::Finishing),
        Stage::Finished(summary) => {
            let mut image = vec![0; summary.head as usize];
            let read = disk.read_at(&mut image, 0)?;
            let head = head::decode_finished(&image[..read]);
            Ok(Opened::Finished(head.ok_or_else(|| Error::Corrupt("no head".into()))??, summary))
        }
    }
}

fn finished_summary(image: &[u8]) -> Option<Summary> {
    let sealed = head::open(image, 0).filter(|sealed| sealed.state == State::Finished)?;
    Summary::decode(sealed.summary)
}

/// Steps 3 and 4.
pub(super) fn carry_out(disk: &mut dyn Disk, journal: &Journal) -> Result<Summary> {
    let summary = finished_summary(&journal.image).ok_or_else(|| Error::Corrupt("the journal has no head".into()))?;
    let mut front = journal.image.clone();
    // What is in front now, before the shift: `HEAD` bytes of a growing file, more of one that is finished anew.
    let fits = (front.len() as u64..=MAX_LEN).contains(&summary.head);
    let before = summary
        .head
        .checked_sub(journal.shift)
        .filter(|_| fits)
        .ok_or_else(|| Error::Corrupt("the journal's head does not fit".into()))?;
    front.resize(summary.head as usize, 0);
    let shifted = disk.len()? > journal.media_end + journal.encoded_len();
    if journal.shift > 0 && !shifted {
        if !disk.insert_front(journal.shift)? {
            disk.replace(&front, before, journal.media_end)?;
            return Ok(summary);
        }
        disk.sync()?;
    }
    disk.write_at(&front, 0)?;
    disk.sync()?;
    disk.truncate(journal.media_end + journal.shift)?;
    disk.sync()?;
    Ok(summary)
}
