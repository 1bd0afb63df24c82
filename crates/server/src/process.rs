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
    leave_signals_to_the_parent()?;
    crate::startup::start_log(&std::env::var("TAPEDECK_SERVER_LOG").unwrap_or_else(|_| "info".to_owned()))?;
    recorder::run()?;
    Ok(ExitCode::SUCCESS)
}

/// A terminal sends Ctrl-C to children as well, systemd its SIGTERM; the worker says what that means for them. Threads
/// that are made later inherit this.
fn leave_signals_to_the_parent() -> anyhow::Result<()> {
    let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
    signals.thread_block().context("cannot block SIGINT and SIGTERM")
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
    fn a_recorder_leaves_both_signals_to_its_parent() {
        // On a thread of its own, because the mask stays.
        let blocked = std::thread::spawn(|| {
            leave_signals_to_the_parent().unwrap();
            SigSet::thread_get_mask().unwrap()
        });
        let blocked = blocked.join().unwrap();
        assert!(blocked.contains(Signal::SIGINT) && blocked.contains(Signal::SIGTERM));
    }

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
