//! Files whose pictures are of several sizes, or turned differently, made files of one size: what differs is encoded
//! anew and appended, everything else stays where it is, bit for bit. The file is whole before, meanwhile and after.
//!
//! [`plan`] decides, [`remake`] draws and encodes, [`thread`] does it in the background.

mod plan;
mod remake;
pub mod thread;
pub mod tries;

use std::path::Path;

use media::mp4::{Replacing, StoredPicture};
use media::sizes::Sizes;

use self::plan::{Plan, Shot};
use self::remake::Remake;
use crate::growing::FileNote;
use crate::{Error, Result, coded};

/// Whether a finished file is to be made uniform: its pictures differ, and nobody asked for them as they are. One that
/// cannot be read stays as it is.
/// `upright`: see [`make`].
pub fn is_due(path: &Path, upright: bool) -> bool {
    match Replacing::open(path) {
        Ok(Some(file)) => differs(&file, upright) && !FileNote::of(file.anchor()).is_some_and(|note| note.keep_source),
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

/// By its sample entries, which are few: each size and turn has its own.
fn differs(file: &Replacing, upright: bool) -> bool {
    let mut looks = file.entries().iter().map(|entry| (entry.size(), entry.rotation()));
    let first = looks.next();
    looks.any(|look| Some(look) != first) || upright && first.is_some_and(|(_, rotation)| rotation > 0)
}

/// Makes a finished file uniform; its pictures `upright`, where nobody can tell players that all are turned alike. After an
/// error it must be finished again, and is what it was then.
pub fn make(path: &Path, upright: bool) -> Result<()> {
    let Some(mut file) = Replacing::open(path)?.filter(|file| differs(file, upright)) else { return Ok(()) };
    let shots = shots(&file)?;
    let Some(plan) = plan::plan(&shots, upright) else { return Ok(()) };
    let Plan { canvas, groups, .. } = &plan;
    let codec = file.entries().first().and_then(|entry| coded::codec_of(entry.codec()));
    let mut remake = Remake::new(codec.ok_or(Error::Internal("pictures without a codec"))?, &plan)?;
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

/// What is known of each picture. Its size is the one that it says itself, where it does: when the head is full, its entry
/// is another one's.
fn shots(file: &Replacing) -> Result<Vec<Shot>> {
    let mut shots: Vec<Shot> = Vec::with_capacity(file.pictures().len());
    let mut sizes = file.entries().first().map(|entry| Sizes::new(entry.codec()));
    for (n, picture) in file.pictures().iter().enumerate() {
        let StoredPicture { offset: place, entry, key, .. } = *picture;
        let entry = &file.entries()[entry as usize];
        let named = (u32::from(entry.size().0), u32::from(entry.size().1));
        let last = shots.last().filter(|last| !key || last.place == place);
        let said = match (&mut sizes, last) {
            (Some(sizes), last) if last.is_none_or(|last| last.place != place) => {
                sizes.follow(&file.read(n, sizes.needed(key))?)
            }
            _ => None,
        };
        let size = said.or(last.map(|last| last.size)).unwrap_or(named);
        shots.push(Shot { place, key, size, rotation: entry.rotation(), misnamed: size != named });
    }
    Ok(shots)
}

#[cfg(test)]
mod tests;
