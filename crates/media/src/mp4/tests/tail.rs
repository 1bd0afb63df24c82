//! The file as it is read while it grows, against the finished file's index.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::fixture::{BLACK, SILENCE, TestFiller, aac, picture, play, video};
use crate::mp4::{Anchor, Content, FinishOptions, Kind, Played, Sample, Tail, TailOptions, TrackId, Writer, finish};

const ALL: TailOptions = TailOptions { only: None, live: None };
/// Pictures that lasted for more than half a second stand still.
const LIVE: TailOptions = TailOptions { only: None, live: Some(45_000) };

/// One step of a recording: a hole of so many ticks, then so many samples.
#[derive(Debug, Clone)]
struct Part {
    sound: bool,
    hole: u64,
    samples: u64,
    duration: u32,
    after_still: bool,
}

fn part() -> impl Strategy<Value = Part> {
    let hole = prop_oneof![3 => Just(0), 1 => 1..30_000u64, 1 => 30_000..900_000u64];
    let duration = prop_oneof![4 => Just(3000u32), 1 => Just(80_000u32)];
    (any::<bool>(), hole, 1..20u64, duration, any::<bool>()).prop_map(
        |(sound, hole, samples, duration, after_still)| match sound {
            true => Part { sound, hole: hole / 1024 * 1024, samples, duration: 1024, after_still: false },
            false => Part { sound, hole, samples, duration, after_still: after_still && hole > 0 },
        },
    )
}

/// As recorders have it: a picture that stands still was written after half a second. Whether the last one may.
fn only_long_ones_stand_still(parts: &mut [Part]) -> bool {
    let mut long = false;
    for part in parts.iter_mut().filter(|part| !part.sound) {
        part.after_still &= long;
        long = part.duration > 45_000;
    }
    long
}

struct Recording {
    _dir: tempfile::TempDir,
    path: PathBuf,
    writer: Writer,
    tracks: [Option<(TrackId, u64)>; 2],
}

impl Recording {
    fn new() -> Recording {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("take.mp4");
        let writer = Writer::create(&path, Anchor::default()).expect("a new file");
        Recording { _dir: dir, path, writer, tracks: [None, None] }
    }

    fn push(&mut self, part: &Part) {
        let slot = &mut self.tracks[usize::from(part.sound)];
        if slot.is_none() {
            let entry = if part.sound { aac() } else { video(64, 48, 0) };
            *slot = Some((self.writer.add_track(entry).expect("the disk takes it"), 0));
        }
        let (track, end) = slot.as_mut().expect("made above");
        *end += part.hole;
        for n in 0..part.samples {
            let content = end.to_be_bytes();
            let data = if part.sound { Bytes::copy_from_slice(&content) } else { picture(true, &content) };
            let after_still = part.after_still && n == 0;
            let sample = Sample { entry: 0, dts: *end, duration: part.duration, key: true, after_still, data };
            self.writer.push(*track, sample).expect("in order");
            *end += u64::from(part.duration);
        }
        self.writer.flush().expect("the disk takes it");
    }

    /// Before this media time nothing comes any more, when these parts are still to come.
    fn edge(&self, to_come: &[Part]) -> Duration {
        let ms = |sound: bool, ticks: u64| if sound { ticks.saturating_sub(1024) / 48 } else { ticks / 90 };
        let ends = [false, true].map(|sound| self.tracks[usize::from(sound)].map_or(0, |(_, end)| end));
        let next = |sound: bool| {
            let part = to_come.iter().find(|part| part.sound == sound)?;
            Some(ms(sound, ends[usize::from(sound)] + part.hole))
        };
        let next = [false, true].into_iter().filter_map(next).min();
        Duration::from_millis(next.unwrap_or(ms(false, ends[0]).max(ms(true, ends[1]))))
    }

    fn finish(&self, end: Option<u64>, still: bool) {
        let options = FinishOptions { end: end.map(Duration::from_millis), still, cut: None };
        finish(&self.path, &options, &TestFiller).expect("finished");
    }
}

fn drain(tail: &mut Tail, edge: Option<Duration>, into: &mut Vec<Played>) {
    while let Some(played) = tail.next(edge).expect("the disk works") {
        into.push(played);
    }
}

fn at_once(path: &Path, options: TailOptions) -> Vec<Played> {
    let mut all = Vec::new();
    drain(&mut Tail::open(path, options).expect("a recording"), None, &mut all);
    all
}

/// Time and data of every sample of a kind, filler written out.
fn written_out(all: &[Played], kind: Kind) -> Vec<(i64, Bytes)> {
    let (priming, step, filler) = match kind {
        Kind::Video => (0, 18_000, picture(true, BLACK)),
        Kind::Audio => (1024, 1024, Bytes::from_static(SILENCE)),
    };
    let of_kind = all.iter().filter(|played| played.kind == kind);
    let samples = of_kind.flat_map(|played| match &played.content {
        Content::Sample { data, .. } => vec![(played.at + priming, data.clone())],
        Content::Filler => {
            let count = (played.duration / step).max(1);
            (0..count).map(|n| (played.at + priming + i64::from(n * step), filler.clone())).collect()
        }
    });
    samples.collect()
}

