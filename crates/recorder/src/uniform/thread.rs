//! The thread that makes files uniform, one after the other, when nothing else needs the processor.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::tries;
use crate::disk::{FolderLock, tell_rest};
use crate::messages::{FileName, FinishedFile, Report};
use crate::{Error, derive};

/// Niceness of the thread: recorders and mixes come first, and yet it gets a tenth of a processor that they need.
const NICENESS: i32 = 10;

/// Work for the thread.
pub enum UniformJob {
    /// This file is complete, but for its pictures' sizes, and so is all that was made of it.
    File { task: i64, name: FileName, path: PathBuf, made: Vec<FinishedFile> },
    /// Everything of the task that came before was all of it.
    End { task: i64, lock: Option<FolderLock> },
}

/// Starts the thread, which ends with the sender. A process that ends meanwhile leaves a file as it was: the next recorder
/// does it again.
pub fn start(report: Arc<dyn Fn(Report) + Send + Sync>) -> std::io::Result<Sender<UniformJob>> {
    let (jobs, queue) = channel();
    std::thread::Builder::new().name("uniform".into()).spawn(move || work(&queue, &*report))?;
    Ok(jobs)
}

fn work(queue: &Receiver<UniformJob>, report: &dyn Fn(Report)) {
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::warn!(%error, "files are made uniform at the usual priority");
    }
    for job in queue {
        match job {
            UniformJob::File { task, name, path, mut made } => {
                if let Some(text) = make(&name, &path, &mut made) {
                    report(Report::Note { task, source: name.source.clone(), text });
                }
                made.retain(|file| derive::is_of_one_size(file.format));
                tries::end(&path);
                tell_rest(task, name, &path, made, report);
            }
            UniformJob::End { task, lock } => {
                report(Report::Stopped { task });
                drop(lock);
            }
        }
    }
}

/// Makes the master uniform, and files of other formats that are to be so, from it; or says why not.
fn make(name: &FileName, path: &Path, made: &mut [FinishedFile]) -> Option<String> {
    let kept = |what: &str, error: Error| format!("pictures keep their different sizes{what}: {error}");
    let uniform = match tries::begin(path) {
        Ok(true) => super::make(path),
        Ok(false) => Err(Error::Uniform("it was begun several times and never ended")),
        Err(error) => Err(error.into()),
    };
    let dir = path.parent().unwrap_or(Path::new("."));
    match uniform {
        Ok(()) => derive::remake(dir, name, made).err().map(|error| kept(" in files of other formats", error)),
        Err(error) => Some(kept("", error)),
    }
}
