//! How long finishing takes: an hour of 2 Mbit/s, 25 pictures a second and AAC, recorded as fast as the disk goes, with a
//! pause in the middle. `cargo run --release -p media --example mp4_hour [-- DIRECTORY [HOURS]]`

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use bytes::Bytes;
use media::mp4::{Anchor, Codec, Filler, FillerError, FinishOptions, Sample, SampleEntry, Writer, check, finish};

/// Baseline, level 3.1, 1280x720.
const SPS: &[u8] = &[0x67, 0x42, 0xc0, 0x1f, 0xda, 0x01, 0x40, 0x16, 0xe8, 0x40];
const PPS: &[u8] = &[0x68, 0xce, 0x3c, 0x80];

struct Synthetic;

impl Filler for Synthetic {
    fn black(&self, _: Codec, _: u16, _: u16) -> Result<(SampleEntry, Bytes), FillerError> {
        Ok((SampleEntry::h264(&[SPS.to_vec()], &[PPS.to_vec()])?, picture(true, 200)))
    }

    fn silence(&self, _: &SampleEntry) -> Result<Bytes, FillerError> {
        Ok(Bytes::from_static(&[0x21, 0x10, 0x04, 0x60]))
    }
}

fn picture(key: bool, len: usize) -> Bytes {
    let mut data = (len as u32 - 4).to_be_bytes().to_vec();
    data.push(if key { 0x65 } else { 0x41 });
    data.resize(len, 0x55);
    data.into()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let hours: u64 = arguments.next().map_or(Ok(1), |hours| hours.parse())?;
    let path = directory.join(format!("mp4_hour-{}.mp4", std::process::id()));
    let begun = Instant::now();
    let mut writer = Writer::create(&path, Anchor::default())?;
    let video = writer.add_track(SampleEntry::h264(&[SPS.to_vec()], &[PPS.to_vec()])?)?;
    let audio = writer.add_track(SampleEntry::aac(2, 48_000, &[0x11, 0x90])?)?;
    let (key, delta, frame) = (picture(true, 40_000), picture(false, 8_600), Bytes::from(vec![1; 170]));
    let mut sound = 0;
    for second in (0..hours * 3600).filter(|second| second / 60 != 30) {
        for n in 0..25 {
            let data = if n == 0 { &key } else { &delta }.clone();
            let dts = (second * 25 + n) * 3600;
            writer.push(video, Sample { entry: 0, dts, duration: 3600, key: n == 0, after_still: false, data })?;
        }
        sound = (second * 48_000).next_multiple_of(1024).max(sound);
        while sound < (second + 1) * 48_000 {
            writer.push(
                audio,
                Sample { entry: 0, dts: sound, duration: 1024, key: true, after_still: false, data: frame.clone() },
            )?;
            sound += 1024;
        }
        writer.flush()?;
    }
    writer.sync()?;
    println!("recorded {} MB in {:?}", writer.size() >> 20, begun.elapsed());
    drop(writer);
    let begun = Instant::now();
    let finished = finish(&path, &FinishOptions::default(), &Synthetic)?;
    let took = begun.elapsed();
    println!("finished in {took:?}: {:?}, head {} kB", finished.duration(), finished.head >> 10);
    for track in &finished.tracks {
        println!("  {:?}: {} samples, {} filler ({:?})", track.codec, track.samples, track.filler, track.filled);
    }
    let begun = Instant::now();
    check(&path).map_err(|faults| faults.join("; "))?;
    println!("checked in {:?}", begun.elapsed());
    std::fs::remove_file(&path)?;
    if took > Duration::from_secs(1) { Err("finishing took more than a second".into()) } else { Ok(()) }
}
