//! What the disk thread knows of tasks that want other formats than MP4: follows their growing masters, and makes all
//! that is wanted of a finished one.
//!
//! Two files in a task's folder say what must be known after a restart: `formats`, what the task wants; and beside a master,
//! `0000-C-alice.made`, what was made of it. When the latter is there nothing is made any more: the files may be in the
//! library, and the master is gone if it was not wanted itself.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rules::request::FileFormat;
use rules::time::{SECOND_NS, Wall};

use super::{Derivation, Late, Working, files, late};
use crate::messages::{FileName, FinishedFile};
use crate::{Result, names};

/// Media that is older than this and still missing in a growing master does not come any more: longer than packets are
/// waited for, pictures encoded anew and fragments gathered.
const LATE_NS: i64 = 3 * SECOND_NS;
/// How often a format is tried that cannot be made, in case it is the disk that refuses.
const ATTEMPTS: u32 = 3;
/// Pause before that.
const RETRY: Duration = Duration::from_secs(1);
/// Name of the file with the formats that a task wants.
const FORMATS: &str = "formats";

/// What was made of a master.
pub struct Made {
    pub files: Vec<FinishedFile>,
    /// What could not be made, in words.
    pub failed: Vec<String>,
    /// What is still to be made.
    pub late: Option<Late>,
}

/// The masters that are followed. See the module's head.
#[derive(Default)]
pub struct Following {
    tasks: BTreeMap<PathBuf, Vec<FileFormat>>,
    working: BTreeMap<(PathBuf, FileName), BTreeMap<FileFormat, Option<Working>>>,
}

impl Following {
    /// Follows the masters of a task's folder from now on, if it wants more than them.
    pub fn add(&mut self, dir: &Path, formats: &[FileFormat]) -> Result<()> {
        if formats == [FileFormat::Mp4] {
            return Ok(());
        }
        let text = serde_json::to_vec(formats).unwrap_or_default();
        files::replace(&dir.join(FORMATS), &text)?;
        File::open(dir.join(FORMATS))?.sync_all()?;
        self.tasks.insert(dir.to_owned(), formats.to_vec());
        Ok(())
    }

    /// No master of the folder grows any more.
    pub fn remove(&mut self, dir: &Path) {
        self.tasks.remove(dir);
        self.working.retain(|(of, _), _| of != dir);
    }

    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Takes what is new in all masters.
    pub fn follow(&mut self, now: Wall) {
        for (dir, formats) in &self.tasks {
            for (name, _) in names::list(dir).unwrap_or_default() {
                if names::made(dir, &name).exists() {
                    continue;
                }
                let working = self.working.entry((dir.clone(), name.clone())).or_default();
                for format in formats.iter().filter(|format| **format != FileFormat::Mp4) {
                    let derivation = Derivation::new(dir, &name, *format);
                    // What fails is made anew at the end, and told then.
                    let slot = working.entry(*format).or_insert_with(|| begun(&derivation));
                    let failed = slot.as_mut().and_then(|working| {
                        let edge = now.0 - LATE_NS - working.epoch_ns();
                        working.follow(&derivation, u64::try_from(edge).ok().map(Duration::from_nanos)).err()
                    });
                    if let Some(error) = failed {
                        tracing::warn!(?name, ?format, %error, "not made while the recording goes on");
                        *slot = None;
                    }
                }
                // A master that is just being created is tried again.
                working.retain(|_, working| working.is_some() || !is_new(dir, &name));
            }
        }
    }

