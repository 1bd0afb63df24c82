//! The report as a whole: its shape, and the summary for people.

use super::gather::Heard;
use super::{Beep, SyncReport, VideoReport};
use codec::file;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A stretch of time, ms.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Span {
    pub ms: f64,
    pub length_ms: f64,
}

/// Everything found in a file. All times are presentation times in ms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProbeReport {
    pub file: String,
    pub format: String,
    /// What the container says.
    pub duration_ms: Option<f64>,
    /// Packets that could not be read or decoded, and what was said about the first 20.
    pub error_count: u64,
    pub errors: Vec<String>,
    pub video: Option<VideoReport>,
    pub audio: Option<AudioReport>,
    pub sync: Option<SyncReport>,
}

/// What was heard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AudioReport {
    pub codec: String,
    /// As stored.
    pub sample_rate: u32,
    pub channels: u32,
    pub first_ms: f64,
    pub end_ms: f64,
    /// The tone that was listened for.
    pub tone_hz: u32,
    pub beeps: Vec<Beep>,
    /// Largest minus smallest deviation of the whole beeps from even seconds after the first.
    pub beep_jitter_ms: f64,
    /// Stretches of 30 ms and more without any sound.
    pub silences: Vec<Span>,
    /// Where the sound's time stamps jump; a negative length is an overlap.
    pub gaps: Vec<Span>,
}

pub(super) fn audio(track: &file::Track, heard: Heard) -> AudioReport {
    let whole: Vec<f64> = heard.beeps.iter().filter(|beep| beep.whole).map(|beep| beep.ms).collect();
    let deviations = whole.iter().map(|ms| {
        let since = ms - whole[0];
        since - (since / 1000.0).round() * 1000.0
    });
    let (least, most) = deviations.fold((0.0_f64, 0.0_f64), |(least, most), d| (least.min(d), most.max(d)));
    AudioReport {
        codec: track.codec.clone(),
        sample_rate: track.sample_rate,
        channels: track.channels,
        first_ms: heard.start_ms.unwrap_or(0.0),
        end_ms: heard.end_ms,
        tone_hz: heard.tone_hz,
        beep_jitter_ms: round(most - least),
        beeps: heard.beeps,
        silences: heard.silences,
        gaps: heard.gaps,
    }
}

/// Nanoseconds as ms.
pub(super) fn ms(ns: i64) -> f64 {
    ns as f64 / 1e6
}

/// To a hundredth.
pub(super) fn round(ms: f64) -> f64 {
    (ms * 100.0).round() / 100.0
}

/// Runs of consecutive pictures (time, whether it counts); a run ends where the next picture begins.
pub(super) fn spans(pictures: impl Iterator<Item = (f64, bool)>, frame_ms: f64) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut open = None;
    let mut end = 0.0;
    for (ms, counts) in pictures {
        match (open, counts) {
            (None, true) => open = Some(ms),
            (Some(start), false) => {
                spans.push(Span { ms: start, length_ms: ms - start });
                open = None;
            }
            _ => {}
        }
        end = ms + frame_ms;
    }
    spans.extend(open.map(|start| Span { ms: start, length_ms: end - start }));
    spans
}

impl fmt::Display for ProbeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} ({})", self.file, self.format)?;
        if let Some(video) = &self.video {
            write_video(f, video)?;
        }
        if let Some(audio) = &self.audio {
            write_audio(f, audio)?;
        }
        if let Some(sync) = self.sync.as_ref().filter(|sync| sync.pairs > 0) {
            let (median, min, max) = (sync.median_ms, sync.min_ms, sync.max_ms);
            write!(f, "sync   sound {median:+.1} ms against picture ({min:+.1} to {max:+.1}, {} pairs)", sync.pairs)?;
            writeln!(f, ", alone: {} flashes, {} beeps", sync.flashes_alone_ms.len(), sync.beeps_alone_ms.len())?;
        }
        if self.error_count > 0 {
            writeln!(f, "errors {}, the first: {}", self.error_count, self.errors.first().map_or("", |text| text))?;
        }
        Ok(())
    }
}

fn write_video(f: &mut fmt::Formatter<'_>, video: &VideoReport) -> fmt::Result {
    let sizes: Vec<String> = video.sizes.iter().map(|(width, height)| format!("{width}x{height}")).collect();
    let seconds = (video.end_ms - video.first_ms) / 1000.0;
    write!(f, "video  {} {} {:.2} fps, {seconds:.3} s", video.codec, sizes.join(" "), video.fps)?;
    writeln!(f, " from {:.3} s: {} pictures", video.first_ms / 1000.0, video.pictures)?;
    write!(f, "       {} numbered, {} missing, ", video.readable, video.missing)?;
    write!(f, "{} repeated, {} out of order, ", video.duplicated, video.out_of_order)?;
    write!(f, "{} unreadable, {} damaged; ", video.unreadable, video.damaged)?;
    writeln!(f, "{} flashes, jitter {:.1} ms", video.flashes_ms.len(), video.jitter_ms)?;
    writeln!(f, "       {}, {}", total("black", &video.black), total("gaps", &video.gaps))
}

fn write_audio(f: &mut fmt::Formatter<'_>, audio: &AudioReport) -> fmt::Result {
    let seconds = (audio.end_ms - audio.first_ms) / 1000.0;
    write!(f, "audio  {} {} Hz x{}, {seconds:.3} s", audio.codec, audio.sample_rate, audio.channels)?;
    write!(f, " from {:.3} s: {} beeps of {} Hz", audio.first_ms / 1000.0, audio.beeps.len(), audio.tone_hz)?;
    let cut = audio.beeps.iter().filter(|beep| !beep.whole).count();
    writeln!(f, " ({cut} cut), jitter {:.1} ms", audio.beep_jitter_ms)?;
    writeln!(f, "       {}, {}", total("silent", &audio.silences), total("gaps", &audio.gaps))
}

fn total(name: &str, spans: &[Span]) -> String {
    let sum = spans.iter().fold(0.0, |sum, span| sum + span.length_ms);
    format!("{name} {:.3} s in {} places", sum / 1000.0, spans.len())
}
