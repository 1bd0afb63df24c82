//! One room's recorder process from the worker's side: started when a task needs it, started again when it dies, told
//! what to do, listened to.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use recorder::messages::{Command, MixChange, Report, RoomJob, TaskJob};
use rtc::client::RoomServer;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::child::Recorder;
use super::load::{self, Meter};
use super::reports::{self, Consequence, Endings};
use super::{Inner, RoomKey};

/// A recorder that lives this long is not what made the one before it die.
const HEALTHY: Duration = Duration::from_secs(10);
/// Longest pause before a recorder is started again: a recording must go on within a second of any death.
const MAX_PAUSE: Duration = Duration::from_millis(500);

/// What a room is told.
#[derive(Debug)]
pub enum RoomCommand {
    Start(TaskJob),
    /// A mixed task as it is from now on.
    Change(TaskJob),
    /// More images of a mixed task are there.
    Images {
        task: i64,
    },
    Stop {
        task: i64,
        dir: PathBuf,
    },
}

impl RoomCommand {
    fn task(&self) -> i64 {
        match self {
            RoomCommand::Start(job) | RoomCommand::Change(job) => job.task,
            RoomCommand::Images { task } | RoomCommand::Stop { task, .. } => *task,
        }
    }
}

/// What a task of this room waits for.
#[derive(Debug, Clone, PartialEq)]
enum Duty {
    Record(TaskJob),
    Finish(PathBuf),
}

pub struct Supervisor {
    inner: Arc<Inner>,
    key: RoomKey,
    server: RoomServer,
    duties: BTreeMap<i64, Duty>,
    endings: Endings,
}

/// Runs until no task is left, or until the worker shuts down and drops the other end of `commands`.
pub async fn run(inner: Arc<Inner>, key: RoomKey, server: RoomServer, mut commands: mpsc::Receiver<RoomCommand>) {
    let mut room = Supervisor::new(inner, key, server);
    let mut failures = 0u32;
    loop {
        if room.duties.is_empty() {
            match commands.try_recv() {
                Ok(command) => {
                    room.accept(command);
                    continue;
                }
                Err(mpsc::error::TryRecvError::Disconnected) => return,
                Err(mpsc::error::TryRecvError::Empty) => {
                    // Only while the lock is held can nobody be about to send.
                    let mut rooms = room.inner.rooms();
                    if commands.is_empty() {
                        rooms.by_key.remove(&room.key);
                        room.inner.loads.end(&room.key);
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
    pub fn new(inner: Arc<Inner>, key: RoomKey, server: RoomServer) -> Supervisor {
        Supervisor { inner, key, server, duties: BTreeMap::new(), endings: Endings::new() }
    }

    /// Makes a command a duty, and tells what to say to a recorder that is there: nothing, when the same was asked for
    /// before, or when the task is past it.
    pub fn accept(&mut self, command: RoomCommand) -> Option<Command> {
        let task = command.task();
        if self.inner.settling().contains(&task) {
            return None;
        }
        let command = match (command, self.duties.get(&task)) {
            (RoomCommand::Images { .. }, Some(Duty::Record(job))) => RoomCommand::Change(job.clone()),
            (command, _) => command,
        };
        let (duty, message) = match (self.with_images(command), self.duties.get(&task)) {
            // Also a start that a stop has overtaken.
            (RoomCommand::Start(_), Some(_)) | (RoomCommand::Stop { .. }, Some(Duty::Finish(_))) => return None,
            (RoomCommand::Change(_) | RoomCommand::Images { .. }, Some(Duty::Finish(_))) => return None,
            (RoomCommand::Change(job), Some(Duty::Record(_))) => match MixChange::to(&job) {
                Some(change) => (Duty::Record(job), Command::Change { task, change }),
                None => return None,
            },
            // A start or a change that comes finds the images.
            (RoomCommand::Images { .. }, _) => return None,
            // Also a change that has overtaken its start.
            (RoomCommand::Start(job) | RoomCommand::Change(job), None) => {
                (Duty::Record(job.clone()), Command::Start(job))
            }
            (RoomCommand::Stop { task, dir }, Some(Duty::Record(_))) => (Duty::Finish(dir), Command::Stop { task }),
            (RoomCommand::Stop { task, dir }, None) => (Duty::Finish(dir.clone()), Command::Finish { task, dir }),
        };
        self.duties.insert(task, duty);
        Some(message)
    }

    /// The newest layout always goes with the images that are there now, whichever of both is the news.
    fn with_images(&self, mut command: RoomCommand) -> RoomCommand {
        if let RoomCommand::Start(job) | RoomCommand::Change(job) = &mut command {
            self.inner.config.images.fill(job);
        }
        command
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
        let mut meter = Meter::new(recorder.id());
        let mut measure = tokio::time::interval(load::EVERY);
        while !self.duties.is_empty() {
            tokio::select! {
                _ = measure.tick() => meter.tell(&self.inner.loads, &self.key),
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
                        if let Some(message) = self.accept(command) {
                            // An error shows as the end of the reports.
                            _ = recorder.send(&message).await;
                        }
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
            identity: identity(&config.instance, &self.key),
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

    async fn heard(&mut self, recorder: &mut Recorder, report: Report) {
        let recording: Vec<i64> =
            self.duties.iter().filter(|(_, duty)| matches!(duty, Duty::Record(_))).map(|(task, _)| *task).collect();
        match reports::handle(&self.inner, &self.key.room, &recording, &mut self.endings, report).await {
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

/// The recorder's name in a room. Two room servers of the configuration may be one in truth, where recorders of one name
/// would displace each other; and each mix has a recorder of its own.
fn identity(instance: &str, key: &RoomKey) -> String {
    let digest = hex::encode(&Sha256::digest(key.server.as_bytes())[..4]);
    match key.mix {
        None => format!("tapedeck-{instance}-{digest}"),
        Some(task) => format!("tapedeck-{instance}-{digest}-{task}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{RoomKey, identity};

    #[test]
    fn each_recorder_in_a_room_has_an_identity_of_its_own_which_stays() {
        let of = |server: &str, mix| identity("0badcafe", &RoomKey { server: server.into(), room: "r".into(), mix });
        assert_eq!(of("a", None), "tapedeck-0badcafe-ca978112");
        assert_ne!(of("a", None), of("b", None));
        assert_eq!(of("a", Some(7)), "tapedeck-0badcafe-ca978112-7");
    }
}
