//! What is there while a recording goes on, and after kills.

use std::sync::{Arc, Mutex};

use rules::request::FileFormat::{self, Aac, Flv, Hls, Mp3, Mp4};
use rules::select::Source;

use super::studio::{AAC, BOTH, NOTHING, PICTURE, SOUND, Studio, decodes, probe};
use crate::clock::Clock;
use crate::derive::{is_ours, playlist};
use crate::disk::{DiskJob, DiskThread, remove_folder};
use crate::messages::{FinishedFile, Report};
use crate::names;
use crate::take::Closed;

#[test]
fn a_playlist_grows_with_its_segments() {
    let mut studio = Studio::new(AAC, &[Hls]);
    let mut before = 0;
    for _ in 0..20 {
        studio.record_and_follow(1, BOTH);
        let Ok(text) = std::fs::read_to_string(studio.path(Hls)) else { continue };
        let (count, ended) = playlist::read(&text);
        assert!(count >= before && !ended && text.contains("TYPE:EVENT"));
        let there = studio.segments();
        assert!(count <= there.len() && there.iter().all(|(path, _)| path.extension().is_some_and(|of| of == "ts")));
        before = count;
    }
    assert_eq!(before, 3);
    let text = studio.playlist();
    assert!(
        text.contains(
            "#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:26.000Z\n#EXTINF:6.000000,\n0000-C-alice.hls/00001.ts"
        )
    );
    decodes(&studio.segments()[1].0);
    let made = studio.finish(true);
    let size: usize = studio.segments().iter().map(|(_, bytes)| bytes.len()).sum();
    assert_eq!(made.files[0].size, (size + studio.playlist().len()) as u64);
    assert!(studio.playlist().contains("#EXT-X-INDEPENDENT-SEGMENTS\n"));
}

#[test]
fn killed_at_any_time_the_same_comes_out() {
    const FORMATS: [FileFormat; 5] = [Mp4, Hls, Flv, Mp3, Aac];
    let mut studio = Studio::new(AAC, &FORMATS);
    let mut before = 0;
    for n in 0..22 {
        studio.record_and_follow(1, if (9..12).contains(&n) { SOUND } else { BOTH });
        if n % 4 == 3 {
            studio.restart();
        }
        let count = std::fs::read_to_string(studio.path(Hls)).map_or(0, |text| playlist::read(&text).0);
        assert!(count >= before, "players never lose a segment");
        before = count;
    }
    let first = studio.segments().remove(0);
    studio.finish(true);
    assert!(studio.segments().contains(&first));
    let again = studio.again();
    for ((name, grown), (_, at_once)) in studio.bytes(&FORMATS).iter().zip(again.bytes(&FORMATS)) {
        assert!(*grown == at_once, "{name} differs when it is made at once");
    }
}

#[test]
fn a_gap_that_ends_the_file_is_taken_out_again() {
    let mut studio = Studio::new(AAC, &[Hls, Flv]);
    studio.record_and_follow(8, BOTH);
    studio.record_and_follow(20, NOTHING);
    assert!(playlist::read(&studio.playlist()).0 >= 3, "players go on in the gap");
    let made = studio.finish(false);
    assert!((7_990..8_030).contains(&made.files[0].duration_ms));
    assert_eq!((playlist::read(&studio.playlist()), studio.segments().len()), ((2, true), 2));
    for path in [studio.joined(), studio.path(Flv)] {
        let video = probe(&path).video.expect("pictures");
        assert_eq!((video.pictures, video.missing, video.black.len()), (240, 0, 0));
    }
}

#[test]
fn pictures_that_come_later_than_waited_for_do_no_harm() {
    let mut studio = Studio::new(AAC, &[Hls]);
    studio.record_and_follow(4, BOTH);
    studio.record_and_follow(10, SOUND);
    // Those of the last nine seconds, all at once; there are none of the second before.
    studio.now = 5;
    studio.record(9, PICTURE);
    studio.follow();
    studio.record_and_follow(8, BOTH);
    assert!(playlist::read(&studio.playlist()).0 >= 3, "players go on");
    let made = studio.finish(true);
    assert_eq!(made.failed, Vec::<String>::new());
    let video = probe(&studio.joined()).video.expect("pictures");
    assert_eq!((video.missing, video.damaged), (30, 0));
}

