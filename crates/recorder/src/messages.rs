//! What the worker and a recorder process tell each other: one JSON object per line, commands on the child's standard
//! input, reports on its standard output. Nothing else passes between them but files in the spool.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rules::layout;
use rules::request::FileFormat;
use rules::select::{Selection, Source, StreamId};
use serde::{Deserialize, Serialize};

/// From the worker to the recorder. The first line is always `open`; the end of input means "leave at once, finish
/// nothing": the worker is gone, and its successor starts a recorder that goes on in the same files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Command {
    /// Join this room.
    Open(RoomJob),
    /// Record for a task; also sent again, unchanged, to a recorder that replaces a dead one.
    Start(TaskJob),
    /// The mixed task looks like this from its next picture on.
    Change { task: i64, change: MixChange },
    /// End a task: write all that was received, finish its files, report them.
    Stop { task: i64 },
    /// Complete what an earlier recorder left of a task that was being stopped when it died.
    Finish { task: i64, dir: PathBuf },
}

/// Which room to record, as whom, and with which settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RoomJob {
    /// `ws://` or `http://` address of the room server.
    pub url: String,
    pub api_key: String,
    pub api_secret: String,
    pub room: String,
    /// The hidden participant's identity; the same after a restart, so that a dead one is displaced.
    pub identity: String,
    pub settings: Settings,
}

/// Times of the recording path, in milliseconds, and bounds of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Longest media kept in memory before it is appended to the file.
    pub fragment_ms: u32,
    /// How often files are synced to the disk.
    pub sync_ms: u32,
    /// How long a missing packet is waited for.
    pub reorder_ms: u32,
    /// A key frame is asked for when none came for this long, so that the file can be searched.
    pub key_frame_ms: u32,
    /// A file that is longer is followed by another one.
    pub max_file_ms: i64,
    /// The same for its size, in bytes.
    pub max_file_bytes: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            fragment_ms: 400,
            sync_ms: 2_000,
            reorder_ms: 1_500,
            key_frame_ms: 10_000,
            max_file_ms: 4 * 3_600_000,
            max_file_bytes: 64 << 30,
        }
    }
}

/// One task as a recorder sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskJob {
    /// The worker's number for the task.
    pub task: i64,
    /// The task's folder in the spool; belongs to this recorder alone.
    pub dir: PathBuf,
    pub select: Selection,
    pub output: OutputPlan,
    /// What files to make of each recording.
    pub formats: Vec<FileFormat>,
    /// Record sound only (`Control.MediaType` 1).
    pub audio_only: bool,
    /// The task ends by itself when none of its streams was published for so long.
    pub max_idle_ms: i64,
    /// The task ends by itself at this time, Unix milliseconds.
    pub ends_ms: Option<i64>,
}

/// Why a task ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnEnd {
    /// None of its streams was published for as long as the task allows.
    Idle,
    /// It has recorded for as long as it may.
    TimeIsUp,
}

/// What a task makes of its streams.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub enum OutputPlan {
    /// A file for each stream: pictures as they came where its formats take them, but for those of another size than the
    /// largest.
    Streams {
        audio: AudioPlan,
        /// For pictures that are not kept as they came.
        anew: Anew,
        /// A stream that is away for longer ends its file; the next file begins when it comes back.
        max_silence_ms: i64,
        /// Pictures of other sizes stay as they came, too.
        #[serde(default)]
        keep_source: bool,
    },
    /// One file of all streams. The recorder has no other task then.
    Mix(Box<MixPlan>),
}

/// How pictures of single streams are encoded where they are encoded anew.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anew {
    /// At most so many pictures a second; as many as come, if there is none.
    pub fps: Option<u32>,
    /// Bit/s; what the size needs, if there is none.
    pub bitrate: Option<u32>,
}

/// How a mix looks and sounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MixPlan {
    pub layout: layout::Plan,
    /// Where the images of the layout are, by their addresses; those that were not fetched, or not yet, are missing.
    pub images: BTreeMap<String, PathBuf>,
    /// Font files, the preferred one first.
    pub fonts: Vec<PathBuf>,
    pub video: VideoPlan,
    pub audio: MixedAudio,
}

