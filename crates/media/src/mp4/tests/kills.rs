//! Random recordings with holes, killed at random steps while they grow and while they are finished.

use std::{ops::Range, time::Duration};

use bytes::Bytes;
use proptest::prelude::*;

use super::{
    disk::{Death, Mortal},
    fixture::{BLACK, SILENCE, TestFiller, aac, hevc, hevc_picture, picture, play, video},
};
use crate::mp4::{
    Anchor, Codec, Error, FinishOptions, Finished, Kind, Sample, SampleEntry, TrackId, Writer, check::check_on,
    finish::finish_on,
};

/// One act of a recorder, or of fate.
#[derive(Debug, Clone)]
enum Act {
    /// A sample after a hole of so many frames' worth of time (mostly none), of so many bytes.
    Push {
        video: bool,
        hole: u64,
        jitter: u32,
        key: bool,
        bytes: usize,
    },
    AddEntry,
    Flush,
    Sync,
    /// Dies at the step after so many more ones.
    Die {
        steps: u64,
        death: Death,
    },
    /// Loses the last bytes.
    Cut {
        bytes: usize,
    },
}

fn act() -> impl Strategy<Value = Act> {
    let hole = prop_oneof![8 => Just(0u64), 1 => 1u64..4, 1 => 1u64..200];
    let push = (any::<bool>(), hole, 0u32..300, any::<bool>(), 1usize..400);
    let push = push.prop_map(|(video, hole, jitter, key, bytes)| Act::Push { video, hole, jitter, key, bytes });
    let death = prop_oneof![Just(Death::Kill), Just(Death::PowerLoss)];
    prop_oneof![
        40 => push,
        6 => Just(Act::Flush),
        2 => Just(Act::Sync),
        1 => Just(Act::AddEntry),
        2 => (0u64..6, death).prop_map(|(steps, death)| Act::Die { steps, death }),
        1 => (0usize..3000).prop_map(|bytes| Act::Cut { bytes }),
    ]
}

/// What was pushed to one track, and how much of it must survive what.
struct Model {
    codec: Codec,
    id: Option<TrackId>,
    entries: Vec<SampleEntry>,
    samples: Vec<Sample>,
    flushed: usize,
    synced: usize,
    end: u64,
    /// Times of samples that were not synced when power failed: there or not, whole or not.
    lost: Vec<Range<u64>>,
}

impl Model {
    fn new(codec: Codec) -> Self {
        Self {
            codec,
            id: None,
            entries: Vec::new(),
            samples: Vec::new(),
            flushed: 0,
            synced: 0,
            end: 0,
            lost: Vec::new(),
        }
    }

    fn next(&mut self, act: &Act, content: u64) -> Sample {
        let Act::Push { hole, jitter, key, bytes, .. } = *act else { unreachable!("only pushes make samples") };
        let end = self.end;
        let content: Vec<u8> = content.to_be_bytes().into_iter().cycle().take(bytes.max(8)).collect();
        match self.codec.kind() {
            Kind::Video => {
                let (key, dts) = (key || self.samples.is_empty(), end + hole * 3000);
                let entry = self.entries.len() as u32 - 1;
                let data = if self.codec == Codec::H265 { hevc_picture } else { picture }(key, &content);
                Sample { entry, dts, duration: 2900 + jitter, key, after_still: false, data }
            }
            Kind::Audio => {
                let data = Bytes::from(content);
                Sample { entry: 0, dts: end + hole * 1024, duration: 1024, key: true, after_still: false, data }
            }
        }
    }
}

impl Model {
    /// Takes over that a recovered file ends at `end`.
    fn survive(&mut self, end: u64, power_lost: bool) {
        let whole = |sample: &Sample| sample.dts + u64::from(sample.duration) <= end;
        let kept = self.samples.iter().take_while(|sample| whole(sample)).count();
        assert!(kept >= self.synced, "synced samples are lost");
        self.samples.truncate(if power_lost { self.synced } else { kept });
        self.lost.iter_mut().for_each(|lost| lost.end = lost.end.min(end));
        self.lost.retain(|lost| !lost.is_empty());
        if power_lost {
            let synced_end = self.samples.last().map_or(0, |last| last.dts + u64::from(last.duration));
            self.lost.push(synced_end..end);
        }
        self.flushed = self.samples.len();
        self.end = end;
    }
}