    /// What was made of the master already, if all is done.
    pub fn made(&self, dir: &Path, name: &FileName) -> Option<Vec<FinishedFile>> {
        let text = std::fs::read(names::made(dir, name)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// The WEBM that is still to be made where this was made of the master.
    pub fn late(&self, dir: &Path, name: &FileName, made: &[FinishedFile]) -> io::Result<Option<Late>> {
        let missing = made.iter().all(|file| file.format != FileFormat::Webm);
        let wanted = missing && self.formats(dir)?.contains(&FileFormat::Webm);
        Ok((wanted && late::is_due_of(dir, name)).then_some(Late(None)))
    }

    /// The formats that the folder's task wants.
    fn formats(&self, dir: &Path) -> io::Result<Vec<FileFormat>> {
        self.tasks.get(dir).map_or_else(|| wanted(dir), |formats| Ok(formats.clone()))
    }

    /// Makes all that the task wants of its finished master but for what takes an encoder of pictures, and notes that it
    /// was. Files that are complete already are made again, which does no harm. `early`: the task goes on, and the number
    /// of this file must never be used again, though the file be gone into the library.
    pub fn complete(&mut self, dir: &Path, master: &FinishedFile, early: bool) -> io::Result<Made> {
        let formats = self.formats(dir)?;
        if formats == [FileFormat::Mp4] && !early {
            return Ok(Made { files: vec![master.clone()], failed: Vec::new(), late: None });
        }
        let mut working = self.working.remove(&(dir.to_owned(), master.name.clone())).unwrap_or_default();
        let late = self.late(dir, &master.name, &[])?.map(|_| match working.remove(&FileFormat::Webm) {
            Some(Some(Working::Pictures(rendition))) => Late(Some(rendition)),
            _ => Late(None),
        });
        let is_late = late.is_some();
        let mut made = Made { files: Vec::new(), failed: Vec::new(), late };
        let mut faults = false;
        let now = |format: &FileFormat| *format != FileFormat::Mp4 && !(is_late && *format == FileFormat::Webm);
        for format in formats.iter().copied().filter(now) {
            let derivation = Derivation::new(dir, &master.name, format);
            match tried(&derivation, working.remove(&format).flatten(), master) {
                Ok(file) => made.files.push(file),
                Err(error) => {
                    faults |= !matches!(error, crate::Error::Format(_));
                    derivation.discard();
                    made.failed.push(format!("no {} was made: {error}", format.name()));
                }
            }
        }
        // Nothing that was recorded is lost: the master stands in for what could not be made of it.
        let blind = !is_late
            && formats.iter().any(|format| format.has_picture())
            && master.video_codec.is_some()
            && made.files.iter().all(|file| file.video_codec.is_none());
        if formats.contains(&FileFormat::Mp4) || faults || blind || (made.files.is_empty() && !is_late) {
            made.files.insert(0, master.clone());
        }
        note(dir, &master.name, &made.files)?;
        Ok(made)
    }

    /// All that was made of masters that are not in the folder any more.
    pub fn orphans(&self, dir: &Path) -> Vec<FinishedFile> {
        let names = names::list_made(dir).unwrap_or_default();
        let gone = names.into_iter().filter(|name| !names::path(dir, name).exists());
        gone.filter_map(|name| self.made(dir, &name)).flatten().collect()
    }
}

/// Notes beside a master what was made of it.
pub fn note(dir: &Path, name: &FileName, made: &[FinishedFile]) -> io::Result<()> {
    let path = names::made(dir, name);
    std::fs::write(files::partial(&path), serde_json::to_vec(made).unwrap_or_default())?;
    files::complete(&path)?;
    File::open(dir)?.sync_all()
}

fn begun(derivation: &Derivation) -> Option<Working> {
    let begun = derivation.begin();
    begun.inspect_err(|error| tracing::debug!(?derivation, %error, "not followed yet")).ok()
}

/// Whether the master may not have its head yet.
fn is_new(dir: &Path, name: &FileName) -> bool {
    std::fs::metadata(names::path(dir, name)).is_ok_and(|file| file.len() <= media::mp4::HEAD)
}

fn tried(derivation: &Derivation, mut working: Option<Working>, master: &FinishedFile) -> Result<FinishedFile> {
    let mut attempt = 1;
    loop {
        match derivation.complete(working.take(), master) {
            Err(error) if !matches!(error, crate::Error::Format(_)) && attempt < ATTEMPTS => {
                tracing::error!(?derivation, %error, "cannot be made yet");
                attempt += 1;
                std::thread::sleep(RETRY);
            }
            done => return done,
        }
    }
}

/// The formats that the folder's task wants.
fn wanted(dir: &Path) -> io::Result<Vec<FileFormat>> {
    match std::fs::read(dir.join(FORMATS)) {
        Ok(text) => Ok(serde_json::from_slice(&text)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(vec![FileFormat::Mp4]),
        Err(error) => Err(error),
    }
}

/// Whether a file in a task's folder with this name is worth nothing when all recordings are gone: a note of this module, or
/// pictures of a WEBM that were not needed.
pub fn is_ours(name: &str) -> bool {
    name == FORMATS || [names::MADE, names::PICTURES].iter().any(|suffix| name.ends_with(suffix))
}
