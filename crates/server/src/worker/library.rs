//! The local media library: where complete files end up, and under which names.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use recorder::messages::FinishedFile;
use rules::file_name::{Facts, file_name};
use rules::ids::TaskKey;
use serde_json::Value;
use store::Vid;

/// The file's place below the library's folder: the app's folder, then the name that the task's request asks for.
/// `Prefix` has no effect, as in the vendor's library. `Random` comes from the Vid, so that the file is found again after
/// a crash.
pub fn relative_path(key: &TaskKey, request: &Value, file: &FinishedFile, vid: &Vid) -> String {
    let facts = Facts {
        task: key,
        source: &file.name.source,
        started_ms: file.started_ms,
        duration_ms: file.duration_ms,
        random: random_part(vid),
    };
    format!("{}/{}.mp4", key.app_id, file_name(request["FileNameConfig"]["Pattern"].as_str(), &facts))
}

/// Whether `name` is that of the file with this Vid.
fn is_named_for(name: &str, vid: &Vid) -> bool {
    name.strip_suffix(".mp4").is_some_and(|stem| stem.contains(random_part(vid)))
}

/// A file that was moved into the library by a worker that died before it could say so.
pub fn find_moved(library: &Path, key: &TaskKey, vid: &Vid) -> io::Result<Option<PathBuf>> {
    let entries = match fs::read_dir(library.join(key.app_id.as_str())) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| is_named_for(name, vid)) {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}

/// Moves a complete file from the spool to its place. Durable when it returns; may be repeated.
pub fn move_into(spool_file: &Path, library: &Path, relative: &str) -> io::Result<()> {
    let target = library.join(relative);
    let folder = target.parent().ok_or_else(|| io::Error::other("a library path without folder"))?;
    fs::create_dir_all(folder)?;
    match fs::rename(spool_file, &target) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => copy_across(spool_file, &target),
        moved => moved,
    }
    .or_else(|error| match error.kind() {
        io::ErrorKind::NotFound if target.exists() => Ok(()),
        _ => Err(error),
    })?;
    File::open(folder)?.sync_all()?;
    File::open(library)?.sync_all()
}

/// The library is on another file system: the file appears there whole or not at all. Two may be at it at once, for the
/// file and for the end of its task.
fn copy_across(from: &Path, to: &Path) -> io::Result<()> {
    let partial = to.with_extension(format!("{:08x}.partial", rand::random::<u32>()));
    fs::copy(from, &partial)?;
    File::open(&partial)?.sync_all()?;
    fs::rename(&partial, to)?;
    match fs::remove_file(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn random_part(vid: &Vid) -> &str {
    &vid.as_str()[Vid::LEN - 8..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use recorder::messages::FileName;
    use rules::request::FileFormat;
    use rules::select::{StreamId, StreamKind};
    use serde_json::json;

    fn key(task: &str) -> TaskKey {
        TaskKey {
            app_id: "app".parse().expect("a valid id"),
            room_id: "room".parse().expect("a valid id"),
            task_id: task.parse().expect("a valid id"),
        }
    }

    fn file(user: &str) -> FinishedFile {
        FinishedFile {
            name: FileName { source: StreamId { user: user.into(), kind: StreamKind::Screen }.into(), sequence: 0 },
            format: FileFormat::Mp4,
            started_ms: 1_611_736_812_853,
            duration_ms: 57_472,
            size: 1,
            video_codec: None,
            audio_codec: Some("aac".into()),
            width: 0,
            height: 0,
        }
    }

    #[test]
    fn names_are_those_asked_for_and_are_found_by_vid() {
        let vid = Vid::from_random([0xab; 15]);
        let path = |request: Value| relative_path(&key("task"), &request, &file("al/ice"), &vid);
        assert_eq!(path(json!({})), "app/task_room_al~ice_S_1611736812853_000057_abababab.mp4");
        let config = json!({"Prefix": ["a"], "Pattern": "{Random}/x"});
        let asked = path(json!({"FileNameConfig": config}));
        assert_eq!(asked, "app/abababab~x.mp4");
        assert!(is_named_for("abababab~x.mp4", &vid));
        assert!(!is_named_for("abababab~x.mp4", &Vid::from_random([1; 15])));
    }

    #[test]
    fn moving_twice_does_no_harm() {
        let dir = tempfile::tempdir().expect("a folder");
        let spool = dir.path().join("0000-C-a.mp4");
        let library = dir.path().join("library");
        fs::write(&spool, b"media").expect("written");
        for _ in 0..2 {
            move_into(&spool, &library, "app/x_01010101.mp4").expect("moved");
        }
        assert_eq!(fs::read(library.join("app/x_01010101.mp4")).expect("there"), b"media");
        let vid = Vid::from_random([1; 15]);
        assert!(find_moved(&library, &key("t"), &vid).expect("listed").is_some());
    }
}