/// A recording under test.
struct World {
    disk: Mortal,
    writer: Writer,
    models: [Model; 2],
    variant: u8,
}

impl World {
    fn entry(&self, width: u16, height: u16) -> SampleEntry {
        let make = if self.models[0].codec == Codec::H265 { hevc } else { video };
        make(width, height, self.variant)
    }

    fn new(seed: u64, inserts: bool, codec: Codec) -> Self {
        let disk = Mortal::new(seed, inserts);
        let anchor = Anchor { epoch_ns: 1_700_000_000_000_000_000, note: b"note".to_vec() };
        let writer = Writer::create_on(Box::new(disk.clone()), anchor).expect("alive");
        Self { disk, writer, models: [Model::new(codec), Model::new(Codec::Aac)], variant: 0 }
    }

    fn act(&mut self, n: u64, act: &Act) -> crate::mp4::Result<()> {
        match act {
            Act::Push { video, .. } => {
                let entry = if *video { self.entry(640, 352) } else { aac() };
                let model = &mut self.models[usize::from(!*video)];
                if model.id.is_none() {
                    model.id = Some(self.writer.add_track(entry.clone())?);
                    model.entries.push(entry);
                }
                let sample = model.next(act, n);
                self.writer.push(model.id.expect("was added"), sample.clone())?;
                model.end = sample.dts + u64::from(sample.duration);
                model.samples.push(sample);
            }
            Act::AddEntry => {
                let Some(id) = self.models[0].id else { return Ok(()) };
                self.variant += 1;
                let entry = self.entry(320 + 16 * u16::from(self.variant), 240);
                let model = &mut self.models[0];
                assert_eq!(self.writer.add_entry(id, entry.clone())?, model.entries.len() as u32);
                model.entries.push(entry);
            }
            Act::Flush => {
                self.writer.flush()?;
                self.models.iter_mut().for_each(|model| model.flushed = model.samples.len());
            }
            Act::Sync => {
                self.writer.sync()?;
                self.models.iter_mut().for_each(|model| model.synced = model.flushed);
            }
            Act::Die { steps, death } => self.disk.die_after(*steps, *death),
            Act::Cut { bytes } => {
                let len = self.disk.bytes().len();
                self.disk.cut(len.saturating_sub(*bytes).max(crate::mp4::HEAD as usize));
                self.models.iter_mut().for_each(|model| (model.flushed, model.synced) = (0, 0));
                return Err(Error::Corrupt("killed by hand".into()));
            }
        }
        Ok(())
    }

    /// After a death: recovers, and takes over what survived. `false` when nothing did.
    fn recover(&mut self) -> bool {
        let power_lost = self.disk.revive() == Some(Death::PowerLoss);
        let nothing_synced = self.models.iter().all(|model| model.synced == 0);
        let (writer, recovered) = match Writer::recover_on(Box::new(self.disk.clone())) {
            Ok(both) => both,
            Err(Error::Empty) => {
                assert!(nothing_synced, "synced media is lost");
                return false;
            }
            // Not even the head was on the medium.
            Err(Error::Corrupt(_)) if power_lost && nothing_synced => return false,
            Err(e) => panic!("cannot recover: {e}"),
        };
        self.writer = writer;
        assert_eq!(recovered.anchor.note, b"note");
        for model in &mut self.models {
            let kind = model.codec.kind();
            let found = recovered.tracks.iter().find(|track| track.entries[0].kind() == kind);
            model.survive(found.map_or(0, |track| track.end), power_lost);
            if model.lost.is_empty() {
                assert_eq!(found.map_or(0, |track| track.samples), model.samples.len() as u64);
            }
            model.id = found.map(|track| track.id);
            model.entries = found.map(|track| track.entries.clone()).unwrap_or_default();
        }
        true
    }

