//! Pictures in H.265, and sound at other rates.

use bytes::Bytes;

use super::{
    disk::Mortal,
    fixture::{BLACK, TestFiller, hevc, hevc_picture, play, video},
};
use crate::mp4::{
    Anchor, Codec, Error, FinishOptions, Finished, Kind, Sample, SampleEntry, TrackId, Writer, check::check_on,
    finish::finish_on, fuzzing::Memory,
};

fn create() -> (Mortal, Writer) {
    let disk = Mortal::new(7, true);
    let writer = Writer::create_on(Box::new(disk.clone()), Anchor::default()).expect("alive");
    (disk, writer)
}

fn finish(disk: &mut Mortal, options: &FinishOptions) -> Finished {
    let finished = finish_on(disk, options, &TestFiller).expect("alive");
    check_on(disk).expect("a file without faults");
    finished
}

/// Pictures of 3000 ticks at these times (in ticks, and whether they are key frames); each holds its time.
fn push_pictures(writer: &mut Writer, track: TrackId, pictures: &[(u64, bool)]) {
    for (dts, key) in pictures {
        let data = hevc_picture(*key, &dts.to_be_bytes());
        let sample = Sample { entry: 0, dts: *dts, duration: 3000, key: *key, after_still: false, data };
        writer.push(track, sample).expect("sound");
    }
    writer.flush().expect("alive");
}

fn push_frames(writer: &mut Writer, track: TrackId, frames: std::ops::Range<u64>) {
    for n in frames {
        let data = Bytes::from(format!("frame {n}"));
        let sample = Sample { entry: 0, dts: n * 1024, duration: 1024, key: true, after_still: false, data };
        writer.push(track, sample).expect("sound");
    }
    writer.flush().expect("alive");
}

#[test]
fn holes_of_h265_are_black() {
    for still in [false, true] {
        let (mut disk, mut writer) = create();
        let sound = writer.add_track(SampleEntry::aac(2, 48_000, &[0x11, 0x90]).expect("known")).expect("alive");
        let track = writer.add_track(hevc(640, 352, 0)).expect("alive");
        push_frames(&mut writer, sound, 0..40);
        push_pictures(&mut writer, track, &[(45_000, true), (48_000, false)]);
        drop(writer);
        let (mut writer, recovered) = Writer::recover_on(Box::new(disk.clone())).expect("may still grow");
        assert_eq!((recovered.tracks[1].samples, recovered.tracks[1].end), (2, 51_000));
        push_pictures(&mut writer, track, &[(90_000, true), (93_000, false)]);
        let end = std::time::Duration::from_millis(1500);
        let finished = finish(&mut disk, &FinishOptions { end: Some(end), still, cut: None });
        let track = &finished.tracks[1];
        let filled = if still { (4, 933) } else { (6, 1366) };
        assert_eq!((track.codec, track.samples), (Codec::H265, 4));
        assert_eq!((track.filler, track.filled.as_millis()), filled);
        assert_eq!((finished.width, finished.height), (640, 352));
        let played = play(&disk.bytes());
        let shape: Vec<_> = played[1].samples.iter().map(|s| (s.dts, s.duration, s.key, s.data.clone())).collect();
        let picture = |key, at: u64| hevc_picture(key, &at.to_be_bytes());
        let black = || hevc_picture(true, BLACK);
        let mut expected = vec![
            (0, 18_000, true, black()),
            (18_000, 27_000, true, black()),
            (45_000, 3000, true, picture(true, 45_000)),
            (48_000, 3000, false, picture(false, 48_000)),
            (51_000, 18_000, true, black()),
            (69_000, 21_000, true, black()),
            (90_000, 3000, true, picture(true, 90_000)),
        ];
        match still {
            true => expected.push((93_000, 42_000, false, picture(false, 93_000))),
            false => expected.extend([
                (93_000, 3000, false, picture(false, 93_000)),
                (96_000, 18_000, true, black()),
                (114_000, 21_000, true, black()),
            ]),
        }
        assert_eq!(shape, expected);
    }
}

