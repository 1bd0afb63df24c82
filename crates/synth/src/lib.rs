//! Synthetic participants, and how to find them again in a recording.
//!
//! Everything follows one schedule that depends on the wall clock alone ([`schedule`]): each user's picture flashes and
//! its sound beeps at every whole second, in the same instant, and every picture carries its number. [`draw`] and
//! [`sound`] make pictures and samples, [`clip`] encodes them once for many publishers, [`probe`] measures a recording.

pub mod clip;
pub mod code;
pub mod draw;
pub mod font;
pub mod probe;
pub mod schedule;
pub mod sound;

/// Why a clip could not be made or a recording not be probed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Codec(#[from] codec::Error),
    /// A file operation failed; the text names the file.
    #[error("{0}: {1}")]
    Io(String, std::io::Error),
    /// Parameters that no clip can have; the text says which.
    #[error("{0}")]
    Argument(String),
}

/// `Result` of this crate.
pub type Result<T> = std::result::Result<T, Error>;
