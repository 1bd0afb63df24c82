//! The calls of the OpenAPI as values that cannot be invalid: what each action asks for, read from JSON under the
//! rules of the version it names.
//!
//! Values are made by parsing only. A parsed request is normalised: older versions' spellings, proportions and
//! defaults are resolved, so the rest of the program knows one form. That form, written as JSON, is the body of
//! the newest version with `ApiVersion` beside it; it is what the store keeps and a recorder is told.

mod color;
mod encode;
mod extension;
mod field;
mod files;
mod layout;
mod region;
mod rule;
mod storage;
mod streams;
mod wire;

#[cfg(test)]
mod extension_tests;
#[cfg(test)]
mod range_tests;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use color::Color;
pub use encode::{AacProfile, CaptureMedia, Control, Encode, FrameFill, VideoCodec};
pub use extension::{AudioOutput, Clock, Corner, Extension, Mark, MixExtension, MixLayout, Watermark};
pub use files::{FileFormat, FileName};
pub use layout::{Canvas, CustomLayout, Layout};
pub use region::{AlternateFill, Crop, Region, RegionMedia, RenderMode};
pub use storage::{Custom, Secret, Storage, Tos, Vendor, Vod, VodClass};
pub use streams::{IndexedStream, Stream, StreamType};

use crate::error::{ApiError, ErrorKind};
use crate::ids::{BusinessId, TaskKey};
use crate::select::Selection;
use field::Fields;
use rule::{Business, app_id, choice, room_id, task_id};
use wire::{WireEnum, wire_enum};

/// A version of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Version {
    /// VOD storage only, regions as proportions.
    #[serde(rename = "2020-12-01")]
    V2020_12_01,
    /// Adds `StorageConfig`, `FileFormatConfig`, `FileNameConfig`.
    #[serde(rename = "2022-06-01")]
    V2022_06_01,
    /// Regions in pixels.
    #[serde(rename = "2023-06-01")]
    V2023_06_01,
    /// Strict: no invalid value is replaced by a default.
    #[serde(rename = "2023-11-01")]
    V2023_11_01,
}

impl Version {
    /// All versions, oldest first.
    pub const ALL: [Version; 4] = [Self::V2020_12_01, Self::V2022_06_01, Self::V2023_06_01, Self::V2023_11_01];

    /// The version of this name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|v| v.name() == name)
    }

    /// The name on the wire, a date.
    pub fn name(self) -> &'static str {
        match self {
            Self::V2020_12_01 => "2020-12-01",
            Self::V2022_06_01 => "2022-06-01",
            Self::V2023_06_01 => "2023-06-01",
            Self::V2023_11_01 => "2023-11-01",
        }
    }

    /// Whether an invalid optional value counts as absent.
    fn is_lenient(self) -> bool {
        self < Self::V2023_11_01
    }

    /// Whether regions are proportions of the canvas instead of pixels.
    fn has_proportions(self) -> bool {
        self < Self::V2023_06_01
    }
}

wire_enum! {
    /// `RecordMode` on the wire.
    RecordMode {
        /// One picture of the whole room.
        Mixed = 0,
        /// One file per stream.
        SingleStream = 1,
    }
}

/// What a task makes of a room.
#[derive(Debug, Clone, PartialEq)]
pub enum Mode {
    /// A file for every stream. `Layout` has no meaning here and is not read.
    SingleStream,
    /// All streams in one picture.
    Mixed(Layout),
}

/// A task to start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
#[non_exhaustive]
pub struct StartRecord {
    /// The version the caller spoke; events about the task follow it.
    pub version: Version,
    /// Which task.
    pub key: TaskKey,
    /// Business tag.
    pub business_id: Option<BusinessId>,
    /// Single-stream or mixed.
    pub mode: Mode,
    /// The streams to record; empty means every stream. At most 17, each once.
    pub targets: Vec<IndexedStream>,
    /// Camera streams not to record. At most 17, none of them in `targets`.
    pub excluded: Vec<Stream>,
    /// How pictures and sound are encoded where they are.
    pub encode: Encode,
    /// What is captured, and when the task ends by itself.
    pub control: Control,
    /// At least one, each once; every one yields its own files.
    pub formats: Vec<FileFormat>,
    /// How files are named.
    pub file_name: FileName,
    /// Where files go.
    pub storage: Storage,
    /// What is ours and not the vendor's.
    pub extension: Extension,
}

impl StartRecord {
    /// Reads the body of StartRecord.
    pub fn parse(version: Version, body: &Value) -> Result<Self, ApiError> {
        let body = Fields::body(body, version.is_lenient())?;
        let key = task_key(&body)?;
        let business_id = body.or("BusinessId", Business, None)?;
        let targets = streams::targets(&body)?;
        let excluded = streams::excluded(&body, &targets)?;
        let mode = match body.or("RecordMode", choice(), RecordMode::Mixed)? {
            RecordMode::SingleStream => Mode::SingleStream,
            RecordMode::Mixed => Mode::Mixed(layout::layout(&body, version, &targets)?),
        };
        let formats = files::formats(&body, version)?;
        let control = encode::control(&body, version, &formats)?;
        let encode = encode::encode(&body)?;
        let extension = extension::extension(&body, &mode, &encode)?;
        Ok(Self {
            version,
            key,
            business_id,
            mode,
            encode,
            control,
            formats,
            file_name: files::file_name(&body, version)?,
            storage: storage::storage(&body, version)?,
            extension,
            targets,
            excluded,
        })
    }

