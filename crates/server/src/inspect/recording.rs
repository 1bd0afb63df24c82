//! A recording as text: what its own fragments tell, or of other files what their codecs do.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use media::mp4::{self, Kind, Recorded, RecordedTrack};

use super::time;
use super::timeline::draw;

/// Holes printed of one track.
const MAX_HOLES: usize = 40;

/// # Errors
/// The file is no recording of ours.
pub fn text(path: &Path) -> anyhow::Result<String> {
    let recorded = mp4::recorded(path).with_context(|| format!("cannot inspect {}", path.display()))?;
    let mut out = String::new();
    tell(&path.display().to_string(), &recorded, &mut out).expect("a string takes everything");
    if !recorded.growing {
        match mp4::check(path) {
            Ok(_) => out.push_str("the file is what players expect\n"),
            Err(faults) => faults.iter().for_each(|fault| out.push_str(&format!("fault: {fault}\n"))),
        }
    }
    Ok(out)
}

pub(super) fn tell(name: &str, recorded: &Recorded, out: &mut String) -> std::fmt::Result {
    let state = if recorded.growing { "growing" } else { "finished" };
    let end = recorded.tracks.iter().map(|track| track.end).max().unwrap_or_default();
    writeln!(out, "{name}: {state}, {} bytes, {}", recorded.size, time(ms(end)))?;
    writeln!(out, "media time 0 is {} (Unix ms)", recorded.epoch_ns.div_euclid(1_000_000))?;
    for track in &recorded.tracks {
        let kind = if track.codec.kind() == Kind::Video { "picture" } else { "sound" };
        let holes = holes(track);
        let letter = if kind == "picture" { 'b' } else { 's' };
        let mut spans: Vec<_> = holes.iter().map(|(from, to)| (ms(*from), ms(*to), letter)).collect();
        spans.extend(track.still.iter().map(|(from, to)| (ms(*from), ms(*to), '-')));
        spans.push((ms(track.end), ms(end), ' '));
        writeln!(out, "\n{kind:<15} |{}|", draw(0, ms(end), &spans))?;
        let (codec, length) = (track.codec.name(), time(ms(track.end)));
        writeln!(out, "  {codec}, {length}, {} samples, {} key frames", track.samples, track.keys)?;
        for (at, width, height) in track.sizes.iter().filter(|(_, width, _)| *width > 0) {
            writeln!(out, "  {:>13}  {width}x{height}", time(ms(*at)))?;
        }
        let filler = if kind == "picture" { "black" } else { "silence" };
        for (from, to) in holes.iter().take(MAX_HOLES) {
            writeln!(out, "  {:>13}  {:>11}  no media: {filler}", time(ms(*from)), time(ms(*to - *from)))?;
        }
        if holes.len() > MAX_HOLES {
            let rest: Duration = holes[MAX_HOLES..].iter().map(|(from, to)| *to - *from).sum();
            writeln!(out, "  {} more, {} in all", holes.len() - MAX_HOLES, time(ms(rest)))?;
        }
    }
    writeln!(out, "\n'=' media, '-' the picture stands still, 'b' black, 's' silence")
}

/// Where there is neither media nor a picture that stands still.
fn holes(track: &RecordedTrack) -> Vec<(Duration, Duration)> {
    let mut there: Vec<_> = track.media.iter().chain(&track.still).copied().collect();
    there.sort_unstable();
    let (mut holes, mut at) = (Vec::new(), Duration::ZERO);
    for (from, to) in there.into_iter().chain([(track.end, track.end)]) {
        if at < from {
            holes.push((at, from));
        }
        at = at.max(to);
    }
    holes
}

fn ms(time: Duration) -> i64 {
    time.as_millis() as i64
}
