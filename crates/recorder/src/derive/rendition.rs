//! A master's pictures once more, in a codec that WebM takes: decoded and encoded one by one while the master grows, on a
//! thread of low priority, and kept in a file of their own until the recording ends. Only then is it known which tracks
//! the WebM has, and whether the master's pictures are made of one size.
//!
//! Whoever finishes the master reads it for the thread, which never sees a file that is being changed. What is read
//! ahead is bounded; what is behind that stays in the master until there is room.

mod making;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use media::mp4::{Anchor, FinishOptions, Kind, Played, SampleEntry, Tail, TailOptions, Writer};

use crate::disk::BlackAndSilence;
use crate::uniform::tries;
use crate::{Error, Result};
use making::Making;

/// Pieces that may wait for the encoder: some seconds of a camera.
const WAITING: usize = 256;
/// Niceness of the thread: recording comes first.
const NICENESS: i32 = 10;
const OPTIONS: TailOptions = TailOptions { only: Some(Kind::Video), live: None };

/// See the module's head.
pub struct Rendition {
    path: PathBuf,
    tail: Tail,
    /// The number of the sample entry that the thread knows.
    entry: Option<u32>,
    /// What found no room yet.
    next: Option<Work>,
    /// Both are there until the rendition is finished.
    work: Option<SyncSender<Work>>,
    thread: Option<JoinHandle<Result<()>>>,
}

enum Work {
    /// The sample entry of the pieces that follow.
    Entry(Box<SampleEntry>),
    Piece(Played),
    /// All was given; the last picture stays up to here (ticks).
    End(u64),
}

impl Rendition {
    /// Of a growing master, at `path`.
    ///
    /// # Errors
    /// Among others, when earlier ones brought the process down several times.
    pub fn of_growing(master: &Path, path: PathBuf) -> Result<Rendition> {
        tries::allow(&path).map_err(Error::Format)?;
        Rendition::start(Tail::open(master, OPTIONS)?, path)
    }

    /// Of a finished master, as its index has the pictures.
    pub fn of_finished(master: &Path, path: PathBuf) -> Result<Rendition> {
        Rendition::start(Tail::of_index(master, OPTIONS)?, path)
    }

    fn start(tail: Tail, path: PathBuf) -> Result<Rendition> {
        _ = std::fs::remove_file(&path);
        let writer = Writer::create(&path, Anchor::default())?;
        let (work, queue) = sync_channel(WAITING);
        let to = path.clone();
        let thread = std::thread::Builder::new().name("rendition".into()).spawn(move || run(writer, &to, &queue))?;
        Ok(Rendition { path, tail, entry: None, next: None, work: Some(work), thread: Some(thread) })
    }

    /// Hands on what is new in a growing master, as far as there is room.
    pub fn follow(&mut self) -> Result<()> {
        self.tail.refresh()?;
        while let Some(work) = self.next_work()? {
            match self.work.as_ref().map(|queue| queue.try_send(work)) {
                Some(Ok(())) => {}
                Some(Err(TrySendError::Full(work))) => {
                    self.next = Some(work);
                    break;
                }
                Some(Err(TrySendError::Disconnected(_))) | None => return self.ended(),
            }
        }
        Ok(())
    }

    /// Makes what is left of a finished master. The file at the rendition's path is complete then.
    pub fn finish(mut self) -> Result<()> {
        self.tail.refresh()?;
        while let Some(work) = self.next_work()? {
            self.send(work)?;
        }
        if self.tail.overran() {
            return Err(Error::Internal("pictures were made that are not in the recording"));
        }
        let end = self.tail.ticks(Kind::Video).ok_or(Error::Internal("the master is not finished"))?;
        self.send(Work::End(end))?;
        self.ended()
    }

    fn send(&mut self, work: Work) -> Result<()> {
        match self.work.as_ref().map(|queue| queue.send(work)) {
            Some(Ok(())) => Ok(()),
            _ => self.ended(),
        }
    }

    /// What comes of the thread, which ends now.
    fn ended(&mut self) -> Result<()> {
        self.work = None;
        let ended = self.thread.take().map(JoinHandle::join);
        match ended {
            Some(Ok(ended)) => ended,
            _ => Err(Error::Internal("the thread of the pictures is gone")),
        }
    }

    fn next_work(&mut self) -> Result<Option<Work>> {
        if let Some(work) = self.next.take() {
            return Ok(Some(work));
        }
        let Some(played) = self.tail.next(None)? else { return Ok(None) };
        if self.entry == Some(played.entry) {
            return Ok(Some(Work::Piece(played)));
        }
        self.entry = Some(played.entry);
        let entry = self.tail.entry(Kind::Video, played.entry).cloned();
        self.next = Some(Work::Piece(played));
        Ok(entry.map(|entry| Work::Entry(Box::new(entry))))
    }
}

impl Drop for Rendition {
    fn drop(&mut self) {
        _ = self.ended();
        if tries::are_noted(&self.path) {
            tries::end(&self.path);
        }
    }
}

fn run(writer: Writer, path: &Path, queue: &Receiver<Work>) -> Result<()> {
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::warn!(%error, "pictures of WEBM are made at the usual priority");
    }
    let mut making = Making::new(writer);
    for work in queue {
        match work {
            Work::Entry(entry) => making.entry(*entry),
            Work::Piece(played) => making.push(&played)?,
            Work::End(end) => {
                making.finish(end)?;
                media::mp4::finish(path, &FinishOptions::default(), &BlackAndSilence)?;
                return Ok(());
            }
        }
    }
    Err(Error::Internal("the pictures are not wanted any more"))
}
