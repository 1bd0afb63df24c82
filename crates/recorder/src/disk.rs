//! The thread that completes files, so that the media thread never waits for a disk; and that makes files of other formats
//! meanwhile.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use codec::{aac, black, video};
use media::mp4::{self, Codec, Filler, FillerError, FinishOptions, Kind, SampleEntry};
use nix::fcntl::{Flock, FlockArg};
use rules::request::FileFormat;
use rules::time::Wall;

use crate::clock::Clock;
use crate::derive::{self, Following, Made};
use crate::facts::{self, FACTS};
use crate::messages::{FileName, FinishedFile, Report};
use crate::mix::MixEvent;
use crate::mix::thread::Ending;
use crate::take::Closed;
use crate::uniform::thread::{FileJob, UniformJob};
use crate::video::sample_entry;
use crate::{coded, names, order, uniform};

/// Work for the thread.
#[derive(Debug)]
pub enum DiskJob {
    /// Make these formats of all files of a task that begins.
    Follow { dir: PathBuf, formats: Vec<FileFormat>, clock: Clock },
    /// Complete this file of a task that goes on.
    Close { task: i64, closed: Closed },
    /// Complete the files of a task: those just closed, that of a mix that is being ended, then whatever an earlier
    /// recorder left in its folder. Without the folder's lock it is taken first.
    Finish { task: i64, dir: PathBuf, closed: Vec<Closed>, mix: Option<Ending>, lock: Option<FolderLock> },
}

/// Name of the lock in a task's folder.
pub const LOCK: &str = "lock";

/// The right to write into a task's folder. A recorder whose worker died may still be writing its last fragments when
/// its successor starts.
#[derive(Debug)]
pub struct FolderLock(#[expect(dead_code, reason = "held for its lock")] Flock<File>);

impl FolderLock {
    /// Waits until nobody else has it; a recorder without a worker leaves within two seconds. Nothing where the file
    /// system knows no locks.
    pub fn take(dir: &Path) -> Option<FolderLock> {
        let file = File::create(dir.join(LOCK));
        let lock = file.map(|file| Flock::lock(file, FlockArg::LockExclusive));
        match lock {
            Ok(Ok(lock)) => Some(FolderLock(lock)),
            failed => {
                tracing::error!(?dir, ?failed, "the task's folder cannot be locked");
                None
            }
        }
    }
}

/// Removes a task's folder that holds no recording any more, and whose report is made.
///
/// # Errors
/// Fails, among others, when there is anything else in it.
pub fn remove_folder(dir: &Path) -> std::io::Result<()> {
    let names = std::fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name()));
    let names = names.collect::<std::io::Result<Vec<_>>>()?;
    let is_ours = |name: &str| [LOCK, FACTS].contains(&name) || order::NAMES.contains(&name) || derive::is_ours(name);
    if names.iter().all(|name| name.to_str().is_some_and(is_ours)) {
        names.iter().try_for_each(|name| std::fs::remove_file(dir.join(name)))?;
    }
    std::fs::remove_dir(dir)
}

/// The running thread. Dropping it lets it finish its work first, but for files that are being made uniform.
pub struct DiskThread {
    jobs: Option<Sender<DiskJob>>,
    thread: Option<JoinHandle<()>>,
}

