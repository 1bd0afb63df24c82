//! `tapedeck record`: records a room straight into a folder, without API, store or library.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use recorder::messages::{Anew, AudioPlan, Command, FinishedFile, OutputPlan, Report, RoomJob, Settings, TaskJob};
use rules::request::FileFormat;
use rules::select::{Selection, StreamId, StreamKind};

use crate::worker::child::Recorder;

/// What the recorder logs: its reports are told in other words.
const LOG: &str = "warn";
/// As the OpenAPI's default.
const MAX_SILENCE_MS: i64 = 3_600_000;
/// The number of the only task.
const TASK: i64 = 1;

/// Which room, and where to.
#[derive(Debug, Clone)]
pub struct RecordPlan {
    /// `ws://` or `http://` address of the room server.
    pub url: String,
    pub api_key: String,
    pub api_secret: String,
    pub room: String,
    /// Folder for the files; made if it is not there.
    pub out: PathBuf,
    /// Only these users; everybody when empty.
    pub users: Vec<String>,
    pub audio: AudioPlan,
    /// Pictures of several sizes stay as they came.
    pub keep_source: bool,
    /// Until a signal when there is none.
    pub duration: Option<Duration>,
    /// Stop when nobody published for so long.
    pub max_idle: Duration,
}

/// Records until the duration is over, everybody is gone or `stop` resolves; returns the files.
pub async fn run(plan: &RecordPlan, stop: impl Future<Output = ()>) -> anyhow::Result<Vec<PathBuf>> {
    let spool = plan.out.join(format!(".recording-{}", std::process::id()));
    std::fs::create_dir_all(&spool).with_context(|| format!("cannot make {}", spool.display()))?;
    let program = std::env::current_exe()?;
    let mut recorder = Recorder::start(&program, LOG)?;
    recorder.send(&Command::Open(room_job(plan))).await?;
    recorder.send(&Command::Start(task_job(plan, &spool))).await?;

    let limit = async {
        match plan.duration {
            Some(duration) => tokio::time::sleep(duration).await,
            None => std::future::pending().await,
        }
    };
    let stop = async {
        tokio::select! { () = stop => (), () = limit => () }
    };
    tokio::pin!(stop);
    let mut stopping = false;
    let mut files = Vec::new();
    loop {
        tokio::select! {
            () = &mut stop, if !stopping => {
                stopping = true;
                recorder.send(&Command::Stop { task: TASK }).await?;
            }
            report = recorder.report() => match report {
                Some(Report::Stopped { .. }) => break,
                Some(Report::Ends { .. }) => {
                    eprintln!("nobody publishes, stopping");
                    stopping = true;
                    recorder.send(&Command::Stop { task: TASK }).await?;
                }
                Some(Report::FileFinished { file, .. }) => files.push(move_out(&spool, &plan.out, &file)?),
                Some(Report::Refused { reason }) => bail!("the room server refuses the recorder: {reason}"),
                Some(report) => tell(&report),
                None => bail!("the recorder died; what it recorded is in {}", spool.display()),
            },
        }
    }
    recorder.end().await;
    recorder::remove_folder(&spool).with_context(|| format!("files are left in {}", spool.display()))?;
    Ok(files)
}

fn room_job(plan: &RecordPlan) -> RoomJob {
    RoomJob {
        url: plan.url.clone(),
        api_key: plan.api_key.clone(),
        api_secret: plan.api_secret.clone(),
        room: plan.room.clone(),
        identity: format!("tapedeck-record-{}", std::process::id()),
        settings: Settings::default(),
    }
}

fn task_job(plan: &RecordPlan, spool: &Path) -> TaskJob {
    let both =
        |user: &String| [StreamKind::Camera, StreamKind::Screen].map(|kind| StreamId { user: user.clone(), kind });
    TaskJob {
        task: TASK,
        dir: spool.to_owned(),
        select: Selection { targets: plan.users.iter().flat_map(both).collect(), ..Selection::default() },
        output: OutputPlan::Streams {
            audio: plan.audio,
            anew: Anew::default(),
            max_silence_ms: MAX_SILENCE_MS,
            keep_source: plan.keep_source,
        },
        formats: vec![FileFormat::Mp4],
        audio_only: false,
        max_idle_ms: plan.max_idle.as_millis() as i64,
        ends_ms: None,
    }
}

fn move_out(spool: &Path, out: &Path, file: &FinishedFile) -> anyhow::Result<PathBuf> {
    let from = recorder::spool_file(spool, &file.name);
    let name = from.file_name().context("a spool file without name")?.to_string_lossy().into_owned();
    let to = out.join(format!("{}-{name}", file.started_ms));
    std::fs::rename(&from, &to).with_context(|| format!("cannot move {}", from.display()))?;
    eprintln!("{}: {:.3} s, {} bytes", to.display(), file.duration_ms as f64 / 1000.0, file.size);
    Ok(to)
}

/// Progress, for people.
fn tell(report: &Report) {
    match report {
        Report::Joined { .. } => eprintln!("in the room"),
        Report::Interrupted { reason } => eprintln!("connection lost ({reason}), coming back"),
        Report::FileOpened { file, .. } => eprintln!("recording {}", file.source),
        Report::Note { source, text, .. } => eprintln!("{source}: {text}"),
        _ => {}
    }
}
