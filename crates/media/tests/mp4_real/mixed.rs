//! What mixed recordings have: H.265 and sound at other rates.

use std::time::Duration;

use bytes::Bytes;
use media::{
    bitstream::{annex_b, h265},
    mp4::{Anchor, Codec, Filler, FillerError, FinishOptions, Sample, SampleEntry, Writer, check, finish},
};

use super::{decode, frames, gstreamer_plays, make, probe};

/// Pictures of an Annex B stream of one slice each, parameter sets and all, and its sample entry.
fn pictures(stream: &[u8]) -> (SampleEntry, Vec<(bool, Bytes)>) {
    let of = |wanted| -> Vec<Vec<u8>> {
        let found = annex_b::nal_units(stream).find(|nal| h265::nal_type(nal[0]) == wanted);
        found.into_iter().map(<[u8]>::to_vec).collect()
    };
    let entry = SampleEntry::h265(&of(h265::nal::VPS), &of(h265::nal::SPS), &of(h265::nal::PPS));
    let mut pictures = Vec::new();
    let mut sample = Vec::new();
    for nal in annex_b::nal_units(stream) {
        sample.extend([0, 0, 1]);
        sample.extend(nal);
        let kind = h265::nal_type(nal[0]);
        if kind < h265::nal::VPS {
            pictures.push(((16..24).contains(&kind), annex_b::to_lengths(&std::mem::take(&mut sample)).into()));
        }
    }
    (entry.expect("ffmpeg's headers are sound"), pictures)
}

/// Silence and black of the streams' own.
struct Filling {
    silence: Bytes,
    black: (SampleEntry, Bytes),
}

impl Filler for Filling {
    fn black(&self, _: Codec, _: u16, _: u16) -> Result<(SampleEntry, Bytes), FillerError> {
        Ok(self.black.clone())
    }

    fn silence(&self, _: &SampleEntry) -> Result<Bytes, FillerError> {
        Ok(self.silence.clone())
    }
}

const X265: &str = "-c:v libx265 -preset ultrafast -pix_fmt yuv420p -f hevc -x265-params \
                    log-level=error:bframes=0:keyint=25:min-keyint=25:scenecut=0:slices=1:repeat-headers=1";

/// Ticks of a picture at 25 a second.
const PICTURE: u64 = 3600;

#[test]
fn h265_with_sound_of_any_rate_plays_from_its_beginning_to_its_end() {
    let dir = tempfile::tempdir().expect("a directory");
    let source = "-f lavfi -i testsrc2=s=322x242:r=25 -t 2";
    let (entry, pictures) = pictures(&make(dir.path(), "v.h265", &format!("{source} {X265}")));
    let black = "-f lavfi -i color=black:s=322x242:r=25 -t 0.04";
    let (black, mut blacks) = self::pictures(&make(dir.path(), "black.h265", &format!("{black} {X265}")));
    let black = (black, blacks.remove(0).1);
    assert_eq!((entry.size(), pictures.len()), ((322, 242), 50));
    for (rate, config) in [(16_000, 0x1408u16), (32_000, 0x1288), (44_100, 0x1208), (48_000, 0x1188)] {
        let adts = |source| format!("-f lavfi -i {source}:r={rate} -t 5 -c:a aac -b:a 48k -ac 1 -f adts");
        let sound = frames(&make(dir.path(), "a.aac", &adts("sine=1000")));
        let silence = frames(&make(dir.path(), "silence.aac", &adts("anullsrc=cl=mono"))).remove(4);
        let path = dir.path().join(format!("{rate}.mp4"));
        let mut writer = Writer::create(&path, Anchor::default()).expect("a new file");
        let audio = SampleEntry::aac(1, rate, &config.to_be_bytes()).expect("a known rate");
        let audio = writer.add_track(audio).expect("the disk takes it");
        let video = writer.add_track(entry.clone()).expect("the disk takes it");
        // The picture begins half a second after the sound, and stands still from 2.5 s to 5 s.
        for (n, (key, data)) in (0..).zip(&pictures) {
            let (dts, data) = (45_000 + n * PICTURE, data.clone());
            let sample = Sample { entry: 0, dts, duration: PICTURE as u32, key: *key, after_still: false, data };
            writer.push(video, sample).expect("sound");
        }
        for (n, data) in (0..).zip(&sound) {
            let (dts, data) = (n * 1024, data.clone());
            let sample = Sample { entry: 0, dts, duration: 1024, key: true, after_still: false, data };
            writer.push(audio, sample).expect("sound");
        }
        writer.flush().expect("the disk takes it");
        drop(writer);
        assert_eq!(decode(&path), "", "the growing file plays");
        let (mut writer, recovered) = Writer::recover(&path).expect("goes on");
        assert!(recovered.tracks[1].entries.iter().eq([&entry]));
        let (dts, data) = (450_000, pictures[0].1.clone());
        let sample = Sample { entry: 0, dts, duration: PICTURE as u32, key: true, after_still: true, data };
        writer.push(video, sample).expect("sound");
        writer.flush().expect("the disk takes it");
        drop(writer);

        let options = FinishOptions { end: Some(Duration::from_secs(6)), ..FinishOptions::default() };
        let finished = finish(&path, &options, &Filling { silence, black: black.clone() }).expect("finishes");
        let report = check(&path).expect("a file without faults");
        assert_eq!((finished.tracks[1].codec, report.tracks[1].codec.as_str()), (Codec::H265, "hev1"));
        assert_eq!((finished.tracks[1].samples, finished.tracks[1].filler), (51, 6));
        assert_eq!(decode(&path), "", "the finished file plays without a word");
        let what = "stream=codec_name,codec_tag_string,width,height,nb_read_packets";
        assert_eq!(probe(&path, "v", what), "hevc,hev1,322,242,57");
        let sound = format!("aac,{rate},1/{rate}");
        assert_eq!(probe(&path, "a", "stream=codec_name,sample_rate,time_base"), sound);
        for stream in ["v", "a"] {
            let seconds: f64 = probe(&path, stream, "stream=duration").parse().expect("a number");
            assert!((seconds - 6.0).abs() < 1024.0 / f64::from(rate), "{stream}: {seconds}");
        }
        gstreamer_plays(&path, "h265", 57);
    }
}
