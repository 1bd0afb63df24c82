//! Rows against spool against library: `tapedeck check`. Reads only.
//!
//! What must hold; each fault names its rule:
//! 1. A finished row has its file in the library, of the size it says.
//! 2. That file is what players expect, as long as the row says.
//! 3. A finished row has nothing left in the spool.
//! 4. An unfinished row has its file in the spool.
//! 5. An ended task has no unfinished row.
//! 6. Every recording in the spool has a row.
//! 7. Every file in the library has a row, but for reports.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use rules::request::FileFormat;
use store::{File, FileFacts, FileRow, FileState, Sqlite, Store};

use crate::cli::check::CheckArgs;
use crate::worker::library;

/// Rows read at once.
const PAGE: u32 = 500;

/// The row counts milliseconds, the file its own ticks.
const SAME_DURATION: Duration = Duration::from_millis(2);

/// Prints all faults and says by the status whether there are any.
pub fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let config = args.config.read()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    let findings = runtime.block_on(async {
        let store = Sqlite::open_existing(&config.database()).await?;
        let place = Place { spool: config.spool_dir(), library: config.library_dir(), quick: args.quick };
        let findings = place.compare(&store).await;
        store.close().await;
        findings
    })?;
    for line in findings.faults.iter().chain(&findings.notes) {
        println!("{line}");
    }
    eprintln!("{} files in the database, {} faults", findings.rows, findings.faults.len());
    Ok(if findings.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Where the files are and how closely to look.
pub struct Place {
    pub spool: PathBuf,
    pub library: PathBuf,
    /// Do not look into files.
    pub quick: bool,
}

/// What was found.
#[derive(Debug, Default, PartialEq)]
pub struct Findings {
    /// Number of rows of files.
    pub rows: usize,
    /// One line each.
    pub faults: Vec<String>,
    /// Remarks about the tasks whose files were looked at; no faults.
    pub notes: Vec<String>,
}

impl Findings {
    fn fault(&mut self, rule: u8, path: &Path, what: &str) {
        self.faults.push(format!("rule {rule}: {}: {what}", path.display()));
    }
}

impl Place {
    /// Compares all rows with all files.
    pub async fn compare(&self, store: &impl Store) -> anyhow::Result<Findings> {
        let mut findings = Findings::default();
        let (mut in_spool, mut in_library, mut tasks) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let mut after = FileRow(0);
        loop {
            let page = store.files_after(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.id;
            for row in &page {
                findings.rows += 1;
                tasks.insert(row.task);
                self.compare_row(store, row, &mut findings).await?;
                in_spool.insert(self.spool.join(&row.spool_path));
                if row.state == FileState::Recording {
                    in_spool.insert(self.master(row));
                }
                for path in row.library_path.iter().map(|path| self.library.join(path)) {
                    in_library.extend(segments(row, &path).unwrap_or_default());
                    in_library.insert(path);
                }
            }
        }
        for path in walk(&self.spool)?.difference(&in_spool) {
            if path.extension().is_some_and(|extension| extension == "mp4") {
                findings.fault(6, path, "a recording that no row knows");
            }
        }
        let reports = |path: &&PathBuf| path.to_str().is_some_and(|path| path.ends_with(library::REPORT));
        for path in walk(&self.library)?.difference(&in_library).filter(|path| !reports(path)) {
            findings.fault(7, path, "a file that no row knows");
        }
        for task in tasks {
            let task = store.task(task).await?;
            findings.notes.extend(task.notes.iter().map(|note| format!("note: {}: {note}", task.key)));
        }
        Ok(findings)
    }

    async fn compare_row(&self, store: &impl Store, row: &File, findings: &mut Findings) -> anyhow::Result<()> {
        let spool_path = self.spool.join(&row.spool_path);
        if !stays_inside(&row.spool_path) || !row.library_path.as_ref().is_none_or(|path| stays_inside(path)) {
            findings.fault(1, &spool_path, "the row points outside of its folder");
            return Ok(());
        }
        match (&row.library_path, &row.facts) {
            (Some(path), Some(facts)) if row.state == FileState::Finished => {
                self.compare_finished(row, &self.library.join(path), facts, findings);
                if exists(&spool_path)? {
                    findings.fault(3, &spool_path, "still in the spool, though it is finished");
                }
            }
            _ => {
                let moved = row.library_path.as_ref().map_or(Ok(false), |path| exists(&self.library.join(path)))?;
                if !moved && !exists(&spool_path)? && !exists(&self.master(row))? {
                    findings.fault(4, &spool_path, &format!("missing, though its row says {}", row.state.name()));
                }
                let task = store.task(row.task).await?;
                if task.state.is_ended() && row.state != FileState::Finished {
                    findings.fault(5, &spool_path, &format!("not finished, though task {} has ended", task.key));
                }
            }
        }
        Ok(())
    }

    /// The recording that the file of an unfinished row is, or is made of.
    fn master(&self, row: &File) -> PathBuf {
        self.spool.join(&row.spool_path).with_extension(FileFormat::Mp4.extension())
    }

    fn compare_finished(&self, row: &File, path: &Path, facts: &FileFacts, findings: &mut Findings) {
        match size(row, path) {
            Err(error) => return findings.fault(1, path, &error.to_string()),
            Ok(size) if size != facts.size => {
                return findings.fault(1, path, &format!("{size} bytes, its row says {}", facts.size));
            }
            // Files of other formats are made of what was looked into when the recording ended.
            Ok(_) if self.quick || row.format != FileFormat::Mp4 => return,
            Ok(_) => {}
        }
        match media::mp4::check(path) {
            Err(faults) => faults.iter().for_each(|fault| findings.fault(2, path, fault)),
            Ok(report) => {
                let said = Duration::from_millis(facts.duration_ms);
                if report.duration.abs_diff(said) > SAME_DURATION {
                    findings.fault(2, path, &format!("{:?} long, its row says {said:?}", report.duration));
                }
            }
        }
    }
}

/// The segments of a playlist; other files have none.
fn segments(row: &File, path: &Path) -> io::Result<Vec<PathBuf>> {
    if row.format == FileFormat::Hls { library::segments(path) } else { Ok(Vec::new()) }
}

/// Bytes of a file with what belongs to it.
fn size(row: &File, path: &Path) -> io::Result<u64> {
    let mut size = fs::metadata(path)?.len();
    for segment in segments(row, path)? {
        size += fs::metadata(segment)?.len();
    }
    Ok(size)
}

fn stays_inside(path: &str) -> bool {
    !path.is_empty() && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
}

fn exists(path: &Path) -> anyhow::Result<bool> {
    path.try_exists().with_context(|| format!("cannot look at {}", path.display()))
}

/// All files below a folder, by their whole paths; links are not followed. No folder, no files.
fn walk(folder: &Path) -> anyhow::Result<BTreeSet<PathBuf>> {
    let mut files = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries.with_context(|| format!("cannot read {}", folder.display()))?,
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() { folders.push(entry.path()) } else { files.extend([entry.path()]) }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests;
