//! The thread that does with finished files what takes an encoder, one after the other, when nothing else needs the
//! processor: makes them uniform, and the WEBM of those whose pictures it does not take.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::tries;
use crate::derive::{self, Late};
use crate::disk::{FolderLock, tell_rest};
use crate::messages::{FileName, FinishedFile, Report};

/// Niceness of the thread: recorders and mixes come first, and yet it gets a tenth of a processor that they need.
const NICENESS: i32 = 10;

/// Work for the thread.
pub enum UniformJob {
    File(FileJob),
    /// Everything of the task that came before was all of it.
    End {
        task: i64,
        lock: Option<FolderLock>,
    },
}

/// A file that is complete, but for its pictures' sizes, and so is all that was made of it, but for what is late.
pub struct FileJob {
    pub task: i64,
    pub name: FileName,
    pub path: PathBuf,
    pub made: Vec<FinishedFile>,
    pub late: Option<Late>,
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
    queue.iter().for_each(|job| job.carry_out(report));
}

impl UniformJob {
    pub fn carry_out(self, report: &dyn Fn(Report)) {
        match self {
            UniformJob::File(job) => job.carry_out(report),
            UniformJob::End { task, lock } => {
                report(Report::Stopped { task });
                drop(lock);
            }
        }
    }
}

impl FileJob {
    /// Does all that is left to do, and tells of what there is then.
    fn carry_out(self, report: &dyn Fn(Report)) {
        let FileJob { task, name, path, mut made, late } = self;
        let note = |text| report(Report::Note { task, source: name.source.clone(), text });
        let kept = |what: &str, error: String| format!("pictures keep their different sizes{what}: {error}");
        let dir = path.parent().unwrap_or(Path::new("."));
        let upright = derive::shows_as_coded(dir, &name, &made);
        let (differs, was_begun) = (super::is_due(&path, upright), super::was_begun(&path));
        let begun = tries::allow(&path);
        let make = || super::make(&path, upright).map_err(|error| error.to_string());
        let uniform = begun.clone().and_then(|()| if differs { make() } else { Ok(()) });
        let changed = differs && uniform.is_ok();
        match uniform {
            // Another recorder may have died between the two.
            Ok(()) if differs || was_begun => {
                if let Err(error) = derive::remake(dir, &name, &mut made) {
                    note(kept(" in files of other formats", error.to_string()));
                }
            }
            Err(error) if differs => note(kept("", error)),
            Ok(()) | Err(_) => {}
        }
        if let Some(late) = late {
            late.make(dir, &name, begun.map(|()| changed), &mut made).into_iter().for_each(note);
        }
        made.retain(|file| derive::is_of_one_size(file.format));
        tries::end(&path);
        tell_rest(task, name, &path, made, report);
    }
}