fn indexed(path: &Path, kind: Kind) -> Vec<(i64, Bytes)> {
    let tracks = play(&std::fs::read(path).expect("a file"));
    let picture = |track: &&super::fixture::Played| {
        matches!(track.entries[0], shiguredo_mp4::boxes::SampleEntry::Avc1(_)) == (kind == Kind::Video)
    };
    let samples = tracks.iter().find(picture).map_or(&[][..], |track| &track.samples);
    samples.iter().map(|sample| (sample.dts as i64, sample.data.clone())).collect()
}

fn in_order(all: &[Played]) -> bool {
    let time = |played: &Played| played.at.max(0) as f64 / if played.kind == Kind::Video { 90_000.0 } else { 48_000.0 };
    all.windows(2).all(|pair| time(&pair[0]) <= time(&pair[1]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_is_read_is_what_the_index_says(
        parts in prop::collection::vec(part(), 1..12), end in prop::option::of(0..40_000u64), still: bool,
    ) {
        let mut recording = Recording::new();
        let mut tail = Tail::open(&recording.path, ALL).expect("a recording");
        let mut grown = Vec::new();
        for part in &parts {
            recording.push(part);
            tail.refresh().expect("the disk works");
            drain(&mut tail, None, &mut grown);
        }
        recording.finish(end, still);
        tail.refresh().expect("the disk works");
        drain(&mut tail, None, &mut grown);
        prop_assert_eq!(&grown, &at_once(&recording.path, ALL));
        prop_assert!(in_order(&grown));
        for kind in [Kind::Video, Kind::Audio] {
            prop_assert_eq!(written_out(&grown, kind), indexed(&recording.path, kind));
        }
        for kind in [Kind::Video, Kind::Audio] {
            let alone = at_once(&recording.path, TailOptions { only: Some(kind), live: None });
            let of_both: Vec<_> = grown.iter().filter(|played| played.kind == kind).cloned().collect();
            prop_assert_eq!(alone, of_both);
        }
    }

    #[test]
    fn a_live_tail_gives_the_same_whenever_it_is_read(mut parts in prop::collection::vec(part(), 1..12), still: bool) {
        let still = only_long_ones_stand_still(&mut parts) && still;
        let mut recording = Recording::new();
        let mut tail = Tail::open(&recording.path, LIVE).expect("a recording");
        let mut grown = Vec::new();
        for (n, part) in parts.iter().enumerate() {
            recording.push(part);
            tail.refresh().expect("the disk works");
            drain(&mut tail, Some(recording.edge(&parts[n + 1..])), &mut grown);
        }
        recording.finish(None, still);
        tail.refresh().expect("the disk works");
        drain(&mut tail, None, &mut grown);
        prop_assert!(in_order(&grown));
        prop_assert_eq!(grown, at_once(&recording.path, LIVE));
    }
}

#[test]
fn a_gap_is_filled_while_it_lasts() {
    let mut recording = Recording::new();
    let part = |sound, hole, samples| Part {
        sound,
        hole,
        samples,
        duration: if sound { 1024 } else { 3000 },
        after_still: false,
    };
    recording.push(&part(false, 0, 30));
    let mut tail = Tail::open(&recording.path, LIVE).expect("a recording");
    let mut all = Vec::new();
    drain(&mut tail, Some(Duration::from_secs(4)), &mut all);
    let filler = |all: &[Played], kind| {
        all.iter().filter(|played| played.kind == kind && played.content == Content::Filler).count()
    };
    // The picture from 1 s on, the sound that never came from the beginning.
    assert_eq!((filler(&all, Kind::Video), filler(&all, Kind::Audio)), (3, 4));
    assert!(!tail.overran());
    recording.finish(None, false);
    tail.refresh().expect("the disk works");
    drain(&mut tail, None, &mut all);
    assert!(tail.overran(), "the gap ended the file");
    assert_eq!(tail.length(), Some(Duration::from_secs(1)));
}

#[test]
fn a_picture_that_stands_still_is_not_taken_for_a_gap() {
    let mut recording = Recording::new();
    recording.push(&Part { sound: false, hole: 0, samples: 1, duration: 90_000, after_still: false });
    recording.push(&Part { sound: true, hole: 0, samples: 300, duration: 1024, after_still: false });
    let mut tail = Tail::open(&recording.path, LIVE).expect("a recording");
    let mut all = Vec::new();
    drain(&mut tail, Some(Duration::from_secs(6)), &mut all);
    assert_eq!(all.iter().filter(|played| played.kind == Kind::Video).count(), 1);
    assert!(all.len() > 250, "the sound goes on");
}
