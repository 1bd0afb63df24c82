//! Files whose pictures are of several sizes, or turned differently, made files of one size: what differs is encoded
//! anew and appended, everything else stays where it is, bit for bit. The file is whole before, meanwhile and after.
//!
//! [`plan`] decides, [`remake`] draws and encodes, [`thread`] does it in the background.

mod plan;
mod remake;
pub mod thread;
pub mod tries;

use std::path::Path;

use media::bitstream::h264::{Sps, nal, nal_type};
use media::mp4::{self, Replacing, StoredPicture};

use self::plan::{Plan, Shot};
use self::remake::Remake;
use crate::Result;
use crate::growing::FileNote;

/// Parameter sets are found in so many bytes at the beginning of a key frame.
const SETS: usize = 1024;

/// Whether a finished file is to be made uniform: its pictures differ, and nobody asked for them as they are. One that
/// cannot be read stays as it is.
pub fn is_due(path: &Path) -> bool {
    match Replacing::open(path) {
        Ok(Some(file)) => differs(&file) && !FileNote::of(file.anchor()).is_some_and(|note| note.keep_source),
        Ok(None) => false,
        Err(error) => {
            tracing::error!(?path, %error, "cannot look for sizes in a finished file");
            false
        }
    }
}

/// Whether a recorder began to make the file uniform, and has not told of all that is made of it then.
pub fn was_begun(path: &Path) -> bool {
    tries::are_noted(path)
}

/// By its sample entries, which are few. Only H.264 can be encoded anew into a track.
fn differs(file: &Replacing) -> bool {
    let h264 = file.entries().iter().all(|entry| entry.codec() == mp4::Codec::H264);
    let mut looks = file.entries().iter().map(|entry| (entry.size(), entry.rotation()));
    let first = looks.next();
    h264 && looks.any(|look| Some(look) != first)
}

/// Makes a finished file uniform. After an error it must be finished again, and is what it was then.
pub fn make(path: &Path) -> Result<()> {
    let Some(mut file) = Replacing::open(path)?.filter(differs) else { return Ok(()) };
    let shots = shots(&file)?;
    let Some(plan) = plan::plan(&shots) else { return Ok(()) };
    let Plan { canvas, groups, .. } = &plan;
    let mut remake = Remake::new(&plan)?;
    for group in groups {
        match group.same_as {
            Some(other) => file.repeat(group.pictures.start, other),
            None => remake.group(group, &shots, &mut file)?,
        }
    }
    let anew: usize = groups.iter().map(|group| group.pictures.len()).sum();
    file.commit()?;
    tracing::info!(?path, ?canvas, pictures = shots.len(), anew, "all pictures are of one size");
    Ok(())
}

/// What is known of each picture. A key frame's size is the one that it says itself, where it does: when the head is
/// full, its entry is another one's.
fn shots(file: &Replacing) -> Result<Vec<Shot>> {
    let mut shots: Vec<Shot> = Vec::with_capacity(file.pictures().len());
    for (n, picture) in file.pictures().iter().enumerate() {
        let StoredPicture { offset: place, entry, key, .. } = *picture;
        let entry = &file.entries()[entry as usize];
        let (width, height) = entry.size();
        let size = match shots.last() {
            Some(last) if key && last.place == place => last.size,
            _ if key => coded_size(&file.read(n, SETS)?).unwrap_or((width.into(), height.into())),
            Some(last) => last.size,
            None => (width.into(), height.into()),
        };
        let misnamed = size != (width.into(), height.into());
        shots.push(Shot { place, key, size, rotation: entry.rotation(), misnamed });
    }
    Ok(shots)
}

/// The size that the first sequence parameter set says, if there is one in these first bytes of a key frame.
fn coded_size(mut data: &[u8]) -> Option<(u32, u32)> {
    loop {
        let (length, rest) = data.split_first_chunk::<4>()?;
        let (unit, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        if unit.first().is_some_and(|header| nal_type(*header) == nal::SPS) {
            let sps = Sps::parse(unit).ok()?;
            return Some((sps.width, sps.height));
        }
        data = rest;
    }
}

#[cfg(test)]
mod tests;
