//! What is found in a file is the same while it grows and when it is finished.

use std::time::Duration;

use super::{
    disk::Mortal,
    fixture::{TestFiller, aac, picture, video},
};
use crate::mp4::{
    Anchor, Error, FinishOptions, Replacing, Sample, SampleEntry, Writer, finish::finish_on, recorded::RecordedTrack,
    recorded::recorded_on,
};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Pictures of a second each at 0, 1, and after a hole at 5; one that stood still from 6 to 8, and another size then.
fn written(inserts: bool) -> Mortal {
    let disk = Mortal::new(7, inserts);
    let mut writer =
        Writer::create_on(Box::new(disk.clone()), Anchor { epoch_ns: 5, note: Vec::new() }).expect("alive");
    let track = writer.add_track(video(640, 352, 0)).expect("alive");
    let small = writer.add_entry(track, video(320, 176, 0)).expect("alive");
    for (second, entry, after_still) in [(0, 0, false), (1, 0, false), (5, 0, false), (8, small, true)] {
        let data = picture(true, &[second as u8]);
        let sample = Sample { entry, dts: second * 90_000, duration: 90_000, key: true, after_still, data };
        writer.push(track, sample).expect("sound");
        writer.flush().expect("alive");
    }
    let sound = writer.add_track(aac()).expect("alive");
    let frame = |n: u64| Sample {
        entry: 0,
        dts: n * 1024,
        duration: 1024,
        key: true,
        after_still: false,
        data: vec![n as u8].into(),
    };
    (0..=375).for_each(|n| writer.push(sound, frame(n)).expect("sound"));
    writer.flush().expect("alive");
    disk
}

fn picture_of(disk: &Mortal) -> (bool, RecordedTrack) {
    let recorded = recorded_on(disk).expect("a file");
    assert_eq!((recorded.epoch_ns, recorded.tracks.len()), (5, 2));
    let sound = &recorded.tracks[1];
    assert_eq!((&sound.media[..], sound.samples), (&[(ms(0), ms(8_000))][..], 376), "its priming is not heard");
    (recorded.growing, recorded.tracks[0].clone())
}

#[test]
fn what_was_recorded_is_found_when_its_entry_is_gone() {
    let mut disk = written(true);
    finish_on(&mut disk, &FinishOptions::default(), &TestFiller).expect("alive");
    let (_, before) = picture_of(&disk);
    let mut file = Replacing::open_on(Box::new(disk.clone())).expect("finished").expect("pictures");
    let entries: Vec<_> = file.entries().iter().map(SampleEntry::size).collect();
    let large = entries.iter().position(|size| *size == (640, 352)).expect("it is there") as u32;
    for (n, old) in file.pictures().to_vec().into_iter().enumerate() {
        if entries[old.entry as usize] != (640, 352) {
            file.replace(n, large, &picture(old.key, b"large")).expect("alive");
        }
    }
    file.commit().expect("alive");
    let (_, after) = picture_of(&disk);
    assert_eq!((after.media, after.still, after.samples), (before.media, before.still, before.samples));
    assert_eq!(after.sizes, [(ms(0), 640, 352)]);
}

#[test]
fn media_holes_and_sizes_are_found_growing_and_finished() {
    for inserts in [true, false] {
        let mut disk = written(inserts);
        let media = [(ms(0), ms(2_000)), (ms(5_000), ms(6_000)), (ms(8_000), ms(9_000))];
        let (growing, picture) = picture_of(&disk);
        assert_eq!((growing, picture.end, picture.keys), (true, ms(9_000), 4));
        assert_eq!(picture.media, media);
        assert_eq!(picture.still, [(ms(6_000), ms(8_000))]);
        assert_eq!(picture.sizes, [(ms(0), 640, 352), (ms(8_000), 320, 176)]);
        let options = FinishOptions { end: Some(ms(12_000)), still: true, cut: None };
        finish_on(&mut disk, &options, &TestFiller).expect("alive");
        let (growing, picture) = picture_of(&disk);
        assert_eq!((growing, picture.end), (false, ms(12_000)));
        assert_eq!(picture.media, media);
        assert_eq!(picture.still, [(ms(6_000), ms(8_000)), (ms(9_000), ms(12_000))]);
    }
}

#[test]
fn what_is_filled_at_the_end_or_cut_off_is_no_media() {
    let mut disk = written(true);
    finish_on(&mut disk, &FinishOptions { end: Some(ms(12_000)), ..FinishOptions::default() }, &TestFiller)
        .expect("alive");
    assert_eq!(picture_of(&disk).1.still, [(ms(6_000), ms(8_000))]);
    let mut disk = written(true);
    let options = FinishOptions { end: Some(ms(8_000)), still: false, cut: Some(ms(8_000)) };
    finish_on(&mut disk, &options, &TestFiller).expect("alive");
    let (_, picture) = picture_of(&disk);
    assert_eq!(picture.media.last(), Some(&(ms(5_000), ms(6_000))));
}

#[test]
fn a_file_without_media_is_empty() {
    let disk = Mortal::new(7, true);
    Writer::create_on(Box::new(disk.clone()), Anchor::default()).expect("alive");
    assert!(matches!(recorded_on(&disk), Err(Error::Empty)));
}
