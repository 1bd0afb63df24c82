//! The seam between the OpenAPI and what records: what can be asked of it, and how a task looks from outside.

use std::future::Future;

use rules::error::{ApiError, ErrorKind};
use rules::ids::TaskKey;
use rules::ledger::Report;
use rules::request::{StartRecord, UpdateRecord};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// What the OpenAPI asks of the rest. A call that answers `Ok` has made its effect durable.
pub trait Recording: Send + Sync + 'static {
    /// Starts a task unless one of that key is running. Two calls at once start one task.
    fn start(&self, request: StartRecord) -> impl Future<Output = Result<Started, ApiError>> + Send;

    /// Changes a running task by [`UpdateRecord::apply`]; [`no_such_task`] when none of that key is running.
    fn update(&self, change: UpdateRecord) -> impl Future<Output = Result<(), ApiError>> + Send;

    /// Begins the end of a running task. Asked again before it has ended it is `Ok`; [`no_such_task`] when none of
    /// that key is running.
    fn stop(&self, key: TaskKey) -> impl Future<Output = Result<(), ApiError>> + Send;

    /// The newest task of that key; [`no_such_task`] when there was none.
    fn task(&self, key: TaskKey) -> impl Future<Output = Result<TaskView, ApiError>> + Send;

    /// The report of the newest task of that key, as far as it is known; [`no_such_task`] when there was none.
    fn report(&self, key: TaskKey) -> impl Future<Output = Result<Report, ApiError>> + Send;
}

/// Outcome of a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// A task was started.
    New,
    /// One of that key was running already and was left as it is.
    AlreadyRunning,
}

/// There is no such task, or not any more.
pub fn no_such_task(key: &TaskKey) -> ApiError {
    ApiError::new(ErrorKind::ActiveTaskNotFound, format!("task {key} does not exist or has ended"))
}

/// `RecordTask` of GetRecordTask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TaskView {
    /// Unix milliseconds.
    #[serde(rename = "StartTime")]
    pub start_time_ms: i64,
    /// Unix milliseconds; 0 while running.
    #[serde(rename = "EndTime")]
    pub end_time_ms: i64,
    /// State.
    pub status: TaskStatus,
    /// `StopByAPI`, `IdleTimeOut`, `MaxRecordTime`, `StartTaskFailed` or `UnknownStopReason`; empty while running.
    pub stop_reason: String,
    /// Finished files.
    #[serde(rename = "RecordFileList")]
    pub files: Vec<FileView>,
    /// Remarks for people, our extension beside `RecordTask`.
    #[serde(skip)]
    pub notes: Vec<String>,
    /// Where its report is, relative to the library, once it is there. Our extension, too.
    #[serde(skip)]
    pub report: Option<String>,
}

/// `Status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskStatus {
    /// Unknown or abnormal.
    Abnormal = 0,
    /// Not started yet.
    NotStarted = 1,
    /// Running.
    Running = 2,
    /// Ended.
    Ended = 3,
    /// Failed.
    Failed = 4,
}

impl Serialize for TaskStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(*self as u8)
    }
}

/// An entry of `RecordFileList`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct FileView {
    /// Where it is.
    #[serde(flatten)]
    pub place: FilePlace,
    /// Milliseconds.
    #[serde(rename = "Duration")]
    pub duration_ms: i64,
    /// Bytes.
    #[serde(rename = "Size")]
    pub size_bytes: i64,
    /// Unix milliseconds of its first moment.
    #[serde(rename = "StartTime")]
    pub start_time_ms: i64,
    /// Whose streams it holds.
    pub stream_list: Vec<StreamView>,
    /// Such as `h264`; empty without picture.
    pub video_codec: String,
    /// Such as `aac`; empty without sound.
    pub audio_codec: String,
    /// Pixels; 0 without picture.
    pub video_width: u32,
    /// Pixels; 0 without picture.
    pub video_height: u32,
}

/// Where a file is, under the name its storage gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilePlace {
    /// Of the media library.
    Vid(String),
    /// Of a bucket, the full key.
    ObjectKey(String),
}

impl Serialize for FilePlace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (name, value) = match self {
            FilePlace::Vid(vid) => ("Vid", vid),
            FilePlace::ObjectKey(key) => ("ObjectKey", key),
        };
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(name, value)?;
        map.end()
    }
}

/// An entry of `StreamList`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct StreamView {
    /// Its label in the request, if it had one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// Who published it.
    pub user_id: String,
    /// 0 camera, 1 screen.
    pub stream_type: u8,
}
