//! The end of a task: its files go into the library, then it is done. Tried until it succeeds, away from the room's
//! supervisor, because a library on another file system takes its time.

use std::fs::File as FsFile;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use recorder::messages::{FileName, FinishedFile};
use store::{File, FileFacts, FileState, NewFile, Task, TaskRow, TaskStep, Vid};

use super::reports::FAILED;
use super::{Inner, library};
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
        self.files.retain(|known| known.name != file.name);
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
    let file = add_file(inner, id, &finished.name, finished.started_ms).await?;
    if file.state != FileState::Finished {
        complete(inner, &inner.store.task(id).await?, &file, finished).await?;
    }
    Ok(())
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
    for file in &ending.files {
        add_file(inner, task.id, &file.name, file.started_ms).await?;
    }
    let mut files = inner.store.files_of(task.id).await?;
    files.retain(|file| file.state != FileState::Finished);
    let _lock = match ending.unattended && !files.is_empty() {
        true => take_folder(&inner.task_dir(task.id))?,
        false => None,
    };
    let mut outcome = Ok(());
    for file in &files {
        match settle_file(inner, task, file, &ending.files).await {
            Ok(true) => {}
            Ok(false) => ending.lost.push(file.spool_path.clone()),
            Err(error) => outcome = Err(error.context(file.spool_path.clone())),
        }
    }
    outcome
}

/// Brings a file to its end whose row says less than is true. Returns false for a file that cannot be read.
async fn settle_file(inner: &Arc<Inner>, task: &Task, file: &File, completed: &[FinishedFile]) -> anyhow::Result<bool> {
    let name = FileName { source: file.source.clone(), sequence: file.seq };
    if let Some(finished) = completed.iter().find(|finished| finished.name == name) {
        return complete(inner, task, file, finished).await.map(|()| true);
    }
    let Some(path) = whereabouts(inner, task, file)? else {
        // It never held media.
        inner.store.discard_file(file.id).await?;
        return Ok(true);
    };
    let described = {
        let path = path.clone();
        tokio::task::spawn_blocking(move || recorder::describe(name, &path)).await?
    };
    match described {
        Ok(described) => complete(inner, task, file, &described).await.map(|()| true),
        Err(recorder::Error::Spool(error)) => Err(error.into()),
        Err(recorder::Error::File(media::mp4::Error::Empty)) => {
            std::fs::remove_file(&path)?;
            inner.store.discard_file(file.id).await?;
            Ok(true)
        }
        Err(error) => {
            inner.store.note_task(task.id, &format!("{}: {error}", file.spool_path)).await?;
            inner.store.discard_file(file.id).await?;
            Ok(false)
        }
    }
}

/// Where the file is: in the spool, or in the library already. A spool that cannot be looked into, or that is not
/// mounted, is an error: only in a folder that is there can a file be missing.
fn whereabouts(inner: &Inner, task: &Task, file: &File) -> anyhow::Result<Option<PathBuf>> {
    let spool_file = inner.config.spool.join(&file.spool_path);
    if spool_file.try_exists()? {
        return Ok(Some(spool_file));
    }
    let moved = library::find_moved(&inner.config.library, &task.key, &file.vid)?;
    let dir = inner.task_dir(task.id);
    if moved.is_none() && !dir.try_exists()? {
        bail!("{} is missing; if it is lost for good, make an empty folder of that name", dir.display());
    }
    Ok(moved)
}

/// The row of a file, made if there is none.
pub async fn add_file(inner: &Inner, task: TaskRow, name: &FileName, started_ms: i64) -> store::Result<File> {
    let path = recorder::spool_file(Path::new(&task.0.to_string()), name);
    let new = NewFile {
        task,
        source: name.source.clone(),
        seq: name.sequence,
        vid: Vid::from_random(rand::random()),
        spool_path: path.to_string_lossy().into_owned(),
        started_ms,
    };
    inner.store.add_file(&new).await
}

/// Moves a complete file into the library, then says so in the store. Each step may have been done before.
async fn complete(inner: &Inner, task: &Task, file: &File, finished: &FinishedFile) -> anyhow::Result<()> {
    inner.store.close_file(file.id).await?;
    let relative = library::relative_path(&task.key, &task.request, finished, &file.vid);
    let spool_file = inner.config.spool.join(&file.spool_path);
    let (library, place) = (inner.config.library.clone(), relative.clone());
    tokio::task::spawn_blocking(move || library::move_into(&spool_file, &library, &place)).await??;
    inner.store.complete_file(file.id, &relative, &facts(finished)).await?;
    let (duration_ms, size) = (finished.duration_ms, finished.size);
    tracing::info!(task = task.id.0, file = relative, duration_ms, size, "file complete");
    Ok(())
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