    /// Which streams of the room the task records.
    pub fn selection(&self) -> Selection {
        Selection {
            targets: self.targets.iter().map(|t| (&t.stream).into()).collect(),
            excluded: self.excluded.iter().map(Into::into).collect(),
        }
    }
}

impl From<StartRecord> for Value {
    fn from(start: StartRecord) -> Value {
        let (mode, layout) = match &start.mode {
            Mode::SingleStream => (RecordMode::SingleStream, None),
            Mode::Mixed(layout) => (RecordMode::Mixed, Some(layout)),
        };
        let mut body = serde_json::json!({
            "ApiVersion": start.version,
            "AppId": start.key.app_id,
            "RoomId": start.key.room_id,
            "TaskId": start.key.task_id,
            "RecordMode": mode.wire(),
            "TargetStreams": { "StreamList": start.targets },
            "ExcludeStreams": { "StreamList": start.excluded },
            "Encode": start.encode,
            "Control": start.control,
            "FileFormatConfig": { "FileFormat": start.formats },
            "FileNameConfig": start.file_name,
            "StorageConfig": start.storage,
            "Tapedeck": start.extension,
        });
        if let Some(business_id) = &start.business_id {
            body["BusinessId"] = business_id.as_str().into();
        }
        if let Some(layout) = layout {
            body["Layout"] = serde_json::json!(layout);
        }
        body
    }
}

impl TryFrom<Value> for StartRecord {
    type Error = ApiError;

    /// Reads the normalised form back, under the newest and strictest rules.
    fn try_from(stored: Value) -> Result<Self, ApiError> {
        let spoken = stored
            .get("ApiVersion")
            .and_then(Value::as_str)
            .and_then(Version::from_name)
            .ok_or_else(|| ApiError::new(ErrorKind::InvalidParameter, "ApiVersion: missing or unknown"))?;
        let start = Self::parse(Version::V2023_11_01, &stored)?;
        Ok(Self { version: spoken, ..start })
    }
}

/// A change to a running mixed task.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct UpdateRecord {
    /// Which task.
    pub key: TaskKey,
    targets: Option<Vec<IndexedStream>>,
    layout: layout::LayoutChange,
}

impl UpdateRecord {
    /// Reads the body of UpdateRecord. What depends on the running task is checked by [`UpdateRecord::apply`].
    pub fn parse(version: Version, body: &Value) -> Result<Self, ApiError> {
        let body = Fields::body(body, version.is_lenient())?;
        let key = task_key(&body)?;
        body.or("BusinessId", Business, None)?;
        let given = streams::targets(&body)?;
        let targets = body.has("TargetStreams").then_some(given);
        Ok(Self { key, targets, layout: layout::change(&body, version)? })
    }

    /// The running task as it is after the change: streams, background and regions that were in the body are
    /// new, everything else stays. Only a mixed task with a custom layout can be changed.
    pub fn apply(&self, running: &StartRecord) -> Result<StartRecord, ApiError> {
        let layout = match &running.mode {
            Mode::Mixed(Layout::Custom(layout)) => layout,
            Mode::SingleStream => {
                let message = "the task records single streams; only a mixed task can be updated";
                return Err(ApiError::new(ErrorKind::UpdateSingleStream, message));
            }
            Mode::Mixed(_) => {
                let message = "the task's layout is not custom (LayoutMode 2); no other layout can be updated";
                return Err(ApiError::new(ErrorKind::UpdateLayout, message));
            }
        };
        let mut updated = running.clone();
        if let Some(targets) = &self.targets {
            updated.targets = targets.clone();
        }
        streams::check_disjoint(&updated.targets, &updated.excluded)?;
        updated.mode = Mode::Mixed(Layout::Custom(self.layout.apply(layout, &updated.targets)?));
        Ok(updated)
    }
}

/// A task to stop.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StopRecord {
    /// Which task.
    pub key: TaskKey,
}

impl StopRecord {
    /// Reads the body of StopRecord.
    pub fn parse(version: Version, body: &Value) -> Result<Self, ApiError> {
        let body = Fields::body(body, version.is_lenient())?;
        body.or("BusinessId", Business, None)?;
        Ok(Self { key: task_key(&body)? })
    }
}

/// A task to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GetRecordTask {
    /// Which task.
    pub key: TaskKey,
}

impl GetRecordTask {
    /// Reads the decoded parameters of GetRecordTask's query; others than its own are ignored.
    pub fn parse(query: &[(String, String)]) -> Result<Self, ApiError> {
        let object: Map<String, Value> =
            query.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        Ok(Self { key: task_key(&Fields::body(&Value::Object(object), false)?)? })
    }
}

fn task_key(body: &Fields<'_>) -> Result<TaskKey, ApiError> {
    Ok(TaskKey {
        app_id: body.required("AppId", app_id())?,
        room_id: body.required("RoomId", room_id())?,
        task_id: body.required("TaskId", task_id())?,
    })
}
