//! The thread that makes files uniform, one after the other, when nothing else needs the processor.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::tries;
use crate::Error;
use crate::disk::{FolderLock, tell_again};
use crate::messages::{FileName, Report};

/// Niceness of the thread: recorders and mixes come first, and yet it gets a tenth of a processor that they need.
const NICENESS: i32 = 10;

/// Work for the thread.
pub enum UniformJob {
    /// This file is complete, but for its pictures' sizes.
    File { task: i64, name: FileName, path: PathBuf },
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
            UniformJob::File { task, name, path } => {
                let made = match tries::begin(&path) {
                    Ok(true) => super::make(&path),
                    Ok(false) => Err(Error::Uniform("it was begun several times and never ended")),
                    Err(error) => Err(error.into()),
                };
                tries::end(&path);
                if let Err(error) = made {
                    let text = format!("pictures keep their different sizes: {error}");
                    report(Report::Note { task, source: name.source.clone(), text });
                }
                tell_again(task, name, &path, report);
            }
            UniformJob::End { task, lock } => {
                report(Report::Stopped { task });
                drop(lock);
            }
        }
    }
}
