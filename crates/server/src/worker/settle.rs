//! The end of a task: its files go into the library, then it is done. Tried until it succeeds, away from the room's
//! supervisor, because a library on another file system takes its time.

use std::collections::BTreeMap;
use std::fs::File as FsFile;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use recorder::messages::{FileName, FinishedFile};
use rules::request::FileFormat;
use store::{File, FileState, Task, TaskRow, TaskStep};

use super::reports::FAILED;
use super::{Inner, files, report};
use crate::clock::now_ms;

/// Pause before the files of a task are tried again, after the disk or the store refused.
const RETRY: Duration = Duration::from_secs(5);
/// `StopReason` of a task whose end has no name of its own.
const UNKNOWN: &str = "UnknownStopReason";

/// What is known of a task's end beside the store, which may have refused to note it.
#[derive(Debug, Default)]
pub struct Ending {
    /// `StopReason`, and when recording ended.
    pub stopped: Option<(String, i64)>,
    /// What recorders completed.
    pub files: Vec<FinishedFile>,
    /// No recorder of this worker saw to it: one of a worker that died may still be writing.
    pub unattended: bool,
    /// Files that cannot be read.
    pub lost: Vec<String>,
}

impl Ending {
    /// Notes that a recorder completed this file; its successor may say so again.
    pub fn add(&mut self, file: FinishedFile) {
        self.files.retain(|known| (&known.name, known.format) != (&file.name, file.format));
        self.files.push(file);
    }
}

/// Begins the end of a task, unless it has begun: two must not move the same files.
pub fn begin(inner: &Arc<Inner>, task: TaskRow, mut ending: Ending) {
    if !inner.settling().insert(task.0) {
        return;
    }
    let inner = inner.clone();
    tokio::spawn(async move {
        while let Err(error) = try_settle(&inner, task, &mut ending).await {
            tracing::error!(
                task = task.0,
                error = format!("{error:#}"),
                "files of the task are not in the library yet"
            );
            tokio::time::sleep(RETRY).await;
        }
        inner.settling().remove(&task.0);
    });
}

/// Moves a complete file of a task that goes on. Should it fail, the end of the task sees to it.
pub fn early(inner: &Arc<Inner>, task: TaskRow, finished: FinishedFile) {
    let inner = inner.clone();
    tokio::spawn(async move {
        if let Err(error) = try_early(&inner, task, &finished).await {
            tracing::error!(task = task.0, error = format!("{error:#}"), "a file is not in the library yet");
        }
    });
}

async fn try_early(inner: &Inner, id: TaskRow, finished: &FinishedFile) -> anyhow::Result<()> {
    files::complete(inner, &inner.store.task(id).await?, finished).await
}

/// Each step may have been done before.
pub async fn try_settle(inner: &Arc<Inner>, id: TaskRow, ending: &mut Ending) -> anyhow::Result<()> {
    let (reason, ended_ms) = ending.stopped.get_or_insert_with(|| (UNKNOWN.to_owned(), now_ms())).clone();
    inner.store.advance_task(id, &TaskStep::Stopping { reason, ended_ms }).await?;
    // Before the task has ended, so that a worker that dies here comes to it again.
    inner.config.images.end(id.0).await;
    let task = inner.store.advance_task(id, &TaskStep::Finishing).await?;
    if !task.state.is_ended() {
        settle_files(inner, &task, ending).await?;
        let task = inner.store.task(id).await?;
        inner.store.advance_task(id, &last_step(&task, &ending.lost)).await?;
    }
    // The task has ended for everybody who asks; reading all its files for the report may take a while.
    report::write(inner, id).await.context("report")?;
    match recorder::remove_folder(&inner.task_dir(id)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(task = id.0, %error, "the task's folder stays in the spool");
        }
        _ => {}
    }
    Ok(())
}

/// Takes the folder from a recorder that outlived its worker. Nothing where there is no folder, or no locks.
fn take_folder(dir: &Path) -> io::Result<Option<Flock<FsFile>>> {
    let file = match FsFile::create(dir.join(recorder::FOLDER_LOCK)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Some(lock)),
        Err((_, Errno::EAGAIN)) => Err(io::Error::other("a recorder is still writing into the task's folder")),
        Err((_, error)) => {
            tracing::error!(?dir, %error, "the task's folder cannot be locked");
            Ok(None)
        }
    }
}

