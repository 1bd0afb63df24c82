//! Names, and moves that were cut off.

use recorder::messages::FileName;
use rules::select::{StreamId, StreamKind};
use serde_json::json;

use super::*;

fn file(user: &str, format: FileFormat) -> FinishedFile {
    FinishedFile {
        name: FileName { source: StreamId { user: user.into(), kind: StreamKind::Screen }.into(), sequence: 0 },
        format,
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
fn names_are_those_asked_for_whatever_the_format() {
    let id = |text: &str| text.to_owned();
    let key = TaskKey {
        app_id: id("app").parse().expect("a valid id"),
        room_id: id("room").parse().expect("a valid id"),
        task_id: id("task").parse().expect("a valid id"),
    };
    let vid = Vid::from_random([0xab; 15]);
    let path = |request: Value, format, vid: &Vid| relative_path(&key, &request, &file("al/ice", format), vid);
    let default = path(json!({}), FileFormat::Mp4, &vid);
    assert_eq!(default, "app/task_room_al~ice_S_1611736812853_000057_abababab.mp4");
    let config = json!({ "FileNameConfig": { "Prefix": ["a"], "Pattern": "{Random}/x" } });
    assert_eq!(path(config.clone(), FileFormat::Mp4, &vid), "app/abababab~x.mp4");
    assert_eq!(path(config, FileFormat::Hls, &vid.kin([1; 15])), "app/abababab~x.m3u8");
}

#[test]
fn moving_twice_does_no_harm() {
    let dir = tempfile::tempdir().expect("a folder");
    let spool = dir.path().join("0000-C-a.mp4");
    let library = dir.path().join("library");
    fs::write(&spool, b"media").expect("written");
    for _ in 0..2 {
        move_into(&spool, &library, "app/x.mp4", FileFormat::Mp4).expect("moved");
    }
    assert_eq!(fs::read(library.join("app/x.mp4")).expect("there"), b"media");
    fs::write(&spool, b"media").expect("written");
    move_into(&spool, &library, "app/x.mp4", FileFormat::Mp4).expect("it was a copy");
    assert!(!spool.exists());
    fs::write(&spool, b"of somebody else").expect("written");
    let error = move_into(&spool, &library, "app/x.mp4", FileFormat::Mp4).expect_err("taken");
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    assert!(spool.exists());
    assert_eq!(fs::read(library.join("app/x.mp4")).expect("there"), b"media");
}

const PLAYLIST: &str =
    "#EXTM3U\n#EXTINF:2.0,\n0000-C-a.hls/00000.ts\n#EXTINF:2.0,\n0000-C-a.hls/00001.ts\n#EXT-X-ENDLIST\n";

/// A playlist and its two segments in the spool.
fn spooled(dir: &Path) -> std::path::PathBuf {
    let playlist = dir.join("0000-C-a.m3u8");
    fs::create_dir(dir.join("0000-C-a.hls")).expect("made");
    fs::write(&playlist, PLAYLIST).expect("written");
    for name in ["00000.ts", "00001.ts"] {
        fs::write(dir.join("0000-C-a.hls").join(name), name).expect("written");
    }
    playlist
}

fn is_whole(dir: &Path, library: &Path) {
    let playlist = library.join("app/lesson.m3u8");
    let text = fs::read_to_string(&playlist).expect("there");
    assert_eq!(text, PLAYLIST.replace("0000-C-a.hls/", "lesson/"));
    let named = segments(&playlist).expect("read");
    assert_eq!(named, ["00000.ts", "00001.ts"].map(|name| library.join("app/lesson").join(name)));
    for path in named {
        assert_eq!(
            fs::read_to_string(&path).expect("there"),
            path.file_name().expect("a name").to_str().expect("text")
        );
    }
    assert!(!dir.join("0000-C-a.hls").exists() && !dir.join("0000-C-a.m3u8").exists());
}

#[test]
fn hls_has_its_segments_in_a_folder_of_its_name() {
    let dir = tempfile::tempdir().expect("a folder");
    let library = dir.path().join("library");
    let playlist = spooled(dir.path());
    let grown = growth(&playlist, &library.join("app/lesson.m3u8")).expect("read");
    assert_eq!(grown, 2 * ("lesson".len() as i64 - "0000-C-a.hls".len() as i64));
    for _ in 0..2 {
        move_into(&playlist, &library, "app/lesson.m3u8", FileFormat::Hls).expect("moved");
    }
    is_whole(dir.path(), &library);
}

#[test]
fn a_move_of_hls_that_was_cut_off_is_taken_up_again() {
    for step in 0..5 {
        let dir = tempfile::tempdir().expect("a folder");
        let library = dir.path().join("library");
        let (playlist, folder) = (spooled(dir.path()), library.join("app/lesson"));
        fs::create_dir_all(&folder).expect("made");
        // What is done of the move: segments renamed, one copied, the playlist there, the spool half cleared.
        if step >= 1 {
            fs::rename(dir.path().join("0000-C-a.hls/00000.ts"), folder.join("00000.ts")).expect("moved");
        }
        if step >= 2 {
            fs::copy(dir.path().join("0000-C-a.hls/00001.ts"), folder.join("00001.ts")).expect("copied");
        }
        if step >= 3 {
            let text = PLAYLIST.replace("0000-C-a.hls/", "lesson/");
            fs::write(library.join("app/lesson.m3u8"), text).expect("written");
        }
        if step >= 4 {
            fs::remove_dir_all(dir.path().join("0000-C-a.hls")).expect("removed");
        }
        move_into(&playlist, &library, "app/lesson.m3u8", FileFormat::Hls).expect("moved");
        is_whole(dir.path(), &library);
    }
}
