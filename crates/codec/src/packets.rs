//! What is in a media file of any format that FFmpeg reads, by its packets: nothing is decoded.

use std::path::Path;

use ffmpeg_next::{Packet, Rescale, media};

use crate::Result;
use crate::ff::named;
use crate::file::{NANOSECONDS, Track, input, track};

/// A pause between packets up to this long (100 ms) is none: not every format says how long they last.
const PAUSE_NS: i64 = 100_000_000;

/// See the module's head.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Contents {
    /// Name of the container format, as FFmpeg calls it.
    pub format: String,
    /// Pictures and sound; what else there is (subtitles, data) is left out.
    pub tracks: Vec<Packets>,
    /// Why the file could be read no further than that.
    pub broken: Option<String>,
}

/// A track, and what its packets tell.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Packets {
    pub track: Track,
    pub is_video: bool,
    pub count: u64,
    pub keys: u64,
    /// Where there are any: from, to, in nanoseconds as a player shows them; in order, apart from each other.
    pub spans: Vec<(i64, i64)>,
}

/// Reads the whole file.
pub fn read(path: &Path) -> Result<Contents> {
    let mut input = input(path)?;
    let mut contents = Contents { format: input.format().name().to_owned(), ..Contents::default() };
    // Of each stream of the file, which of the tracks it is, its time base, and its packets: begin and length.
    let mut lanes = Vec::new();
    for stream in input.streams() {
        let medium = stream.parameters().medium();
        let told = matches!(medium, media::Type::Video | media::Type::Audio).then(|| {
            let is_video = medium == media::Type::Video;
            contents.tracks.push(Packets { track: track(&stream), is_video, ..Packets::default() });
            contents.tracks.len() - 1
        });
        lanes.push((told, stream.time_base(), Vec::new()));
    }
    let mut packet = Packet::empty();
    loop {
        match packet.read(&mut input) {
            Ok(()) => {}
            Err(ffmpeg_next::Error::Eof) => break,
            Err(error) => {
                contents.broken = Some(named("read media file")(error).to_string());
                break;
            }
        }
        let Some((Some(told), base, times)) = lanes.get_mut(packet.stream()) else { continue };
        let of = &mut contents.tracks[*told];
        of.count += 1;
        of.keys += u64::from(packet.is_key());
        if let Some(pts) = packet.pts().or(packet.dts()) {
            times.push((pts.rescale(*base, NANOSECONDS), packet.duration().rescale(*base, NANOSECONDS)));
        }
    }
    for (told, _, times) in lanes {
        if let Some(told) = told {
            contents.tracks[told].spans = joined(times);
        }
    }
    Ok(contents)
}

/// What begins and lasts so, without what is presented before the beginning.
fn joined(mut times: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    times.sort_unstable();
    let mut spans: Vec<(i64, i64)> = Vec::new();
    for (begin, length) in times {
        let end = begin.saturating_add(length).max(0);
        match spans.last_mut() {
            Some((_, last)) if begin <= last.saturating_add(PAUSE_NS) => *last = end.max(*last),
            _ => spans.push((begin.max(0), end)),
        }
    }
    spans.retain(|(begin, end)| begin < end);
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    #[test]
    fn packets_in_any_order_are_joined_and_pauses_are_kept() {
        let times = vec![(-21, 21), (0, 40), (80, 40), (40, 40), (1_000, 20), (1_020, 20)];
        let spans = joined(times.into_iter().map(|(begin, length)| (begin * MS, length * MS)).collect());
        assert_eq!(spans, [(0, 120 * MS), (1_000 * MS, 1_040 * MS)]);
    }
}
