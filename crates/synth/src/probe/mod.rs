//! Judges a recording by its content: which pictures are there and when, when it flashes and beeps, where it is black or
//! silent, and how far sound and picture are apart.

mod beeps;
mod gather;
mod pictures;
mod report;
mod sync;

pub use beeps::Beep;
pub use pictures::{Missing, Picture, VideoReport};
pub use report::{AudioReport, ProbeReport, Span};
pub use sync::SyncReport;

use crate::Result;
use codec::file;
use std::path::Path;

/// How much sound is looked at to find out the user's tone, samples: 20 s.
const DETECTION: usize = 20 * 48_000;

/// What the probe cannot know from the file. The default finds out as much as possible.
#[derive(Debug, Clone, Default)]
pub struct ProbeOptions {
    /// The user's tone, Hz; `None`: the strongest tone of any user.
    pub tone_hz: Option<u32>,
    /// Frames per second that the user sent; `None`: found from the numbers and times of the pictures.
    pub fps: Option<f64>,
    /// Seconds after which the picture numbers start again; `None`: 20, or a day when a number is too high for that.
    pub loop_seconds: Option<u32>,
    /// Frames by which the user's flashes come after the whole second.
    pub offset: u32,
    /// Where in a mixed picture the user is: x, y, width, height in pixels; `None`: anywhere.
    pub region: Option<[u32; 4]>,
    /// Puts every picture into the report.
    pub list_pictures: bool,
}

/// Reads the whole file once (and its first seconds of sound twice) and reports what is in it.
pub fn probe_file(path: &Path, options: &ProbeOptions) -> Result<ProbeReport> {
    let tone = match options.tone_hz {
        Some(hz) => hz,
        None => detect_tone(path)?,
    };
    let mut reader = file::Reader::open(path)?;
    let info = reader.info().clone();
    let mut pictures = gather::Pictures::new(options.region);
    let mut sound = gather::SoundTrack::new(tone);
    let mut errors = Vec::new();
    for event in &mut reader {
        match event {
            file::Event::Picture(picture) => pictures.add(&picture),
            file::Event::Sound(block) => sound.add(&block),
            file::Event::Broken(error) => errors.push(error.to_string()),
        }
    }
    let video = info.video.as_ref().map(|track| pictures::report(track, &pictures.finish(), options));
    let audio = info.audio.as_ref().map(|track| report::audio(track, sound.finish()));
    let sync = match (&video, &audio) {
        (Some(video), Some(audio)) => Some(sync::report(&video.flashes_ms, &audio.beeps)),
        _ => None,
    };
    Ok(ProbeReport {
        file: path.display().to_string(),
        format: info.format,
        duration_ms: info.duration.map(report::ms),
        error_count: errors.len() as u64,
        errors: errors.into_iter().take(20).collect(),
        video,
        audio,
        sync,
    })
}

fn detect_tone(path: &Path) -> Result<u32> {
    let mut reader = file::Reader::open(path)?;
    reader.skip_video();
    let mut mono = Vec::new();
    for event in reader {
        if let file::Event::Sound(sound) = event {
            mono.extend(sound.samples.chunks_exact(sound.channels).map(mean));
        }
        if mono.len() >= DETECTION {
            break;
        }
    }
    Ok(beeps::strongest_tone(&mono))
}

fn mean(channels: &[f32]) -> f32 {
    channels.iter().sum::<f32>() / channels.len().max(1) as f32
}
