//! Hybrid MP4: playable while it grows, an ordinary faststart MP4 when it ends, without copying the media.
//!
//! While recording a file is `[ftyp][uuid][moov with mvex][free]` in the first [`HEAD`] bytes, then one `moof` + `mdat`
//! pair after the other ([`Writer`]). At the end ([`finish`]) one `moov` in front indexes every sample, all that follows
//! lies inside one `mdat`, and holes in the media become index entries that point at one black picture and a run of
//! silent frames. Every step may be cut off by a kill and is taken up again by [`Writer::recover`] or [`finish`].
//!
//! What belongs here: boxes, sample tables, the steps of writing and finishing. What does not: codecs (the bytes of
//! filler come from a [`Filler`]), clocks, and rules of what is recorded.

mod check;
mod cursor;
mod disk;
mod entry;
mod error;
mod finish;
mod finished;
mod fragment;
#[doc(hidden)]
pub mod fuzzing;
mod head;
mod journal;
mod moov;
mod plan;
mod recorded;
mod replace;
mod rotation;
mod scan;
mod tables;
mod tail;
#[cfg(test)]
mod tests;
mod timeline;
mod writer;

use std::time::Duration;

pub use check::{Report, TrackReport, check};
pub use entry::{Codec, Kind, SampleEntry};
pub use error::Error;
pub use finish::{Filler, FillerError, FinishOptions, finish};
pub use finished::{Finished, FinishedTrack};
pub use head::Anchor;
pub use recorded::{Recorded, RecordedTrack, recorded};
pub use replace::{Replacing, StoredPicture};
pub use tail::{Content, Played, Tail, TailOptions};
pub use writer::{Recovered, RecoveredTrack, Sample, Syncer, TrackId, Writer};

/// Bytes before the first fragment while recording. Holds about a hundred sample entries, twice.
pub const HEAD: u64 = 32 * 1024;

/// Longest [`Anchor::note`], in bytes.
pub const MAX_NOTE: usize = 1024;

/// No sample may end later than this after the beginning of its file.
pub const MAX_TIME: Duration = Duration::from_secs(48 * 3600);

/// `Result` of this module.
pub type Result<T> = std::result::Result<T, Error>;

/// `ticks` as a length of time, to the nanosecond below.
fn duration(ticks: u64, timescale: u32) -> Duration {
    let nanos = u128::from(ticks) * 1_000_000_000 / u128::from(timescale);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}
