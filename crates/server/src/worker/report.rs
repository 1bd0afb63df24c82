//! The report of a task (`docs/report.md`): made of its facts and its files when it has ended, and put beside the files.
//! The facts in the task's folder are the sign that it is still to be made.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File as FsFile};
use std::io::{self, Read, Write};
use std::path::Path;

use recorder::messages::FileName;
use rules::ledger::report::{FileReport, Report, SegmentReport, name};
use rules::ledger::{Entry, Fact, Ledger};
use rules::request::FileFormat;
use sha2::{Digest, Sha256};
use store::{File, Task, TaskRow};

use super::{Inner, library};
use crate::clock::now_ms;

/// Bytes read at once.
const BLOCK: usize = 1 << 20;

/// Makes the report of a task that has ended, unless it is there. Reads all its files, for their hashes.
pub async fn write(inner: &Inner, id: TaskRow) -> anyhow::Result<()> {
    let task = inner.store.task(id).await?;
    let target = inner.config.library.join(library::report_path(&task));
    if target.try_exists()? {
        return Ok(());
    }
    let files = inner.store.files_of(id).await?;
    let (spool, library) = (inner.config.spool.clone(), inner.config.library.clone());
    tokio::task::spawn_blocking(move || {
        let mut report = compose(&task, &files, &spool, &library)?;
        for file in &mut report.files {
            match hash(file, &library) {
                // Somebody took it away already; the other files' report is made all the same.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    report.notes.push(format!("{} is not in the library any more", file.path));
                }
                hashed => hashed?,
            }
        }
        report.complete = true;
        put(&target, &serde_json::to_vec_pretty(&report)?)
    })
    .await??;
    Ok(())
}

/// The report of a task as far as it is known: the one that was made, or what facts and files tell by now.
pub async fn read(inner: &Inner, task: Task) -> anyhow::Result<Report> {
    let made = inner.config.library.join(library::report_path(&task));
    let files = inner.store.files_of(task.id).await?;
    let (spool, library) = (inner.config.spool.clone(), inner.config.library.clone());
    tokio::task::spawn_blocking(move || match fs::read(&made) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(compose(&task, &files, &spool, &library)?),
        Err(error) => Err(error.into()),
    })
    .await?
}

/// All but the hashes.
fn compose(task: &Task, files: &[File], spool: &Path, library: &Path) -> io::Result<Report> {
    let dir = spool.join(task.id.0.to_string());
    let mut ledger = match recorder::read_facts(&dir) {
        // A task that could not be begun has no folder.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ledger::default()
        }
        ledger => ledger?,
    };
    let known: BTreeSet<FileName> =
        ledger.files().map(|(source, sequence)| FileName { source: source.clone(), sequence }).collect();
    let named = |file: &File| FileName { source: file.source.clone(), sequence: file.seq };
    // Of each recording one row, that of the MP4 if there is one.
    let mut rows: BTreeMap<FileName, &File> = BTreeMap::new();
    for file in files.iter().filter(|file| !known.contains(&named(file))) {
        let row = rows.entry(named(file)).or_insert(file);
        if file.format == FileFormat::Mp4 {
            *row = file;
        }
    }
    for (name, row) in rows {
        let spooled = recorder::spool_file(&dir, &name);
        let moved = row.library_path.as_ref().filter(|_| row.format == FileFormat::Mp4).map(|path| library.join(path));
        let path = [Some(spooled), moved].into_iter().flatten().find(|path| path.exists());
        match path.as_deref().map(media::mp4::recorded) {
            Some(Ok(recorded)) => {
                ledger.take(Entry { at: row.started_ms, fact: Fact::File(recorder::file_fact(&name, &recorded)) });
            }
            found => tracing::debug!(?path, ?found, "the report does not know what is in the file"),
        }
    }
    if let Some(ended_ms) = task.ended_ms {
        ledger.ended(ended_ms);
    }
    let mut report = Report::of(&task.key);
    (report.start, report.end) = (task.started_ms.unwrap_or(task.created_ms), task.ended_ms.unwrap_or_else(now_ms));
    report.stop_reason = task.stop_reason.clone().unwrap_or_default();
    report.notes.clone_from(&task.notes);
    ledger.tell(report.end, &mut report);
    report.files = finished(files).map(file_report).collect();
    Ok(report)
}

fn finished(files: &[File]) -> impl Iterator<Item = &File> {
    files.iter().filter(|file| file.library_path.is_some())
}

fn file_report(file: &File) -> FileReport {
    let facts = file.facts.clone().unwrap_or_default();
    let (user_id, stream_type) = name(&file.source);
    FileReport {
        path: file.library_path.clone().unwrap_or_default(),
        vid: file.vid.to_string(),
        user_id,
        stream_type,
        sequence: file.seq,
        format: file.format.name().to_owned(),
        start: file.started_ms,
        duration_ms: facts.duration_ms as i64,
        size: facts.size,
        video_codec: facts.video_codec,
        audio_codec: facts.audio_codec,
        width: facts.width.unwrap_or(0),
        height: facts.height.unwrap_or(0),
        sha256: None,
        segments: Vec::new(),
    }
}

/// Fills in the hashes; of HLS, those of its segments, too.
fn hash(file: &mut FileReport, library: &Path) -> io::Result<()> {
    let path = library.join(&file.path);
    file.sha256 = Some(sha256(&path)?);
    if file.format == FileFormat::Hls.name() {
        for segment in library::segments(&path)? {
            let relative = segment.strip_prefix(library).unwrap_or(&segment).to_string_lossy().into_owned();
            file.segments.push(SegmentReport { path: relative, sha256: sha256(&segment)? });
        }
    }
    Ok(())
}

/// Of the whole file, as lower-case hex.
fn sha256(path: &Path) -> io::Result<String> {
    let (mut file, mut hash, mut block) = (FsFile::open(path)?, Sha256::new(), vec![0; BLOCK]);
    loop {
        match file.read(&mut block)? {
            0 => return Ok(hex::encode(hash.finalize())),
            read => hash.update(&block[..read]),
        }
    }
}

/// The report appears whole or not at all.
fn put(target: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = target.parent().ok_or_else(|| io::Error::other("a library path without folder"))?;
    fs::create_dir_all(folder)?;
    let partial = target.with_extension("partial");
    let mut file = FsFile::create(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&partial, target)?;
    FsFile::open(folder)?.sync_all()
}
