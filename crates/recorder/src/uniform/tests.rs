//! Files of random sizes and turns made uniform, and watched: every picture once, at its time, in its place.

mod film;

use std::path::Path;
use std::process::Command;
use std::sync::mpsc::channel;
use std::time::Duration;

use codec::video::{Codec, Decoder};
use media::mp4::check;
use proptest::prelude::*;
use rules::request::FileFormat;
use rules::select::{StreamId, StreamKind};
use synth::code::{Luma, Reader};
use synth::probe::{ProbeOptions, probe_file};

use self::film::{Film, Scene, USER};
use super::*;
use crate::clock::Clock;
use crate::derive::Following;
use crate::disk::{DiskJob, DiskThread};
use crate::messages::{FileName, Report};
use crate::mix::turn::Turned;
use crate::names;
use crate::take::Closed;

const SIZES: [(u32, u32); 4] = [(320, 180), (160, 90), (240, 320), (320, 240)];

fn scene() -> impl Strategy<Value = Scene> {
    let rotation = prop_oneof![3 => Just(0u16), 1 => (1u16..4).prop_map(|turns| turns * 90)];
    let turn = prop_oneof![4 => Just(None), 1 => (1usize..6, (0u16..4).prop_map(|turns| turns * 90)).prop_map(Some)];
    let pause = prop_oneof![4 => Just(0u64), 1 => 1u64..3];
    (0usize..4, rotation, turn, 1usize..8, pause).prop_map(|(size, rotation, turn, count, pause)| Scene {
        size: SIZES[size],
        rotation,
        turn,
        count,
        pause,
    })
}

/// Decodes the whole file as a player does, and checks what is seen against what was drawn.
fn watch(path: &Path, film: &Film) {
    let file = Replacing::open(path).expect("readable").expect("pictures");
    let canvas = film.upright_canvas();
    let (entry, rotation) = (&file.entries()[0], film.common_rotation());
    assert!(file.entries().iter().all(|other| other.size() == entry.size() && other.rotation() == rotation));
    let upright = entry.upright_size();
    assert_eq!((u32::from(upright.0), u32::from(upright.1)), canvas);
    let mut decoder = Decoder::new(Codec::H264, 1).expect("a decoder");
    let (mut drawn, mut reader, mut dts) = (film.pictures.iter(), Reader::default(), 0);
    for (n, picture) in file.pictures().iter().enumerate() {
        let decoded = decoder.decode_sized(&file.read(n, usize::MAX).expect("readable"), n as i64).expect("decoded");
        assert!(decoded.len() == 1 && !decoded[0].damaged, "{n}");
        let turned = Turned::new(&decoded[0].view(), rotation);
        let view = turned.view().expect("whole");
        assert_eq!((view.width, view.height), canvas);
        // Filler is black, and always a whole group.
        if view.row(0, view.height as usize / 2).iter().all(|luma| *luma < 20) {
            assert!(picture.key);
        } else {
            let drawn = drawn.next().expect("no picture comes twice");
            let mark = reader.read(&Luma::new(&view, None).expect("whole")).unwrap_or_else(|| panic!("{n} unread"));
            assert_eq!((mark.number, mark.user), (drawn.number, USER));
            assert_eq!((dts, picture.key), (drawn.dts, drawn.key));
            let place = plan::fit(drawn.upright_size(), canvas);
            let (x, y) = (place.x as usize, place.y as usize);
            let dark = |row: usize, column: usize| view.row(0, row)[column] < 24;
            let (right, below) = (x + place.width as usize, y + place.height as usize);
            assert!(x < 6 || (dark(canvas.1 as usize / 2, x - 5) && dark(canvas.1 as usize / 2, right + 4)));
            assert!(y < 6 || (dark(y - 5, canvas.0 as usize / 2) && dark(below + 4, canvas.0 as usize / 2)));
            let alike = drawn.size == (u32::from(entry.size().0), u32::from(entry.size().1));
            if alike && drawn.rotation == rotation && film.whole_group_is_alike(drawn) {
                assert_eq!(file.read(n, usize::MAX).expect("readable"), drawn.data, "bit for bit");
            }
        }
        dts += u64::from(picture.duration);
    }
    assert!(drawn.next().is_none(), "every picture is there");
}

/// Neither FFmpeg nor GStreamer has anything to say about the file.
fn play(path: &Path) {
    let ffmpeg =
        Command::new("ffmpeg").args(["-v", "error", "-xerror", "-i"]).arg(path).args(["-f", "null", "-"]).output();
    let ffmpeg = ffmpeg.expect("ffmpeg is there");
    assert!(ffmpeg.status.success() && ffmpeg.stderr.is_empty(), "{}", String::from_utf8_lossy(&ffmpeg.stderr));
    let pipeline = format!("filesrc location={} ! qtdemux ! h264parse ! avdec_h264 ! fakesink", path.display());
    // Not on every machine that builds.
    if let Ok(played) = Command::new("gst-launch-1.0").arg("-q").args(pipeline.split(' ')).output() {
        let told = String::from_utf8_lossy(&played.stderr).into_owned() + &String::from_utf8_lossy(&played.stdout);
        let fault = ["ERROR", "WARNING", "CRITICAL"].into_iter().any(|word| told.contains(word));
        assert!(played.status.success() && !fault, "{told}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn every_picture_is_there_once_upright_in_the_middle(scenes in prop::collection::vec(scene(), 1..9)) {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("film.mp4");
        let film = Film::record(&path, &scenes, false);
        film.finish(&path);
        let due = is_due(&path);
        make(&path).expect("made uniform");
        check(&path).expect("a file without faults");
        watch(&path, &film);
        play(&path);
        prop_assert!(!is_due(&path));
        prop_assert!(due || film.is_uniform());
    }
}

#[test]
fn a_film_that_keeps_its_source_is_not_due() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("film.mp4");
    let film = Film::record(&path, &[Scene::of(SIZES[0], 3), Scene::of(SIZES[1], 3)], true);
    film.finish(&path);
    assert!(!is_due(&path));
}

