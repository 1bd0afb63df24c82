//! One recorder process: started, spoken to in lines, seen to its end.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use recorder::messages::{Command, Report};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};

/// How long a recorder may take to write its files out when it is told to leave.
const LEAVE: Duration = Duration::from_secs(5);

/// A running recorder process.
pub struct Recorder {
    process: Child,
    commands: ChildStdin,
    reports: Lines<BufReader<ChildStdout>>,
}

impl Recorder {
    /// Starts `program recorder`. Its log goes where ours goes, through this filter.
    pub fn start(program: &Path, log: &str) -> std::io::Result<Recorder> {
        let mut process = tokio::process::Command::new(program)
            .arg("recorder")
            .env("TAPEDECK_SERVER_LOG", log)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Never two recorders for one file: whoever drops this one has no more use for it.
            .kill_on_drop(true)
            .spawn()?;
        let missing = || std::io::Error::other("a pipe to the recorder is missing");
        let commands = process.stdin.take().ok_or_else(missing)?;
        let reports = BufReader::new(process.stdout.take().ok_or_else(missing)?).lines();
        Ok(Recorder { process, commands, reports })
    }

    /// The process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Sends a command. An error means that the process is gone, which [`Recorder::report`] tells as well; one that does not
    /// read for so long that the pipe is full hangs, and is killed.
    pub async fn send(&mut self, command: &Command) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(command)?;
        line.push(b'\n');
        let written = async {
            self.commands.write_all(&line).await?;
            self.commands.flush().await
        };
        match tokio::time::timeout(LEAVE, written).await {
            Ok(written) => written,
            Err(_) => {
                tracing::error!("a recorder reads no commands and is killed");
                self.process.start_kill()
            }
        }
    }

    /// The next report; `None` when the process has ended. May be dropped and called again at any time.
    pub async fn report(&mut self) -> Option<Report> {
        loop {
            match self.reports.next_line().await {
                Ok(Some(line)) => match serde_json::from_str(&line) {
                    Ok(report) => return Some(report),
                    Err(error) => tracing::error!(%error, line, "not a report"),
                },
                Ok(None) => return None,
                Err(error) => {
                    tracing::error!(%error, "cannot read the recorder's reports");
                    return None;
                }
            }
        }
    }

    /// Sees the process to its end: without commands it writes out what it has and goes. Reports that still come are
    /// dropped, because its successor gives them again. A process that hangs is killed.
    pub async fn end(self) -> Option<ExitStatus> {
        let Recorder { mut process, commands, mut reports } = self;
        drop(commands);
        let ended = async {
            while let Ok(Some(_)) = reports.next_line().await {}
            process.wait().await
        };
        match tokio::time::timeout(LEAVE, ended).await {
            Ok(status) => status.ok(),
            Err(_) => {
                tracing::error!("a recorder hangs and is killed");
                process.kill().await.ok()?;
                None
            }
        }
    }
}
