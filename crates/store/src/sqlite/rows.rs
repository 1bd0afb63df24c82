//! Rows to values. What does not read back is reported as corrupt, never guessed.

use rules::ids::TaskKey;
use rules::request::FileFormat;
use rules::select::{Source, StreamId, StreamKind};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::files::{MIX, stream_name};
use crate::{Error, File, FileFacts, FileRow, FileState, Kind, Result, Task, TaskRow, TaskState, Vid};

fn corrupt(column: &str, row: &SqliteRow) -> Error {
    let id = row.try_get::<i64, _>("id").unwrap_or(-1);
    Error::new(Kind::Corrupt, format!("row {id}: column {column} does not hold what it should"))
}

/// A non-negative number of the width wanted.
fn number<T: TryFrom<i64>>(row: &SqliteRow, column: &str) -> Result<T> {
    T::try_from(row.try_get(column)?).map_err(|_| corrupt(column, row))
}

fn optional_number<T: TryFrom<i64>>(row: &SqliteRow, column: &str) -> Result<Option<T>> {
    let number: Option<i64> = row.try_get(column)?;
    number.map(T::try_from).transpose().map_err(|_| corrupt(column, row))
}

fn named<T>(row: &SqliteRow, column: &str, read: impl Fn(&str) -> Option<T>) -> Result<T> {
    read(row.try_get(column)?).ok_or_else(|| corrupt(column, row))
}

fn kind_named(name: &str) -> Option<StreamKind> {
    [StreamKind::Camera, StreamKind::Screen].into_iter().find(|kind| stream_name(*kind) == name)
}

/// The stream that the columns `user_id` and `stream` name.
pub(super) fn stream(row: &SqliteRow) -> Result<StreamId> {
    Ok(StreamId { user: row.try_get("user_id")?, kind: named(row, "stream", kind_named)? })
}

fn source(row: &SqliteRow) -> Result<Source> {
    let name: &str = row.try_get("stream")?;
    if name == MIX { Ok(Source::Mix) } else { stream(row).map(Source::Stream) }
}

pub(super) fn task(row: &SqliteRow) -> Result<Task> {
    Ok(Task {
        id: TaskRow(row.try_get("id")?),
        key: TaskKey {
            app_id: named(row, "app_id", |text| text.parse().ok())?,
            room_id: named(row, "room_id", |text| text.parse().ok())?,
            task_id: named(row, "task_id", |text| text.parse().ok())?,
        },
        generation: number(row, "generation")?,
        api_version: row.try_get("api_version")?,
        business_id: row.try_get("business_id")?,
        room_server: row.try_get("room_server")?,
        request: named(row, "request", |text| serde_json::from_str(text).ok())?,
        state: named(row, "state", TaskState::from_name)?,
        created_ms: row.try_get("created_ms")?,
        started_ms: row.try_get("started_ms")?,
        ended_ms: row.try_get("ended_ms")?,
        stop_reason: row.try_get("stop_reason")?,
        error: row.try_get("error")?,
        worker: row.try_get("worker")?,
        notes: named(row, "notes", |text| serde_json::from_str(text).ok())?,
    })
}

pub(super) fn file(row: &SqliteRow) -> Result<File> {
    let state = named(row, "state", FileState::from_name)?;
    Ok(File {
        id: FileRow(row.try_get("id")?),
        task: TaskRow(row.try_get("task")?),
        source: source(row)?,
        seq: number(row, "seq")?,
        format: named(row, "format", FileFormat::from_name)?,
        vid: named(row, "vid", Vid::parse)?,
        state,
        spool_path: row.try_get("spool_path")?,
        started_ms: row.try_get("started_ms")?,
        library_path: row.try_get("library_path")?,
        facts: if state == FileState::Recording { None } else { Some(facts(row)?) },
    })
}

fn facts(row: &SqliteRow) -> Result<FileFacts> {
    Ok(FileFacts {
        duration_ms: number(row, "duration_ms")?,
        size: number(row, "size")?,
        video_codec: row.try_get("video_codec")?,
        audio_codec: row.try_get("audio_codec")?,
        width: optional_number(row, "width")?,
        height: optional_number(row, "height")?,
        sha256: row.try_get("sha256")?,
    })
}