impl DiskThread {
    /// `report` is called on the thread, and on that of [`uniform`].
    pub fn start(report: impl Fn(Report) + Send + Sync + 'static) -> std::io::Result<DiskThread> {
        let (jobs, queue) = channel();
        let disk = Disk {
            report: Arc::new(report),
            following: Following::default(),
            clock: None,
            uniform: None,
            passed_on: BTreeSet::new(),
        };
        let thread = std::thread::Builder::new().name("disk".into()).spawn(move || disk.work(&queue))?;
        Ok(DiskThread { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Queues a job; jobs are as many as tasks that end, so the queue needs no bound of its own.
    pub fn send(&self, job: DiskJob) {
        if let Some(jobs) = &self.jobs
            && jobs.send(job).is_err()
        {
            tracing::error!("the disk thread is gone");
        }
    }
}

impl Drop for DiskThread {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the disk thread panicked");
        }
    }
}

/// What the thread knows.
struct Disk {
    report: Arc<dyn Fn(Report) + Send + Sync>,
    following: Following,
    /// Of tasks that are followed.
    clock: Option<Clock>,
    /// Where files go whose pictures differ in size, once there was one.
    uniform: Option<Sender<UniformJob>>,
    /// Those that went there: nobody else may touch them.
    passed_on: BTreeSet<PathBuf>,
}

impl Disk {
    fn work(mut self, queue: &Receiver<DiskJob>) {
        loop {
            let wait = if self.following.is_empty() { Duration::MAX } else { FOLLOW };
            let job = match queue.recv_timeout(wait) {
                Ok(job) => job,
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    self.clock.iter().for_each(|clock| self.following.follow(clock.wall(clock.now())));
                    continue;
                }
            };
            match job {
                DiskJob::Finish { task, dir, closed, mix, lock } => {
                    let lock = lock.or_else(|| FolderLock::take(&dir));
                    self.finish_task(task, &dir, closed, mix);
                    self.end(task, &dir, lock);
                }
                DiskJob::Close { task, closed } => self.close(task, closed, true),
                DiskJob::Follow { dir, formats, clock } => {
                    self.clock = Some(clock);
                    if let Err(error) = self.following.add(&dir, &formats) {
                        tracing::error!(?dir, %error, "cannot note what is to be made");
                    }
                }
            }
        }
    }

    fn finish_task(&mut self, task: i64, dir: &Path, mut closed: Vec<Closed>, mix: Option<Ending>) {
        if let Some(mix) = mix {
            let (file, events) = mix.wait();
            closed.extend(file);
            for event in events {
                match event {
                    MixEvent::Ended(file) => closed.push(file),
                    event => event.report(task).into_iter().for_each(&*self.report),
                }
            }
        }
        for file in self.following.orphans(dir) {
            (self.report)(Report::FileFinished { task, file });
        }
        let done: Vec<FileName> = closed.iter().map(|file| file.file.clone()).collect();
        closed.into_iter().for_each(|file| self.close(task, file, false));
        match names::list(dir) {
            Ok(files) => files
                .into_iter()
                .filter(|(name, path)| !done.contains(name) && !self.passed_on.contains(path))
                .collect::<Vec<_>>()
                .into_iter()
                .for_each(|(name, path)| self.finish(task, name, &path, &FinishOptions::default(), false)),
            Err(error) => tracing::error!(task, %error, "cannot list the task's folder"),
        }
        self.following.remove(dir);
    }

    /// The task's files are complete, or will be when those are that were passed on.
    fn end(&mut self, task: i64, dir: &Path, lock: Option<FolderLock>) {
        let passed_on = self.passed_on.iter().any(|path| path.parent() == Some(dir));
        let job = UniformJob::End { task, lock };
        match &self.uniform {
            Some(jobs) if passed_on && jobs.send(job).is_err() => tracing::error!("the thread of sizes is gone"),
            Some(_) if passed_on => {}
            _ => (self.report)(Report::Stopped { task }),
        }
    }

    fn close(&mut self, task: i64, closed: Closed, early: bool) {
        let options = FinishOptions { end: closed.end, still: closed.still, cut: closed.cut };
        self.finish(task, closed.file, &closed.path, &options, early);
    }