    /// Finishes, with deaths after the given numbers of steps.
    fn finish(&mut self, deaths: &[(u64, Death)], options: &FinishOptions) -> crate::mp4::Result<Finished> {
        for (steps, death) in deaths {
            self.disk.die_after(*steps, *death);
            let _ = finish_on(&mut self.disk, options, &TestFiller);
            self.disk.revive();
        }
        let finished = finish_on(&mut self.disk, options, &TestFiller)?;
        let again = finish_on(&mut self.disk, &FinishOptions::default(), &TestFiller).expect("a no-op");
        assert_eq!(finished, again);
        Ok(finished)
    }
}

/// Every sample is there, bytes and entry, at its time; between them is filler.
fn assert_same(models: &[Model], file: &[u8], finished: &Finished) {
    let played = play(file);
    for (track, played) in finished.tracks.iter().zip(&played) {
        let model = models.iter().find(|model| model.id == Some(track.id)).expect("a track that was recorded");
        let filler = |sample: &&Sample| match model.codec {
            Codec::H264 | Codec::Vp8 | Codec::Vp9 | Codec::Av1 => sample.data == picture(true, BLACK),
            Codec::H265 => sample.data == hevc_picture(true, BLACK),
            Codec::Aac | Codec::Opus => sample.data == SILENCE,
        };
        let lost = |sample: &&Sample| model.lost.iter().any(|lost| lost.contains(&sample.dts));
        let mut found = played.samples.iter().filter(|sample| !filler(sample) && !lost(sample));
        for sample in &model.samples {
            let found = found.next().expect("every sample is there");
            assert_eq!((found.dts, found.key, &found.data), (sample.dts, sample.key, &sample.data));
            assert!(found.duration >= sample.duration, "shortened");
            assert_eq!(played.entries[found.entry as usize], model.entries[sample.entry as usize].raw);
        }
        assert!(found.next().is_none(), "a sample that was never pushed, or no filler");
        assert_eq!((track.samples + track.filler) as usize, played.samples.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn recordings_survive_deaths(
        seed: u64,
        inserts: bool,
        h265: bool,
        acts in prop::collection::vec(act(), 1..250),
        deaths in prop::collection::vec((0u64..9, prop_oneof![Just(Death::Kill), Just(Death::PowerLoss)]), 0..4),
        end in prop::option::of(0u64..20),
    ) {
        let mut world = World::new(seed, inserts, if h265 { Codec::H265 } else { Codec::H264 });
        for (n, act) in acts.iter().enumerate() {
            match world.act(n as u64, act) {
                Ok(()) => {}
                Err(Error::BadSample(why)) => panic!("a sound sample was refused: {why}"),
                Err(Error::HeadFull) => panic!("the head is full after {} entries", world.variant),
                Err(_) if world.recover() => {}
                Err(_) => return Ok(()),
            }
        }
        world.disk.revive();
        if world.act(0, &Act::Flush).is_err() && !world.recover() {
            return Ok(());
        }
        world.writer.sync().expect("alive");
        let options = FinishOptions { end: end.map(Duration::from_secs), ..FinishOptions::default() };
        let finished = match world.finish(&deaths, &options) {
            Ok(finished) => finished,
            Err(Error::Empty) if world.models.iter().all(|model| model.samples.is_empty()) => return Ok(()),
            Err(e) => panic!("cannot finish: {e}"),
        };
        prop_assert!(matches!(Writer::recover_on(Box::new(world.disk.clone())), Err(Error::Finished)));
        let file = world.disk.bytes();
        assert_same(&world.models, &file, &finished);
        let report = match check_on(&world.disk) {
            Ok(report) => report,
            // Pictures that were on their way when power failed may be rubbish. No box may.
            Err(faults) => {
                let rubbish = |fault: &String| fault.contains("is not H26") || fault.contains("stss is wrong");
                let power_lost = world.models.iter().any(|model| !model.lost.is_empty());
                prop_assert!(power_lost && faults.iter().all(rubbish), "{:?}", faults);
                return Ok(());
            }
        };
        prop_assert_eq!(report.size, file.len() as u64);
        prop_assert_eq!(report.size, finished.size);
        prop_assert_eq!(report.duration, finished.duration());
        if let Some(end) = options.end {
            prop_assert!(report.duration + Duration::from_millis(22) > end);
        }
    }
}
