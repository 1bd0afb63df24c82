//! The playlist of HLS as text.

use std::fmt::Write;

/// Longest segment, seconds; what the playlist promises.
pub const LONGEST: i64 = 12;

/// A segment as the playlist names it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Segment {
    /// Wall clock at its beginning, nanoseconds since the Unix epoch.
    pub start_ns: i64,
    /// In ticks of 90 kHz.
    pub duration: i64,
    /// Nothing goes on from the segment before: the picture has another size, or is new.
    pub discontinuity: bool,
    /// Its pictures need nothing of the segment before.
    pub independent: bool,
}

/// The playlist of these segments, which are in `folder` beside it.
pub fn text(folder: &str, segments: &[Segment], ended: bool) -> String {
    let mut out = String::from("#EXTM3U\n#EXT-X-VERSION:6\n");
    // Said only at the end: a promise for what is still to come could not be kept.
    if ended && segments.iter().all(|segment| segment.independent) {
        out.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
    }
    let kind = if ended { "VOD" } else { "EVENT" };
    _ = write!(out, "#EXT-X-TARGETDURATION:{LONGEST}\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-PLAYLIST-TYPE:{kind}\n");
    for (n, segment) in segments.iter().enumerate() {
        if segment.discontinuity {
            out.push_str("#EXT-X-DISCONTINUITY\n");
        }
        let (date, seconds) = (date_time(segment.start_ns), segment.duration as f64 / 90_000.0);
        _ = write!(out, "#EXT-X-PROGRAM-DATE-TIME:{date}\n#EXTINF:{seconds:.6},\n{}/{}\n", quoted(folder), name(n));
    }
    if ended {
        out.push_str("#EXT-X-ENDLIST\n");
    }
    out
}

/// The file of the segment with this number.
pub fn name(number: usize) -> String {
    format!("{number:05}.ts")
}

/// How many segments a playlist names, and whether it has ended.
pub fn read(text: &str) -> (usize, bool) {
    let segments = text.lines().filter(|line| line.starts_with("#EXTINF:")).count();
    (segments, text.lines().any(|line| line == "#EXT-X-ENDLIST"))
}

/// File names have percent signs of their own, which are not those of an address.
fn quoted(name: &str) -> String {
    name.replace('%', "%25")
}

/// RFC 3339, UTC, milliseconds.
fn date_time(ns: i64) -> String {
    let ms = ns.div_euclid(1_000_000);
    let (seconds, ms) = (ms.div_euclid(1000), ms.rem_euclid(1000));
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = rules::calendar::calendar_of(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_playlist_says_where_and_when() {
        let segment = Segment { start_ns: 0, duration: 540_000, discontinuity: false, independent: true };
        let start_ns = 1_700_000_006_250_000_000;
        let segments = [segment, Segment { start_ns, discontinuity: true, duration: 45_000, ..segment }];
        let live = text("0000-C-a%20b.hls", &segments, false);
        let wanted = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:12\n#EXT-X-MEDIA-SEQUENCE:0\n\
            #EXT-X-PLAYLIST-TYPE:EVENT\n\
            #EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:00.000Z\n#EXTINF:6.000000,\n0000-C-a%2520b.hls/00000.ts\n\
            #EXT-X-DISCONTINUITY\n\
            #EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:26.250Z\n#EXTINF:0.500000,\n0000-C-a%2520b.hls/00001.ts\n";
        assert_eq!(live, wanted);
        assert_eq!(read(&live), (2, false));
        let ended = text("x", &segments, true);
        assert_eq!(read(&ended), (2, true));
        assert!(ended.contains("INDEPENDENT") && ended.contains("TYPE:VOD"));
        let dependent = [Segment { independent: false, ..segment }];
        assert!(!text("x", &dependent, true).contains("INDEPENDENT"));
    }
}
