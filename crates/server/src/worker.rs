//! The worker role: takes tasks up, has a recorder process in every room that has any, and carries what the recorders
//! report into the store and the library.
//!
//! Everything here may be interrupted at any moment. What a task needs is in the store and in its folder of the spool;
//! [`Worker::resume`] goes on from there.

pub mod child;
mod files;
pub mod images;
pub mod library;
mod load;
pub mod plan;
mod report;
mod reports;
mod room;
mod settle;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use recorder::messages::{Settings, TaskJob};
use rtc::client::RoomServer;
use rules::admission::Full;
use rules::ledger::Report;
use rules::request::{CaptureMedia, StartRecord};
use store::{Store, Task, TaskRow, TaskStep};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::task::JoinSet;

use crate::clock::now_ms;
use images::Images;
use load::Loads;
use plan::Encoders;
use room::RoomCommand;
use settle::Ending;

/// Commands that may wait for a room.
const ROOM_COMMANDS: usize = 256;
/// Pause before a room with a full queue is tried again.
const BUSY: std::time::Duration = std::time::Duration::from_millis(20);

/// What a worker needs to know.
pub struct WorkerConfig {
    /// Folder of the files being recorded, one folder per task in it.
    pub spool: PathBuf,
    /// Folder of complete files.
    pub library: PathBuf,
    pub images: Images,
    /// Room servers by their names in the configuration.
    pub room_servers: BTreeMap<String, RoomServer>,
    pub settings: Settings,
    /// This program, to be started again as recorder.
    pub program: PathBuf,
    /// Filter of the recorders' log.
    pub log: String,
    /// Encoders of mixes.
    pub encoders: Encoders,
    /// Font files of what is written on mixes, the preferred one first.
    pub fonts: Vec<PathBuf>,
    /// Share of the processors that recordings may take, in percent; 0 is no limit.
    pub max_cpu: u32,
    /// Tells this installation's recorders from those of others in the same room.
    pub instance: String,
}

/// See the module's head. Cheap to clone.
#[derive(Clone)]
pub struct Worker {
    inner: Arc<Inner>,
}

struct Inner {
    config: WorkerConfig,
    store: Arc<dyn Store>,
    rooms: Mutex<Rooms>,
    /// Tasks whose files are on their way into the library.
    settling: Mutex<BTreeSet<i64>>,
    loads: Loads,
}

#[derive(Default)]
struct Rooms {
    by_key: HashMap<RoomKey, mpsc::Sender<RoomCommand>>,
    running: JoinSet<()>,
    closed: bool,
}

/// A room of a room server, as one recorder process sees it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct RoomKey {
    server: String,
    room: String,
    /// The mixed task whose process it is; nothing for the one of all single-stream tasks.
    mix: Option<i64>,
}

impl RoomKey {
    /// The process that records the task.
    fn of(task: &Task) -> RoomKey {
        RoomKey {
            server: task.room_server.clone(),
            room: task.key.room_id.to_string(),
            mix: plan::is_mixed(&task.request).then_some(task.id.0),
        }
    }
}

/// Why a task cannot be taken up.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    #[error("room server {0:?} is not configured")]
    UnknownRoomServer(String),
    #[error("the stored request cannot be read: {0}")]
    Request(String),
    #[error("spool: {0}")]
    Spool(#[from] std::io::Error),
}

impl Worker {
    pub fn new(config: WorkerConfig, store: Arc<dyn Store>) -> Worker {
        let loads = Loads::new(config.max_cpu);
        Worker { inner: Arc::new(Inner { config, store, rooms: Mutex::default(), settling: Mutex::default(), loads }) }
    }

    /// Whether the machine can bear one more task.
    pub fn admit(&self, request: &StartRecord) -> Result<(), Full> {
        let audio_only = request.control.media == CaptureMedia::AudioOnly;
        let WorkerConfig { encoders, fonts, .. } = &self.inner.config;
        self.inner.loads.admit(load::of(&plan::output(request, encoders, fonts), audio_only))
    }

    /// Goes on with every task that had not ended when the last worker did.
    pub async fn resume(&self) -> store::Result<usize> {
        let unfinished = self.inner.store.list_unfinished().await?;
        let count = unfinished.len();
        self.inner.report_rest(&unfinished.iter().map(|unfinished| unfinished.task.id).collect::<Vec<_>>());
        self.inner.config.images.keep_only(&unfinished.iter().map(|unfinished| unfinished.task.id.0).collect());
        for store::Unfinished { task, .. } in unfinished {
            if task.state.is_running() {
                // One that cannot be taken up any more has failed, which is told where it is found out.
                _ = self.start(&task).await;
            } else {
                self.stop(&task).await;
            }
        }
        Ok(count)
    }

    /// Has the task recorded; repeated for one that is being recorded, it does nothing. Its row is in the store already.
    /// After an error the task has failed and may be started anew.
    pub async fn start(&self, task: &Task) -> Result<(), WorkerError> {
        let result = self.try_start(task).await;
        if let Err(error) = &result {
            self.inner.give_up(task.id, &error.to_string()).await;
        }
        result
    }

    async fn try_start(&self, task: &Task) -> Result<(), WorkerError> {
        let job = self.inner.job(task)?;
        std::fs::create_dir_all(&job.dir)?;
        self.send(task, RoomCommand::Start(job.clone())).await?;
        images::begin(self, task, &job);
        Ok(())
    }

    /// Has the recorder go on as the task's changed request says.
    pub async fn update(&self, task: &Task) -> Result<(), WorkerError> {
        let job = self.inner.job(task)?;
        self.send(task, RoomCommand::Change(job.clone())).await?;
        images::begin(self, task, &job);
        Ok(())
    }

