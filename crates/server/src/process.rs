//! What a process of the tree promises to the others.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{SigSet, Signal};

/// The recorder's process. Its log has the filter of the variable of `server.log`. It ends with its parent, after it
/// has written what it received: the end of standard input tells it.
pub fn run_recorder() -> anyhow::Result<ExitCode> {
    // A terminal sends Ctrl-C to children as well; the worker says what it means for them. Threads inherit this.
    let mut ignored = SigSet::empty();
    ignored.add(Signal::SIGINT);
    ignored.thread_block().context("cannot block SIGINT")?;
    crate::startup::start_log(&std::env::var("TAPEDECK_SERVER_LOG").unwrap_or_else(|_| "info".to_owned()))?;
    recorder::run()?;
    Ok(ExitCode::SUCCESS)
}

/// The right to use a data folder, held until dropped or the process ends.
#[derive(Debug)]
pub struct DataLock(#[expect(dead_code, reason = "held for its lock")] Flock<File>);

impl DataLock {
    /// Creates the folder if needed and takes it; fails when another process has it.
    pub fn take(data_dir: &Path) -> anyhow::Result<Self> {
        let shown = data_dir.display();
        std::fs::create_dir_all(data_dir).with_context(|| format!("cannot create the data folder {shown}"))?;
        let path = data_dir.join("lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.with_context(|| format!("cannot write to the data folder {shown}"))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Self(lock)),
            Err((_, nix::errno::Errno::EAGAIN)) => bail!("another tapedeck is using the data folder {shown}"),
            Err((_, errno)) => Err(errno).with_context(|| format!("cannot lock {}", path.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_folder_has_one_user() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("deep/data");
        let lock = DataLock::take(&data).unwrap();
        let error = DataLock::take(&data).unwrap_err();
        assert!(error.to_string().contains("another tapedeck"), "{error}");
        drop(lock);
        DataLock::take(&data).unwrap();
    }
}
