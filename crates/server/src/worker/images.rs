//! The images of mixed tasks: fetched beside the recording, kept until the task has ended.
//!
//! `DIR/<task>/<SHA-256 of the URL>`. The folder is what is known: a recorder or a server that starts again finds there
//! what was fetched before.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use recorder::messages::{OutputPlan, TaskJob};
use rules::outbound;
use rules::select::Source;
use sha2::{Digest, Sha256};
use store::Task;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::room::RoomCommand;
use super::{Worker, reports};
use crate::fetch::{FetchError, Fetcher};

/// Fetches at a time, of all tasks. Each may hold as much memory as an image may be large.
const AT_A_TIME: usize = 16;
/// Different images of one task, by all its updates.
const MAX_PER_TASK: usize = 1000;
/// Pauses between the tries of an image that a server or the network may have later.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];
const ACCEPT: &str = "image/png, image/jpeg";

/// See the module's head.
pub struct Images {
    dir: PathBuf,
    fetcher: Fetcher,
    places: Semaphore,
    tasks: Mutex<BTreeMap<i64, Asked>>,
}

/// The images that a task asked for.
#[derive(Default)]
struct Asked {
    urls: BTreeSet<String>,
    fetches: JoinSet<()>,
}

/// Why an image is missing.
#[derive(Debug, thiserror::Error)]
enum ImageError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("neither PNG nor JPEG")]
    Kind,
    #[error("the task named {MAX_PER_TASK} others before")]
    TooMany,
    #[error("it cannot be kept: {0}")]
    Disk(#[from] io::Error),
}

impl Images {
    pub fn new(dir: PathBuf, fetcher: Fetcher) -> Images {
        Images { dir, fetcher, places: Semaphore::new(AT_A_TIME), tasks: Mutex::default() }
    }

    /// Tells the job which of its images are there.
    pub fn fill(&self, job: &mut TaskJob) {
        let task = job.task;
        if let OutputPlan::Mix(plan) = &mut job.output {
            let found =
                plan.layout.images().into_iter().filter_map(|url| Some((url.to_owned(), self.find(task, url)?)));
            plan.images = found.collect();
        }
    }

    /// Ends a task's fetches and removes its images. May be repeated.
    pub async fn end(&self, task: i64) {
        let asked = self.tasks().remove(&task);
        if let Some(mut asked) = asked {
            asked.fetches.shutdown().await;
        }
        remove(&self.task_dir(task));
    }

    /// Removes what is left of others than these tasks, which a worker that died did not come to.
    pub fn keep_only(&self, tasks: &BTreeSet<i64>) {
        for entry in std::fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let task = entry.file_name().to_str().and_then(|name| name.parse().ok());
            if !task.is_some_and(|task| tasks.contains(&task)) {
                remove(&entry.path());
            }
        }
    }

    fn tasks(&self) -> MutexGuard<'_, BTreeMap<i64, Asked>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn task_dir(&self, task: i64) -> PathBuf {
        self.dir.join(task.to_string())
    }

    fn path(&self, task: i64, url: &str) -> PathBuf {
        self.task_dir(task).join(hex::encode(Sha256::digest(url.as_bytes())))
    }

    /// The file of an image that is there. One whose bytes a crash of the machine took is empty.
    fn find(&self, task: i64, url: &str) -> Option<PathBuf> {
        let path = self.path(task, url);
        std::fs::metadata(&path).is_ok_and(|file| file.len() > 0).then_some(path)
    }

    /// Fetches an image into its file.
    async fn obtain(&self, task: i64, url: &str) -> Result<(), ImageError> {
        let bytes = self.fetch(url).await?;
        if !codec::image::is_image(&bytes) {
            return Err(ImageError::Kind);
        }
        // Without an await: a fetch that is ended in the middle of this would leave a file after its task.
        self.keep(task, url, &bytes)?;
        Ok(())
    }

    /// Makes the file of an image, whole from its first moment.
    pub(super) fn keep(&self, task: i64, url: &str, bytes: &[u8]) -> io::Result<PathBuf> {
        let path = self.path(task, url);
        let part = path.with_extension("part");
        std::fs::create_dir_all(self.task_dir(task))?;
        std::fs::write(&part, bytes)?;
        std::fs::rename(&part, &path)?;
        Ok(path)
    }

    async fn fetch(&self, url: &str) -> Result<Vec<u8>, FetchError> {
        let mut pauses = PAUSES.into_iter();
        loop {
            let fetched = {
                // Never closed.
                let _place = self.places.acquire().await;
                self.fetcher.get(url, ACCEPT).await
            };
            match (fetched, pauses.next()) {
                (Err(error), Some(pause)) if error.is_transient() => {
                    tracing::info!(image = outbound::shown(url), %error, "tried again");
                    tokio::time::sleep(pause).await;
                }
                (fetched, _) => return fetched,
            }
        }
    }
}

fn remove(dir: &Path) {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(?dir, %error, "images of an ended task stay");
        }
        _ => {}
    }
}

/// Fetches the images of a running task that are not there and were not asked for yet. Each that comes is told to the
/// task's room, each that cannot be had is noted.
pub fn begin(worker: &Worker, task: &Task, job: &TaskJob) {
    let OutputPlan::Mix(plan) = &job.output else { return };
    // Nothing is drawn of it.
    if job.audio_only {
        return;
    }
    let images = &worker.inner.config.images;
    let mut tasks = images.tasks();
    let asked = tasks.entry(job.task).or_default();
    while asked.fetches.try_join_next().is_some() {}
    for url in plan.layout.images() {
        if images.find(job.task, url).is_some() || asked.urls.contains(url) {
            continue;
        }
        let (worker, task, url) = (worker.clone(), task.clone(), url.to_owned());
        if asked.urls.len() < MAX_PER_TASK {
            asked.urls.insert(url.clone());
            asked.fetches.spawn(async move {
                let obtained = worker.inner.config.images.obtain(task.id.0, &url).await;
                tell(&worker, &task, &url, obtained).await;
            });
        } else {
            asked.fetches.spawn(async move { tell(&worker, &task, &url, Err(ImageError::TooMany)).await });
        }
    }
}

async fn tell(worker: &Worker, task: &Task, url: &str, obtained: Result<(), ImageError>) {
    let (id, url) = (task.id.0, outbound::shown(url));
    match obtained {
        Ok(()) => {
            tracing::info!(task = id, image = url, "image fetched");
            if let Err(error) = worker.send(task, RoomCommand::Images { task: id }).await {
                tracing::warn!(task = id, %error, "an image came that nobody draws");
            }
        }
        Err(error) => {
            tracing::warn!(task = id, image = url, %error, "image missing");
            let note = format!("{}: image {url}: {error}", Source::Mix);
            reports::log(id, worker.inner.store.note_task(task.id, &note).await);
        }
    }
}