/// Everything that a disk thread reports for one task.
struct Reports(Arc<Mutex<Vec<Report>>>);

impl Reports {
    fn of(jobs: impl FnOnce(&DiskThread)) -> Vec<Report> {
        let reports = Reports(Arc::default());
        let all = reports.0.clone();
        let thread = DiskThread::start(move |report| all.lock().expect("unpoisoned").push(report)).expect("a thread");
        jobs(&thread);
        drop(thread);
        std::mem::take(&mut *reports.0.lock().expect("unpoisoned"))
    }
}

fn files(reports: &[Report]) -> Vec<FinishedFile> {
    let finished = reports.iter().filter_map(|report| match report {
        Report::FileFinished { file, .. } => Some(file.clone()),
        _ => None,
    });
    finished.collect()
}

#[test]
fn a_master_that_is_not_wanted_goes_when_all_is_made_of_it() {
    let mut studio = Studio::new(AAC, &[Mp3, Hls]);
    studio.record(3, BOTH);
    studio.writer = None;
    let dir = studio.dir.path().to_owned();
    let master = studio.path(Mp4);
    let closed = Closed { file: studio.name.clone(), path: master.clone(), end: None, still: false, cut: None };
    let finish = |closed: Vec<Closed>| {
        let (dir, task) = (dir.clone(), 7);
        move |thread: &DiskThread| thread.send(DiskJob::Finish { task, dir, closed, mix: None, lock: None })
    };
    let follow = DiskJob::Follow { dir: dir.clone(), formats: vec![Mp3, Hls], clock: Clock::start() };
    let reports = Reports::of(|thread| {
        thread.send(follow);
        finish(vec![closed])(thread);
    });
    let made = files(&reports);
    assert_eq!(made.iter().map(|file| file.format).collect::<Vec<_>>(), [Mp3, Hls]);
    assert_eq!(reports.last(), Some(&Report::Stopped { task: 7 }));
    assert!(!master.exists());
    // A successor tells the same again, and does not begin with the same number.
    assert_eq!(files(&Reports::of(finish(Vec::new()))), made);
    assert_eq!(names::newest(&dir, &studio.name.source), Some(1));
    assert_eq!(names::newest(&dir, &Source::Mix), None);
    // The worker takes the files away, then the folder.
    assert!(remove_folder(&dir).is_err());
    std::fs::remove_file(studio.path(Mp3)).expect("there");
    std::fs::remove_file(studio.path(Hls)).expect("there");
    std::fs::remove_dir_all(names::segments(&dir, &studio.name)).expect("there");
    assert!(std::fs::read_dir(&dir).expect("there").all(|entry| {
        let name = entry.expect("there").file_name();
        name == "lock" || name == crate::facts::FACTS || is_ours(name.to_str().expect("UTF-8"))
    }));
    remove_folder(&dir).expect("nothing of worth is left");
}

#[test]
fn what_was_left_half_done_is_made_again() {
    let mut studio = Studio::new(AAC, &[Mp3, Hls]);
    studio.record_and_follow(8, BOTH);
    studio.restart();
    let first = studio.finish(true).files;
    let wanted = studio.bytes(&[Mp3, Hls]);
    // Dead before all was noted: what is complete, half there or missing does not matter.
    std::fs::remove_file(names::made(studio.dir.path(), &studio.name)).expect("there");
    std::fs::rename(studio.path(Mp3), studio.path(Mp3).with_extension("mp3.partial")).expect("there");
    std::fs::write(&studio.segments()[0].0, b"torn").expect("written");
    let made = crate::disk::complete(studio.dir.path(), &studio.name).expect("made");
    assert_eq!(made.files, first);
    assert!(studio.bytes(&[Mp3, Hls]) == wanted);
}

#[test]
fn a_master_stands_in_for_what_could_not_be_made() {
    let mut studio = Studio::new(AAC, &[Mp3]);
    studio.record(2, PICTURE);
    let made = studio.finish(true);
    assert_eq!(made.files.iter().map(|file| file.format).collect::<Vec<_>>(), [Mp4]);
    assert_eq!(made.failed, ["no MP3 was made: there is no sound in the recording"]);
}
