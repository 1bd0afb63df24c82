//! What the recorders' reports mean for the store and the library.

use std::path::Path;
use std::sync::Arc;

use recorder::messages::{FileName, FinishedFile, Report};
use store::{File, FileFacts, FileState, NewFile, Task, TaskRow, TaskStep, Vid};

use super::{Inner, library};
use crate::clock::now_ms;

/// `StopReason` of a task that never could do what was asked.
pub const FAILED: &str = "StartTaskFailed";

/// What the room's supervisor has to do about a report.
#[derive(Debug, PartialEq)]
pub enum Consequence {
    None,
    /// The recorder has nothing left to do for the task.
    Ended(i64),
    /// These tasks end by themselves.
    Stop(Vec<i64>),
}

/// Handles a report of the recorder of `room`, in which the tasks `recording` are being recorded.
pub async fn handle(inner: &Arc<Inner>, room: &str, recording: &[i64], report: Report) -> Consequence {
    match report {
        Report::Joined { rejoined } => {
            tracing::info!(room, rejoined, "recorder is in the room");
            for task in recording {
                let step = TaskStep::Recording { started_ms: now_ms() };
                log(*task, inner.store.advance_task(TaskRow(*task), &step).await);
            }
        }
        Report::Started { task } => log(task, inner.store.advance_task(TaskRow(task), &TaskStep::Starting).await),
        Report::Interrupted { reason } => tracing::warn!(room, reason, "recorder lost the room and comes back"),
        Report::Refused { reason } => {
            tracing::error!(room, reason, "the room server refuses the recorder");
            for task in recording {
                let note = format!("the room server refuses the recorder: {reason}");
                log(*task, inner.store.note_task(TaskRow(*task), &note).await);
                stopping(inner, *task, FAILED).await;
            }
            return Consequence::Stop(recording.to_vec());
        }
        Report::Idle { task } => {
            stopping(inner, task, "IdleTimeOut").await;
            return Consequence::Stop(vec![task]);
        }
        Report::Note { task, stream, text } => {
            tracing::warn!(task, user = stream.user, kind = ?stream.kind, text);
            let note = format!("{} {}: {text}", stream.user, stream.kind.letter());
            log(task, inner.store.note_task(TaskRow(task), &note).await);
        }
        Report::FileOpened { task, file, started_ms, resumed } => {
            tracing::info!(task, user = file.stream.user, sequence = file.sequence, resumed, "file opened");
            log(task, add_file(inner, task, &file, started_ms).await);
        }
        Report::FileFinished { task, file } => {
            if let Err(error) = complete(inner, task, &file).await {
                tracing::error!(task, ?file, error = format!("{error:#}"), "a complete file stays in the spool");
            }
        }
        Report::FileFailed { task, file, error } => {
            tracing::error!(task, ?file, error, "a file cannot be completed and stays in the spool");
        }
        Report::Stopped { task } => {
            tokio::spawn(settle(inner.clone(), task));
            return Consequence::Ended(task);
        }
    }
    Consequence::None
}

async fn stopping(inner: &Inner, task: i64, reason: &str) {
    let step = TaskStep::Stopping { reason: reason.to_owned(), ended_ms: now_ms() };
    log(task, inner.store.advance_task(TaskRow(task), &step).await);
}

async fn add_file(inner: &Inner, task: i64, name: &FileName, started_ms: i64) -> store::Result<File> {
    let path = recorder::spool_file(Path::new(&task.to_string()), name);
    let new = NewFile {
        task: TaskRow(task),
        stream: name.stream.clone(),
        seq: name.sequence,
        vid: Vid::from_random(rand::random()),
        spool_path: path.to_string_lossy().into_owned(),
        started_ms,
    };
    inner.store.add_file(&new).await
}

