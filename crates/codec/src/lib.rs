//! Safe wrappers of FFmpeg and libopus: Opus, AAC, MP3, resampling, video encoders and decoders, images, readers of media
//! files and their muxers; and the canvas on which pictures are put together. The only crate with `unsafe`; it decides
//! nothing. Every block of `unsafe` says why it is sound.

pub mod aac;
pub mod black;
mod ff;
pub mod file;
pub mod image;
mod log;
pub mod mp3;
pub mod mux;
pub mod opus;
pub mod packets;
pub mod resample;
pub mod video;

/// Why a call into FFmpeg or libopus failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The FFmpeg on this machine was built without this encoder or decoder.
    #[error("this FFmpeg has no {0}")]
    Missing(String),
    /// An argument that no codec could accept; the text says which.
    #[error("{0}")]
    Argument(String),
    /// What FFmpeg answered, and to which call.
    #[error("{call}: {source}")]
    Ffmpeg { call: &'static str, source: ffmpeg_next::Error },
    /// The same of libopus, which answers with numbers.
    #[error("{call}: error {code}")]
    Opus { call: &'static str, code: i32 },
}

/// `Result` of this crate.
pub type Result<T> = std::result::Result<T, Error>;
