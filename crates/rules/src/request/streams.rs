//! Which streams of a room a task is about.

use serde::{Deserialize, Serialize};

use super::field::Fields;
use super::rule::{Int, choice, user_id};
use super::wire::wire_enum;
use crate::error::{ApiError, ErrorKind};
use crate::ids::UserId;
use crate::select::{MAX_STREAMS, StreamId, StreamKind};

wire_enum! {
    /// `StreamType`: which of a user's streams.
    StreamType {
        /// Camera picture and microphone sound.
        Camera = 0,
        /// Screen picture and screen sound.
        Screen = 1,
    }
}

/// One user's stream of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Stream {
    /// Who publishes it.
    pub user_id: UserId,
    /// Camera or screen.
    pub stream_type: StreamType,
}

impl From<&Stream> for StreamId {
    fn from(stream: &Stream) -> Self {
        let kind = match stream.stream_type {
            StreamType::Camera => StreamKind::Camera,
            StreamType::Screen => StreamKind::Screen,
        };
        Self { user: stream.user_id.to_string(), kind }
    }
}

/// A stream with the label that a custom layout's regions use.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct IndexedStream {
    /// The stream.
    #[serde(flatten)]
    pub stream: Stream,
    /// `Index`: its label, unique in its list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
}

/// The rule of `Index` and of what refers to it.
pub(super) const INDEX: Int = Int(0..=i32::MAX as u32);

/// Reads `TargetStreams`; empty means all.
pub(super) fn targets(body: &Fields<'_>) -> Result<Vec<IndexedStream>, ApiError> {
    list(body, "TargetStreams")
}

/// Reads `ExcludeStreams`, which must not contradict `targets`.
pub(super) fn excluded(body: &Fields<'_>, targets: &[IndexedStream]) -> Result<Vec<Stream>, ApiError> {
    let excluded: Vec<Stream> = list(body, "ExcludeStreams")?.into_iter().map(|e| e.stream).collect();
    if let Some(i) = excluded.iter().position(|e| e.stream_type == StreamType::Screen) {
        let path = format!("StreamList[{i}].StreamType");
        let parent = body.object_or_empty("ExcludeStreams")?;
        return Err(parent.refuse(&path, "1 (Screen) is not allowed; allowed: 0 (Camera)"));
    }
    check_disjoint(targets, &excluded)?;
    Ok(excluded)
}

/// No stream may be both a target and excluded.
pub(super) fn check_disjoint(targets: &[IndexedStream], excluded: &[Stream]) -> Result<(), ApiError> {
    match targets.iter().position(|t| excluded.contains(&t.stream)) {
        None => Ok(()),
        Some(i) => Err(ApiError::new(
            ErrorKind::InvalidParameter,
            format!(
                "TargetStreams.StreamList[{i}].UserId: \"{}\" is in ExcludeStreams too; allowed: one of the two lists",
                targets[i].stream.user_id
            ),
        )),
    }
}

/// Reads one stream.
pub(super) fn stream(fields: &Fields<'_>) -> Result<Stream, ApiError> {
    Ok(Stream {
        user_id: fields.required("UserId", user_id())?,
        stream_type: fields.or("StreamType", choice(), StreamType::Camera)?,
    })
}

fn list(body: &Fields<'_>, name: &str) -> Result<Vec<IndexedStream>, ApiError> {
    let parent = body.object_or_empty(name)?;
    let entries = parent.list("StreamList")?;
    if entries.len() > MAX_STREAMS {
        let reason = format!("{} streams are not allowed; allowed: at most {MAX_STREAMS}", entries.len());
        return Err(parent.refuse("StreamList", &reason));
    }
    let mut streams: Vec<IndexedStream> = Vec::with_capacity(entries.len());
    for fields in entries {
        let entry = IndexedStream { stream: stream(&fields)?, index: fields.optional("Index", INDEX)? };
        if streams.iter().any(|s| s.stream == entry.stream) {
            let user = entry.stream.user_id.as_str();
            return Err(fields.refuse("UserId", &format!("{user:?} is listed twice; allowed: each stream once")));
        }
        if let Some(index) = entry.index
            && streams.iter().any(|s| s.index == Some(index))
        {
            return Err(fields.refuse("Index", &format!("{index} is used twice; allowed: each label once")));
        }
        streams.push(entry);
    }
    Ok(streams)
}
