//! Single steps: what is refused, where filler goes, what the finished file says.

use std::time::Duration;

use bytes::Bytes;

use super::{
    disk::{Death, Mortal},
    fixture::{BLACK, SILENCE, TestFiller, aac, picture, play, video},
};
use crate::mp4::{
    Anchor, Error, FinishOptions, Finished, HEAD, MAX_NOTE, Sample, SampleEntry, TrackId, Writer, check::check_on,
    finish::finish_on,
};

fn create() -> (Mortal, Writer) {
    let disk = Mortal::new(7, true);
    let writer = Writer::create_on(Box::new(disk.clone()), Anchor::default()).expect("alive");
    (disk, writer)
}

fn frame(n: u64) -> Sample {
    Sample {
        entry: 0,
        dts: n * 1024,
        duration: 1024,
        key: true,
        after_still: false,
        data: Bytes::from(format!("frame {n}")),
    }
}

fn picture_at(dts: u64, entry: u32) -> Sample {
    Sample { entry, dts, duration: 3000, key: true, after_still: false, data: picture(true, &dts.to_be_bytes()) }
}

fn finish(disk: &mut Mortal, end: Option<u64>) -> Finished {
    let options = FinishOptions { end: end.map(Duration::from_millis), ..FinishOptions::default() };
    let finished = finish_on(disk, &options, &TestFiller).expect("alive");
    check_on(disk).expect("a file without faults");
    finished
}

#[test]
fn samples_that_cannot_be_played_are_refused() {
    let (_, mut writer) = create();
    let track = writer.add_track(aac()).expect("alive");
    writer.push(track, frame(1)).expect("sound");
    let refused = [
        frame(0),
        frame(1),
        Sample { duration: 0, ..frame(2) },
        Sample { entry: 1, ..frame(2) },
        Sample { data: Bytes::new(), ..frame(2) },
        frame(u64::MAX / 1024),
    ];
    for sample in refused {
        assert!(matches!(writer.push(track, sample), Err(Error::BadSample(_))));
    }
    writer.push(track, frame(2)).expect("the track goes on");
    assert!(writer.push(TrackId(9), frame(3)).is_err());
    assert_eq!(writer.end(track), 3 * 1024);
}

#[test]
fn the_head_takes_a_hundred_entries_then_says_so_and_equal_ones_are_one() {
    let (_, mut writer) = create();
    let track = writer.add_track(video(640, 352, 0)).expect("alive");
    assert_eq!(writer.add_entry(track, video(640, 352, 0)).expect("known"), 0);
    assert!(matches!(writer.add_entry(track, aac()), Err(Error::Invalid(_))));
    let added = (1..=255).take_while(|n| writer.add_entry(track, video(640, 352, *n)).is_ok()).count();
    assert!((90..255).contains(&added), "{added}");
    assert!(matches!(writer.add_entry(track, video(1280, 720, 0)), Err(Error::HeadFull)));
    writer.push(track, picture_at(0, 5)).expect("the entries before it are usable");
    writer.flush().expect("alive");
}

#[test]
fn a_note_too_long_is_refused() {
    let anchor = Anchor { epoch_ns: 0, note: vec![0; MAX_NOTE + 1] };
    assert!(matches!(Writer::create_on(Box::new(Mortal::new(0, true)), anchor), Err(Error::Invalid(_))));
}

#[test]
fn holes_become_black_and_silence() {
    let (mut disk, mut writer) = create();
    let sound = writer.add_track(aac()).expect("alive");
    let pictures = writer.add_track(video(640, 352, 0)).expect("alive");
    let second = writer.add_entry(pictures, video(320, 480, 1)).expect("alive");
    for n in (0..10).chain(60..100) {
        writer.push(sound, frame(n)).expect("sound");
    }
    // From 0.5 s on, a hole of 0.1 s, one of 0.45 s.
    for (dts, entry) in [(45_000, 0), (48_000, 0), (60_000, 0), (103_500, second)] {
        writer.push(pictures, picture_at(dts, entry)).expect("sound");
    }
    writer.flush().expect("alive");
    let finished = finish(&mut disk, Some(4000));
    assert_eq!((finished.width, finished.height), (640, 480));
    let played = play(&disk.bytes());
    let silent = |sample: &&Sample| sample.data == SILENCE;
    assert_eq!(played[0].samples[10..60].iter().filter(silent).count(), 50);
    let sound_end = played[0].samples.last().expect("not empty");
    assert_eq!(sound_end.dts + 1024, 4 * 48_000 + 1024 + 512, "the whole frame nearest to 4 s + 1024");
    let shape: Vec<_> = played[1].samples.iter().map(|s| (s.dts, s.duration, s.data == picture(true, BLACK))).collect();
    let expected = [
        (0, 18_000, true),
        (18_000, 27_000, true),
        (45_000, 3000, false),
        (48_000, 12_000, false),
        (60_000, 3000, false),
        (63_000, 18_000, true),
        (81_000, 22_500, true),
        (103_500, 3000, false),
    ];
    assert_eq!(shape[..8], expected);
    assert_eq!(shape[8..].iter().map(|s| u64::from(s.1)).sum::<u64>(), 4 * 90_000 - 106_500);
    assert_eq!((finished.tracks[1].samples, finished.tracks[1].filler as usize), (4, shape.len() - 4));
}