/// Moves a complete file into the library, then says so in the store. Each step may have been done before.
async fn complete(inner: &Arc<Inner>, task: i64, finished: &FinishedFile) -> anyhow::Result<()> {
    let row = add_file(inner, task, &finished.name, finished.started_ms).await?;
    if row.state == FileState::Finished {
        return Ok(());
    }
    inner.store.close_file(row.id).await?;
    let key = inner.store.task(TaskRow(task)).await?.key;
    let relative = library::relative_path(&key, finished, &row.vid);
    let spool_file = inner.config.spool.join(&row.spool_path);
    let (library, place) = (inner.config.library.clone(), relative.clone());
    tokio::task::spawn_blocking(move || library::move_into(&spool_file, &library, &place)).await??;
    inner.store.complete_file(row.id, &relative, &facts(finished)).await?;
    tracing::info!(task, file = relative, duration_ms = finished.duration_ms, size = finished.size, "file complete");
    Ok(())
}

/// Pause before the files of a task are tried again, after the disk or the store refused.
const RETRY: std::time::Duration = std::time::Duration::from_secs(5);

/// The recorder has nothing left to do for the task: sees its files into the library, however often that needs trying.
async fn settle(inner: Arc<Inner>, task: i64) {
    while let Err(error) = try_settle(&inner, task).await {
        tracing::error!(task, error = format!("{error:#}"), "files of the task are not in the library yet");
        tokio::time::sleep(RETRY).await;
    }
}

async fn try_settle(inner: &Arc<Inner>, task: i64) -> anyhow::Result<()> {
    let id = TaskRow(task);
    let row = inner.store.advance_task(id, &TaskStep::Finishing).await?;
    let mut lost = Vec::new();
    for file in inner.store.files_of(id).await? {
        if file.state != FileState::Finished && !settle_file(inner, &row, &file).await? {
            lost.push(file.spool_path);
        }
    }
    let error = match (lost.is_empty(), row.stop_reason.as_deref() == Some(FAILED)) {
        (true, false) => None,
        (true, true) => row.notes.last().cloned().or_else(|| Some(FAILED.to_owned())),
        (false, _) => Some(format!("not readable, left in the spool: {}", lost.join(", "))),
    };
    let step = match error {
        None => TaskStep::Done,
        Some(error) => TaskStep::Failed { reason: "UnknownStopReason".to_owned(), error, ended_ms: now_ms() },
    };
    inner.store.advance_task(id, &step).await?;
    if let Err(error) = recorder::remove_folder(&inner.task_dir(id)) {
        tracing::warn!(task, %error, "the task's folder stays in the spool");
    }
    Ok(())
}

/// Brings a file to its end whose row says less than is true. Returns false for a file that cannot be read.
async fn settle_file(inner: &Arc<Inner>, task: &Task, file: &File) -> anyhow::Result<bool> {
    let name = FileName { stream: file.stream.clone(), sequence: file.seq };
    let spool_file = inner.config.spool.join(&file.spool_path);
    let moved = library::find_moved(&inner.config.library, &task.key, &file.vid)?;
    let Some(path) = Some(spool_file).filter(|path| path.exists()).or(moved) else {
        // It never held media.
        inner.store.discard_file(file.id).await?;
        return Ok(true);
    };
    let described = tokio::task::spawn_blocking(move || recorder::describe(name, &path)).await?;
    match described {
        Ok(described) => complete(inner, task.id.0, &described).await.map(|()| true),
        Err(recorder::Error::Spool(error)) => Err(error.into()),
        Err(error) => {
            inner.store.note_task(task.id, &format!("{}: {error}", file.spool_path)).await?;
            inner.store.discard_file(file.id).await?;
            Ok(false)
        }
    }
}

fn facts(file: &FinishedFile) -> FileFacts {
    let pixels = |side: u32| (side > 0).then_some(side);
    FileFacts {
        duration_ms: file.duration_ms.max(0) as u64,
        size: file.size,
        video_codec: file.video_codec.clone(),
        audio_codec: file.audio_codec.clone(),
        width: pixels(file.width),
        height: pixels(file.height),
        sha256: None,
    }
}

/// A step that the store refuses must not stop the recording.
fn log<T>(task: i64, result: store::Result<T>) {
    if let Err(error) = result {
        tracing::error!(task, %error, "not written to the store");
    }
}
