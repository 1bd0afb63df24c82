//! Gaps, still pictures, late pictures, other sizes.

use rules::request::FileFormat::{self, Aac, Flv, Hls, M4a, Mp3, Mp4, Ogg, Wav};

use super::studio::{AAC, BOTH, NOTHING, PICTURE, SOUND, Shot, Studio, decodes, probe, samples};
use crate::derive::{playlist, remake};
use crate::messages::AudioPlan;

const ALL: [FileFormat; 4] = [Mp4, Hls, Flv, Wav];

fn made_again_is_the_same(studio: &Studio) {
    let again = studio.again();
    for ((name, grown), (_, at_once)) in studio.bytes(&ALL).iter().zip(again.bytes(&ALL)) {
        assert!(*grown == at_once, "{name} differs when it is made at once");
    }
}

/// Seconds that are black, from and to, counted from the first picture.
fn black(path: &std::path::Path) -> Vec<(f64, f64)> {
    let video = probe(path).video.expect("pictures");
    let round = |ms: f64| (ms / 100.0).round() / 10.0;
    let since = |ms: f64| round(ms - video.first_ms);
    video.black.iter().map(|span| (since(span.ms), since(span.ms + span.length_ms))).collect()
}

#[test]
fn black_and_silence_are_where_nothing_was_sent() {
    for plan in [AAC, AudioPlan::Opus] {
        let mut studio = Studio::new(plan, &ALL);
        for (seconds, shot) in [(4, BOTH), (4, SOUND), (4, BOTH), (5, NOTHING), (3, BOTH), (3, PICTURE), (2, BOTH)] {
            studio.record_and_follow(seconds, shot);
        }
        assert_eq!(studio.finish(true).failed, Vec::<String>::new());
        for path in [studio.joined(), studio.path(Flv), studio.path(Mp4)] {
            decodes(&path);
            let found = black(&path);
            assert_eq!(found, [(4.0, 8.0), (12.0, 17.0)], "{}", path.display());
        }
        assert_eq!(studio.playlist().matches("#EXT-X-DISCONTINUITY\n").count(), 4);
        for path in [studio.joined(), studio.path(Flv)] {
            let report = probe(&path);
            let video = report.video.expect("pictures");
            assert_eq!((video.readable, video.damaged), (16 * 30, 0), "{}", path.display());
            let beeps = report.audio.expect("sound").beeps;
            let offset = beeps[0].ms - 500.0;
            let seconds: Vec<i64> =
                beeps.iter().map(|beep| ((beep.ms - offset - 500.0) / 1000.0).round() as i64).collect();
            let heard: Vec<i64> =
                (0..25).filter(|second| !(12..17).contains(second) && !(20..23).contains(second)).collect();
            assert_eq!(seconds, heard, "{}", path.display());
        }
        assert_eq!(samples(&studio.path(Wav)).len(), samples(&studio.path(Mp4)).len());
        made_again_is_the_same(&studio);
        decodes(&studio.path(Hls));
    }
}

#[test]
fn a_still_picture_stays() {
    let mut studio = Studio::new(AAC, &ALL);
    studio.record_and_follow(4, BOTH);
    studio.record_and_follow(9, Shot { still: true, sound: false, ..BOTH });
    studio.record_and_follow(4, BOTH);
    studio.record_and_follow(6, Shot { still: true, sound: false, ..BOTH });
    studio.finish(true);
    for path in [studio.joined(), studio.path(Flv), studio.path(Mp4)] {
        decodes(&path);
        let video = probe(&path).video.expect("pictures");
        assert_eq!((video.pictures, video.damaged, video.black.len()), (8 * 30 + 2, 0, 0), "{}", path.display());
    }
    let lengths = studio.playlist();
    let lengths =
        lengths.lines().filter_map(|line| line.strip_prefix("#EXTINF:")?.strip_suffix(',')?.parse::<f64>().ok());
    let lengths: Vec<f64> = lengths.collect();
    assert!(
        lengths.iter().all(|length| *length <= 12.0) && (lengths.iter().sum::<f64>() - 23.0).abs() < 0.05,
        "{lengths:?}"
    );
    made_again_is_the_same(&studio);
}

#[test]
fn a_late_picture_begins_another_stretch_of_segments() {
    let mut studio = Studio::new(AAC, &ALL);
    studio.record_and_follow(8, SOUND);
    studio.record_and_follow(8, BOTH);
    studio.finish(true);
    let text = studio.playlist();
    assert_eq!(text.matches("#EXT-X-DISCONTINUITY\n").count(), 1);
    // Sound alone in segments of 6 s, and up to the picture; then pictures.
    assert_eq!(playlist::read(&text).0, 4);
    let (alone, pictures) = (probe(&studio.segments()[0].0), probe(&studio.segments()[2].0));
    assert!(alone.video.is_none());
    assert_eq!(pictures.video.expect("pictures").pictures, 180);
    assert_eq!(black(&studio.path(Flv)), [(0.0, 8.0)]);
    decodes(&studio.path(Hls));
    made_again_is_the_same(&studio);
}

