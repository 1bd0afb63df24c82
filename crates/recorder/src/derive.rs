//! Files of other formats, made from the master (the hybrid MP4 of the spool) while it grows, and completed when it is
//! finished. The master alone has to survive a crash: what was derived is made again from its beginning, and comes out the
//! same.
//!
//! Each format has a [`Tail`] of its own, which gives the master as it will be played, and an [`Output`] that takes it. A
//! file has its name when it is complete (before that it ends in `.partial`); a playlist is complete when it says so.
//!
//! A WEBM of a master whose pictures it does not take is made of a [`rendition`] of them, and completed by [`late`].
//!
//! [`following`] is what the disk thread knows of tasks that want such files.

mod aac;
mod files;
mod flv;
mod following;
mod hls;
mod late;
mod m4a;
mod mp3;
mod ogg;
mod opus;
mod pcm;
mod playlist;
mod rendition;
#[cfg(test)]
mod tests;
mod wav;
mod webm;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use media::mp4::{Filler, Kind, Played, SampleEntry, Tail, TailOptions};
use rules::request::FileFormat;
use rules::select::Source;

use crate::disk::{BlackAndSilence, describe};
use crate::messages::{FileName, FinishedFile};
use crate::{Error, Result, names, video};

pub use following::{Following, Made, is_ours};
pub use late::Late;
use rendition::Rendition;

/// Pieces taken at once while the master grows, so that whoever follows is never away for long.
const PIECES: usize = 20_000;

/// A file of one format under way.
trait Output: Send {
    /// Takes the next piece. What it does not know of the master, `tail` tells.
    fn push(&mut self, played: &Played, tail: &Tail) -> Result<()>;
    /// Completes the file. `tail` has given everything.
    fn finish(self: Box<Self>, tail: &Tail) -> Result<Facts>;
}

/// What is in a complete file.
struct Facts {
    /// Bytes.
    size: u64,
    /// Names of the codecs, as files are listed.
    video: Option<&'static str>,
    audio: Option<&'static str>,
}

/// Which master, and which format of it.
#[derive(Debug, Clone)]
pub struct Derivation {
    dir: PathBuf,
    name: FileName,
    format: FileFormat,
}

impl Derivation {
    pub fn new(dir: &Path, name: &FileName, format: FileFormat) -> Derivation {
        Derivation { dir: dir.to_owned(), name: name.clone(), format }
    }

    /// Removes what there is of a file that cannot be made.
    fn discard(&self) {
        let path = self.path();
        for file in [files::partial(&path), path] {
            _ = std::fs::remove_file(file);
        }
        if self.format == FileFormat::Hls {
            _ = std::fs::remove_dir_all(names::segments(&self.dir, &self.name));
        }
    }

    fn path(&self) -> PathBuf {
        names::derived(&self.dir, &self.name, self.format)
    }

    fn options(&self) -> TailOptions {
        // Only a playlist is played while it grows. A mix has no gaps: what stands in its picture stands still.
        let still = if self.name.source == Source::Mix { 0 } else { video::STILL_AFTER as u32 };
        let only = (!self.format.has_picture()).then_some(Kind::Audio);
        TailOptions { only, live: (self.format == FileFormat::Hls).then_some(still) }
    }

    fn output(&self) -> Result<Box<dyn Output>> {
        let path = self.path();
        Ok(match self.format {
            FileFormat::Mp4 => return Err(Error::Internal("the master is not derived")),
            FileFormat::Hls => Box::new(hls::Hls::new(path, names::segments(&self.dir, &self.name))?),
            FileFormat::Flv => Box::new(flv::Flv::new(path)),
            FileFormat::Webm => Box::new(webm::Webm::new(path)),
            FileFormat::Mp3 => Box::new(mp3::Mp3::new(path)),
            FileFormat::Aac => Box::new(aac::AdtsFile::new(path)),
            FileFormat::M4a => Box::new(m4a::M4a::new(path)),
            FileFormat::Ogg => Box::new(ogg::Ogg::new(path)),
            FileFormat::Wav => Box::new(wav::Wav::new(path)),
        })
    }

    /// Begins at the master's beginning.
    ///
    /// # Errors
    /// Among others, when the master is just being created.
    pub fn begin(&self) -> Result<Working> {
        Ok(Working::Direct(Box::new(self.begin_direct()?)))
    }

    fn begin_direct(&self) -> Result<Direct> {
        let tail = Tail::open(&names::path(&self.dir, &self.name), self.options())?;
        Ok(Direct { tail, output: self.output()? })
    }

    /// Completes the file of a finished master; `working` is what was done of it.
    ///
    /// # Errors
    /// The format cannot be made of this master, or the disk refused.
    pub fn complete(&self, working: Option<Working>, master: &FinishedFile) -> Result<FinishedFile> {
        if !self.format.has_picture() && master.audio_codec.is_none() {
            return Err(pcm::no_sound());
        }
        let working = match working {
            Some(Working::Direct(direct)) => direct.run_out().ok(),
            Some(Working::Pictures(_)) | None => None,
        };
        let working = match working.filter(|working| !working.tail.overran()) {
            Some(working) => working,
            // From the beginning; what failed may have been the disk.
            None => self.begin_direct()?.run_out()?,
        };
        self.close(working, master)
    }

