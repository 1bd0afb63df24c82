//! WEBM of masters whose pictures it does not take.

use std::path::Path;
use std::sync::Mutex;

use rules::request::FileFormat::{self, Flv, Mp3, Mp4, Webm};
use synth::probe::ProbeReport;

use super::studio::{AAC, BOTH, FPS, NOTHING, PICTURE, SOUND, Shot, Studio, decodes, probe};
use crate::derive::Late;
use crate::disk;
use crate::messages::{AudioPlan, FinishedFile, Report};
use crate::names;
use crate::uniform::thread::{FileJob, UniformJob};

/// Times in WEBM are whole milliseconds.
const ROUNDED_MS: f64 = 0.51;

fn near(a: &[f64], b: &[f64], within: f64) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= within)
}

/// All of the WEBM is where it is in the MP4; what FFmpeg and the probe find in it.
fn agrees(studio: &Studio) -> ProbeReport {
    let [mp4, webm] = [Mp4, Webm].map(|format| {
        decodes(&studio.path(format));
        probe(&studio.path(format))
    });
    let [of, made] = [&mp4, &webm].map(|report| report.video.as_ref().expect("pictures"));
    let facts = |video: &synth::probe::VideoReport| (video.readable, video.missing, video.duplicated, video.damaged);
    assert_eq!(facts(made), facts(of));
    assert!(near(&made.flashes_ms, &of.flashes_ms, ROUNDED_MS), "{:?} {:?}", made.flashes_ms, of.flashes_ms);
    let spans = |video: &synth::probe::VideoReport| -> Vec<f64> {
        video.black.iter().flat_map(|span| [span.ms, span.ms + span.length_ms]).collect()
    };
    assert!(near(&spans(made), &spans(of), 2.0 * ROUNDED_MS), "{:?} {:?}", made.black, of.black);
    let beeps = |report: &ProbeReport| -> Vec<f64> {
        report.audio.iter().flat_map(|audio| audio.beeps.iter().map(|beep| beep.ms)).collect()
    };
    assert!(near(&beeps(&webm), &beeps(&mp4), 3.0), "{:?} {:?}", beeps(&webm), beeps(&mp4));
    let length = |report: &ProbeReport| report.duration_ms.expect("said");
    assert!((length(&webm) - length(&mp4)).abs() < 40.0, "{} {}", length(&webm), length(&mp4));
    webm
}

fn formats(files: &[FinishedFile]) -> Vec<FileFormat> {
    files.iter().map(|file| file.format).collect()
}

/// Nothing is left beside the recording that is not wanted.
fn is_tidy(dir: &Path) -> bool {
    let names = std::fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("there").file_name());
    let mut names = names.map(|name| name.into_string().expect("UTF-8"));
    names.all(|name| !name.contains(names::PICTURES) && !name.ends_with(".tries") && !name.ends_with(".partial"))
}

/// What is told when all is made that takes an encoder.
fn told(studio: &Studio, made: Vec<FinishedFile>, late: Option<Late>) -> Vec<FinishedFile> {
    let (told, name, path) = (Mutex::new(Vec::new()), studio.name.clone(), studio.path(Mp4));
    let job = UniformJob::File(FileJob { task: 7, name, path, made, late });
    job.carry_out(&|report| told.lock().expect("unpoisoned").push(report));
    let file = |report| match report {
        Report::FileFinished { file, .. } => file,
        other => panic!("{other:?}"),
    };
    told.into_inner().expect("unpoisoned").into_iter().map(file).collect()
}

#[test]
fn pictures_of_h264_are_there_as_vp8_and_sound_as_opus() {
    for plan in [AAC, AudioPlan::Opus] {
        let mut studio = Studio::new(plan, &[Mp4, Webm]);
        studio.record_and_follow(14, BOTH);
        let end = studio.end(true);
        let made = studio.complete_but_for_late(&end);
        assert!(matches!(made.late, Some(Late(Some(_)))), "they were made while the recording went on");
        let made = studio.complete_late(made);
        assert_eq!((formats(&made.files), made.failed), (vec![Mp4, Webm], Vec::<String>::new()));
        let (file, master) = (&made.files[1], &made.files[0]);
        assert_eq!((file.video_codec.as_deref(), file.audio_codec.as_deref()), (Some("vp8"), Some("opus")));
        assert_eq!((file.width, file.height, file.duration_ms), (320, 180, master.duration_ms));
        assert_eq!(file.size, std::fs::metadata(studio.path(Webm)).expect("there").len());
        let video = agrees(&studio).video.expect("pictures");
        assert_eq!((video.pictures, video.missing), (14 * FPS, 0));
        assert_eq!(studio.noted(), made.files);
        assert!(is_tidy(studio.dir.path()));
    }
}

