//! Pictures of finished files replaced, killed at random steps; and pictures that are shown turned.

use bytes::Bytes;
use proptest::prelude::*;
use shiguredo_mp4::{
    Decode,
    boxes::{FtypBox, RootBox},
};

use super::{
    disk::{Death, Mortal},
    fixture::{TestFiller, aac, picture, play, video},
};
use crate::mp4::{
    Anchor, Error, FinishOptions, Finished, Replacing, Sample, SampleEntry, Writer, check::check_on, finish::finish_on,
};

/// A picture: the number of its entry, whether it is a key frame, and a hole before it in 3000 ticks.
type Drawn = (u32, bool, u64);

fn drawn() -> impl Strategy<Value = Drawn> {
    (0u32..3, prop::bool::weighted(0.2), prop_oneof![30 => Just(0u64), 1 => 1u64..90])
}

/// A finished recording of these pictures, and sound beside them.
fn record(disk: &mut Mortal, entries: &[SampleEntry], pictures: &[Drawn]) -> Finished {
    let mut writer = Writer::create_on(Box::new(disk.clone()), Anchor::default()).expect("alive");
    let track = writer.add_track(entries[0].clone()).expect("alive");
    entries.iter().for_each(|entry| _ = writer.add_entry(track, entry.clone()).expect("room for a few"));
    let sound = writer.add_track(aac()).expect("alive");
    let mut dts = 0;
    for (n, (entry, key, hole)) in pictures.iter().enumerate() {
        dts += hole * 3000;
        let (key, data) = (*key || n == 0, vec![n as u8; 5 + n % 7]);
        let sample = Sample { entry: *entry, dts, duration: 3000, key, after_still: false, data: picture(key, &data) };
        writer.push(track, sample).expect("a sound sample");
        dts += 3000;
        if n % 50 == 0 {
            let (at, data) = (dts * 48 / 90 / 1024 * 1024, Bytes::from(format!("sound {n}")));
            let sample = Sample { entry: 0, dts: at, duration: 1024, key: true, after_still: false, data };
            writer.push(sound, sample).expect("a sound sample");
            writer.flush().expect("alive");
        }
    }
    writer.flush().expect("alive");
    finish_on(disk, &FinishOptions::default(), &TestFiller).expect("alive")
}

/// Whether pictures of this entry are replaced: those that are not of the largest size, filler among them where there
/// is none.
fn small(entry: &shiguredo_mp4::boxes::SampleEntry) -> bool {
    entry.video_resolution() != Some((960, 544))
}

/// What takes their place.
fn replacement(n: usize, key: bool) -> Bytes {
    picture(key, format!("another {n}").as_bytes())
}

fn replace(disk: &Mortal) -> crate::mp4::Result<Finished> {
    let mut replacing = Replacing::open_on(Box::new(disk.clone()))?.expect("there are pictures");
    let small: Vec<bool> = replacing.entries().iter().map(|entry| small(&entry.raw)).collect();
    let entry = replacing.add_entry(video(960, 544, 99))?;
    for (n, old) in replacing.pictures().to_vec().into_iter().enumerate() {
        if small[old.entry as usize] {
            replacing.replace(n, entry, &replacement(n, old.key))?;
        }
    }
    replacing.commit()
}