    /// Finishes one file, makes what else is wanted of it, and reports all; MP4 when it has been made uniform, if it is to
    /// be. `early`: its task goes on.
    fn finish(&mut self, task: i64, name: FileName, path: &Path, options: &FinishOptions, early: bool) {
        let Some(made) = self.make(task, &name, path, options, early) else { return };
        let note = |text| Report::Note { task, source: name.source.clone(), text };
        made.failed.into_iter().map(note).for_each(&*self.report);
        let (of_one_size, others): (Vec<_>, Vec<_>) =
            made.files.iter().cloned().partition(|file| derive::is_of_one_size(file.format));
        others.into_iter().for_each(|file| (self.report)(Report::FileFinished { task, file }));
        let upright = derive::shows_as_coded(path.parent().unwrap_or(Path::new(".")), &name, &of_one_size);
        let differs = !of_one_size.is_empty() && (uniform::is_due(path, upright) || uniform::was_begun(path));
        if differs || made.late.is_some() {
            self.pass_on(FileJob { task, name, path: path.to_owned(), made: made.files, late: made.late });
        } else {
            tell_rest(task, name, path, of_one_size, &*self.report);
        }
    }

    /// What there is of a recording once its master is finished. `None` when there is nothing to tell but a fault.
    fn make(&mut self, task: i64, name: &FileName, path: &Path, options: &FinishOptions, early: bool) -> Option<Made> {
        let dir = path.parent().unwrap_or(Path::new("."));
        if let Some(files) = self.following.made(dir, name) {
            let late = self.following.late(dir, name, &files);
            let late = late.inspect_err(|error| tracing::error!(task, ?path, %error, "cannot tell what is missing"));
            return Some(Made { files, failed: Vec::new(), late: late.ok().flatten() });
        }
        let master = described(name.clone(), &complete_master(task, name, path, options, &*self.report)?);
        facts::add_file(dir, name, path);
        loop {
            match self.following.complete(dir, &master, early) {
                Ok(made) => return Some(made),
                Err(error) => tracing::error!(task, ?path, %error, "cannot note yet what was made"),
            }
            std::thread::sleep(RETRY);
        }
    }

    /// What takes an encoder is done on another thread; where there can be none, at once.
    fn pass_on(&mut self, job: FileJob) {
        if self.uniform.is_none() {
            match uniform::thread::start(self.report.clone()) {
                Ok(jobs) => self.uniform = Some(jobs),
                Err(error) => tracing::error!(task = job.task, %error, "no thread for what takes long"),
            }
        }
        let path = job.path.clone();
        let job = UniformJob::File(job);
        let sent = match &self.uniform {
            Some(jobs) => jobs.send(job).map_err(|refused| refused.0),
            None => Err(job),
        };
        match sent {
            Ok(()) => _ = self.passed_on.insert(path),
            Err(job) => job.carry_out(&*self.report),
        }
    }
}

/// Pause between two looks at growing files of which others are made.
const FOLLOW: Duration = Duration::from_secs(1);
/// Pause before a file is tried again, after the disk refused.
const RETRY: Duration = Duration::from_secs(1);

/// Finishes one file, if it is not finished. Reports one that cannot be.
fn complete_master(
    task: i64,
    name: &FileName,
    path: &Path,
    options: &FinishOptions,
    report: &dyn Fn(Report),
) -> Option<mp4::Finished> {
    loop {
        match mp4::finish(path, options, &BlackAndSilence) {
            Ok(finished) => return Some(finished),
            // Killed before the first media was in it.
            Err(mp4::Error::Empty) => {
                _ = std::fs::remove_file(path);
                return None;
            }
            // Complete already, and moved into the library.
            Err(mp4::Error::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(mp4::Error::Io(error)) => tracing::error!(task, ?path, %error, "cannot complete the file yet"),
            Err(error) => {
                report(Report::FileFailed { task, file: name.clone(), error: error.to_string() });
                return None;
            }
        }
        std::thread::sleep(RETRY);
    }
}

/// Reports the files that are of one size, if they were to be: last the master, finished as it is now. One that is not
/// among them goes. Again does no harm.
pub(crate) fn tell_rest(task: i64, name: FileName, path: &Path, files: Vec<FinishedFile>, report: &dyn Fn(Report)) {
    let (masters, others): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| file.format == FileFormat::Mp4);
    others.into_iter().for_each(|file| report(Report::FileFinished { task, file }));
    if masters.is_empty() {
        // Told first: a successor tells again what the note beside the master says.
        if let Err(error) = std::fs::remove_file(path) {
            tracing::error!(task, ?path, %error, "cannot be removed");
        }
    } else if let Some(finished) = complete_master(task, &name, path, &FinishOptions::default(), report) {
        report(Report::FileFinished { task, file: described(name, &finished) });
    }
}

