//! What the recorders' reports mean for the store and the library.

use std::collections::BTreeMap;
use std::sync::Arc;

use recorder::messages::{OwnEnd, Report};
use store::{TaskRow, TaskStep};

use super::settle::{self, Ending};
use super::{Inner, files};
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

/// What is known of the ends of a room's tasks.
pub type Endings = BTreeMap<i64, Ending>;

/// Handles a report of the recorder of `room`, in which the tasks `recording` are being recorded.
pub async fn handle(
    inner: &Arc<Inner>,
    room: &str,
    recording: &[i64],
    endings: &mut Endings,
    report: Report,
) -> Consequence {
    match report {
        Report::Joined { rejoined } => {
            tracing::info!(room, rejoined, "recorder is in the room");
            for task in recording {
                let step = TaskStep::Recording { started_ms: now_ms() };
                log(*task, inner.store.advance_task(TaskRow(*task), &step).await);
            }
        }
        Report::Started { task, in_room } => {
            log(task, inner.store.advance_task(TaskRow(task), &TaskStep::Starting).await);
            if in_room {
                let step = TaskStep::Recording { started_ms: now_ms() };
                log(task, inner.store.advance_task(TaskRow(task), &step).await);
            }
        }
        Report::Interrupted { reason } => tracing::warn!(room, reason, "recorder lost the room and comes back"),
        Report::Refused { reason } => {
            tracing::error!(room, reason, "the room server refuses the recorder");
            for task in recording {
                let note = format!("the room server refuses the recorder: {reason}");
                log(*task, inner.store.note_task(TaskRow(*task), &note).await);
                stopping(inner, endings, *task, FAILED).await;
            }
            return Consequence::Stop(recording.to_vec());
        }
        Report::Failed { task, reason } => {
            tracing::error!(task, reason, "the task cannot be recorded");
            log(task, inner.store.note_task(TaskRow(task), &reason).await);
            stopping(inner, endings, task, FAILED).await;
            return Consequence::Stop(vec![task]);
        }
        Report::Ends { task, why } => {
            let reason = match why {
                OwnEnd::Idle => "IdleTimeOut",
                OwnEnd::TimeIsUp => "MaxRecordTime",
            };
            stopping(inner, endings, task, reason).await;
            return Consequence::Stop(vec![task]);
        }
        Report::Note { task, source, text } => {
            tracing::warn!(task, %source, text);
            let note = format!("{source}: {text}");
            log(task, inner.store.note_task(TaskRow(task), &note).await);
        }
        Report::Mixed { task, stream } => {
            log(task, inner.store.add_mixed_stream(TaskRow(task), &stream).await);
        }
        Report::FileOpened { task, file, started_ms, resumed } => {
            tracing::info!(task, source = %file.source, sequence = file.sequence, resumed, "file opened");
            log(task, files::open(inner, TaskRow(task), &file, started_ms).await);
        }
        Report::FileFinished { task, file } => {
            if recording.contains(&task) {
                settle::early(inner, TaskRow(task), file.clone());
            }
            endings.entry(task).or_default().add(file);
        }
        Report::FileFailed { task, file, error } => {
            tracing::error!(task, ?file, error, "a file cannot be completed and stays in the spool");
        }
        Report::Stopped { task } => {
            settle::begin(inner, TaskRow(task), endings.remove(&task).unwrap_or_default());
            return Consequence::Ended(task);
        }
    }
    Consequence::None
}

/// The task ends by itself. Should the store refuse now to note why, the end of the task notes it.
async fn stopping(inner: &Inner, endings: &mut Endings, task: i64, reason: &str) {
    let ended_ms = now_ms();
    endings.entry(task).or_default().stopped = Some((reason.to_owned(), ended_ms));
    let step = TaskStep::Stopping { reason: reason.to_owned(), ended_ms };
    log(task, inner.store.advance_task(TaskRow(task), &step).await);
}

/// A step that the store refuses must not stop the recording.
pub fn log<T>(task: i64, result: store::Result<T>) {
    if let Err(error) = result {
        tracing::error!(task, %error, "not written to the store");
    }
}
