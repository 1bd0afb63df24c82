//! One room's recorder process from the worker's side: started when a task needs it, started again when it dies, told
//! what to do, listened to.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use recorder::messages::{Command, Report, RoomJob, TaskJob};
use rtc::client::RoomServer;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::child::Recorder;
use super::reports::{self, Consequence};
use super::{Inner, RoomKey};

/// A recorder that lives this long is not what made the one before it die.
const HEALTHY: Duration = Duration::from_secs(10);
/// Longest pause before a recorder is started again: a recording must go on within a second of any death.
const MAX_PAUSE: Duration = Duration::from_millis(500);

/// What a room is told.
#[derive(Debug)]
pub enum RoomCommand {
    Start(TaskJob),
    Stop { task: i64, dir: PathBuf },
}

/// What a task of this room waits for.
#[derive(Debug, Clone, PartialEq)]
enum Duty {
    Record(TaskJob),
    Finish(PathBuf),
}

struct Supervisor {
    inner: Arc<Inner>,
    key: RoomKey,
    server: RoomServer,
    duties: BTreeMap<i64, Duty>,
}

/// Runs until no task is left, or until the worker shuts down and drops the other end of `commands`.
pub async fn run(inner: Arc<Inner>, key: RoomKey, server: RoomServer, mut commands: mpsc::Receiver<RoomCommand>) {
    let mut room = Supervisor { inner, key, server, duties: BTreeMap::new() };
    let mut failures = 0u32;
    loop {
        if room.duties.is_empty() {
            match commands.try_recv() {
                Ok(command) => room.note(command),
                Err(mpsc::error::TryRecvError::Disconnected) => return,
                Err(mpsc::error::TryRecvError::Empty) => {
                    // Only while the lock is held can nobody be about to send.
                    let mut rooms = room.inner.rooms();
                    if commands.is_empty() {
                        rooms.by_key.remove(&room.key);
                        return;
                    }
                    continue;
                }
            }
        }
        let started = Instant::now();
        match room.supervise(&mut commands).await {
            End::Idle => failures = 0,
            End::ShuttingDown => return,
            End::Died => {
                failures = if started.elapsed() > HEALTHY { 0 } else { failures + 1 };
                let pause = Duration::from_millis(50) * 2u32.pow(failures.min(8));
                tokio::time::sleep(pause.min(MAX_PAUSE)).await;
            }
        }
    }
}

/// Why a recorder process is not there any more.
enum End {
    /// It had nothing to do.
    Idle,
    Died,
    ShuttingDown,
}

impl Supervisor {
    fn note(&mut self, command: RoomCommand) {
        match command {
            RoomCommand::Start(job) => _ = self.duties.insert(job.task, Duty::Record(job)),
            RoomCommand::Stop { task, dir } => _ = self.duties.insert(task, Duty::Finish(dir)),
        }
    }

    /// One recorder process from its start to its end.
    async fn supervise(&mut self, commands: &mut mpsc::Receiver<RoomCommand>) -> End {
        let mut recorder = match self.start_recorder().await {
            Ok(recorder) => recorder,
            Err(error) => {
                tracing::error!(room = self.key.room, %error, "cannot start a recorder");
                return End::Died;
            }
        };
        while !self.duties.is_empty() {
            tokio::select! {
                report = recorder.report() => match report {
                    Some(report) => self.heard(&mut recorder, report).await,
                    None => {
                        let status = recorder.end().await;
                        tracing::warn!(room = self.key.room, ?status, "a recorder died; the next one goes on");
                        return End::Died;
                    }
                },
                command = commands.recv() => match command {
                    Some(command) => {
                        // An error shows as the end of the reports.
                        let message = self.message_for(&command);
                        self.note(command);
                        _ = recorder.send(&message).await;
                    }
                    None => {
                        recorder.end().await;
                        return End::ShuttingDown;
                    }
                },
            }
        }
        recorder.end().await;
        End::Idle
    }

    async fn start_recorder(&self) -> std::io::Result<Recorder> {
        let config = &self.inner.config;
        let mut recorder = Recorder::start(&config.program, &config.log)?;
        tracing::info!(room = self.key.room, process = recorder.id(), tasks = self.duties.len(), "recorder started");
        let open = Command::Open(RoomJob {
            url: self.server.url.clone(),
            api_key: self.server.api_key.clone(),
            api_secret: self.server.api_secret.clone(),
            room: self.key.room.clone(),
            identity: format!("tapedeck-{}", config.instance),
            settings: config.settings,
        });
        recorder.send(&open).await?;
        for (task, duty) in &self.duties {
            let command = match duty {
                Duty::Record(job) => Command::Start(job.clone()),
                Duty::Finish(dir) => Command::Finish { task: *task, dir: dir.clone() },
            };
            recorder.send(&command).await?;
        }
        Ok(recorder)
    }

    fn message_for(&self, command: &RoomCommand) -> Command {
        match command {
            RoomCommand::Start(job) => Command::Start(job.clone()),
            RoomCommand::Stop { task, .. } if self.duties.contains_key(task) => Command::Stop { task: *task },
            RoomCommand::Stop { task, dir } => Command::Finish { task: *task, dir: dir.clone() },
        }
    }

    async fn heard(&mut self, recorder: &mut Recorder, report: Report) {
        let recording: Vec<i64> =
            self.duties.iter().filter(|(_, duty)| matches!(duty, Duty::Record(_))).map(|(task, _)| *task).collect();
        match reports::handle(&self.inner, &self.key.room, &recording, report).await {
            Consequence::None => {}
            Consequence::Ended(task) => _ = self.duties.remove(&task),
            Consequence::Stop(tasks) => {
                for task in tasks {
                    let dir = self.inner.task_dir(store::TaskRow(task));
                    self.duties.insert(task, Duty::Finish(dir));
                    // An error shows as the end of the reports.
                    _ = recorder.send(&Command::Stop { task }).await;
                }
            }
        }
    }
}