#[test]
fn a_film_that_cannot_be_decoded_stays_as_it_is() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("film.mp4");
    let film = Film::record(&path, &[Scene::of(SIZES[0], 3), Scene::of(SIZES[1], 9), Scene::of(SIZES[0], 3)], false);
    film.finish(&path);
    let mut bytes = std::fs::read(&path).expect("readable");
    let broken = &film.pictures[8].data;
    let at = bytes.windows(broken.len()).position(|window| window == broken).expect("it is there");
    bytes[at + 5..at + broken.len()].fill(0xff);
    std::fs::write(&path, &bytes).expect("writable");
    assert!(is_due(&path));
    assert!(make(&path).is_err());
    film.finish(&path);
    assert!(std::fs::read(&path).expect("readable") == bytes, "not a byte is different");
}

#[test]
fn other_files_do_not_wait_and_the_task_ends_last() {
    let dir = tempfile::tempdir().expect("a folder");
    let name =
        |user: &str| FileName { source: StreamId { user: user.into(), kind: StreamKind::Camera }.into(), sequence: 0 };
    let record = |user: &str, scenes: &[Scene]| {
        let path = names::path(dir.path(), &name(user));
        Film::record(&path, scenes, false);
        Closed { file: name(user), path, end: None, still: false, cut: None }
    };
    let two_sizes = [Scene::of(SIZES[1], 3), Scene::of(SIZES[0], 3)];
    let early = record("early", &two_sizes);
    let changing = record("a", &two_sizes);
    let plain = record("b", &[Scene::of(SIZES[0], 3)]);
    let (reports, told) = channel();
    let disk = DiskThread::start(move |report| reports.send(report).expect("heard")).expect("a thread");
    disk.send(DiskJob::Close { task: 7, closed: early });
    disk.send(DiskJob::Finish {
        task: 7,
        dir: dir.path().to_owned(),
        closed: vec![changing, plain],
        mix: None,
        lock: None,
    });
    let next = || told.recv_timeout(Duration::from_secs(30)).expect("a report");
    let mut finished = Vec::new();
    loop {
        match next() {
            Report::FileFinished { file, .. } => finished.push((file.name.source.to_string(), file.width, file.height)),
            Report::Stopped { task: 7 } => break,
            other => panic!("{other:?}"),
        }
    }
    let users: Vec<_> = finished.iter().map(|(source, ..)| source.as_str()).collect();
    let place =
        |user: &str| users.iter().position(|source| source.contains(&format!("{user} ")) || source.starts_with(user));
    assert_eq!(users.len(), 3, "{users:?}");
    assert!(place("b") < place("a"), "{users:?}");
    assert!(finished.iter().all(|(_, width, height)| (*width, *height) == SIZES[0]));
}

#[test]
fn flv_alone_is_made_of_one_size_also_by_a_successor() {
    let dir = tempfile::tempdir().expect("a folder");
    let name = FileName { source: StreamId { user: "a".into(), kind: StreamKind::Camera }.into(), sequence: 0 };
    let path = names::path(dir.path(), &name);
    Film::record(&path, &[Scene::of(SIZES[1], 30), Scene::of(SIZES[0], 30)], false);
    let finish = || {
        let (reports, told) = channel();
        let disk = DiskThread::start(move |report| reports.send(report).expect("heard")).expect("a thread");
        let (dir, formats) = (dir.path().to_owned(), vec![FileFormat::Flv]);
        disk.send(DiskJob::Follow { dir: dir.clone(), formats, clock: Clock::start() });
        disk.send(DiskJob::Finish { task: 7, dir, closed: Vec::new(), mix: None, lock: None });
        let next = || told.recv_timeout(Duration::from_secs(30)).expect("a report");
        let mut reports = vec![next()];
        while reports.last() != Some(&Report::Stopped { task: 7 }) {
            reports.push(next());
        }
        reports
    };
    let flv = names::derived(dir.path(), &name, FileFormat::Flv);
    let of_one_size = |reports: Vec<Report>| {
        let [Report::FileFinished { file, .. }, Report::Stopped { .. }] = &reports[..] else { panic!("{reports:?}") };
        assert_eq!((file.format, file.width, file.height), (FileFormat::Flv, SIZES[0].0, SIZES[0].1));
        let video = probe_file(&flv, &ProbeOptions::default()).expect("a media file").video.expect("pictures");
        assert_eq!((video.sizes, video.pictures, video.damaged), (vec![SIZES[0]], 60, 0));
        assert!(!path.exists(), "only the FLV is wanted");
    };
    let keep = dir.path().join("kept");
    std::fs::copy(&path, &keep).expect("copied");
    of_one_size(finish());
    // Killed when the master was uniform, and nothing made of it yet.
    std::fs::rename(&keep, &path).expect("back");
    std::fs::remove_file(names::made(dir.path(), &name)).expect("there");
    let master = crate::disk::describe(name.clone(), &path).expect("finished");
    let mut following = Following::default();
    following.add(dir.path(), &[FileFormat::Flv]).expect("noted");
    following.complete(dir.path(), &master, false).expect("made");
    tries::allow(&path).expect("noted");
    make(&path).expect("made uniform");
    of_one_size(finish());
    assert!(!was_begun(&path));
}
