//! The OpenAPI's calls carried out: durable in the store first, then told to the worker.

use std::collections::BTreeMap;
use std::sync::Arc;

use rules::error::{ApiError, ErrorKind};
use rules::ids::{AppId, TaskKey};
use rules::ledger::Report;
use rules::request::{StartRecord, UpdateRecord};
use rules::select::{Source, StreamId};
use store::{File, FileState, NewTask, Start, Stop, Store, Task, TaskState};

use crate::api::{FilePlace, FileView, Recording, Started, StreamView, TaskStatus, TaskView, no_such_task};
use crate::clock::now_ms;
use crate::turns::Turns;
use crate::worker::Worker;

/// GetRecordTask answers about tasks started within this time, in milliseconds: 72 hours.
const REMEMBERED_MS: i64 = 72 * 3_600_000;

/// Tasks in a store, recorded by a worker.
pub struct Tasks {
    pub store: Arc<dyn Store>,
    pub worker: Worker,
    /// The room server of each app, by its name in the configuration.
    pub room_servers: BTreeMap<AppId, String>,
    pub starting: tokio::sync::Mutex<()>,
    /// Changes of a task follow each other: each begins with what the one before made.
    pub changing: Turns,
}

impl Recording for Tasks {
    async fn start(&self, request: StartRecord) -> Result<Started, ApiError> {
        let room_server = self.room_servers.get(&request.key.app_id);
        let room_server = room_server.ok_or_else(|| internal("the app has no room server"))?.clone();
        // Two that come at once must not both be given the last place, whatever their tasks: the worker counts what it
        // was told to start.
        let _turn = self.starting.lock().await;
        if let Err(full) = self.worker.admit(&request) {
            let running = self.newest(&request.key).await?.is_some_and(|task| task.state.is_running());
            if !running {
                tracing::warn!(key = %request.key, %full, "a task is refused");
                return Err(ApiError::new(ErrorKind::TaskNumberOverLimit, full.to_string()));
            }
        }
        let new = NewTask {
            key: request.key.clone(),
            api_version: request.version.name().to_owned(),
            business_id: request.business_id.as_ref().map(|id| id.as_str().to_owned()),
            request: request.into(),
            room_server,
            created_ms: now_ms(),
        };
        match self.store.start_task(&new).await.map_err(internal)? {
            Start::AlreadyRunning(task) => {
                // The start before may have broken off before the worker heard of it.
                if task.state == TaskState::Requested {
                    self.worker.start(&task).await.map_err(internal)?;
                }
                Ok(Started::AlreadyRunning)
            }
            Start::Started(task) => {
                tracing::info!(task = task.id.0, key = %task.key, "task started");
                self.worker.start(&task).await.map_err(internal)?;
                Ok(Started::New)
            }
        }
    }

    async fn update(&self, change: UpdateRecord) -> Result<(), ApiError> {
        let _turn = self.changing.take(&change.key).await;
        let task = self.newest(&change.key).await?.filter(|task| task.state.is_running());
        let task = task.ok_or_else(|| no_such_task(&change.key))?;
        let request: StartRecord = serde_json::from_value(task.request).map_err(internal)?;
        let changed = change.apply(&request)?;
        let task = match self.store.change_request(task.id, &changed.into()).await {
            // It was stopped meanwhile.
            Err(error) if error.kind() == store::Kind::Conflict => return Err(no_such_task(&change.key)),
            changed => changed.map_err(internal)?,
        };
        tracing::info!(task = task.id.0, key = %task.key, "task changed");
        self.worker.update(&task).await.map_err(internal)
    }

    async fn stop(&self, key: TaskKey) -> Result<(), ApiError> {
        match self.store.stop_task(&key, "StopByAPI", now_ms()).await.map_err(internal)? {
            Stop::NotRunning => Err(no_such_task(&key)),
            Stop::Stopping(task) | Stop::AlreadyStopping(task) => {
                tracing::info!(task = task.id.0, key = %task.key, "task stopped");
                // Told again when it was stopping already: the stop before may have broken off here.
                self.worker.stop(&task).await;
                Ok(())
            }
        }
    }

    async fn task(&self, key: TaskKey) -> Result<TaskView, ApiError> {
        let task = self.newest(&key).await?.ok_or_else(|| no_such_task(&key))?;
        let files = self.store.files_of(task.id).await.map_err(internal)?;
        let mixed = self.store.mixed_streams(task.id).await.map_err(internal)?;
        Ok(TaskView { report: self.worker.report_path(&task), ..view(&task, &files, &mixed) })
    }

    async fn report(&self, key: TaskKey) -> Result<Report, ApiError> {
        let task = self.newest(&key).await?.ok_or_else(|| no_such_task(&key))?;
        self.worker.report(task).await.map_err(|error| internal(format!("{error:#}")))
    }
}

impl Tasks {
    async fn newest(&self, key: &TaskKey) -> Result<Option<Task>, ApiError> {
        self.store.newest_task(key, now_ms() - REMEMBERED_MS).await.map_err(internal)
    }
}

/// A task as GetRecordTask tells it. It counts as running until its last file is complete, so that a caller who waits
/// for the end finds all files.
fn view(task: &Task, files: &[File], mixed: &[StreamId]) -> TaskView {
    let status = match task.state {
        TaskState::Requested | TaskState::Starting => TaskStatus::NotStarted,
        TaskState::Recording | TaskState::Stopping | TaskState::Finishing => TaskStatus::Running,
        TaskState::Done => TaskStatus::Ended,
        TaskState::Failed => TaskStatus::Failed,
    };
    let ended = task.state.is_ended();
    let request: Option<StartRecord> = serde_json::from_value(task.request.clone()).ok();
    let error = task.error.iter().filter(|error| !task.notes.contains(error));
    TaskView {
        start_time_ms: task.started_ms.unwrap_or(task.created_ms),
        end_time_ms: if ended { task.ended_ms.unwrap_or(0) } else { 0 },
        status,
        stop_reason: task.stop_reason.clone().filter(|_| ended).unwrap_or_default(),
        files: files
            .iter()
            .filter(|file| file.state == FileState::Finished)
            .filter_map(|file| file_view(file, mixed, request.as_ref()))
            .collect(),
        notes: task.notes.iter().chain(error).cloned().collect(),
        report: None,
    }
}

/// `mixed`: the streams that the task's mix took in.
fn file_view(file: &File, mixed: &[StreamId], request: Option<&StartRecord>) -> Option<FileView> {
    let facts = file.facts.as_ref()?;
    let stream = |stream: &StreamId| {
        let listed = request.and_then(|request| request.targets.iter().find(|t| StreamId::from(&t.stream) == *stream));
        StreamView {
            index: listed.and_then(|target| target.index),
            user_id: stream.user.clone(),
            stream_type: stream.kind.number() as u8,
        }
    };
    Some(FileView {
        place: FilePlace::Vid(file.vid.to_string()),
        duration_ms: facts.duration_ms as i64,
        size_bytes: facts.size as i64,
        start_time_ms: file.started_ms,
        stream_list: match &file.source {
            Source::Mix => mixed.iter().map(stream).collect(),
            Source::Stream(only) => vec![stream(only)],
        },
        video_codec: facts.video_codec.clone().unwrap_or_default(),
        audio_codec: facts.audio_codec.clone().unwrap_or_default(),
        video_width: facts.width.unwrap_or(0),
        video_height: facts.height.unwrap_or(0),
    })
}

fn internal(error: impl std::fmt::Display) -> ApiError {
    tracing::error!(%error, "a call of the OpenAPI failed");
    ApiError::new(ErrorKind::InternalError, error.to_string())
}
