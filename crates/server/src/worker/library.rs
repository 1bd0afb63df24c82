//! The local media library: where complete files end up, and under which names.

mod hls;

use std::fs::{self, File};
use std::io;
use std::path::Path;

use recorder::messages::FinishedFile;
use rules::file_name::{Facts, file_name};
use rules::ids::TaskKey;
use rules::request::FileFormat;
use rules::select::Source;
use serde_json::Value;
use store::{Task, Vid};

pub use hls::{growth, segments};

/// The file's place below the library's folder: the app's folder, then the name that the task's request asks for.
/// `Prefix` has no effect, as in the vendor's library. `Random` is what the Vids of a recording's files have in common:
/// those of all its formats have one name, each with its extension.
pub fn relative_path(key: &TaskKey, request: &Value, file: &FinishedFile, vid: &Vid) -> String {
    let facts = Facts {
        task: key,
        source: &file.name.source,
        started_ms: file.started_ms,
        duration_ms: file.duration_ms,
        random: vid.common(),
    };
    let name = file_name(request["FileNameConfig"]["Pattern"].as_str(), &facts);
    format!("{}/{name}.{}", key.app_id, file.format.extension())
}

/// Where the report of a task is: `.report.json` behind a name that has the task's number, so that no two are one.
pub fn report_path(task: &Task) -> String {
    let number = format!("{:08}", task.id.0);
    let facts =
        Facts { task: &task.key, source: &Source::Mix, started_ms: task.created_ms, duration_ms: 0, random: &number };
    format!("{}/{}{REPORT}", task.key.app_id, file_name(Some("{TaskId}_{RoomId}_{StartTime}"), &facts))
}

/// How the names of reports end.
pub const REPORT: &str = ".report.json";

/// Moves a complete file from the spool to its place, with what belongs to it. Durable when it returns; may be repeated.
pub fn move_into(spool_file: &Path, library: &Path, relative: &str, format: FileFormat) -> io::Result<()> {
    let target = library.join(relative);
    let folder = target.parent().ok_or_else(|| io::Error::other("a library path without folder"))?;
    fs::create_dir_all(folder)?;
    match format {
        FileFormat::Hls => hls::move_all(spool_file, &target)?,
        _ => move_file(spool_file, &target)?,
    }
    File::open(folder)?.sync_all()?;
    File::open(library)?.sync_all()
}

/// Two may be at it at once, for the file and for the end of its task. No other file is ever replaced.
fn move_file(from: &Path, to: &Path) -> io::Result<()> {
    if to.try_exists()? {
        return match fs::metadata(from) {
            // A worker died before it could say that it moved the file, or before it could clear away behind a copy.
            Ok(found) if found.len() == fs::metadata(to)?.len() => gone(fs::remove_file(from)),
            Ok(_) => Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{} is another file", to.display()))),
            Err(error) => gone(Err(error)),
        };
    }
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => copy_across(from, to),
        moved => moved,
    }
    .or_else(|error| match error.kind() {
        io::ErrorKind::NotFound if to.exists() => Ok(()),
        _ => Err(error),
    })
}

/// The library is on another file system: the file appears there whole or not at all.
fn copy_across(from: &Path, to: &Path) -> io::Result<()> {
    let partial = partial(to);
    fs::copy(from, &partial)?;
    File::open(&partial)?.sync_all()?;
    fs::rename(&partial, to)?;
    gone(fs::remove_file(from))
}

/// What a file is called before it is whole.
fn partial(to: &Path) -> std::path::PathBuf {
    to.with_extension(format!("{:08x}.partial", rand::random::<u32>()))
}

/// What was removed before is removed.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests;