#[test]
fn a_picture_that_comes_soon_is_there_from_the_beginning() {
    let mut studio = Studio::new(AAC, &ALL);
    studio.record_and_follow(2, SOUND);
    studio.record_and_follow(6, BOTH);
    studio.finish(true);
    // Black in a segment of its own, for its parameter sets are not those of the pictures.
    let text = studio.playlist();
    let marked: Vec<&str> =
        text.lines().filter(|line| ["#EXTINF:", "#EXT-X-DISC"].iter().any(|tag| line.starts_with(tag))).collect();
    assert_eq!(marked, ["#EXTINF:2.000000,", "#EXT-X-DISCONTINUITY", "#EXTINF:6.000000,"]);
    assert_eq!(probe(&studio.segments()[0].0).video.expect("black").readable, 0);
    assert_eq!(black(&studio.joined()), [(0.0, 2.0)]);
    made_again_is_the_same(&studio);
}

#[test]
fn sound_that_comes_late_or_never_is_silence() {
    for late in [false, true] {
        let mut studio = Studio::new(AAC, &[Mp4, Hls, Flv]);
        studio.record_and_follow(14, PICTURE);
        if late {
            studio.record_and_follow(4, BOTH);
        }
        let made = studio.finish(true);
        assert_eq!(made.files[1].audio_codec.is_some(), late);
        assert_eq!(studio.playlist().matches("#EXT-X-DISCONTINUITY\n").count(), 0);
        let report = probe(&studio.joined());
        let (pictures, beeps) = if late { (18 * 30, 4) } else { (14 * 30, 0) };
        assert_eq!(report.video.expect("pictures").pictures, pictures);
        assert_eq!(report.audio.expect("silence").beeps.len(), beeps);
        decodes(&studio.path(Hls));
        let again = studio.again();
        assert!(studio.bytes(&[Hls, Flv]) == again.bytes(&[Hls, Flv]), "the same when it is made at once");
    }
}

#[test]
fn sound_alone_has_every_format() {
    let all = [Mp4, Hls, Flv, Mp3, Aac, M4a, Ogg, Wav];
    let mut studio = Studio::new(AAC, &all);
    studio.record_and_follow(15, SOUND);
    let made = studio.finish(true);
    assert_eq!((made.files.len(), made.failed.len()), (8, 0));
    assert!(made.files.iter().all(|file| file.video_codec.is_none() && file.width == 0));
    for format in all {
        decodes(&studio.path(format));
    }
    assert_eq!(playlist::read(&studio.playlist()), (3, true));
    assert_eq!(probe(&studio.joined()).audio.expect("sound").beeps.len(), 15);
}

#[test]
fn another_size_is_a_discontinuity() {
    let mut studio = Studio::new(AAC, &ALL);
    studio.record_and_follow(4, BOTH);
    studio.record_and_follow(4, Shot { large: true, ..BOTH });
    studio.record_and_follow(4, BOTH);
    studio.finish(true);
    assert_eq!(studio.playlist().matches("#EXT-X-DISCONTINUITY\n").count(), 2);
    for path in [studio.joined(), studio.path(Flv)] {
        let video = probe(&path).video.expect("pictures");
        assert_eq!(
            (video.pictures, video.missing, video.damaged, video.sizes.len()),
            (360, 0, 0, 2),
            "{}",
            path.display()
        );
    }
    made_again_is_the_same(&studio);
}

#[test]
fn flv_gets_the_one_size_of_the_master_and_hls_keeps_what_was_published() {
    let mut studio = Studio::new(AAC, &ALL);
    studio.record_and_follow(4, BOTH);
    studio.record_and_follow(3, Shot { large: true, ..BOTH });
    studio.record_and_follow(2, SOUND);
    studio.record_and_follow(4, BOTH);
    let mut made = studio.finish(true).files;
    let (published, flashes) =
        (studio.bytes(&[Hls, Wav]), probe(&studio.path(Flv)).video.expect("pictures").flashes_ms);
    crate::uniform::make(&studio.path(Mp4), false).expect("made uniform");
    remake(studio.dir.path(), &studio.name, &mut made).expect("made anew");
    assert!(studio.bytes(&[Hls, Wav]) == published);
    let flv = made.iter().find(|file| file.format == Flv).expect("it is listed");
    assert_eq!((flv.width, flv.height), (480, 270));
    assert_eq!(flv.size, std::fs::metadata(studio.path(Flv)).expect("there").len());
    assert_eq!(studio.noted(), made);
    decodes(&studio.path(Flv));
    let report = probe(&studio.path(Flv));
    let video = report.video.expect("pictures");
    assert_eq!((video.readable, video.missing, video.damaged, video.duplicated), (11 * 30, 60, 0, 0));
    assert_eq!((video.sizes, video.flashes_ms), (vec![(480, 270)], flashes));
    assert_eq!(black(&studio.path(Flv)), [(7.0, 9.0)]);
    assert_eq!(report.audio.expect("sound").beeps.len(), 13);
}