    /// Has the task's recording ended and its files completed. May be repeated.
    pub async fn stop(&self, task: &Task) {
        let command = RoomCommand::Stop { task: task.id.0, dir: self.inner.task_dir(task.id) };
        if let Err(error) = self.send(task, command).await {
            tracing::warn!(task = task.id.0, %error, "its files are completed without a recorder");
            settle::begin(&self.inner, task.id, Ending { unattended: true, ..Ending::default() });
        }
    }

    /// The report of the task, as far as it is known by now.
    pub async fn report(&self, task: Task) -> anyhow::Result<Report> {
        report::read(&self.inner, task).await
    }

    /// Where the report of the task is, relative to the library, once it is there.
    pub fn report_path(&self, task: &Task) -> Option<String> {
        let path = library::report_path(task);
        self.inner.config.library.join(&path).exists().then_some(path)
    }

    /// Has every recorder write out what it has and go. Tasks stay as they are, for the next start.
    pub async fn shut_down(&self) {
        let mut running = {
            let mut rooms = self.inner.rooms();
            rooms.closed = true;
            rooms.by_key.clear();
            std::mem::take(&mut rooms.running)
        };
        while running.join_next().await.is_some() {}
    }

    /// While the worker shuts down nothing is sent: the next one finds the task in the store.
    async fn send(&self, task: &Task, command: RoomCommand) -> Result<(), WorkerError> {
        let server = self.inner.config.room_servers.get(&task.room_server);
        let server = server.ok_or_else(|| WorkerError::UnknownRoomServer(task.room_server.clone()))?;
        let key = RoomKey::of(task);
        let mut command = command;
        loop {
            match self.try_send(&key, server, command) {
                Ok(()) | Err(Unsent::ShuttingDown) => return Ok(()),
                Err(Unsent::Busy(unsent)) => command = *unsent,
            }
            tokio::time::sleep(BUSY).await;
        }
    }

    /// Sends while the lock is held: a room that ends looks into its queue under the same lock, so nothing is lost.
    fn try_send(&self, key: &RoomKey, server: &RoomServer, command: RoomCommand) -> Result<(), Unsent> {
        let mut rooms = self.inner.rooms();
        if rooms.closed {
            return Err(Unsent::ShuttingDown);
        }
        if let RoomCommand::Start(job) = &command {
            self.inner.loads.begin(key.clone(), load::of(&job.output, job.audio_only));
        }
        let command = match rooms.by_key.get(key) {
            None => command,
            Some(sender) => match sender.try_send(command) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Full(command)) => return Err(Unsent::Busy(Box::new(command))),
                // A room that panicked.
                Err(TrySendError::Closed(command)) => command,
            },
        };
        while rooms.running.try_join_next().is_some() {}
        let (sender, commands) = mpsc::channel(ROOM_COMMANDS);
        sender.try_send(command).expect("a new queue has room");
        rooms.by_key.insert(key.clone(), sender);
        let (inner, key, server) = (self.inner.clone(), key.clone(), server.clone());
        rooms.running.spawn(async move { room::run(inner, key, server, commands).await });
        Ok(())
    }
}

/// Why a command was not sent.
enum Unsent {
    Busy(Box<RoomCommand>),
    ShuttingDown,
}

impl Inner {
    fn rooms(&self) -> MutexGuard<'_, Rooms> {
        // Nothing that holds the lock can panic half-way through a change.
        self.rooms.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn settling(&self) -> MutexGuard<'_, BTreeSet<i64>> {
        self.settling.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// What a recorder is told of a task; of its images the room knows.
    fn job(&self, task: &Task) -> Result<TaskJob, WorkerError> {
        let request: StartRecord =
            serde_json::from_value(task.request.clone()).map_err(|error| WorkerError::Request(error.to_string()))?;
        Ok(TaskJob {
            task: task.id.0,
            dir: self.task_dir(task.id),
            select: request.selection(),
            output: plan::output(&request, &self.config.encoders, &self.config.fonts),
            formats: request.formats.clone(),
            audio_only: request.control.media == CaptureMedia::AudioOnly,
            max_idle_ms: i64::from(request.control.max_idle_s) * 1000,
            ends_ms: match request.control.max_record_s {
                0 => None,
                seconds => Some(task.created_ms + i64::from(seconds) * 1000),
            },
        })
    }

    fn task_dir(&self, task: TaskRow) -> PathBuf {
        self.config.spool.join(task.0.to_string())
    }

    /// Sees to tasks that had ended when the last worker did, and whose report was not made.
    fn report_rest(self: &Arc<Self>, unfinished: &[TaskRow]) {
        for entry in std::fs::read_dir(&self.config.spool).into_iter().flatten().flatten() {
            let task = entry.file_name().to_str().and_then(|name| name.parse().ok()).map(TaskRow);
            if let Some(task) = task.filter(|task| !unfinished.contains(task) && recorder::has_facts(&entry.path())) {
                settle::begin(self, task, Ending { unattended: true, ..Ending::default() });
            }
        }
    }

    /// Fails a task that cannot be recorded. What it has in the spool still goes into the library.
    async fn give_up(self: &Arc<Self>, task: TaskRow, why: &str) {
        tracing::error!(task = task.0, why, "the task failed");
        let stopped = (reports::FAILED.to_owned(), now_ms());
        let step = TaskStep::Stopping { reason: stopped.0.clone(), ended_ms: stopped.1 };
        reports::log(task.0, self.store.note_task(task, why).await);
        reports::log(task.0, self.store.advance_task(task, &step).await);
        settle::begin(self, task, Ending { stopped: Some(stopped), unattended: true, ..Ending::default() });
    }
}
