//! Films of numbered pictures: coded in scenes of a size and a turn each, written into a file as a recorder does.

use std::path::Path;

use bytes::Bytes;
use codec::video::{Codec, Config, Encoder, I420};
use media::mp4::{self, Anchor, FinishOptions, Sample, Writer};
use rules::select::Source;
use synth::draw::Painter;

use crate::coded;
use crate::disk::BlackAndSilence;
use crate::growing::FileNote;
use crate::mix::turn::Turned;
use crate::uniform::plan::turned;
use crate::video::sample_entry;

pub const USER: u16 = 5;

/// Pictures of one size; the first one is a key frame.
#[derive(Debug, Clone)]
pub struct Scene {
    /// Upright, before any `turn`.
    pub size: (u32, u32),
    pub rotation: u16,
    /// From this picture on they are sent with another rotation.
    pub turn: Option<(usize, u16)>,
    pub count: usize,
    /// Seconds of nothing before it.
    pub pause: u64,
}

impl Scene {
    pub fn of(size: (u32, u32), count: usize) -> Scene {
        Scene { size, rotation: 0, turn: None, count, pause: 0 }
    }
}

/// A picture as it was sent.
pub struct Drawn {
    pub number: u32,
    pub dts: u64,
    pub key: bool,
    /// As it is coded.
    pub size: (u32, u32),
    pub rotation: u16,
    pub data: Bytes,
    scene: usize,
}

impl Drawn {
    pub fn upright_size(&self) -> (u32, u32) {
        turned(self.size, self.rotation)
    }
}

pub struct Film {
    pub codec: Codec,
    pub pictures: Vec<Drawn>,
}

impl Film {
    /// Writes a growing file.
    pub fn record(path: &Path, codec: Codec, scenes: &[Scene], keep_source: bool) -> Film {
        let note = serde_json::to_vec(&FileNote { source: Source::Mix, keep_source }).expect("a note");
        let mut writer = Writer::create(path, Anchor { epoch_ns: 0, note }).expect("a file");
        let (mut pictures, mut dts, mut track) = (Vec::new(), 0, None);
        for (scene, of) in scenes.iter().enumerate() {
            let size = turned(of.size, of.rotation);
            let mut encoder =
                Encoder::new(&Config::live(codec, size.0, size.1, 25, 2_000_000, 1_000)).expect("an encoder");
            let mut last = None;
            dts += if scene > 0 { of.pause * 90_000 } else { 0 };
            for n in 0..of.count {
                let rotation = of.turn.filter(|(from, _)| n >= *from).map_or(of.rotation, |(_, rotation)| rotation);
                let number = 100 + pictures.len() as u32;
                let upright = turned(size, rotation);
                let [across, down] = [upright.0, upright.1].map(|side| side.next_multiple_of(2));
                let mut painter = Painter::new(across, down, USER, "film");
                let view = I420 { width: upright.0, height: upright.1, ..painter.draw(number, false) };
                let back = Turned::new(&view, (360 - rotation) % 360);
                let packet = encoder.encode(&back.view().expect("whole"), n as i64, n == 0).expect("coded").remove(0);
                let key = packet.key;
                let (data, config) = coded::sample(codec, packet.data, key).expect("readable");
                last = config.or(last);
                let config = last.as_ref().expect("it begins with a key frame");
                let entry = sample_entry(config, rotation).expect("an entry");
                let track = *track.get_or_insert_with(|| writer.add_track(entry.clone()).expect("a track"));
                let entry = writer.add_entry(track, entry).expect("room");
                let (after_still, duration) = (false, 3_000 + 37 * (n as u32 % 3));
                let sample = Sample { entry, dts, duration, key, after_still, data: data.clone() };
                writer.push(track, sample).expect("taken");
                pictures.push(Drawn { number, dts, key, size, rotation, data, scene });
                dts += u64::from(duration);
            }
            writer.flush().expect("written");
        }
        Film { codec, pictures }
    }

    pub fn finish(&self, path: &Path) {
        mp4::finish(path, &FinishOptions::default(), &BlackAndSilence).expect("finished");
    }

    /// The largest width and the largest height of upright pictures.
    pub fn upright_canvas(&self) -> (u32, u32) {
        let sizes = self.pictures.iter().map(Drawn::upright_size);
        sizes.fold((0, 0), |canvas, size| (canvas.0.max(size.0), canvas.1.max(size.1)))
    }

    /// The rotation of all pictures, or none.
    pub fn common_rotation(&self) -> u16 {
        let first = self.pictures[0].rotation;
        if self.pictures.iter().all(|picture| picture.rotation == first) { first } else { 0 }
    }

    pub fn is_uniform(&self) -> bool {
        let look = |picture: &Drawn| (picture.size, picture.rotation);
        self.pictures.iter().all(|picture| look(picture) == look(&self.pictures[0]))
    }

    pub fn whole_group_is_alike(&self, of: &Drawn) -> bool {
        let group = self.pictures.iter().filter(|picture| picture.scene == of.scene);
        group.clone().all(|picture| picture.rotation == of.rotation)
    }
}
