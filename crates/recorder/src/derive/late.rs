//! A WEBM whose pictures are not the master's, completed when the master is: late, because it takes an encoder.

use std::path::Path;

use media::mp4::{Kind, Tail, TailOptions};
use rules::request::FileFormat;

use super::rendition::Rendition;
use super::{Derivation, following, webm};
use crate::disk::describe;
use crate::messages::{FileName, FinishedFile};
use crate::names;

/// A WEBM that is still to be made of a finished master; what there is of its pictures already.
pub struct Late(pub Option<Box<Rendition>>);

/// Whether the master has pictures that a WEBM does not take.
pub fn is_due(tail: &Tail) -> bool {
    tail.entry(Kind::Video, 0).is_some_and(|entry| !webm::takes(entry.codec()))
}

/// The same of a master that is in the folder.
pub fn is_due_of(dir: &Path, name: &FileName) -> bool {
    Tail::open(&names::path(dir, name), options(Kind::Video)).is_ok_and(|tail| is_due(&tail))
}

fn options(only: Kind) -> TailOptions {
    TailOptions { only: Some(only), live: None }
}

impl Late {
    /// Makes the file, adds it to what was made of the master, and notes that; or says in words why there is none. Then the
    /// master stands in for it. `changed`: whether the master's pictures are not what they were while it grew; or why nothing
    /// is to be tried.
    pub fn make(
        self,
        dir: &Path,
        name: &FileName,
        changed: Result<bool, String>,
        made: &mut Vec<FinishedFile>,
    ) -> Option<String> {
        let derivation = Derivation::new(dir, name, FileFormat::Webm);
        let file = changed.and_then(|changed| {
            let rendition = self.0.filter(|_| !changed);
            join(&derivation, rendition).map_err(|error| error.to_string())
        });
        _ = std::fs::remove_file(names::pictures(dir, name));
        let (file, failed) = match file {
            Ok(file) => (Some(file), None),
            Err(error) => {
                derivation.discard();
                let missing = made.iter().all(|file| file.format != FileFormat::Mp4);
                let master = missing.then(|| describe(name.clone(), &names::path(dir, name)).ok()).flatten();
                (master, Some(format!("no WEBM was made: {error}")))
            }
        };
        made.extend(file);
        match following::note(dir, name, made) {
            Ok(()) => failed,
            Err(error) => Some(format!("what was made cannot be noted: {error}")),
        }
    }
}

fn join(derivation: &Derivation, rendition: Option<Box<Rendition>>) -> crate::Result<FinishedFile> {
    let Derivation { dir, name, .. } = derivation;
    let finished = describe(name.clone(), &names::path(dir, name))?;
    let (master, pictures) = (names::path(dir, name), names::pictures(dir, name));
    let done = rendition.map(|rendition| rendition.finish());
    if let Some(Err(error)) = &done {
        tracing::warn!(?name, %error, "pictures of the WEBM are made again");
    }
    if !matches!(done, Some(Ok(()))) {
        Rendition::of_finished(&master, pictures.clone())?.finish()?;
    }
    let tails = (Tail::open(&pictures, options(Kind::Video))?, Tail::open(&master, options(Kind::Audio))?);
    derivation.listed(webm::join(derivation.path(), tails.0, tails.1)?, &finished)
}
