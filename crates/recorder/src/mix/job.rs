//! What a mix is asked for, and what it tells.

use std::collections::BTreeSet;

use rules::select::{Source, StreamId};
use rules::time::Wall;

use crate::growing::Place;
use crate::messages::{FileName, MixPlan, Report, Settings};
use crate::take::Closed;

/// What a mix makes, and where.
#[derive(Debug, Clone)]
pub struct MixJob {
    pub place: Place,
    pub plan: MixPlan,
    pub audio_only: bool,
    pub settings: Settings,
}

/// Something the mix's owner should know.
#[derive(Debug, Clone, PartialEq)]
pub enum MixEvent {
    Opened {
        file: FileName,
        started: Wall,
        resumed: bool,
    },
    /// The file was as long as files may be.
    Ended(Closed),
    /// The first media of a stream.
    Took(StreamId),
    /// Something a reader of the recording must know.
    Note(String),
    /// These streams wait for a key frame.
    Waits(BTreeSet<StreamId>),
}

impl MixEvent {
    /// What the worker is to be told of it.
    pub fn report(self, task: i64) -> Option<Report> {
        match self {
            MixEvent::Opened { file, started, resumed } => {
                Some(Report::FileOpened { task, file, started_ms: started.millis(), resumed })
            }
            MixEvent::Took(stream) => Some(Report::Mixed { task, stream }),
            MixEvent::Note(text) => Some(Report::Note { task, source: Source::Mix, text }),
            MixEvent::Ended(_) | MixEvent::Waits(_) => None,
        }
    }
}
