//! A recording as text: what its own fragments tell, or of any other media file what its packets do.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow};
use codec::packets::{self, Contents};
use media::mp4::{self, Kind, Recorded};

use super::time;
use super::timeline::draw;

/// Holes printed of one track.
const MAX_HOLES: usize = 40;

/// # Errors
/// The file is no media file.
pub fn text(path: &Path) -> anyhow::Result<String> {
    let (mut out, name) = (String::new(), path.display().to_string());
    let cannot = || format!("cannot inspect {name}");
    match mp4::recorded(path) {
        Ok(recorded) => {
            tell(&name, &recorded, &mut out)?;
            if !recorded.growing {
                match mp4::check(path) {
                    Ok(_) => out.push_str("the file is what players expect\n"),
                    Err(faults) => faults.iter().for_each(|fault| out.push_str(&format!("fault: {fault}\n"))),
                }
            }
        }
        Err(error @ mp4::Error::Io(_)) => return Err(error).with_context(cannot),
        Err(no_recording) => {
            let neither = |error| {
                let allowed = "a report (*.report.json), a recording, or any media file that FFmpeg reads is expected";
                anyhow!("{}: {allowed}: it is no recording ({no_recording}), and FFmpeg says: {error}", cannot())
            };
            let size = path.metadata().with_context(cannot)?.len();
            tell_other(&name, size, &packets::read(path).map_err(neither)?, &mut out)?;
        }
    }
    Ok(out)
}

/// What is told of a track. Times are media time.
struct Lane<'a> {
    is_video: bool,
    codec: &'a str,
    samples: u64,
    keys: u64,
    end: Duration,
    media: &'a [(Duration, Duration)],
    still: &'a [(Duration, Duration)],
    sizes: &'a [(Duration, u32, u32)],
    /// What there is where there is no media, in a letter and in words.
    filler: (char, &'a str),
}

pub(super) fn tell(name: &str, recorded: &Recorded, out: &mut String) -> std::fmt::Result {
    let state = if recorded.growing { "growing" } else { "finished" };
    let end = recorded.tracks.iter().map(|track| track.end).max().unwrap_or_default();
    writeln!(out, "{name}: {state}, {} bytes, {}", recorded.size, time(ms(end)))?;
    writeln!(out, "media time 0 is {} (Unix ms)", recorded.epoch_ns.div_euclid(1_000_000))?;
    for track in &recorded.tracks {
        let is_video = track.codec.kind() == Kind::Video;
        let sizes = track.sizes.iter().map(|(at, width, height)| (*at, u32::from(*width), u32::from(*height)));
        let lane = Lane {
            is_video,
            codec: track.codec.name(),
            samples: track.samples,
            keys: track.keys,
            end: track.end,
            media: &track.media,
            still: &track.still,
            sizes: &sizes.collect::<Vec<_>>(),
            filler: if is_video { ('b', "no media: black") } else { ('s', "no media: silence") },
        };
        lane.tell(end, out)?;
    }
    writeln!(out, "\n'=' media, '-' the picture stands still, 'b' black, 's' silence")
}

/// Of a file that is no recording of ours.
pub(super) fn tell_other(name: &str, size: u64, contents: &Contents, out: &mut String) -> std::fmt::Result {
    let at = |ns: i64| Duration::from_nanos(ns.max(0) as u64);
    let spans = contents.tracks.iter().map(|of| of.spans.iter().map(|(from, to)| (at(*from), at(*to))).collect());
    let spans: Vec<Vec<_>> = spans.collect();
    let end = spans.iter().flatten().map(|(_, to)| *to).max().unwrap_or_default();
    writeln!(out, "{name}: {}, no recording of ours, {size} bytes, {}", contents.format, time(ms(end)))?;
    for (of, media) in contents.tracks.iter().zip(&spans) {
        let lane = Lane {
            is_video: of.is_video,
            codec: &of.track.codec,
            samples: of.count,
            keys: of.keys,
            end: media.last().map_or(Duration::ZERO, |(_, to)| *to),
            media,
            still: &[],
            sizes: &[(Duration::ZERO, of.track.width, of.track.height)],
            filler: ('.', "no media"),
        };
        lane.tell(end, out)?;
    }
    if let Some(fault) = &contents.broken {
        writeln!(out, "fault: {fault}")?;
    }
    writeln!(out, "\n'=' media, '.' none")
}

impl Lane<'_> {
    /// `file_end`: where the longest track ends.
    fn tell(&self, file_end: Duration, out: &mut String) -> std::fmt::Result {
        let (kind, holes) = (if self.is_video { "picture" } else { "sound" }, self.holes());
        let mut spans: Vec<_> = holes.iter().map(|(from, to)| (ms(*from), ms(*to), self.filler.0)).collect();
        spans.extend(self.still.iter().map(|(from, to)| (ms(*from), ms(*to), '-')));
        spans.push((ms(self.end), ms(file_end), ' '));
        writeln!(out, "\n{kind:<15} |{}|", draw(0, ms(file_end), &spans))?;
        let Lane { codec, samples, keys, .. } = self;
        writeln!(out, "  {codec}, {}, {samples} samples, {keys} key frames", time(ms(self.end)))?;
        for (at, width, height) in self.sizes.iter().filter(|(_, width, _)| *width > 0) {
            writeln!(out, "  {:>13}  {width}x{height}", time(ms(*at)))?;
        }
        for (from, to) in holes.iter().take(MAX_HOLES) {
            writeln!(out, "  {:>13}  {:>11}  {}", time(ms(*from)), time(ms(*to - *from)), self.filler.1)?;
        }
        if holes.len() > MAX_HOLES {
            let rest: Duration = holes[MAX_HOLES..].iter().map(|(from, to)| *to - *from).sum();
            writeln!(out, "  {} more, {} in all", holes.len() - MAX_HOLES, time(ms(rest)))?;
        }
        Ok(())
    }

    /// Where there is neither media nor a picture that stands still.
    fn holes(&self) -> Vec<(Duration, Duration)> {
        let mut there: Vec<_> = self.media.iter().chain(self.still).copied().collect();
        there.sort_unstable();
        let (mut holes, mut at) = (Vec::new(), Duration::ZERO);
        for (from, to) in there.into_iter().chain([(self.end, self.end)]) {
            if at < from {
                holes.push((at, from));
            }
            at = at.max(to);
        }
        holes
    }
}

fn ms(time: Duration) -> i64 {
    time.as_millis() as i64
}
