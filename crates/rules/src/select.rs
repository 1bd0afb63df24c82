//! Which streams of a room a task records.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// The vendor's limit of streams per task.
pub const MAX_STREAMS: usize = 17;

/// What a user publishes of one kind is one stream: its audio and video share a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamKind {
    /// Camera and microphone, `StreamType` 0.
    Camera,
    /// Screen and its sound, `StreamType` 1.
    Screen,
}

impl StreamKind {
    /// The letter in file names: `C` or `S`.
    pub fn letter(self) -> char {
        match self {
            StreamKind::Camera => 'C',
            StreamKind::Screen => 'S',
        }
    }

    /// `StreamType` on the wire.
    pub fn number(self) -> i64 {
        match self {
            StreamKind::Camera => 0,
            StreamKind::Screen => 1,
        }
    }
}

/// One stream of a room.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StreamId {
    /// The participant's identity in the room, the `UserId` of the API.
    pub user: String,
    pub kind: StreamKind,
}

/// What a file is a recording of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The whole room in one picture and one sound.
    Mix,
    /// One stream.
    Stream(StreamId),
}

impl Source {
    /// The stream, unless it is the mix.
    pub fn stream(&self) -> Option<&StreamId> {
        match self {
            Source::Mix => None,
            Source::Stream(stream) => Some(stream),
        }
    }
}

impl From<StreamId> for Source {
    fn from(stream: StreamId) -> Source {
        Source::Stream(stream)
    }
}

impl std::fmt::Display for Source {
    /// For people: `alice C`, or `the mix`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::Mix => f.write_str("the mix"),
            Source::Stream(stream) => write!(f, "{} {}", stream.user, stream.kind.letter()),
        }
    }
}

/// The wish of a task.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Selection {
    /// Only these; everything when empty.
    pub targets: BTreeSet<StreamId>,
    /// Never these.
    pub excluded: BTreeSet<StreamId>,
}

impl Selection {
    /// Whether the task wants the stream, given how many different streams it recorded `so_far` without this one.
    pub fn wants(&self, stream: &StreamId, so_far: usize) -> bool {
        let listed = self.targets.is_empty() || self.targets.contains(stream);
        listed && !self.excluded.contains(stream) && so_far < MAX_STREAMS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(user: &str, kind: StreamKind) -> StreamId {
        StreamId { user: user.into(), kind }
    }

    #[test]
    fn everything_but_the_excluded_is_wanted_when_nothing_is_listed() {
        let select = Selection { excluded: [stream("a", StreamKind::Camera)].into(), ..Selection::default() };
        assert!(!select.wants(&stream("a", StreamKind::Camera), 0));
        assert!(select.wants(&stream("a", StreamKind::Screen), 0));
        assert!(select.wants(&stream("b", StreamKind::Camera), MAX_STREAMS - 1));
        assert!(!select.wants(&stream("b", StreamKind::Camera), MAX_STREAMS));
    }

    #[test]
    fn a_list_of_targets_is_exact() {
        let select = Selection { targets: [stream("a", StreamKind::Camera)].into(), ..Selection::default() };
        assert!(select.wants(&stream("a", StreamKind::Camera), 0));
        assert!(!select.wants(&stream("a", StreamKind::Screen), 0));
        assert!(!select.wants(&stream("b", StreamKind::Camera), 0));
    }
}