/// Both tracks' samples, each with the entry it names.
fn content(disk: &Mortal) -> Vec<Vec<(Sample, shiguredo_mp4::boxes::SampleEntry)>> {
    let tracks = play(&disk.bytes()).into_iter().map(|track| {
        let named = |sample: Sample| {
            let entry = track.entries[sample.entry as usize].clone();
            (Sample { entry: 0, ..sample }, entry)
        };
        track.samples.into_iter().map(named).collect()
    });
    tracks.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, ..ProptestConfig::default() })]

    #[test]
    fn pictures_are_replaced_whole_or_not_at_all(
        seed: u64,
        inserts: bool,
        pictures in prop_oneof![prop::collection::vec(drawn(), 1..60), prop::collection::vec(drawn(), 2000..7000)],
        deaths in prop::collection::vec((0u64..13, prop_oneof![Just(Death::Kill), Just(Death::PowerLoss)]), 0..8),
    ) {
        let mut disk = Mortal::new(seed, inserts);
        let entries = [video(640, 352, 0), video(320, 176, 1), video(960, 544, 2)];
        let finished = record(&mut disk, &entries, &pictures);
        let old = content(&disk);
        let mut new = old.clone();
        for (n, (sample, entry)) in new[0].iter_mut().enumerate() {
            if small(entry) {
                *entry = video(960, 544, 99).raw;
                sample.data = replacement(n, sample.key);
            }
        }
        for (steps, death) in deaths {
            disk.die_after(steps, death);
            let _ = replace(&disk).or_else(|_| finish_on(&mut disk, &FinishOptions::default(), &TestFiller));
            disk.revive();
            disk.die_after(steps / 2, death);
            let _ = finish_on(&mut disk, &FinishOptions::default(), &TestFiller);
            disk.revive();
            let found = finish_on(&mut disk, &FinishOptions::default(), &TestFiller).expect("can be finished");
            let content = content(&disk);
            prop_assert!(content == old || content == new);
            prop_assert_eq!(found.size, disk.bytes().len() as u64);
            check_on(&disk).expect("a file without faults");
        }
        let replaced = replace(&disk).expect("alive");
        prop_assert!(content(&disk) == new);
        prop_assert_eq!(replaced.size, disk.bytes().len() as u64);
        prop_assert_eq!(&replaced.tracks, &finished.tracks);
        let report = check_on(&disk).expect("a file without faults");
        prop_assert_eq!((report.tracks[0].width, report.tracks[0].height), (replaced.width, replaced.height));
        let again = finish_on(&mut disk, &FinishOptions::default(), &TestFiller).expect("a no-op");
        prop_assert_eq!(again, replaced);
    }
}

#[test]
fn what_is_not_finished_or_has_no_pictures_is_left_alone() {
    let disk = Mortal::new(1, true);
    let mut writer = Writer::create_on(Box::new(disk.clone()), Anchor::default()).expect("alive");
    let sound = writer.add_track(aac()).expect("alive");
    let data = Bytes::from_static(b"sound");
    writer
        .push(sound, Sample { entry: 0, dts: 0, duration: 1024, key: true, after_still: false, data })
        .expect("a sound sample");
    writer.flush().expect("alive");
    assert!(matches!(Replacing::open_on(Box::new(disk.clone())), Err(Error::Invalid(_))));
    finish_on(&mut disk.clone(), &FinishOptions::default(), &TestFiller).expect("alive");
    assert!(Replacing::open_on(Box::new(disk)).expect("a sound file").is_none());
}

/// Width, height and matrix of the first track's header.
fn header(disk: &Mortal) -> (i16, i16, [i32; 9]) {
    let file = disk.bytes();
    let (_, mut at) = FtypBox::decode(&file).expect("begins with ftyp");
    loop {
        let (found, len) = RootBox::decode(&file[at..]).expect("a box");
        at += len;
        if let RootBox::Moov(moov) = found {
            let tkhd = &moov.trak_boxes[0].tkhd_box;
            return (tkhd.width.integer, tkhd.height.integer, tkhd.matrix);
        }
    }
}

#[test]
fn a_turn_of_all_pictures_is_one_of_the_track() {
    let mut disk = Mortal::new(1, true);
    let entries = [video(640, 352, 0).turned(90), video(320, 176, 0).turned(90)];
    // A hole that is filled with black.
    let finished = record(&mut disk, &entries, &[(0, true, 0), (1, true, 60), (0, true, 0)]);
    let (width, height, matrix) = header(&disk);
    assert_eq!((finished.width, finished.height, width, height), (352, 640, 640, 352));
    assert_eq!(matrix, [0, 0x1_0000, 0, -0x1_0000, 0, 0, 352 << 16, 0, 0x4000_0000]);
    let replacing = Replacing::open_on(Box::new(disk)).expect("alive").expect("there are pictures");
    assert!(replacing.entries().iter().all(|entry| entry.rotation() == 90), "filler is turned, too");
    assert_eq!(replacing.entries()[1].upright_size(), (176, 320));
}

#[test]
fn turns_that_differ_are_those_of_their_entries() {
    let mut disk = Mortal::new(1, true);
    let entries = [video(640, 352, 0), video(640, 352, 0).turned(270)];
    record(&mut disk, &entries, &[(0, true, 0), (1, false, 0), (1, true, 0), (0, true, 0)]);
    let replacing = Replacing::open_on(Box::new(disk.clone())).expect("alive").expect("there are pictures");
    let turns = replacing.pictures().iter().map(|picture| replacing.entries()[picture.entry as usize].rotation());
    assert_eq!(turns.collect::<Vec<_>>(), [0, 270, 270, 0]);
    assert_eq!(header(&disk).2[0], 0x1_0000, "the track is not turned");
}
