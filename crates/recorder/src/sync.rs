//! The thread that syncs growing files, so that the media thread never waits for a disk.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use media::mp4::Syncer;

/// Where files are told to the thread. The thread ends with the last of these.
#[derive(Debug, Clone)]
pub struct SyncQueue(Sender<Entry>);

/// A file is synced for as long as this is kept.
#[derive(Debug)]
pub struct Synced(#[expect(dead_code, reason = "held for its count")] Arc<()>);

type Entry = (Weak<()>, Syncer);

impl SyncQueue {
    /// Starts a thread that syncs every file told to it once in each `interval`.
    pub fn start(interval: Duration) -> std::io::Result<SyncQueue> {
        let (files, queue) = channel();
        std::thread::Builder::new().name("sync".into()).spawn(move || work(&queue, interval))?;
        Ok(SyncQueue(files))
    }

    pub fn add(&self, file: Syncer) -> Synced {
        let synced = Arc::new(());
        if self.0.send((Arc::downgrade(&synced), file)).is_err() {
            tracing::error!("the sync thread is gone");
        }
        Synced(synced)
    }
}

fn work(queue: &Receiver<Entry>, interval: Duration) {
    let mut files: Vec<Entry> = Vec::new();
    let mut due = Instant::now() + interval;
    loop {
        match queue.recv_timeout(due.saturating_duration_since(Instant::now())) {
            Ok(file) => files.push(file),
            Err(RecvTimeoutError::Timeout) => {
                files.retain(|(kept, _)| kept.strong_count() > 0);
                for (_, file) in &files {
                    if let Err(error) = file.sync() {
                        tracing::error!(%error, "a growing file cannot be synced");
                    }
                }
                due = Instant::now() + interval;
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
