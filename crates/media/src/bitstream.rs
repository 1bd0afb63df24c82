//! Headers of coded streams: just as much as recording needs (sizes, profiles, key frames, durations).
//! Nothing here decodes a picture or knows of RTP or files.

pub mod adts;
pub mod annex_b;
pub mod av1;
mod bits;
pub mod h264;
pub mod h265;
pub mod opus;
pub mod vp8;
pub mod vp9;

pub use bits::BitReader;

/// The bytes are not a header of the kind asked for: truncated, reserved values, or beyond sane limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed {0}")]
pub struct Malformed(pub &'static str);