    /// Makes the file of a finished master whose pictures were replaced, in place of the one there is.
    fn remake(&self, master: &FinishedFile) -> Result<FinishedFile> {
        let made = || {
            let tail = Tail::of_index(&names::path(&self.dir, &self.name), self.options())?;
            let working = Direct { tail, output: self.output()? };
            self.close(working.run_out()?, master)
        };
        made().inspect_err(|_| _ = std::fs::remove_file(files::partial(&self.path())))
    }

    /// Everything was taken.
    fn close(&self, Direct { tail, output }: Direct, master: &FinishedFile) -> Result<FinishedFile> {
        self.listed(output.finish(&tail)?, master)
    }

    /// The complete file, as it is listed.
    fn listed(&self, facts: Facts, master: &FinishedFile) -> Result<FinishedFile> {
        File::open(&self.dir)?.sync_all()?;
        let (width, height) = if facts.video.is_some() { (master.width, master.height) } else { (0, 0) };
        Ok(FinishedFile {
            format: self.format,
            size: facts.size,
            video_codec: facts.video.map(str::to_owned),
            audio_codec: facts.audio.map(str::to_owned),
            width,
            height,
            ..master.clone()
        })
    }
}

/// A derivation under way.
pub enum Working {
    Direct(Box<Direct>),
    /// WEBM has the pictures only of a rendition, which has to be there first.
    Pictures(Box<Rendition>),
}

/// A derivation that takes the master's pieces as they are.
pub struct Direct {
    tail: Tail,
    output: Box<dyn Output>,
}

impl Working {
    /// Takes what is new in the master. Nothing of before media time `edge` is missing that still comes.
    pub fn follow(&mut self, of: &Derivation, edge: Option<Duration>) -> Result<()> {
        match self {
            Working::Pictures(rendition) => rendition.follow(),
            Working::Direct(direct) => {
                direct.tail.refresh()?;
                if of.format == FileFormat::Webm && late::is_due(&direct.tail) {
                    let pictures = names::pictures(&of.dir, &of.name);
                    let rendition = Rendition::of_growing(&names::path(&of.dir, &of.name), pictures)?;
                    *self = Working::Pictures(Box::new(rendition));
                    return Ok(());
                }
                direct.follow(edge)
            }
        }
    }

    /// Unix time of the master's media time 0, nanoseconds.
    pub fn epoch_ns(&self) -> i64 {
        match self {
            Working::Direct(direct) => direct.tail.anchor().epoch_ns,
            // Waits for the end of every gap.
            Working::Pictures(_) => 0,
        }
    }
}

impl Direct {
    fn follow(&mut self, edge: Option<Duration>) -> Result<()> {
        for _ in 0..PIECES {
            let Some(played) = self.tail.next(edge)? else { break };
            self.output.push(&played, &self.tail)?;
        }
        Ok(())
    }

    /// Takes all that is left of a finished master.
    fn run_out(mut self) -> Result<Direct> {
        self.tail.refresh()?;
        while let Some(played) = self.tail.next(None)? {
            self.output.push(&played, &self.tail)?;
        }
        Ok(self)
    }
}

/// Whether files of this format have their pictures in one size, as the master gets them after the stop. Players of FLV
/// break where the size changes, and those of WEBM stretch what follows; segments of HLS were published when it did, and
/// players know that.
pub fn is_of_one_size(format: FileFormat) -> bool {
    matches!(format, FileFormat::Mp4 | FileFormat::Flv | FileFormat::Webm)
}

/// Whether pictures of the master are copied into a file among these that cannot tell players to turn them.
pub fn shows_as_coded(dir: &Path, name: &FileName, made: &[FinishedFile]) -> bool {
    made.iter().any(|file| file.format == FileFormat::Webm) && !late::is_due_of(dir, name)
}

/// Makes the other files that are of one size anew from a master that became so, in place of those there are, and notes
/// it; on an error those are still there. `made`: all that was made of the master.
pub fn remake(dir: &Path, name: &FileName, made: &mut [FinishedFile]) -> Result<()> {
    // A late WEBM was made after that.
    let has_own = |format| format == FileFormat::Mp4 || format == FileFormat::Webm && late::is_due_of(dir, name);
    let due = |file: &FinishedFile| is_of_one_size(file.format) && !has_own(file.format);
    if !made.iter().any(due) {
        return Ok(());
    }
    let master = describe(name.clone(), &names::path(dir, name))?;
    for file in made.iter_mut().filter(|file| due(file)) {
        *file = Derivation::new(dir, name, file.format).remake(&master)?;
    }
    Ok(following::note(dir, name, made)?)
}

/// A black picture of the entry's codec and size, a sample of the master.
fn black(entry: &SampleEntry) -> Result<Bytes> {
    let (width, height) = entry.size();
    let black = BlackAndSilence.black(entry.codec(), width, height);
    black.map(|(_, sample)| sample).map_err(|error| Error::Format(error.to_string()))
}

/// Times of a piece in the clock of pictures, 90 kHz.
fn clock(played: &Played, tail: &Tail) -> i64 {
    let rate = match played.kind {
        Kind::Video => return played.at,
        Kind::Audio => tail.entry(Kind::Audio, 0).map_or(48_000, |entry| entry.timescale()),
    };
    (i128::from(played.at) * 90_000).div_euclid(i128::from(rate)) as i64
}
