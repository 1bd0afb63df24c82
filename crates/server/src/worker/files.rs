//! The rows of files, and their way into the library. A row says where its file goes, and what it is, before it is moved:
//! whoever finds that later moves it the rest of the way.

use std::path::Path;

use recorder::messages::{FileName, FinishedFile};
use rules::request::FileFormat;
use store::{File, FileFacts, FileState, NewFile, Task, TaskRow, Vid};

use super::{Inner, library, plan};

/// The rows of a recording, one for each format that its task asked for, in that order; made if there are none.
pub async fn open(inner: &Inner, task: TaskRow, name: &FileName, started_ms: i64) -> store::Result<()> {
    let formats = plan::formats(&inner.store.task(task).await?.request);
    for format in formats {
        row(inner, task, name, format, started_ms).await?;
    }
    Ok(())
}

/// The row of a file, made if there is none.
pub async fn row(
    inner: &Inner,
    task: TaskRow,
    name: &FileName,
    format: FileFormat,
    started_ms: i64,
) -> store::Result<File> {
    let known = inner.store.files_of(task).await?;
    let sibling = known.iter().find(|file| file.source == name.source && file.seq == name.sequence);
    let new = NewFile {
        task,
        source: name.source.clone(),
        seq: name.sequence,
        format,
        vid: match sibling {
            None => Vid::from_random(rand::random()),
            Some(file) => file.vid.kin(rand::random()),
        },
        spool_path: recorder::derived_file(Path::new(&task.0.to_string()), name, format).to_string_lossy().into_owned(),
        started_ms,
    };
    inner.store.add_file(&new).await
}

/// Brings a file that a recorder completed into the library. Each step may have been done before.
pub async fn complete(inner: &Inner, task: &Task, finished: &FinishedFile) -> anyhow::Result<()> {
    let file = row(inner, task.id, &finished.name, finished.format, finished.started_ms).await?;
    let file = match file.state {
        FileState::Recording => close(inner, task, &file, finished).await?,
        FileState::Finishing | FileState::Finished => file,
    };
    place(inner, &file).await
}

/// Says where a complete file goes.
async fn close(inner: &Inner, task: &Task, file: &File, finished: &FinishedFile) -> anyhow::Result<File> {
    let relative = library::relative_path(&task.key, &task.request, finished, &file.vid);
    let mut facts = facts(finished);
    if finished.format == FileFormat::Hls {
        let (spool_file, target) = (inner.config.spool.join(&file.spool_path), inner.config.library.join(&relative));
        facts.size = facts.size.saturating_add_signed(library::growth(&spool_file, &target)?);
    }
    Ok(inner.store.close_file(file.id, &relative, &facts).await?)
}

/// Moves a file to where its row says that it goes, then says that it is there.
pub async fn place(inner: &Inner, file: &File) -> anyhow::Result<()> {
    let (FileState::Finishing, Some(relative), Some(facts)) = (file.state, &file.library_path, &file.facts) else {
        return Ok(());
    };
    let spool_file = inner.config.spool.join(&file.spool_path);
    let (library, to, format) = (inner.config.library.clone(), relative.clone(), file.format);
    tokio::task::spawn_blocking(move || library::move_into(&spool_file, &library, &to, format)).await??;
    inner.store.complete_file(file.id).await?;
    let (duration_ms, size) = (facts.duration_ms, facts.size);
    tracing::info!(task = file.task.0, file = relative, duration_ms, size, "file complete");
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