#[test]
fn a_long_recording_gets_room_in_front_or_is_copied() {
    for inserts in [true, false] {
        let mut disk = Mortal::new(1, inserts);
        let mut writer = Writer::create_on(Box::new(disk.clone()), Anchor::default()).expect("alive");
        let track = writer.add_track(aac()).expect("alive");
        for n in 0..20_000 {
            writer.push(track, frame(n)).expect("sound");
            if n % 47 == 0 {
                writer.flush().expect("alive");
            }
        }
        writer.flush().expect("alive");
        let media = disk.bytes().split_off(HEAD as usize);
        let finished = finish(&mut disk, None);
        assert!(finished.head > HEAD && finished.head.is_multiple_of(4096));
        assert_eq!(disk.bytes()[finished.head as usize..], media);
        assert_eq!(play(&disk.bytes())[0].samples.len(), 20_000);
    }
}

#[test]
fn every_step_of_finishing_may_be_the_last() {
    for inserts in [true, false] {
        for death in [Death::Kill, Death::PowerLoss] {
            for steps in 0..10 {
                let mut disk = Mortal::new(steps, inserts);
                let mut writer = Writer::create_on(Box::new(disk.clone()), Anchor::default()).expect("alive");
                let track = writer.add_track(SampleEntry::opus(2, 312)).expect("alive");
                for n in 0..12_000 {
                    writer.push(track, Sample { dts: n * 960, duration: 960, ..frame(n) }).expect("sound");
                }
                writer.flush().expect("alive");
                writer.sync().expect("alive");
                disk.die_after(steps, death);
                let _ = finish_on(&mut disk, &FinishOptions::default(), &TestFiller);
                disk.revive();
                finish(&mut disk, None);
                assert_eq!(play(&disk.bytes())[0].samples.len(), 12_000);
            }
        }
    }
}

#[test]
fn tracks_without_samples_are_left_out_and_a_file_without_any_is_empty() {
    let (mut disk, mut writer) = create();
    writer.add_track(video(640, 352, 0)).expect("alive");
    let sound = writer.add_track(aac()).expect("alive");
    assert!(matches!(finish_on(&mut disk, &FinishOptions::default(), &TestFiller), Err(Error::Empty)));
    let (mut writer, _) = Writer::recover_on(Box::new(disk.clone())).expect("may still grow");
    writer.push(sound, frame(0)).expect("sound");
    writer.flush().expect("alive");
    assert_eq!(finish(&mut disk, None).tracks.len(), 1);
}

#[test]
fn faults_are_found() {
    let (mut disk, mut writer) = create();
    assert!(check_on(&disk).is_err(), "a growing file is not a finished one");
    let track = writer.add_track(video(640, 352, 0)).expect("alive");
    for n in 0..10 {
        writer.push(track, picture_at(n * 3000, 0)).expect("sound");
    }
    writer.flush().expect("alive");
    finish(&mut disk, None);
    let good = disk.bytes();
    let at = |kind: &[u8; 4]| good.windows(4).position(|window| window == kind).expect("the box is there");
    // The last byte of: the first duration, a size, an offset, a key's number, the duration of mdhd.
    for place in [at(b"stts") + 19, at(b"stsz") + 19, at(b"stco") + 15, at(b"stss") + 19, at(b"mdhd") + 23] {
        let mut bad = crate::mp4::fuzzing::Memory(good.clone());
        bad.0[place] ^= 2;
        assert!(check_on(&bad).is_err(), "byte {place}");
    }
    assert!(check_on(&crate::mp4::fuzzing::Memory(good[..good.len() - 1].to_vec())).is_err());
}

#[test]
fn a_still_picture_is_lengthened_and_a_gap_is_filled() {
    for (after_still, filler) in [(true, 0), (false, 50)] {
        let (mut disk, mut writer) = create();
        let track = writer.add_track(video(64, 48, 0)).expect("alive");
        writer.push(track, picture_at(0, 0)).expect("sound");
        writer.push(track, Sample { after_still, ..picture_at(3000 + 900_000, 0) }).expect("sound");
        writer.flush().expect("alive");
        let finished = finish(&mut disk, None);
        assert_eq!(finished.tracks[0].filler, filler);
        assert_eq!(finished.duration().as_millis(), 906_000 / 90);
    }
}

#[test]
fn what_the_next_file_has_is_cut_off() {
    // Sound up to 6144 in three fragments with a hole, cut at 3072 as heard: 1024 ticks of priming.
    for (heard, samples) in [(3 * 1024, 4), (1024, 2), (3 * 1024 - 1, 4), (3 * 1024 + 1, 5), (9 * 1024, 6)] {
        let (mut disk, mut writer) = create();
        let track = writer.add_track(aac()).expect("alive");
        for frames in [0..2, 2..5, 7..8] {
            frames.for_each(|n| writer.push(track, frame(n)).expect("sound"));
            writer.flush().expect("alive");
        }
        let end = Duration::from_nanos(heard * 1_000_000_000 / 48_000);
        let options = FinishOptions { end: Some(end), cut: Some(end), ..FinishOptions::default() };
        let finished = finish_on(&mut disk, &options, &TestFiller).expect("alive");
        check_on(&disk).expect("a file without faults");
        assert_eq!(finished.tracks[0].samples, samples, "{heard}");
        let played = play(&disk.bytes());
        let names: Vec<_> = played[0].samples.iter().map(|sample| sample.data.clone()).collect();
        let recorded: Vec<_> = [0, 1, 2, 3, 4, 7].iter().map(|n| frame(*n).data).take(samples as usize).collect();
        assert_eq!(names[..recorded.len().min(5)], recorded[..recorded.len().min(5)], "{heard}");
    }
}
