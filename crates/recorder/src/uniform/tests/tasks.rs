//! Files made uniform as parts of tasks: what waits for them, and what is made of them.

use std::sync::mpsc::channel;
use std::time::Duration;

use rules::request::FileFormat;
use rules::select::{StreamId, StreamKind};
use synth::probe::{ProbeOptions, probe_file};

use super::*;
use crate::clock::Clock;
use crate::derive::Following;
use crate::disk::{DiskJob, DiskThread};
use crate::messages::{FileName, Report};
use crate::names;
use crate::take::Closed;

#[test]
fn other_files_do_not_wait_and_the_task_ends_last() {
    let dir = tempfile::tempdir().expect("a folder");
    let name =
        |user: &str| FileName { source: StreamId { user: user.into(), kind: StreamKind::Camera }.into(), sequence: 0 };
    let record = |user: &str, scenes: &[Scene]| {
        let path = names::path(dir.path(), &name(user));
        Film::record(&path, Codec::H264, scenes, false);
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
fn what_is_wanted_alone_is_made_of_one_size_also_by_a_successor() {
    made_of_one_size(Codec::H264, FileFormat::Flv);
    for codec in [Codec::Vp8, Codec::Vp9, Codec::Av1] {
        made_of_one_size(codec, FileFormat::Webm);
    }
}

fn made_of_one_size(codec: Codec, format: FileFormat) {
    let dir = tempfile::tempdir().expect("a folder");
    let name = FileName { source: StreamId { user: "a".into(), kind: StreamKind::Camera }.into(), sequence: 0 };
    let path = names::path(dir.path(), &name);
    Film::record(&path, codec, &[Scene::of(SIZES[1], 30), Scene::of(SIZES[0], 30)], false);
    let finish = || {
        let (reports, told) = channel();
        let disk = DiskThread::start(move |report| reports.send(report).expect("heard")).expect("a thread");
        let (dir, formats) = (dir.path().to_owned(), vec![format]);
        disk.send(DiskJob::Follow { dir: dir.clone(), formats, clock: Clock::start() });
        disk.send(DiskJob::Finish { task: 7, dir, closed: Vec::new(), mix: None, lock: None });
        let next = || told.recv_timeout(Duration::from_secs(30)).expect("a report");
        let mut reports = vec![next()];
        while reports.last() != Some(&Report::Stopped { task: 7 }) {
            reports.push(next());
        }
        reports
    };
    let made = names::derived(dir.path(), &name, format);
    let of_one_size = |reports: Vec<Report>| {
        let [Report::FileFinished { file, .. }, Report::Stopped { .. }] = &reports[..] else { panic!("{reports:?}") };
        assert_eq!((file.format, file.width, file.height), (format, SIZES[0].0, SIZES[0].1));
        let video = probe_file(&made, &ProbeOptions::default()).expect("a media file").video.expect("pictures");
        assert_eq!((video.sizes, video.pictures, video.damaged), (vec![SIZES[0]], 60, 0));
        assert!(!path.exists(), "nothing else is wanted");
    };
    let keep = dir.path().join("kept");
    std::fs::copy(&path, &keep).expect("copied");
    of_one_size(finish());
    // Killed when the master was uniform, and nothing made of it yet.
    std::fs::rename(&keep, &path).expect("back");
    std::fs::remove_file(names::made(dir.path(), &name)).expect("there");
    let master = crate::disk::describe(name.clone(), &path).expect("finished");
    let mut following = Following::default();
    following.add(dir.path(), &[format]).expect("noted");
    following.complete(dir.path(), &master, false).expect("made");
    tries::allow(&path).expect("noted");
    make(&path, false).expect("made uniform");
    of_one_size(finish());
    assert!(!was_begun(&path));
}