#[test]
fn black_and_silence_are_where_nothing_was_sent() {
    for plan in [AAC, AudioPlan::Opus] {
        let mut studio = Studio::new(plan, &[Mp4, Webm]);
        for (seconds, shot) in [(3, SOUND), (4, BOTH), (3, SOUND), (4, BOTH), (5, NOTHING), (3, BOTH), (3, PICTURE)] {
            studio.record_and_follow(seconds, shot);
        }
        assert_eq!(studio.finish(true).failed, Vec::<String>::new());
        let video = agrees(&studio).video.expect("pictures");
        assert_eq!((video.readable, video.black.len()), (14 * FPS, 3));
    }
}

#[test]
fn a_still_picture_stays() {
    let mut studio = Studio::new(AAC, &[Mp4, Webm]);
    studio.record_and_follow(4, BOTH);
    studio.record_and_follow(9, Shot { still: true, sound: false, ..BOTH });
    studio.record_and_follow(4, BOTH);
    studio.record_and_follow(6, Shot { still: true, sound: false, ..BOTH });
    studio.finish(true);
    let video = agrees(&studio).video.expect("pictures");
    assert_eq!((video.pictures, video.black.len()), (8 * FPS + 2, 0));
}

#[test]
fn pictures_without_sound_do_not_wait_for_any() {
    let mut studio = Studio::new(AAC, &[Mp4, Webm]);
    studio.record_and_follow(4, PICTURE);
    let end = studio.end(true);
    let made = studio.complete_but_for_late(&end);
    assert!(matches!(made.late, Some(Late(Some(_)))), "they were made while the recording went on");
    assert!(studio.complete_late(made).files[1].audio_codec.is_none());
    assert_eq!(agrees(&studio).video.expect("pictures").pictures, 4 * FPS);
}

#[test]
fn it_gets_the_one_size_of_the_master() {
    let mut studio = Studio::new(AAC, &[Mp4, Flv, Webm]);
    for (seconds, shot) in [(4, BOTH), (3, Shot { large: true, ..BOTH }), (2, SOUND), (4, BOTH)] {
        studio.record_and_follow(seconds, shot);
    }
    let end = studio.end(true);
    let made = studio.complete_but_for_late(&end);
    assert_eq!(formats(&made.files), [Mp4, Flv]);
    let files = told(&studio, made.files, made.late);
    assert_eq!(formats(&files), [Flv, Webm, Mp4]);
    // One who died before it was told tells the same.
    assert_eq!(told(&studio, studio.noted(), None), files);
    assert!(files.iter().all(|file| (file.width, file.height) == (480, 270)));
    let video = agrees(&studio).video.expect("pictures");
    assert_eq!((video.readable, video.black.len(), video.sizes), (11 * FPS, 1, vec![(480, 270)]));
    assert!(is_tidy(studio.dir.path()));
}

#[test]
fn where_the_master_keeps_its_sizes_it_has_them_too() {
    let mut studio = Studio::new(AAC, &[Mp4, Webm]);
    for (seconds, shot) in [(2, BOTH), (2, Shot { large: true, ..BOTH }), (2, BOTH)] {
        studio.record_and_follow(seconds, shot);
    }
    studio.finish(true);
    assert_eq!(agrees(&studio).video.expect("pictures").sizes, [(320, 180), (480, 270)]);
}

#[test]
fn killed_at_any_time_it_is_made_again() {
    let mut studio = Studio::new(AAC, &[Mp4, Webm]);
    for n in 0..9 {
        studio.record_and_follow(1, if (4..6).contains(&n) { SOUND } else { BOTH });
        if n % 4 == 3 {
            studio.restart();
        }
    }
    let end = studio.end(true);
    let made = studio.complete_but_for_late(&end);
    assert_eq!(formats(&made.files), [Mp4]);
    // Dead before it was made, though it is noted that all else was; and what is left of it does no harm.
    drop(made);
    std::fs::write(names::pictures(studio.dir.path(), &studio.name), b"torn").expect("written");
    let made = disk::complete(studio.dir.path(), &studio.name).expect("made");
    assert_eq!((formats(&made.files), made.failed), (vec![Mp4, Webm], Vec::new()));
    assert_eq!(agrees(&studio).video.expect("pictures").readable, 7 * FPS);
    let again = disk::complete(studio.dir.path(), &studio.name).expect("noted");
    assert_eq!(again.files, made.files);
    assert!(is_tidy(studio.dir.path()));
}

#[test]
fn what_cannot_be_made_is_said_and_the_rest_is_made() {
    let mut studio = Studio::new(AAC, &[Webm, Mp3]);
    std::fs::create_dir(names::pictures(studio.dir.path(), &studio.name)).expect("a folder in the way");
    studio.record_and_follow(3, BOTH);
    let made = studio.finish(true);
    // The pictures would be lost without the master.
    assert_eq!(formats(&made.files), [Mp3, Mp4]);
    assert!(made.failed[0].starts_with("no WEBM was made: "), "{:?}", made.failed);
}