#[test]
fn sound_has_the_timescale_of_its_rate() {
    for rate in [16_000, 32_000, 44_100, 48_000] {
        let entry = SampleEntry::aac(1, rate, &[0x14, 0x08]).expect("a known rate");
        assert_eq!((entry.sample_rate(), entry.timescale(), entry.priming()), (rate, rate, 1024));
        let (mut disk, mut writer) = create();
        let sound = writer.add_track(entry).expect("alive");
        let pictures = writer.add_track(hevc(640, 352, 0)).expect("alive");
        push_frames(&mut writer, sound, 0..20);
        push_frames(&mut writer, sound, 50..60);
        // The picture ends 40 % of a frame behind the sound, which is not worth another frame.
        let end = (59 * 1024 + 410) * 90_000 / u64::from(rate);
        push_pictures(&mut writer, pictures, &[(0, true), (end - 3000, false)]);
        let finished = finish(&mut disk, &FinishOptions::default());
        assert_eq!((finished.tracks[0].samples, finished.tracks[0].filler), (30, 30));
        assert_eq!(finished.tracks[0].duration.as_micros(), 59 * 1024 * 1_000_000 / u128::from(rate));
        let played = play(&disk.bytes());
        assert!(played[0].samples.iter().zip(0..).all(|(sample, n)| sample.dts == n * 1024));
    }
}

#[test]
fn unknown_rates_and_mixed_tracks_are_refused() {
    for rate in [0, 47_999, 48_000 + 65_536, 96_000, u32::MAX] {
        assert!(matches!(SampleEntry::aac(2, rate, &[]), Err(Error::Invalid(_))), "{rate}");
    }
    let (_, mut writer) = create();
    let aac = |rate| SampleEntry::aac(2, rate, &[]).expect("known");
    let sound = writer.add_track(aac(48_000)).expect("alive");
    assert!(matches!(writer.add_entry(sound, aac(44_100)), Err(Error::Invalid(_))));
    let pictures = writer.add_track(hevc(640, 352, 0)).expect("alive");
    assert!(matches!(writer.add_entry(pictures, video(640, 352, 0)), Err(Error::Invalid(_))));
    assert_eq!(writer.add_entry(pictures, hevc(320, 240, 0)).expect("of the same codec"), 1);
}

#[test]
fn parameter_sets_of_h265_are_read_or_refused() {
    let entry = hevc(638, 362, 0);
    assert_eq!((entry.codec(), entry.kind(), entry.size()), (Codec::H265, Kind::Video, (638, 362)));
    assert_eq!((entry.timescale(), entry.priming(), entry.sample_rate()), (90_000, 0, 0));
    let sets = [vec![0x40, 1, 12], vec![0x42, 1, 1], vec![0x44, 1, 0xc1]];
    let [vps, sps, pps] = sets.each_ref().map(std::slice::from_ref);
    for (vps, sps, pps) in [(vps, sps, pps), (&[], sps, pps), (vps, &[], pps), (vps, pps, sps), (vps, &[vec![]], pps)] {
        assert!(matches!(SampleEntry::h265(vps, sps, pps), Err(Error::Invalid(_))));
    }
}

#[test]
fn faults_of_h265_and_of_rates_are_found() {
    let (mut disk, mut writer) = create();
    let sound = writer.add_track(SampleEntry::aac(1, 16_000, &[0x14, 0x08]).expect("known")).expect("alive");
    let track = writer.add_track(hevc(640, 352, 0)).expect("alive");
    push_pictures(&mut writer, track, &[(0, true), (3000, false), (6000, true)]);
    push_frames(&mut writer, sound, 0..3);
    finish(&mut disk, &FinishOptions::default());
    let good = disk.bytes();
    let at = |what: &[u8]| good.windows(what.len()).position(|window| window == what).expect("it is there");
    // A key's number, a slice's type, the rate in the sample entry.
    for place in [at(b"stss") + 19, at(&hevc_picture(true, &[])[4..]), at(b"mp4a") + 28] {
        let mut bad = Memory(good.clone());
        bad.0[place] ^= 0x20;
        assert!(check_on(&bad).is_err(), "byte {place}");
    }
}
