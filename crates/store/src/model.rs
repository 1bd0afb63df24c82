//! The rows. Times are Unix milliseconds, paths are relative with `/`.

use std::fmt;

use rules::ids::TaskKey;
use rules::request::FileFormat;
use rules::select::Source;
use serde_json::Value;

use crate::{FileState, TaskState};

/// How many remarks a task keeps.
pub const MAX_NOTES: usize = 64;

/// The row of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskRow(pub i64);

/// The row of a file. Ids grow; 0 is below all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileRow(pub i64);

/// A task to be started.
#[derive(Clone, Debug, PartialEq)]
pub struct NewTask {
    pub key: TaskKey,
    /// The `Version` of the request, such as `2023-11-01`.
    pub api_version: String,
    pub business_id: Option<String>,
    /// The request as it was checked.
    pub request: Value,
    /// Name of the room server in the configuration.
    pub room_server: String,
    pub created_ms: i64,
}

/// A stored task.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    pub id: TaskRow,
    pub key: TaskKey,
    /// 1 for the first start of the key, 2 for the second, ...
    pub generation: u32,
    pub api_version: String,
    pub business_id: Option<String>,
    pub room_server: String,
    pub request: Value,
    pub state: TaskState,
    /// When the start was accepted.
    pub created_ms: i64,
    /// When the recorder was in the room.
    pub started_ms: Option<i64>,
    /// When recording was stopped.
    pub ended_ms: Option<i64>,
    /// As `StopReason` of the OpenAPI.
    pub stop_reason: Option<String>,
    /// Why it failed, for people.
    pub error: Option<String>,
    /// The worker that owns it.
    pub worker: Option<String>,
    /// Remarks for people, such as why a picture is missing.
    pub notes: Vec<String>,
}

/// Answer of a start.
#[derive(Clone, Debug, PartialEq)]
pub enum Start {
    Started(Task),
    AlreadyRunning(Task),
}

/// Answer of a stop.
#[derive(Clone, Debug, PartialEq)]
pub enum Stop {
    /// It ran; now it is stopping.
    Stopping(Task),
    /// The newest task of the key was stopped before and has not ended yet.
    AlreadyStopping(Task),
    /// No such task, or it has ended.
    NotRunning,
}

/// A task with its files.
#[derive(Clone, Debug, PartialEq)]
pub struct Unfinished {
    pub task: Task,
    pub files: Vec<File>,
}

/// A file to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFile {
    pub task: TaskRow,
    pub source: Source,
    /// 0 for the first file of the source.
    pub seq: u32,
    pub format: FileFormat,
    pub vid: Vid,
    /// Relative to the spool.
    pub spool_path: String,
    /// Unix time of the file's first moment.
    pub started_ms: i64,
}

/// What is known of a complete file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileFacts {
    pub duration_ms: u64,
    /// Bytes.
    pub size: u64,
    /// Such as `h264`; none without picture.
    pub video_codec: Option<String>,
    /// Such as `aac`, `opus`; none without sound.
    pub audio_codec: Option<String>,
    /// Pixels; none without picture.
    pub width: Option<u32>,
    pub height: Option<u32>,
    /// Lower-case hex, when it was computed.
    pub sha256: Option<String>,
}

/// A stored file. Finished, it is an item of the library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub id: FileRow,
    pub task: TaskRow,
    pub source: Source,
    pub seq: u32,
    pub format: FileFormat,
    pub vid: Vid,
    pub state: FileState,
    /// Relative to the spool. Still told when the file has left it.
    pub spool_path: String,
    pub started_ms: i64,
    /// Relative to the library, from `Finishing` on.
    pub library_path: Option<String>,
    /// From `Finishing` on.
    pub facts: Option<FileFacts>,
}

/// The name of a file towards callers: opaque, 32 characters, starts with `v0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vid(String);

impl Vid {
    /// Length in characters.
    pub const LEN: usize = 32;
    /// Length of what is common to the files of a recording.
    const COMMON: usize = 8;

    /// Makes one from random bytes.
    pub fn from_random(random: [u8; 15]) -> Self {
        let digits = random.iter().map(|byte| format!("{byte:02x}"));
        Self(["v0".to_owned()].into_iter().chain(digits).collect())
    }

    /// Another one, of a file of the same recording.
    pub fn kin(&self, random: [u8; 15]) -> Self {
        let other = Self::from_random(random);
        Self(format!("{}{}", &other.0[..Self::LEN - Self::COMMON], self.common()))
    }

    /// Its end, which the files of one recording have in common.
    pub fn common(&self) -> &str {
        &self.0[Self::LEN - Self::COMMON..]
    }

    /// Reads one; none if the text cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = text.len() == Self::LEN && text.starts_with("v0") && text.bytes().all(|b| b.is_ascii_alphanumeric());
        fits.then(|| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Vid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vid_is_32_characters_and_reads_back() {
        let vid = Vid::from_random([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0xaa, 0xbb, 0xcc, 0xdd, 0xff]);
        assert_eq!(vid.as_str(), "v000010203040506070809aabbccddff");
        assert_eq!(Vid::parse(vid.as_str()), Some(vid.clone()));
        let kin = vid.kin([0x11; 15]);
        assert_eq!(kin.as_str(), format!("v0{}bbccddff", "1".repeat(22)));
        assert_eq!((kin.common(), vid.common()), ("bbccddff", "bbccddff"));
        assert_eq!(Vid::parse("v0"), None);
        assert_eq!(Vid::parse("v1000102030405060708090abbccddff"), None);
        assert_eq!(Vid::parse("v0../../../../../../../../etc/pas"), None);
    }
}