/// Completes a recording of a task's folder in all the formats that the task wants, without a recorder at work there, and
/// tells what there is then. A master that is not wanted itself is left.
///
/// # Errors
/// As those of [`describe`].
pub fn complete(dir: &Path, name: &FileName) -> crate::Result<Made> {
    let mut following = Following::default();
    let path = names::path(dir, name);
    let mut made = match following.made(dir, name) {
        Some(files) => Made { late: following.late(dir, name, &files)?, files, failed: Vec::new() },
        None => {
            let master = describe(name.clone(), &path)?;
            facts::add_file(dir, name, &path);
            following.complete(dir, &master, false)?
        }
    };
    if let Some(late) = made.late.take() {
        let begun = uniform::tries::allow(&path);
        made.failed.extend(late.make(dir, name, begun.map(|()| false), &mut made.files));
        uniform::tries::end(&path);
    }
    Ok(made)
}

/// Completes the recording at `path` if it is not complete, and tells what it is.
///
/// # Errors
/// [`Error::Spool`](crate::Error::Spool) when the disk refused and it may be tried again; any other means that the file
/// is damaged.
pub fn describe(name: FileName, path: &Path) -> crate::Result<FinishedFile> {
    Ok(described(name, &mp4::finish(path, &FinishOptions::default(), &BlackAndSilence)?))
}

pub(crate) fn described(name: FileName, finished: &mp4::Finished) -> FinishedFile {
    let track = |kind: Kind| finished.tracks.iter().find(|track| track.codec.kind() == kind);
    let codec = |kind: Kind| track(kind).map(|track| track.codec.name().to_owned());
    FinishedFile {
        name,
        format: FileFormat::Mp4,
        started_ms: Wall(finished.epoch_ns).millis(),
        duration_ms: finished.duration().as_millis() as i64,
        size: finished.size,
        video_codec: codec(Kind::Video),
        audio_codec: codec(Kind::Audio),
        width: finished.width.into(),
        height: finished.height.into(),
    }
}

/// Filler made by the codecs of this machine.
pub(crate) struct BlackAndSilence;

impl Filler for BlackAndSilence {
    fn black(&self, codec: Codec, width: u16, height: u16) -> Result<(SampleEntry, Bytes), FillerError> {
        let (width, height) = (width.into(), height.into());
        let codec = coded::codec_of(codec).ok_or("it has no black")?;
        if codec == video::Codec::H264 {
            let black = black::h264_key_frame(width, height)?;
            return Ok((SampleEntry::h264(&[black.sps.to_vec()], &[black.pps.to_vec()])?, black.sample));
        }
        let (sample, config) = coded::sample(codec, black::key_frame(codec, width, height)?, true)?;
        Ok((sample_entry(&config.ok_or("no key frame")?, 0)?, sample))
    }

    fn silence(&self, entry: &SampleEntry) -> Result<Bytes, FillerError> {
        match entry.codec() {
            Codec::Aac => Ok(aac::silent_frame(entry.sample_rate(), entry.channels().into())?),
            // One 20 ms frame of CELT silence, as an encoder in DTX gives it.
            Codec::Opus => Ok(Bytes::from_static(&[0xf8, 0xff, 0xfe])),
            Codec::H264 | Codec::H265 | Codec::Vp8 | Codec::Vp9 | Codec::Av1 => Err("pictures have no silence".into()),
        }
    }
}