fn last_step(task: &Task, lost: &[String]) -> TaskStep {
    let error = match (lost.is_empty(), task.stop_reason.as_deref() == Some(FAILED)) {
        (true, false) => return TaskStep::Done,
        (true, true) => task.notes.last().cloned().unwrap_or_else(|| FAILED.to_owned()),
        (false, _) => format!("not readable, left in the spool: {}", lost.join(", ")),
    };
    TaskStep::Failed { reason: UNKNOWN.to_owned(), error, ended_ms: now_ms() }
}

/// Brings every file to its end; one that cannot be moved yet does not keep the others back.
async fn settle_files(inner: &Arc<Inner>, task: &Task, ending: &mut Ending) -> anyhow::Result<()> {
    let mut outcome = Ok(());
    for finished in &ending.files {
        if let Err(error) = files::complete(inner, task, finished).await {
            outcome = Err(error.context(format!("{} of {:?}", finished.format.name(), finished.name)));
        }
    }
    let mut left = inner.store.files_of(task.id).await?;
    left.retain(|file| file.state != FileState::Finished);
    let _lock = match ending.unattended && !left.is_empty() {
        true => take_folder(&inner.task_dir(task.id))?,
        false => None,
    };
    let mut recordings: BTreeMap<FileName, Vec<File>> = BTreeMap::new();
    for file in left {
        match file.state {
            FileState::Recording => {
                let name = FileName { source: file.source.clone(), sequence: file.seq };
                recordings.entry(name).or_default().push(file);
            }
            FileState::Finishing | FileState::Finished => {
                if let Err(error) = files::place(inner, &file).await {
                    outcome = Err(error.context(file.spool_path));
                }
            }
        }
    }
    for (name, rows) in recordings {
        let known = ending.files.iter().any(|finished| finished.name == name);
        let path = recorder::spool_file(Path::new(&task.id.0.to_string()), &name);
        match settle_recording(inner, task, &name, &rows, known).await {
            Ok(true) => {}
            Ok(false) => ending.lost.push(path.to_string_lossy().into_owned()),
            Err(error) => outcome = Err(error.context(path.to_string_lossy().into_owned())),
        }
    }
    outcome
}

/// Brings a recording to its end of which not all files were completed. `known`: a recorder told what there is, and that
/// the rest cannot be made. Returns false for a recording that cannot be read.
async fn settle_recording(
    inner: &Arc<Inner>,
    task: &Task,
    name: &FileName,
    rows: &[File],
    known: bool,
) -> anyhow::Result<bool> {
    let dir = inner.task_dir(task.id);
    let master = recorder::spool_file(&dir, name);
    // A spool that is not mounted is an error: only in a folder that is there can a file be missing.
    if !known && !dir.try_exists()? {
        bail!("{} is missing; if it is lost for good, make an empty folder of that name", dir.display());
    }
    if !known {
        let (dir, of) = (dir.clone(), name.clone());
        match tokio::task::spawn_blocking(move || recorder::complete(&dir, &of)).await? {
            Ok(made) => {
                for text in &made.failed {
                    inner.store.note_task(task.id, &format!("{}: {text}", name.source)).await?;
                }
                for finished in &made.files {
                    files::complete(inner, task, finished).await?;
                }
                if made.files.iter().all(|file| file.format != FileFormat::Mp4) {
                    remove(&master)?;
                }
            }
            // It never held media.
            Err(recorder::Error::File(media::mp4::Error::Empty)) => remove(&master)?,
            Err(recorder::Error::Spool(error) | recorder::Error::File(media::mp4::Error::Io(error)))
                if error.kind() == io::ErrorKind::NotFound => {}
            Err(recorder::Error::Spool(error)) => return Err(error.into()),
            Err(error) => {
                inner.store.note_task(task.id, &format!("{}: {error}", rows[0].spool_path)).await?;
                discard(inner, task, rows).await?;
                return Ok(false);
            }
        }
    }
    discard(inner, task, rows).await?;
    Ok(true)
}

/// Removes those of the rows that nothing came of.
async fn discard(inner: &Inner, task: &Task, rows: &[File]) -> anyhow::Result<()> {
    let now = inner.store.files_of(task.id).await?;
    let recording = |row: &&File| now.iter().any(|file| file.id == row.id && file.state == FileState::Recording);
    for row in rows.iter().filter(recording) {
        inner.store.discard_file(row.id).await?;
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
