//! How long a file takes from the stop to being ready: `./do bench finish`.
//!
//! Writes a recording of 1280x720 at 25 pictures/s with about 2 Mbit/s and AAC, as a recorder does but as fast as the disk
//! takes it, of which a share of every minute came at 640x360; then finishes it and makes it uniform.
//! `cargo run --release -p recorder --example finish -- DIRECTORY MINUTES SMALL_SECONDS_OF_EVERY_MINUTE`

use std::path::PathBuf;
use std::time::Instant;

use bytes::Bytes;
use codec::aac;
use codec::video::Codec;
use media::bitstream::annex_b;
use media::bitstream::h264::{H264Config, nal, nal_type};
use media::mp4::{Anchor, Sample, SampleEntry, Writer, check};
use recorder::messages::FileName;
use rules::select::Source;
use synth::clip::{Clip, ClipSpec};

const FPS: u32 = 25;
const BITRATE: u32 = 2_000_000;

/// A loop of pictures of one size, a key frame every second.
struct Look {
    entry: SampleEntry,
    pictures: Vec<(bool, Bytes)>,
}

impl Look {
    fn new(width: u32, height: u32) -> anyhow::Result<Look> {
        let (fps, gop, codec) = (FPS, FPS, Codec::H264);
        let bitrate = BITRATE / (1280 * 720 / (width * height));
        let spec = ClipSpec { codec, width, height, fps, gop, bitrate, ..ClipSpec::new(1, "bench") };
        let clip = Clip::make(&spec, &mut |_| ())?;
        let first = &clip.video(0)[0].data;
        let unit = |kind: u8| annex_b::nal_units(first).find(|unit| nal_type(unit[0]) == kind).unwrap_or_default();
        let config = H264Config::new(unit(nal::SPS), unit(nal::PPS))?;
        let pictures = clip.video(0).iter().map(|frame| (frame.key, annex_b::to_lengths(&frame.data).into()));
        Ok(Look { entry: SampleEntry::h264(&[config.sps], &config.pps)?, pictures: pictures.collect() })
    }
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, minutes, small] = &arguments[..] else { anyhow::bail!("DIRECTORY MINUTES SMALL_SECONDS") };
    let (minutes, small): (u64, u64) = (minutes.parse()?, small.parse()?);
    let path = PathBuf::from(directory).join(format!("finish-{}.mp4", std::process::id()));
    let bytes = record(&path, minutes * 60, small)?;

    let name = FileName { source: Source::Mix, sequence: 0 };
    let begun = Instant::now();
    recorder::describe(name, &path)?;
    let due = recorder::is_of_several_sizes(&path, false);
    let finished = begun.elapsed();
    let begun = Instant::now();
    if due {
        recorder::make_uniform(&path, false)?;
    }
    let uniform = begun.elapsed();
    check(&path).map_err(|faults| anyhow::anyhow!(faults.join("; ")))?;
    println!(
        "{minutes} min, {} MB, {} s of it small: finished {:.0} ms, uniform {:.1} s",
        bytes >> 20,
        minutes * small,
        finished.as_secs_f64() * 1000.0,
        uniform.as_secs_f64(),
    );
    std::fs::remove_file(&path)?;
    Ok(())
}

/// Bytes of the growing file.
fn record(path: &std::path::Path, seconds: u64, small: u64) -> anyhow::Result<u64> {
    let looks = [Look::new(1280, 720)?, Look::new(640, 360)?];
    let mut writer = Writer::create(path, Anchor::default())?;
    let video = writer.add_track(looks[0].entry.clone())?;
    let sound = writer.add_track(SampleEntry::aac(2, 48_000, &[0x11, 0x90])?)?;
    let frame = aac::silent_frame(48_000, 2)?;
    let mut heard = 0;
    for second in 0..seconds {
        let look = usize::from(second % 60 < small);
        let entry = if look == 0 { 0 } else { writer.add_entry(video, looks[1].entry.clone())? };
        for n in 0..u64::from(FPS) {
            let pictures = &looks[look].pictures;
            let at = second * u64::from(FPS) + n;
            let (key, data) = pictures[(at % pictures.len() as u64) as usize].clone();
            writer.push(video, Sample { entry, dts: at * 3600, duration: 3600, key, after_still: false, data })?;
        }
        while heard < (second + 1) * 48_000 {
            let data = frame.clone();
            writer.push(sound, Sample { entry: 0, dts: heard, duration: 1024, key: true, after_still: false, data })?;
            heard += 1024;
        }
        writer.flush()?;
    }
    writer.sync()?;
    Ok(writer.size())
}