/// What may change of a mix while it is recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MixChange {
    pub select: Selection,
    pub layout: layout::Plan,
    /// As in [`MixPlan`].
    pub images: BTreeMap<String, PathBuf>,
}

impl MixChange {
    /// What has to change for a mixed task to be as `job` says; nothing for another task.
    pub fn to(job: &TaskJob) -> Option<MixChange> {
        let OutputPlan::Mix(plan) = &job.output else { return None };
        let MixPlan { layout, images, .. } = &**plan;
        Some(MixChange { select: job.select.clone(), layout: layout.clone(), images: images.clone() })
    }
}

/// How the pictures of a mix are encoded. Their size is the layout's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoPlan {
    pub codec: MixCodec,
    /// FFmpeg's name of the encoder to be tried first, such as `h264_nvenc`.
    pub encoder: Option<String>,
    /// Frames per second, 1 to 60.
    pub fps: u32,
    /// Bit/s.
    pub bitrate: u32,
    /// Seconds from key frame to key frame.
    pub gop_s: u32,
}

/// Codecs that mixes are encoded in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MixCodec {
    H264,
    H265,
    /// For WebM.
    Vp8,
}

/// How the sound of a mix is encoded, as AAC-LC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MixedAudio {
    /// Hz.
    pub rate: u32,
    pub channels: u8,
    /// Bit/s.
    pub bitrate: u32,
}

/// What becomes of the sound of a single stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "codec", rename_all = "snake_case")]
pub enum AudioPlan {
    /// Decoded and encoded as AAC-LC at `rate` Hz.
    Aac { rate: u32, channels: u8, bitrate: u32 },
    /// Kept as it was sent.
    Opus,
}

impl AudioPlan {
    /// Samples per second in the file.
    pub fn rate(self) -> u32 {
        match self {
            AudioPlan::Aac { rate, .. } => rate,
            AudioPlan::Opus => 48_000,
        }
    }
}

/// From the recorder to the worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "snake_case")]
pub enum Report {
    /// In the room, media flows as soon as somebody publishes.
    Joined { rejoined: bool },
    /// The connection to the room was lost and is being restored.
    Interrupted { reason: String },
    /// The room server refuses the recorder: nothing will come.
    Refused { reason: String },
    /// The task is taken up, and records from now on if the recorder is in the room already; else from `joined` on.
    Started { task: i64, in_room: bool },
    /// The task cannot be recorded at all.
    Failed { task: i64, reason: String },
    /// The task ends by itself: it wants to be told to stop.
    Ends { task: i64, why: OwnEnd },
    /// A file of a task was begun, or taken up again after a restart.
    FileOpened { task: i64, file: FileName, started_ms: i64, resumed: bool },
    /// Something about a stream, or the mix, that a reader of the recording must know.
    Note { task: i64, source: Source, text: String },
    /// The mix of the task took a stream in.
    Mixed { task: i64, stream: StreamId },
    /// A file is complete.
    FileFinished { task: i64, file: FinishedFile },
    /// A file is damaged and cannot be completed; it stays in the spool.
    FileFailed { task: i64, file: FileName, error: String },
    /// All files of the task were finished and reported.
    Stopped { task: i64 },
}

/// A file in a task's folder of the spool: of what, and the how-manieth of it (from 0).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileName {
    pub source: Source,
    pub sequence: u32,
}

/// A complete file as the API lists it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FinishedFile {
    #[serde(flatten)]
    pub name: FileName,
    pub format: FileFormat,
    /// Wall clock at media time 0, ms since the Unix epoch.
    pub started_ms: i64,
    pub duration_ms: i64,
    /// Bytes; of HLS, of its playlist and all its segments.
    pub size: u64,
    /// Such as `h264`, or nothing when there is no picture.
    pub video_codec: Option<String>,
    /// `aac` or `opus`, or nothing when there is no sound.
    pub audio_codec: Option<String>,
    pub width: u32,
    pub height: u32,
}
