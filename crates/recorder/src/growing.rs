//! A file of the spool while it is written: made, or found again after a restart, and appended to in fragments.

use std::path::PathBuf;

use media::mp4::{self, Anchor, RecoveredTrack, Writer};
use rules::select::Source;
use rules::time::{MILLI_NS, Mono, Wall};
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::messages::{FileName, Settings};
use crate::sync::{SyncQueue, Synced};
use crate::{Result, names};

/// Whose files, and where.
#[derive(Debug, Clone)]
pub struct Place {
    pub source: Source,
    /// The task's folder.
    pub dir: PathBuf,
    /// See [`FileNote`].
    pub keep_source: bool,
    pub syncs: SyncQueue,
}

/// What a file says about itself to whoever completes it.
#[derive(Debug, Serialize, Deserialize)]
pub struct FileNote {
    pub source: Source,
    /// Its pictures keep the sizes in which they came.
    pub keep_source: bool,
}

impl FileNote {
    /// Reads it again; one that is not there says nothing.
    pub fn of(anchor: &Anchor) -> Option<FileNote> {
        serde_json::from_slice(&anchor.note).ok()
    }
}

impl Place {
    /// The file with this number.
    pub fn file(&self, sequence: u32) -> FileName {
        FileName { source: self.source.clone(), sequence }
    }

    /// Where it is.
    pub fn path(&self, sequence: u32) -> PathBuf {
        names::path(&self.dir, &self.file(sequence))
    }

    /// The number of the newest file there is, or of the first one.
    pub fn newest(&self) -> u32 {
        names::newest(&self.dir, &self.source).unwrap_or(0)
    }
}

/// See the module's head.
pub struct Growing {
    pub writer: Writer,
    pub sequence: u32,
    /// Media time 0.
    pub epoch: Mono,
    flushed_at: Mono,
    /// Synced for as long as it is there.
    _synced: Synced,
}

/// What is there to go on with.
pub enum Resumed {
    /// An unfinished file, and its tracks.
    File(Box<Growing>, Vec<RecoveredTrack>),
    /// Nothing: a file with this number is to be begun.
    Begin(u32),
}

impl Growing {
    /// A new file with this number whose media time 0 is `epoch`.
    pub fn create(place: &Place, sequence: u32, epoch: Mono, clock: &Clock) -> Result<Growing> {
        let note = FileNote { source: place.source.clone(), keep_source: place.keep_source };
        let note = serde_json::to_vec(&note).unwrap_or_default();
        let anchor = Anchor { epoch_ns: clock.wall(epoch).0, note };
        let writer = Writer::create(&place.path(sequence), anchor)?;
        Growing::over(writer, sequence, epoch, place)
    }

    /// The unfinished file of before a restart if there is one. A finished one is followed by the next.
    pub fn resume(place: &Place, sequence: u32, clock: &Clock) -> Result<Resumed> {
        let path = place.path(sequence);
        if !path.try_exists()? {
            return Ok(Resumed::Begin(sequence));
        }
        match Writer::recover(&path) {
            Ok((writer, recovered)) => {
                let epoch = clock.at_wall(Wall(recovered.anchor.epoch_ns));
                let file = Growing::over(writer, sequence, epoch, place)?;
                Ok(Resumed::File(Box::new(file), recovered.tracks))
            }
            Err(mp4::Error::Empty) => {
                std::fs::remove_file(&path)?;
                Ok(Resumed::Begin(sequence))
            }
            Err(error @ mp4::Error::Io(_)) => Err(error.into()),
            Err(error) => {
                if !matches!(error, mp4::Error::Finished) {
                    // It stays as it is, and is reported at the end of the task.
                    tracing::error!(?path, %error, "cannot go on in this file; the next one is begun");
                }
                Growing::resume(place, sequence + 1, clock)
            }
        }
    }

    /// Wall clock at media time 0.
    pub fn started(&self) -> Wall {
        Wall(self.writer.anchor().epoch_ns)
    }

    /// Writes a fragment if the last one is long enough ago.
    pub fn flush_if_due(&mut self, now: Mono, settings: &Settings) -> Result<()> {
        if now.since(self.flushed_at) >= i64::from(settings.fragment_ms) * MILLI_NS {
            self.flushed_at = now;
            self.writer.flush()?;
        }
        Ok(())
    }

    fn over(writer: Writer, sequence: u32, epoch: Mono, place: &Place) -> Result<Growing> {
        let _synced = place.syncs.add(writer.syncer()?);
        Ok(Growing { writer, sequence, epoch, flushed_at: Mono::default(), _synced })
    }
}
